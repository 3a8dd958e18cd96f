"""CUDA twin of the layers: products are cuBLAS's, one launch or two a step."""

from chainrule.kernels.activation import cuda as activation
from chainrule.kernels.dense.reference import downward, upward
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
