"""CUDA twin of the network of bits: its steps, one launch or two each.

Each is far below the floor of a launch at N = 100 on an H100 (see `masked_linear.cuda`), and on a
stream one follows the other without the host: there is nothing between them to be saved. Not
measured on a GPU.
"""

from typing import Any

from chainrule.kernels.activation import cuda as activation
from chainrule.kernels.bernoulli import cuda as bernoulli
from chainrule.kernels.masked_bits import Layers, reference
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.masked_linear import cuda as masked_linear
from chainrule.kernels.types import Array, Bits


def loss_and_grad(
    kind: int,
    x: Bits,
    rate: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    h: Array,
    s: Array,
    da: Array,
    nll: Array,
    grad: Layers,
) -> None:
    """See `chainrule.kernels.masked_bits.loss_and_grad`."""
    inputs: Any = x
    masked_linear.forward(inputs, theta.W, theta.c, below, h)  # F1
    activation.forward(kind, h)  # F1
    masked_linear.forward(h, theta.V, theta.b, above, s)  # F2
    bernoulli.loss(rate, s, x, nll, s)  # F3, B1
    masked_linear.backward(s, h, above, grad.V, grad.b)  # B2
    masked_linear.input_gradient(s, theta.V, above, da)  # B2
    activation.backward(kind, h, da)  # B3
    masked_linear.backward(da, inputs, below, grad.W, grad.c)  # B4


def sample(kind: int, u: Array, theta: Layers, below: Staircase, above: Staircase, x: Bits) -> None:
    """See `chainrule.kernels.masked_bits.sample`."""
    reach: Any = above.reach
    twins, stairs = (activation, masked_linear), (below, above)
    reference.draw(twins, kind, u, theta, stairs, reach.get().tolist(), x)  # S1, S2, S3
