"""NumPy twin of masked convolution: the definition that the fast ones are tested against."""

from collections.abc import Iterator

import numpy as np

from chainrule.kernels.masked_conv.windows import Window
from chainrule.kernels.types import Array

Part = tuple[slice, slice]


def forward(x: Array, W: Array, b: Array, window: Window, y: Array) -> None:
    """See `chainrule.kernels.masked_conv.forward`."""
    y[...] = b  # F1
    add(x, W, window, y)


def add(x: Array, W: Array, window: Window, y: Array) -> None:
    """See `chainrule.kernels.masked_conv.add`."""
    W = np.where(window.mask(*W.shape[1:]), W, 0)
    for t, here, there in _pairs(window, x.shape):
        y[:, *here] += x[:, *there] @ W[t]  # F1


def backward(
    dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array, db: Array
) -> None:
    """See `chainrule.kernels.masked_conv.backward`."""
    db[...] = dy.sum(axis=(0, 1, 2))  # B2
    add_backward(dy, x, W, window, dx, dW)


def weight_gradient(dy: Array, x: Array, window: Window, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_conv.weight_gradient`."""
    db[...] = dy.sum(axis=(0, 1, 2))  # B2
    dW[...] = 0
    for t, here, there in _pairs(window, x.shape):
        dW[t] = np.einsum("nijc,nijo->co", x[:, *there], dy[:, *here])  # B1
    dW[~window.mask(*dW.shape[1:])] = 0  # B1


def add_backward(dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array) -> None:
    """See `chainrule.kernels.masked_conv.add_backward`."""
    weight_gradient(dy, x, window, dW, np.empty(dy.shape[3], dy.dtype))
    W = np.where(window.mask(*W.shape[1:]), W, 0)
    dx[...] = 0
    for t, here, there in _pairs(window, x.shape):
        dx[:, *there] += dy[:, *here] @ W[t].T  # B3


def _pairs(window: Window, shape: tuple[int, ...]) -> Iterator[tuple[int, Part, Part]]:
    """Yield every tap, the pixels for which it is in the image, and where it is."""
    _, R, S, _ = shape
    for t, (u, v) in enumerate(window.taps()):
        (i, i_there), (j, j_there) = _shifted(u, R), _shifted(v, S)
        yield t, (i, j), (i_there, j_there)


def _shifted(by: int, n: int) -> tuple[slice, slice]:
    """Return which of 0 … n-1 have i + by among them, and those i + by."""
    lo, hi = max(0, -by), max(0, min(n, n - by))
    hi = max(lo, hi)
    return slice(lo, hi), slice(lo + by, hi + by)
