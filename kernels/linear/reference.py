"""NumPy twin of the linear map: the definition that the fast ones are tested against."""

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def product(x: Array, W: Array, y: Array) -> None:
    """See `chainrule.kernels.linear.product`."""
    array_module(x).matmul(x, W, out=y)  # F1


def forward(x: Array, W: Array, b: Array, y: Array) -> None:
    """See `chainrule.kernels.linear.forward`."""
    product(x, W, y)
    y += b  # F2


def product_backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array) -> None:
    """See `chainrule.kernels.linear.product_backward`."""
    product(x.T, dy, dW)  # B2
    product(dy, W.T, dx)  # B3


def backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.linear.backward`."""
    dy.sum(axis=0, out=db)  # B1
    product_backward(dy, x, W, dx, dW)
