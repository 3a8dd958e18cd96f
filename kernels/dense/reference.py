"""NumPy twin of the layers: the definition that the fast one is tested against.

`upward` and `downward` are its steps by whichever activations, for CUDA's twin too.
"""

from types import ModuleType

from chainrule.kernels.activation import reference as activation
from chainrule.kernels.dense import NONE
from chainrule.kernels.linear import reference as linear
from chainrule.kernels.types import Array


def forward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], c: tuple[Array, ...],
    h: tuple[Array, ...],
) -> None:  # fmt: skip
    """See `chainrule.kernels.dense.forward`."""
    upward(activation, kinds, x, W, c, h)


def backward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], h: tuple[Array, ...],
    dh: tuple[Array, ...], dW: tuple[Array, ...], dc: tuple[Array, ...],
) -> None:  # fmt: skip
    """See `chainrule.kernels.dense.backward`."""
    downward(activation, kinds, x, W, h, dh, dW, dc)


def upward(
    by: ModuleType,
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], c: tuple[Array, ...],
    h: tuple[Array, ...],
) -> None:  # fmt: skip
    """Overwrite h_1 … h_L by F1, F2; by: a twin of `chainrule.kernels.activation`."""
    below = x
    for kind, W_l, c_l, h_l in zip(kinds, W, c, h, strict=True):
        linear.product(below, W_l, h_l)  # F1
        h_l += c_l
        if kind != NONE:
            by.forward(kind, h_l)  # F2
        below = h_l


def downward(
    by: ModuleType,
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], h: tuple[Array, ...],
    dh: tuple[Array, ...], dW: tuple[Array, ...], dc: tuple[Array, ...],
) -> None:  # fmt: skip
    """Overwrite dh, dW and dc by B1-B4."""
    for l in range(len(W) - 1, -1, -1):
        if kinds[l] != NONE:
            by.backward(kinds[l], h[l], dh[l])  # B1
        if len(dc[l]):
            dh[l].sum(axis=0, out=dc[l][0])  # B3
        if l:
            linear.product_backward(dh[l], h[l - 1], W[l], dh[l - 1], dW[l])  # B2, B4
        else:
            linear.product(x.T, dh[l], dW[l])  # B2
