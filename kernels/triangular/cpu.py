"""Numba twin of the triangular kernels: a zero costs nothing, a one is a contiguous sum.

Forward and sampling go through the variables in blocks of COLUMNS and, inside, through the rows,
so that a block of alpha stays in cache while every row passes by. Backward goes through the
columns of dalpha: one column accumulates in the nearest cache while the rows of ds with a one
there, four at a time, are added to it.

Indices are unsigned, because Numba compiles a test for "counted from the end" into every signed
one, and such a loop does not vectorise.
"""

import numpy as np
from numba import njit

from chainrule.kernels.inline import JIT, sigmoid
from chainrule.kernels.threads import map_rows
from chainrule.kernels.triangular import offset
from chainrule.kernels.types import Array, Bits

COLUMNS = 64  # of 784 entries in float32, 200 kB: within a core's second-level cache
THREAD_WORK = 10_000_000  # rows · D² worth a thread: about 0.1 ms where an eighth are ones

_offset = njit(**JIT)(offset)


def forward(x: Bits, alpha: Array, b: Array) -> Array:
    """See `chainrule.kernels.triangular.forward`."""
    s = np.empty(x.shape, alpha.dtype)
    map_rows(lambda lo, hi: _forward(x[lo:hi], alpha, b, s[lo:hi]), len(x), _min_rows(len(b)))
    return s


def backward(ds: Array, x: Bits, dalpha: Array, db: Array) -> None:
    """See `chainrule.kernels.triangular.backward`.

    The threads share the columns, not the rows, so there is nothing to add up afterwards and
    the result does not depend on their number. Columns j and D-1-j together hold D-1 entries,
    so equal numbers of such pairs are equal work.
    """
    N, D = x.shape
    min_pairs = 1 + THREAD_WORK // max(1, N * D)
    map_rows(lambda lo, hi: _backward(ds, x, dalpha, db, lo, hi), (D + 1) // 2, min_pairs)


def sample(u: Array, alpha: Array, b: Array) -> Bits:
    """See `chainrule.kernels.triangular.sample`."""
    x = np.empty(u.shape, np.uint8)
    map_rows(lambda lo, hi: _sample(u[lo:hi], alpha, b, x[lo:hi]), len(u), _min_rows(len(b)))
    return x


def _min_rows(D: int) -> int:
    return 1 + THREAD_WORK // max(1, D * D)


@njit(**JIT)
def _forward(x: Bits, alpha: Array, b: Array, s: Array) -> None:
    N, D = x.shape
    s[:] = b
    for first in range(0, D, COLUMNS):
        for n in range(N):
            for j in range(first, min(first + COLUMNS, D)):
                if x[n, j]:
                    _add_column(s[n], alpha, j)  # F1


@njit(**JIT)
def _sample(u: Array, alpha: Array, b: Array, x: Bits) -> None:
    N, D = u.shape
    s = np.empty((N, D), u.dtype)
    s[:] = b
    for first in range(0, D, COLUMNS):
        for n in range(N):
            for i in range(first, min(first + COLUMNS, D)):
                x[n, i] = u[n, i] < sigmoid(s[n, i])
                if x[n, i]:
                    _add_column(s[n], alpha, i)  # s becomes b + Σ_{j≤i} x_j α_j


@njit(**JIT)
def _add_column(s: Array, alpha: Array, j: int) -> None:
    """Add α_j to the logits of one row that come after j."""
    D = len(s)
    start, after_j = np.uintp(_offset(j, D)), np.uintp(j + 1)
    for k in range(np.uintp(D - j - 1)):
        s[after_j + k] += alpha[start + k]


@njit(**JIT)
def _backward(ds: Array, x: Bits, dalpha: Array, db: Array, lo: int, hi: int) -> None:
    """Write the columns j and D-1-j of dalpha, and the same entries of db, for j in [lo, hi)."""
    N, D = x.shape
    ones = np.empty(N, np.uintp)
    for first, end in ((lo, hi), (max(hi, D - hi), D - lo)):  # an odd D has a middle column
        _sum_rows(ds, first, end, db)
        for j in range(first, end):
            count = 0
            for n in range(N):
                if x[n, j]:
                    ones[count] = n
                    count += 1
            start = _offset(j, D)
            _sum_tails(ds, ones[:count], j, dalpha[start : start + D - j - 1])


@njit(**JIT)
def _sum_rows(ds: Array, first: int, end: int, db: Array) -> None:
    db[first:end] = 0
    for n in range(len(ds)):
        for i in range(np.uintp(first), np.uintp(end)):
            db[i] += ds[n, i]  # B2


@njit(**JIT)
def _sum_tails(ds: Array, rows: Array, j: int, column: Array) -> None:
    """Write into `column` the sum of ds[n, j+1:] over the given rows n."""
    after_j, length = np.uintp(j + 1), np.uintp(len(column))
    column[:] = 0
    in_fours = len(rows) // 4 * 4
    for r in range(0, in_fours, 4):  # one load and store of the column serves four rows
        n0, n1, n2, n3 = rows[r], rows[r + 1], rows[r + 2], rows[r + 3]
        for k in range(length):
            i = after_j + k
            column[k] += (ds[n0, i] + ds[n1, i]) + (ds[n2, i] + ds[n3, i])  # B1
    for r in range(in_fours, len(rows)):
        n0 = rows[r]
        for k in range(length):
            column[k] += ds[n0, after_j + k]  # B1
