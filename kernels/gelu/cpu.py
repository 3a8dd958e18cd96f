"""Numba twin of GELU: one vectorised sweep each, bias included."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.gelu import CUBIC, ROOT
from chainrule.kernels.inline import INLINE, JIT, sigmoid
from chainrule.kernels.threads import map_rows, n_threads, sum_rows
from chainrule.kernels.types import Array

THREAD_WORK = 50_000  # entries worth a thread: about 0.1 ms
_TWO_ROOT, _CUBIC, _THREE_CUBIC = 2 * ROOT, 2 * ROOT * CUBIC, 6 * ROOT * CUBIC


def forward(u: Array, b: Array, y: Array) -> None:
    """See `chainrule.kernels.gelu.forward`."""
    map_rows(lambda lo, hi: _forward(u[lo:hi], b, y[lo:hi]), len(u), _min_rows(u))


def backward(dy: Array, u: Array, b: Array, du: Array, db: Array) -> None:
    """See `chainrule.kernels.gelu.backward`."""

    def rows(lo: int, hi: int, db: Array) -> None:
        _backward(dy[lo:hi], u[lo:hi], b, du[lo:hi], db)

    parts = min(n_threads(), max(1, len(u) // _min_rows(u)))
    shares = [(db,), *((np.empty_like(db),) for _ in range(1, parts))]
    sum_rows(rows, len(u), shares, _min_rows(u))


def _min_rows(u: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(u.shape[1]))


@njit(**INLINE)
def activate(u: Array, b: Array, y: Array) -> None:
    """F1-F3 of one row, u and b of y's length. Shared with the samplers."""
    linear, cubic = u.dtype.type(_TWO_ROOT), u.dtype.type(_CUBIC)
    for j in range(len(y)):
        a = u[j] + b[j]  # F1
        y[j] = a * sigmoid(a * (linear + cubic * a * a))  # F2, F3


@njit(**JIT)
def _forward(u: Array, b: Array, y: Array) -> None:
    for n in range(len(u)):
        activate(u[n], b, y[n])


@njit(**JIT)
def _backward(dy: Array, u: Array, b: Array, du: Array, db: Array) -> None:
    N, C = u.shape
    row = np.empty(C, u.dtype)  # du may be dy: a loop over both could not be vectorised
    db[:] = 0
    for n in range(N):
        _backward_row(dy[n], u[n], b, row)
        for j in range(C):
            du[n, j] = row[j]
            db[j] += row[j]  # B3


@njit(**JIT)
def _backward_row(dy: Array, u: Array, b: Array, du: Array) -> None:
    linear, cubic = u.dtype.type(_TWO_ROOT), u.dtype.type(_CUBIC)
    three, one = u.dtype.type(_THREE_CUBIC), u.dtype.type(1)
    for j in range(len(u)):
        a = u[j] + b[j]
        s = sigmoid(a * (linear + cubic * a * a))  # B1: s
        slope = s + a * s * (one - s) * (linear + three * a * a)  # B1
        du[j] = dy[j] * slope  # B2
