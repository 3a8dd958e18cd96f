"""Layers on top of each other, fully connected: a network between its inputs and its outputs.

Shapes      h_l, dh_l: (N, H_l), l = 0 … L; h_0 is what goes in     W_l: (H_{l-1}, H_l)
            c_l: (1, H_l), or (N, H_l) where each row has its own

Forward     For l = 1 … L, φ_l of chainrule.kernels.activation, or none (kind NONE):
            (F1)  a_l = h_{l-1} W_l + c_l                       chainrule.kernels.linear
            (F2)  h_l = φ_l(a_l)

Backward    From dh_L, for l = L … 1:
            (B1)  da_l = dh_l ∘ φ_l'(a_l), by h_l               undoes F2
            (B2)  dW_l = h_{l-1}ᵀ da_l                          undoes F1
            (B3)  dc_l = Σ_n da_l, or da_l itself               undoes F1
            (B4)  dh_{l-1} = da_l W_lᵀ, for l ≥ 2               undoes F1

            The inputs' own gradient, da_1 W_1ᵀ, is nobody's business in training: whoever wants it
            multiplies.

Cost        2 N Σ_l H_{l-1} H_l FLOPs forward, twice that backward but for the first layer's B4.

Source      Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating
            errors", Nature 323.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it. All are contiguous, but that
any W_l, and dW_l with it, may be the transpose of what is.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array

NONE = -1  # the kind of a layer of sums alone


def forward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], c: tuple[Array, ...],
    h: tuple[Array, ...],
) -> None:  # fmt: skip
    """Overwrite h_1 … h_L by F1, F2; x: h_0. All tuples are of L."""
    select(__name__, x, *W, *c, *h).forward(kinds, x, W, c, h)


def backward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], h: tuple[Array, ...],
    dh: tuple[Array, ...], dW: tuple[Array, ...], dc: tuple[Array, ...],
) -> None:  # fmt: skip
    """Overwrite dW and dc by B2, B3, and dh_l by da_l, of which dh_L is given.

    dc: (1, H_l) each, or (0, H_l) where it is not wanted.
    """
    select(__name__, x, *W, *h, *dh, *dW, *dc).backward(kinds, x, W, h, dh, dW, dc)
