"""Numba twin of the linear map: products on register tiles, each thread making a part of them.

Threads take columns of a product where it has more of them than rows, else rows, and of a
backward pass a part of both products in one go. A product within a slice of a minibatch is the
slice's own thread's alone.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.linear import biases, panels
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array

THREAD_WORK = 4_000_000  # multiply-adds worth a thread: 0.06 ms
PARTS = 1 << 12  # what shares of a product are counted in


class _Product(NamedTuple):
    """y = x W, y's rows contiguous, as `panels` takes it; turned: xᵀ or Wᵀ is given."""

    x: Array
    x_turned: bool
    W: Array
    W_turned: bool
    y: Array

    def part(self, lo: int, hi: int) -> None:
        """Make part lo … hi of PARTS of y."""
        panels.multiply_part(*self, lo, hi, PARTS)


def product(x: Array, W: Array, y: Array) -> None:
    """See `chainrule.kernels.linear.product`."""
    map_rows(_product(x, W, y).part, PARTS, _least(x.shape[1], y))  # F1


def forward(x: Array, W: Array, b: Array, y: Array) -> None:
    """See `chainrule.kernels.linear.forward`."""
    if not _in_rows(y):  # parts are of yᵀ then
        product(x, W, y)
        y += b
        return
    one = _product(x, W, y)

    def part(lo: int, hi: int) -> None:
        one.part(lo, hi)  # F1
        biases.add_part(y, b, lo, hi, PARTS)  # F2

    map_rows(part, PARTS, _least(x.shape[1], y))


def product_backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array) -> None:
    """See `chainrule.kernels.linear.product_backward`."""
    both = _product(x.T, dy, dW), _product(dy, W.T, dx)  # B2, B3

    def part(lo: int, hi: int) -> None:
        for one in both:
            one.part(lo, hi)

    map_rows(part, PARTS, _least(2 * len(x), dW))


def backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.linear.backward`."""
    dy.sum(axis=0, out=db)  # B1
    product_backward(dy, x, W, dx, dW)


def _product(x: Array, W: Array, y: Array) -> _Product:
    """Return a product of matrices; any of them may be a transpose of one that lies in rows."""
    if not _in_rows(y):
        x, W, y = W.T, x.T, y.T
    return _Product(*_lying(x), *_lying(W), y)


def _in_rows(x: Array) -> bool:
    """Return whether each row's numbers follow each other."""
    return bool(x.strides[1] == x.itemsize)


def _lying(x: Array) -> tuple[Array, bool]:
    """Return x, or xᵀ and True: what lies in rows, in a copy where neither does."""
    if _in_rows(x):
        return x, False
    return (x.T, True) if _in_rows(x.T) else (np.ascontiguousarray(x), False)


def _least(K: int, y: Array) -> int:
    """Return how many of PARTS are worth a thread, of a product of K numbers a sum."""
    return 1 + PARTS * THREAD_WORK // max(1, int(y.size) * K)
