"""The cores of the masked linear map for bits: one that is on costs a row of W, off nothing.

Bits are the inputs that enter as numbers, where all that stands in x are integers: a row of x is
known by its list of those that are on. F1's sum over inputs, and B1's over rows of x, is cut into
blocks of DEPTH, of which a panel, DEPTH rows of W or of dy laid out, stays in a core's first cache
while every list's part is added up by `chainrule.kernels.chosen_rows`; from the second cache, in
which W lies, it would take twice as long. A list is made once for all panels of its block.

F1 always goes by lists, so that what is made of a row depends on that row alone, to the last bit:
products, whose sums have another order, would be as fast at half ones and a quarter faster at 90%.
B1 sums over rows; there `are_many` chooses, for all of a minibatch.
"""

from typing import Any

import numpy as np

from chainrule.kernels.chosen_rows import add, overwrite, panel_width
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.masked_linear.panels import lines, pack, pack_rows
from chainrule.kernels.tiles import row, row_distance
from chainrule.kernels.types import Array, Ids

DENSE = 0.2  # share of ones from which products make a gradient faster
DEPTH = 128  # rows of a panel: 32 KiB
_U = np.uintp


def are_many(x: Any) -> bool:
    """Return whether so many bits of x are ones that B1 is faster by products than by lists."""
    ones = np.count_nonzero(x.view(np.bool_) if x.dtype == np.uint8 else x)
    return bool(ones >= DENSE * x.size)


@njit(**JIT)
def add_rows(x: Any, W: Array, stairs: Staircase, y: Array, lo: int, hi: int) -> None:
    """Add F1's sum over the bits to rows lo … hi - 1 of y."""
    K, O, width, y_row = stairs.numbers.size, W.shape[1], panel_width(W), row_distance(y)
    panel, edge = lines(DEPTH, width, W), lines(1, width, W)
    lists = np.empty((hi - lo, DEPTH), np.int32)
    counts = np.empty(hi - lo, np.intp)
    for k in range(0, K, DEPTH):
        depth = min(DEPTH, K - k)
        numbers = stairs.numbers[k : k + depth]
        for n in range(lo, hi):
            counts[n - lo] = _bits_of_row(row(x, n), numbers, row(lists, n - lo))
        for at in range(stairs.first[stairs.numbers[k]] // width * width, O, width):
            m = min(width, O - at)
            pack(W, stairs, k, depth, at, panel)
            for n in range(lo, hi):
                some = (counts[n - lo], lists, (n - lo) * DEPTH, panel)
                if m == width:
                    add(*some, y, n * y_row + at)  # F1
                    continue
                overwrite(*some, edge, 0)  # F1
                for j in range(m):
                    y[n, at + j] += edge[0, j]


@njit(**INLINE)
def _bits_of_row(x_n: Any, numbers: Ids, on: Ids) -> int:
    """Overwrite the list with which of some numbers are on in a row of x; return how many are."""
    count = _U(0)
    if numbers[numbers.size - 1] - numbers[0] == numbers.size - 1:
        some = x_n[numbers[0] : numbers[0] + numbers.size]
        for r in range(some.size):
            on[count] = r
            count += _U(some[r] != 0)
    else:
        for r in range(numbers.size):
            on[count] = r
            count += _U(x_n[numbers[r]] != 0)
    return int(count)


@njit(**JIT)
def weight_gradient(dy: Array, x: Any, stairs: Staircase, dW: Array, lo: int, hi: int) -> None:
    """Overwrite the rows of dW of the numbers lo … hi - 1 by B1."""
    (N, O), width, dW_row = dy.shape, panel_width(dy), row_distance(dW)
    panel, edge = lines(DEPTH, width, dy), lines(1, width, dy)
    lists = np.empty((hi - lo, DEPTH), np.int32)
    counts = np.empty(hi - lo, np.intp)
    for k in range(lo, hi):
        i = stairs.numbers[k]
        to = row(dW, stairs.rows[i])[: stairs.first[i]]
        for j in range(to.size):
            to[j] = 0
    for n in range(0, N, DEPTH):
        depth, some_x = min(DEPTH, N - n), x[n : n + DEPTH]
        for k in range(lo, hi):
            counts[k - lo] = _rows_of_bit(some_x, stairs.numbers[k], row(lists, k - lo))
        for at in range(0, O, width):
            m = min(width, O - at)
            pack_rows(dy, n, depth, at, panel)
            for k in range(lo, min(hi, stairs.seen[at + m - 1])):
                i = stairs.numbers[k]
                some = (counts[k - lo], lists, (k - lo) * DEPTH, panel)
                first, to = stairs.first[i] - at, stairs.rows[i] * dW_row + at
                if first > 0 or m < width:
                    overwrite(*some, edge, 0)  # B1
                    _add_part(row(edge, 0), first, n == 0, row(dW, stairs.rows[i])[at : at + m])
                elif n == 0:
                    overwrite(*some, dW, to)  # B1
                else:
                    add(*some, dW, to)  # B1


@njit(**INLINE)
def _rows_of_bit(x: Any, i: int, on: Ids) -> int:
    """Overwrite the list with the rows of x in which input i is on; return how many they are."""
    count = _U(0)
    for n in range(x.shape[0]):
        on[count] = n
        count += _U(x[n, i] != 0)
    return int(count)


@njit(**JIT)
def _add_part(term: Array, first: int, alone: bool, total: Array) -> None:
    """Add term to total from `first` on, or overwrite total by it where it is `alone`."""
    for j in range(max(0, first), total.size):
        total[j] = term[j] if alone else total[j] + term[j]


@njit(**JIT)
def cut(stairs: Staircase, lo: int, hi: int, total: int) -> tuple[int, int]:
    """Return which numbers are the part lo … hi of `total`, all parts of equal work."""
    O, K, work = stairs.seen.size, stairs.numbers.size, 0
    for k in range(K):
        work += O - stairs.first[stairs.numbers[k]] + O // 4 + 1  # zeros and lists are written too
    first = last = done = 0
    for k in range(K):
        if done * total < lo * work:
            first += 1
        if done * total < hi * work:
            last += 1
        done += O - stairs.first[stairs.numbers[k]] + O // 4 + 1
    return first, last
