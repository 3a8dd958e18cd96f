"""NumPy twin of the masked linear map: the definition that the fast ones are tested against."""

from typing import Any

import numpy as np

from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.types import Array, Ids


def mask(stairs: Staircase) -> Any:
    """Return the mask that nobody else stores, (R, O) bool: whether W's entry is read."""
    owner = np.repeat(np.arange(len(stairs.first)), np.diff(stairs.rows))
    return owner[:, None] < stairs.reach


def _features(x: Array, stairs: Staircase, dtype: Any) -> Array:
    """Return φ(x), (N, R): numbers as they are, codes as one-hot vectors."""
    phi: Array = np.zeros((len(x), stairs.rows[-1]), dtype)
    for i, (start, stop) in enumerate(zip(stairs.rows[:-1], stairs.rows[1:], strict=True)):
        if stop - start == 1:
            phi[:, start] = x[:, i]
        else:
            phi[np.arange(len(x)), start + x[:, i].astype(int)] = 1
    return phi


def forward(x: Array, W: Array, b: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.forward`."""
    y[...] = b + _features(x, stairs, W.dtype) @ np.where(mask(stairs), W, 0)  # F1


def add(x: Array, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add`."""
    y += _features(x, stairs, W.dtype) @ np.where(mask(stairs), W, 0)  # F1


def backward(dy: Array, x: Array, stairs: Staircase, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_linear.backward`."""
    add_backward(dy, x, stairs, dW)
    db[...] = dy.sum(axis=0)  # B2


def add_backward(dy: Array, x: Array, stairs: Staircase, dW: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_backward`."""
    dW[...] = np.where(mask(stairs), _features(x, stairs, dW.dtype).T @ dy, 0)  # B1


def backward_through(
    dy: Array, x: Array, W: Array, stairs: Staircase, dW: Array, db: Array, dx: Array
) -> None:
    """See `chainrule.kernels.masked_linear.backward_through`."""
    backward(dy, x, stairs, dW, db)
    input_gradient(dy, W, stairs, dx)


def input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array) -> None:
    """See `chainrule.kernels.masked_linear.input_gradient`."""
    dphi = dy @ np.where(mask(stairs), W, 0).T
    dx[...] = 0
    dx[:, stairs.numbers] = dphi[:, stairs.rows[stairs.numbers]]  # B3


def add_inputs(x: Array, lo: int, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_inputs`."""
    for k, i in enumerate(range(lo, lo + x.shape[1])):  # F1
        first, begin, end = stairs.first[i], stairs.rows[i], stairs.rows[i + 1]
        if end - begin == 1:
            y[:, first:] += x[:, k, None].astype(W.dtype) * W[begin, first:]
        else:
            y[:, first:] += W[begin + x[:, k].astype(np.int64), first:]


def arrange(W: Array, rows: Ids, columns: Ids, out: Array) -> None:
    """See `chainrule.kernels.masked_linear.arrange`."""
    out[...] = W[rows[:, None], columns]
