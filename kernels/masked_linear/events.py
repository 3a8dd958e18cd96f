"""The cores of the masked linear map for codes, each of which chooses its row of W.

Four rows at a time: a load and a store of the sum then serve four of them. `add_inputs` takes in
single inputs, numbers too.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array


@njit(**JIT)
def add_rows(x: Any, W: Array, stairs: Staircase, y: Array, lo: int, hi: int) -> None:
    """Add F1's sum over the codes to rows lo … hi - 1 of y."""
    D = x.shape[1]
    rows, starts = np.empty(D, np.intp), np.empty(D, np.intp)
    for n in range(lo, hi):
        x_n, count = row(x, n), 0
        for i in range(D):
            if stairs.rows[i + 1] - stairs.rows[i] != 1:
                rows[count] = stairs.rows[i] + int(x_n[i])
                starts[count] = stairs.first[i]
                count += 1
        _add_some(row(y, n), W, rows, starts, count)  # F1


@njit(**INLINE)
def _add_some(y: Array, W: Array, rows: Any, starts: Any, count: int) -> None:
    """Add the tails of some rows of W to y, each from its start on; starts never fall."""
    in_fours = count // 4 * 4
    for q in range(0, in_fours, 4):
        start = starts[q + 3]
        for p in range(q, q + 3):
            add(y[:start], row(W, rows[p])[:start], starts[p])
        y_q = y[start:]
        w0, w1 = row(W, rows[q])[start:], row(W, rows[q + 1])[start:]
        w2, w3 = row(W, rows[q + 2])[start:], row(W, rows[q + 3])[start:]
        for j in range(y_q.size):
            y_q[j] += (w0[j] + w1[j]) + (w2[j] + w3[j])
    for q in range(in_fours, count):
        add(y, row(W, rows[q]), starts[q])


@njit(**JIT, **BORROWS)
def add(total: Array, term: Array, start: int) -> None:
    """Add term to total, both from `start` on."""
    total, term = total[start:], term[start:]
    for j in range(total.size):
        total[j] += term[j]


@njit(**JIT)
def add_inputs(
    x: Any, lo: int, W: Array, stairs: Staircase, y: Array, first: int, stop: int
) -> None:
    """Add the terms of F1 of inputs lo … to rows first … stop - 1 of y; x: (N, m), their values."""
    zero = x.dtype.type(0)
    for n in range(first, stop):
        for k in range(x.shape[1]):
            i, value = lo + k, x[n, k]
            begin, start = stairs.rows[i], stairs.first[i]
            if stairs.rows[i + 1] - begin != 1:
                add(row(y, n), row(W, begin + int(value)), start)  # F1
            elif value != zero:
                add_scaled(row(y, n), row(W, begin), W.dtype.type(value), start)  # F1


@njit(**JIT, **BORROWS)
def add_scaled(total: Array, term: Array, value: Any, start: int) -> None:
    """Add value times term to total, both from `start` on."""
    total, term = total[start:], term[start:]
    for j in range(total.size):
        total[j] += value * term[j]


@njit(**JIT)
def weight_gradient(dy: Array, x: Any, stairs: Staircase, dW: Array, lo: int, hi: int) -> None:
    """Overwrite the rows of dW of the codes among inputs lo … hi - 1 by B1."""
    for i in range(lo, hi):
        begin, end, start = stairs.rows[i], stairs.rows[i + 1], stairs.first[i]
        if end - begin == 1:
            continue
        for r in range(begin, end):
            to = row(dW, r)
            for j in range(to.size):
                to[j] = 0
        for n in range(len(x)):
            add(row(dW, begin + int(x[n, i])), row(dy, n), start)  # B1


@njit(**JIT)
def cut(stairs: Staircase, lo: int, hi: int, total: int) -> tuple[int, int]:
    """Return which inputs are the part lo … hi of `total`, all parts of equal work."""
    O, work = stairs.seen.size, 0
    for i in range(stairs.first.size):
        work += O - stairs.first[i] + 8  # what a short row costs beside its numbers
    first = last = done = 0
    for i in range(stairs.first.size):
        if done * total < lo * work:
            first += 1
        if done * total < hi * work:
            last += 1
        done += O - stairs.first[i] + 8
    return first, last
