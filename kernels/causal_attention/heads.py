"""Attention of one head after the other, compiled: blocks of queries, tiles of products.

Forward, a block is some queries of one head and the whole rows of scores that they have. It is
small enough to stay near the core between F1 and F4. Division by the row's sum comes last, d
numbers a row instead of T. The backward knows the sums already, so there rows come in pieces too.
Products stop at the diagonal, tile by tile, a vector wide; so scores are made zero from the
diagonal to the end of its tile.

Arrays are (N, T, n, d) as in the contract, d a multiple of a vector's width. scale = 1/√d of the
heads' true size.
"""

from typing import Any

import numpy as np

from chainrule.kernels.causal_attention.scores import MASKED, larger, mask
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, INLINE_SUMS, JIT, exp
from chainrule.kernels.tiles import (
    HEIGHT,
    WIDTH,
    at_once,
    lanes,
    multiply,
    pack,
    pack_transposed,
    panel_width,
    row,
    row_distance,
)
from chainrule.kernels.types import Array

LANES = 16  # loops over scores go on to a multiple of it: vectors leave no remainder
_HIDDEN = -1e30  # a score whose exponential is nothing beside the largest one's


@njit(**JIT)
def forward(
    q: Array, k: Array, v: Array, o: Array, lse: Array, lo: int, hi: int, block: int, scale: float
) -> None:
    """F1-F4 for heads lo … hi - 1, counted through the sequences, `block` queries at a time."""
    T, n = q.shape[1], q.shape[2]
    S, sums = _rows_of_scores(q, block, T), np.empty(block, q.dtype)
    kT, v_packed, q_rows, o_rows = _packed_transposed(q), _packed(q), _rows(q), _rows(q)
    for head in range(lo, hi):
        r, h = head // n, head % n
        _copy(q[r, :, h], q_rows)
        pack_transposed(k[r, :, h], kT)
        pack(v[r, :, h], v_packed)
        for first in range(0, T, block):
            last = min(T, first + block)
            scores(q_rows, kT, first, last, 0, last, S)  # F1
            for i in range(first, last):
                s, reach = S[i - first], _reach(i + 1)
                mask(s, reach - MASKED, i + 1, _HIDDEN)
                largest = _largest(s, reach)
                sums[i - first] = _exponentials(s, reach, largest, scale)
                lse[r, h, i] = largest * scale + np.log(sums[i - first])  # F2
                mask(s, reach - MASKED, i + 1, 0)
            weighted_sums(S, v_packed, first, last, 0, last, o_rows)
            for i in range(first, last):
                _divide(row(o_rows, i), sums[i - first], row(o[r, :, h], i))  # F3, F4


