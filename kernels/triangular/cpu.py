"""Numba twin of the triangular kernels: a zero costs nothing, a one is a contiguous sum.

Forward, sampling and the gradient in x go through the variables in blocks of COLUMNS and, inside,
through the rows, so that a block of alpha stays in cache while every row passes by. Backward goes
through the columns of dalpha: one column accumulates in the nearest cache while the rows of ds with
a one there, four at a time, are added to it.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, JIT_SUMS, sigmoid
from chainrule.kernels.threads import map_rows
from chainrule.kernels.triangular import offset
from chainrule.kernels.types import Array, Bits, Ids

COLUMNS = 64  # of 784 entries in float32, 200 kB: within a core's second-level cache
THREAD_WORK = 10_000_000  # rows · D² worth a thread: about 0.1 ms where an eighth are ones

_offset = njit(**JIT)(offset)


def forward(x: Bits, alpha: Array, b: Array, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.triangular.forward`."""

    def rows(lo: int, hi: int) -> None:
        _forward(x[lo:hi], alpha, b, y[lo:hi], s[lo:hi])

    map_rows(rows, len(x), _min_rows(b.shape[1]))


def backward(ds: Array, x: Bits, y: Ids, dalpha: Array, db: Array) -> None:
    """See `chainrule.kernels.triangular.backward`.

    The threads share the columns, not the rows, so there is nothing to add up afterwards and
    the result does not depend on their number. Columns j and D-1-j together hold D-1 entries,
    so equal numbers of such pairs are equal work.
    """
    N, D = x.shape
    min_pairs = 1 + THREAD_WORK // max(1, N * D)
    map_rows(lambda lo, hi: _backward(ds, x, y, dalpha, db, lo, hi), (D + 1) // 2, min_pairs)


def input_gradient(ds: Array, alpha: Array, dx: Array) -> None:
    """See `chainrule.kernels.triangular.input_gradient`."""
    N, D = ds.shape
    map_rows(lambda lo, hi: _input_gradient(ds[lo:hi], alpha, dx[lo:hi]), N, _min_rows(D))


def sample(u: Array, alpha: Array, b: Array, y: Ids, x: Bits) -> None:
    """See `chainrule.kernels.triangular.sample`."""

    def rows(lo: int, hi: int) -> None:
        _sample(u[lo:hi], alpha, b, y[lo:hi], x[lo:hi])

    map_rows(rows, len(u), _min_rows(b.shape[1]))


def _min_rows(D: int) -> int:
    return 1 + THREAD_WORK // max(1, D * D)


@njit(**JIT, **BORROWS)
def _fill(s: Array, b: Array, y: Ids) -> None:
    """Set every row of s to its class's b."""
    for n in range(s.shape[0]):
        k = _label(b, y, n)
        for i in range(s.shape[1]):
            s[n, i] = b[k, i]


@njit(**INLINE, **BORROWS)
def _label(b: Array, y: Ids, n: int) -> int:
    return y[n] if len(b) > 1 else 0


@njit(**JIT, **BORROWS)
def _forward(x: Bits, alpha: Array, b: Array, y: Ids, s: Array) -> None:
    N, D = x.shape
    _fill(s, b, y)
    for first in range(0, D, COLUMNS):
        for n in range(N):
            for j in range(first, min(first + COLUMNS, D)):
                if x[n, j]:
                    start = _offset(j, D)
                    _add(s[n, j + 1 :], alpha[start : start + D - j - 1])  # F1


@njit(**JIT, **BORROWS)
def _input_gradient(ds: Array, alpha: Array, dx: Array) -> None:
    N, D = ds.shape
    for first in range(0, D, COLUMNS):
        for n in range(N):
            for j in range(first, min(first + COLUMNS, D)):
                start = _offset(j, D)
                dx[n, j] = _dot(ds[n, j + 1 :], alpha[start : start + D - j - 1])  # B3


@njit(**JIT_SUMS, **BORROWS)
def _dot(g: Array, column: Array) -> Any:
    total = g.dtype.type(0)
    for i in range(len(g)):
        total += g[i] * column[i]
    return total


@njit(**JIT)
def _sample(u: Array, alpha: Array, b: Array, y: Ids, x: Bits) -> None:
    s = np.empty(u.shape, u.dtype)
    _fill(s, b, y)
    _sample_rows(u, alpha, s, x)


@njit(**JIT, **BORROWS)
def _sample_rows(u: Array, alpha: Array, s: Array, x: Bits) -> None:
    N, D = u.shape
    for first in range(0, D, COLUMNS):
        for n in range(N):
            for i in range(first, min(first + COLUMNS, D)):
                one = u[n, i] < sigmoid(s[n, i])
                if u[n, i] < 0:
                    one = x[n, i] != 0
                x[n, i] = one
                if one:
                    start = _offset(i, D)  # s becomes b_y + Σ_{j≤i} x_j α_j
                    _add(s[n, i + 1 :], alpha[start : start + D - i - 1])


@njit(**JIT)
def _backward(ds: Array, x: Bits, y: Ids, dalpha: Array, db: Array, lo: int, hi: int) -> None:
    """Write the columns j and D-1-j of dalpha, and the same entries of db, for j in [lo, hi)."""
    N, D = x.shape
    ones = np.empty(N, np.intp)
    for first, end in ((lo, hi), (max(hi, D - hi), D - lo)):  # an odd D has a middle column
        db[:, first:end] = 0
        for n in range(N):
            _add(db[_label(db, y, n), first:end], ds[n, first:end])  # B2
        for j in range(first, end):
            count = 0
            for n in range(N):
                if x[n, j]:
                    ones[count] = n
                    count += 1
            _sum_tails(ds, ones[:count], j + 1, _column(dalpha, j, D))  # B1


@njit(**JIT)
def _column(alpha: Array, j: int, D: int) -> Array:
    """Return the view of α_j^{j+1} … α_j^{D-1}."""
    start = _offset(j, D)
    return alpha[start : start + D - j - 1]


@njit(**JIT, **BORROWS)
def _add(total: Array, term: Array) -> None:
    for i in range(len(total)):
        total[i] += term[i]


@njit(**JIT)
def _sum_tails(g: Array, rows: Array, first: int, total: Array) -> None:
    """Overwrite `total` with the sum of g[n, first:] over the given rows n."""
    total[:] = 0
    in_fours = len(rows) // 4 * 4
    for r in range(0, in_fours, 4):  # one load and store of the total serves four rows
        g0, g1 = g[rows[r], first:], g[rows[r + 1], first:]
        g2, g3 = g[rows[r + 2], first:], g[rows[r + 3], first:]
        for i in range(len(total)):
            total[i] += (g0[i] + g1[i]) + (g2[i] + g3[i])
    for r in range(in_fours, len(rows)):
        _add(total, g[rows[r], first:])
