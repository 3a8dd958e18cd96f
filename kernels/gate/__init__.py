"""The gated activation of the gated PixelCNN: y = tanh(p) ∘ σ(q), of a row's two halves.

Shapes      a, da: (M, 2H)    y, dy: (M, H)    groups: G, a divisor of H

            M pixels. With G groups of features, as the channels of a colour image have them
            (`chainrule.kernels.masked_conv`), y lies group by group, H / G numbers each, and so
            does a, 2H / G each: first p of a group, then its q. So no group's y sees another's a,
            and a row of G groups is no more than G rows of one. With one group p is a's first half
            and q its second.

Forward     (F1)  u = tanh p,  v = σ(q) = 1 / (1 + e^-q),  y = u v

            u is what a unit has to say, in (-1, 1), and v how far it is heard: the multiplication
            is what an LSTM's gates have and a stack of convolutions and ReLU has not.

Backward    y is linear in u and in v: dL/du = dy v and dL/dv = dy u. With du/dp = 1 - u² and
            dv/dq = v (1 - v),
            (B1)  dp = dy v (1 - u²)         undoes F1
            (B2)  dq = dy u v (1 - v)        undoes F1
            u and v are computed again from a: two exponentials a number of y cost less than
            writing two more arrays of y's size and reading them. Both p and q are read before
            either gradient is written, and no other pair's: so da may be a itself, which a
            training step does not need any more.

Cost        Per number of y two exponentials and two quotients, and two FLOPs forward, eight
            backward. Memory: read a, write y; read a and dy, write da.

Source      van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders"
            (arXiv:1606.05328), section 2.1, equation 2.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array


def forward(a: Array, groups: int, y: Array) -> None:
    """Overwrite y by F1."""
    select(__name__, a, y).forward(a, groups, y)


def backward(dy: Array, a: Array, groups: int, da: Array) -> None:
    """Overwrite da by B1 and B2, given dy = dL/dy; da may be a itself."""
    select(__name__, dy, a, da).backward(dy, a, groups, da)