@njit(**JIT)
def backward(
    do: Array,
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
    lo: int,
    hi: int,
    block: int,
    chunk: int,
    scale: float,
) -> None:
    """B1-B5 for heads lo … hi - 1: `chunk` keys, a multiple of `block`, by `block` queries.

    A chunk's keys and values, and their gradients, stay near the core while the queries that see
    any of them pass by; P and ds of a block and a chunk are never longer than that.
    """
    T, n = q.shape[1], q.shape[2]
    P, dS = _rows_of_scores(q, block, chunk), _rows_of_scores(q, block, chunk)
    kT, vT, k_packed = _packed_transposed(q), _packed_transposed(q), _packed(q)
    mean = np.empty(T, q.dtype)
    q_rows, do_rows, dq_rows, dk_rows, dv_rows = _rows(q), _rows(q), _rows(q), _rows(q), _rows(q)
    for head in range(lo, hi):
        r, h = head // n, head % n
        pack_transposed(k[r, :, h], kT)
        pack_transposed(v[r, :, h], vT)
        pack(k[r, :, h], k_packed)
        _copy(q[r, :, h], q_rows)
        _copy(do[r, :, h], do_rows)
        dk_rows[:] = 0
        dv_rows[:] = 0
        for i in range(T):
            mean[i] = _dot(row(do[r, :, h], i), row(o[r, :, h], i))
        for start in range(0, T, chunk):
            stop = min(T, start + chunk)
            whole = max(MASKED, -(-(stop - start) // LANES) * LANES)
            for first in range(start, T, block):  # those before see none of these keys
                last = min(T, first + block)
                scores(q_rows, kT, first, last, start, stop, P)  # F1
                scores(do_rows, vT, first, last, start, stop, dS)  # B2
                for i in range(first, last):
                    P_i, dS_i = P[i - first], dS[i - first]
                    seen = min(i + 1, stop) - start
                    reach = min(whole, _reach(seen))
                    _through_softmax(P_i, dS_i, reach, lse[r, h, i], mean[i], scale)
                    mask(P_i, reach - MASKED, seen, 0)
                    mask(dS_i, reach - MASKED, seen, 0)
                weighted_sums(dS, k_packed, first, last, start, stop, dq_rows)  # B4
                add_weighted_rows(P, do_rows, first, last, start, stop, dv_rows)  # B1
                add_weighted_rows(dS, q_rows, first, last, start, stop, dk_rows)  # B5
        _copy(dq_rows, dq[r, :, h])
        _copy(dk_rows, dk[r, :, h])
        _copy(dv_rows, dv[r, :, h])


@njit(**INLINE)
def _rows_of_scores(q: Array, block: int, keys: int) -> Array:
    """Return memory for the scores of a block of queries and so many keys.

    Longer than that: for `mask`, and since rows whose distance is a power of two share a cache's
    sets.
    """
    return np.empty((block, _reach(min(keys, q.shape[1])) + LANES), q.dtype)


@njit(**INLINE)
def _rows(q: Array) -> Array:
    """Return memory for one head's rows, (T, d), one after the other.

    In the arrays they lie n·d numbers apart, often a power of two: a few dozen of them would push
    each other out of a core's first-level cache.
    """
    return np.empty((q.shape[1], q.shape[3]), q.dtype)


@njit(**INLINE)
def _packed(q: Array) -> Array:
    """Return memory for one head's keys or values in panels."""
    T, _, d = q.shape[1:]
    width = panel_width(q)
    return np.empty((-(-d // width), T, width), q.dtype)


@njit(**INLINE)
def _packed_transposed(q: Array) -> Array:
    """Return memory for one head's keys or values, transposed, in panels."""
    T, _, d = q.shape[1:]
    width = panel_width(q)
    return np.empty((-(-T // width), d, width), q.dtype)


@njit(**INLINE)
def _reach(seen: int) -> int:
    """Return where the scores end of queries in a tile with one that sees `seen` keys.

    Another of the tile may see HEIGHT - 1 more. Rounded up to LANES, and at least MASKED.
    """
    return max(MASKED, -(-(seen + HEIGHT - 1) // LANES) * LANES)


# In the following, queries are first … last - 1 and keys start … stop - 1, start ≤ first; query i
# sees the keys up to i. S[i - first, j - start] belongs to i and j.


@njit(**JIT)
def scores(x: Array, yT: Array, first: int, last: int, start: int, stop: int, S: Array) -> None:
    """S = x_i·y_j for all j up to the tile of the diagonal.

    x: (T, d); yT: y, (T, d), by `pack_transposed`; start is a multiple of a panel's width.
    """
    d, width = yT.shape[1:]
    x_row, S_row, across = row_distance(x), S.shape[1], lanes(x)
    for j in range(start, stop, width):
        i = first
        while i < last:
            m = at_once(last - i)
            if j < i + m:
                q, to = min(WIDTH, 1 + (i + m - 1 - j) // across), (i - first) * S_row + j - start
                multiply(m, q, d, x, i * x_row, x_row, 1, yT, j * d, width, S, to, S_row, True)
            i += m


@njit(**JIT)
def weighted_sums(
    S: Array, y: Array, first: int, last: int, start: int, stop: int, x: Array
) -> None:
    """x_i = Σ_j S y_j where start is 0, else x_i += Σ_j S y_j; x: (T, d); y by `pack`."""
    (T, width), d = y.shape[1:], x.shape[1]
    x_row, S_row = row_distance(x), S.shape[1]
    for g in range(y.shape[0]):
        of, q, i = (g * T + start) * width, min(WIDTH, (d - g * width) // lanes(x)), first
        while i < last:
            m = at_once(last - i)
            at, to, n = (i - first) * S_row, i * x_row + g * width, min(i + m, stop) - start
            multiply(m, q, n, S, at, S_row, 1, y, of, width, x, to, x_row, start == 0)
            i += m


@njit(**JIT)
def add_weighted_rows(
    S: Array, x: Array, first: int, last: int, start: int, stop: int, y: Array
) -> None:
    """y_j += Σ_i S x_i; x, y: (T, d). A block's x_i are few enough to be read as they lie."""
    x_row, y_row, S_row = row_distance(x), row_distance(y), S.shape[1]
    d, end = x.shape[1], min(stop, last)
    for c in range(0, d, panel_width(x)):
        q, j = min(WIDTH, (d - c) // lanes(x)), start
        while j < end:
            m = at_once(end - j)
            i = max(first, j)  # no earlier query sees key j
            at, of, to = (i - first) * S_row + j - start, i * x_row + c, j * y_row + c
            multiply(m, q, last - i, S, at, 1, S_row, x, of, x_row, y, to, y_row, False)
            j += m


@njit(**INLINE)
def _largest(row: Array, n: int) -> Any:
    """Return the largest of the first n scores; any number where one is NaN: F3 will show it."""
    largest = row[0]
    for j in range(n):
        largest = larger(largest, row[j])
    return largest


@njit(**INLINE_SUMS)
def _exponentials(row: Array, n: int, largest: Any, scale: float) -> Any:
    """Overwrite the first n scores by e^{scale (s - largest)}; return their sum."""
    total, factor = row.dtype.type(0), row.dtype.type(scale)
    shift = largest * factor
    for j in range(n):
        e = exp(row[j] * factor - shift)
        row[j] = e
        total += e
    return total


@njit(**INLINE)
def _through_softmax(P: Array, dP: Array, n: int, lse: float, mean: float, scale: float) -> None:
    """Overwrite n scores by F3, and dP by B3 times the 1/√d of B4 and B5."""
    factor = P.dtype.type(scale)
    for j in range(n):
        p = exp(P[j] * factor - lse)
        P[j] = p
        dP[j] = p * (dP[j] - mean) * factor  # B3


@njit(**INLINE_SUMS)
def _dot(x: Array, y: Array) -> Any:
    """Return x·y."""
    total = x.dtype.type(0)
    for j in range(x.size):
        total += x[j] * y[j]
    return total


@njit(**INLINE)
def _divide(x: Array, z: float, y: Array) -> None:
    """y = x / z."""
    factor = x.dtype.type(1) / z
    for j in range(x.size):
        y[j] = x[j] * factor


@njit(**JIT)
def _copy(x: Array, y: Array) -> None:
    """Overwrite y by x, (T, d)."""
    for i in range(x.shape[0]):
        x_i, y_i = row(x, i), row(y, i)
        for j in range(x.shape[1]):
            y_i[j] = x_i[j]
