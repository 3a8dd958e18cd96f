"""CUDA twin of the layers: products are cuBLAS's, one launch or two a step."""

from chainrule.kernels.activation import cuda as activation
from chainrule.kernels.dense import steps
from chainrule.kernels.types import Array


def forward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], c: tuple[Array, ...],
    h: tuple[Array, ...],
) -> None:  # fmt: skip
    """See `chainrule.kernels.dense.forward`."""
    steps.forward(activation, kinds, x, W, c, h)


def backward(
    kinds: tuple[int, ...], x: Array, W: tuple[Array, ...], h: tuple[Array, ...],
    dh: tuple[Array, ...], dW: tuple[Array, ...], dc: tuple[Array, ...],
) -> None:  # fmt: skip
    """See `chainrule.kernels.dense.backward`."""
    steps.backward(activation, kinds, x, W, h, dh, dW, dc)
