"""What the sweeps keep of a block of rows from one variable to the next, and its steps.

A variable's step is a few products of matrices (`chainrule.kernels.nade_columns.products`), all
rows of the block at once, and loops over single rows for what is a row's own:

    activate        h = σ(ρ_i a), of the rows whose a has moved, or of all where ρ_i has (F2)
    outputs         s_i = b_i + V_i h                                                    (F3)
    move            a += f W_r, of the rows whose x_i is an event                        (F4)
    step            move, then activate for i + 1

A row's numbers depend on no other row: neither a tile's nor a loop's sums mix them.

Rows of a and h begin on cache lines, an odd number of lines apart. A column of tiles then spreads
over all sets of a cache, where rows a power of two apart would share a few. What lies beyond H is 0
in a, and is read and written by whole panels, to no effect.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.columns import REAL, Layout
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, sigmoid
from chainrule.kernels.memory import LINE
from chainrule.kernels.nade_columns.products import FEW, TALL, dots
from chainrule.kernels.tiles import at_once, panel_width, row, row_distance
from chainrule.kernels.types import Array, Bits

# Of a block a, h and Q stay in a core's second-level cache: 128 rows of 500 units, 0.8 MB in
# float32. A variable's rows of V and W are read from memory once a block, so fewer rows cost more.
UNITS = 64_000
MOST_ROWS = 4096  # of few units: what else is kept of a row, counts too
NO_ROW = -1  # of W: x_i leaves a as it is


class Block(NamedTuple):
    """The units of some rows, and the outputs of the variable at hand."""

    a: Array  # (rows, room)
    h: Array  # (rows, room)
    moved: Bits  # (rows,): whether a has moved since h was computed
    rate: Array  # (1,): ρ of that h; NaN before there is any
    s: Array  # (rows, room): outputs, then their gradients


def n_rows_for(H: int) -> int:
    """Return how many rows are one block."""
    return min(MOST_ROWS, max(1, UNITS // H))


def new(n_rows: int, layout: Layout, V: Array) -> Block:
    """Return room for so many rows."""
    a, h = rows_of_zeros(n_rows, V.shape[1], V), rows_of_zeros(n_rows, V.shape[1], V)
    moved, rate = np.empty(n_rows, np.uint8), np.empty(1, V.dtype)
    return Block(a, h, moved, rate, rows_of_zeros(n_rows, most_outputs(layout), V))


def rows_of_zeros(n_rows: int, n: int, like: Array) -> Array:
    """Return rows of n numbers and more: whole panels, on lines of which each has an odd number."""
    line, width = LINE // like.itemsize, panel_width(like)
    lines = -(-n // width * width // line) | 1  # rounded up twice
    raw: Array = np.zeros((n_rows * lines + 1) * line, like.dtype)
    first = -raw.ctypes.data % LINE // like.itemsize
    return raw[first : first + n_rows * lines * line].reshape(n_rows, lines * line)


def most_outputs(layout: Layout) -> int:
    """Return the most outputs that one variable has."""
    return int(np.diff(layout.first).max(initial=1))


@njit(**INLINE, **BORROWS)
def rows_of(K: int) -> int:
    """Return how many rows of W a variable of K values has."""
    return 1 if K == REAL else K - 1


@njit(**INLINE, **BORROWS)
def row_of(K: int, value: Any) -> int:
    """Return which of its variable's rows of W a value adds to a, or NO_ROW."""
    if value == 0:
        return NO_ROW
    return 0 if K == REAL else int(value) - 1


@njit(**INLINE, **BORROWS)
def factor(K: int, value: Any, like: Array) -> Any:
    """Return what times it is added."""
    return like.dtype.type(value) if K == REAL else like.dtype.type(1)


@njit(**INLINE, **BORROWS)
def class_of(y: Any, n: int) -> int:
    """Return the label of row n, 0 where there are none."""
    return int(y[n]) if y.size > 0 else 0


@njit(**JIT, **BORROWS)
def start(block: Block, n_rows: int, c: Array, y: Any) -> None:
    """a_1 = c_y (F1)."""
    for n in range(n_rows):
        a, c_y = row(block.a, n), row(c, class_of(y, n))
        for j in range(c_y.size):
            a[j] = c_y[j]  # F1
        block.moved[n] = 1
    block.rate[0] = np.nan


@njit(**JIT, **BORROWS)
def activate(block: Block, n_rows: int, rho: Array, i: int) -> None:
    """h_i = σ(ρ_i a_i) (F2)."""
    anew = change_rate(block, rho, i)
    for n in range(n_rows):
        if anew or block.moved[n] != 0:
            sigmoids(block, n)
            block.moved[n] = 0


@njit(**INLINE, **BORROWS)
def change_rate(block: Block, rho: Array, i: int) -> bool:
    """Let h become σ(ρ_i a) from now on; return whether all of it has to be computed anew."""
    rate = rho[i] if rho.size > 0 else block.rate.dtype.type(1)
    anew = rate != block.rate[0]
    block.rate[0] = rate
    return bool(anew)


@njit(**INLINE, **BORROWS)
def sigmoids(block: Block, n: int) -> None:
    """h = σ(ρ_i a) of a row."""
    a, h, rate = row(block.a, n), row(block.h, n), block.rate[0]
    for j in range(a.size):
        h[j] = sigmoid(rate * a[j])  # F2


@njit(**JIT, **BORROWS)
def outputs(block: Block, n_rows: int, V: Array, b: Array, o: int, n: int) -> None:
    """s_i = b_i + V_i h_i (F3), from the n rows of V from o on."""
    h, s, H = block.h, block.s, V.shape[1]
    h_row, V_row, s_row = row_distance(h), row_distance(V), row_distance(s)
    m = 0
    while m < n_rows:
        rows, k = at_once(n_rows - m, TALL), 0
        while k < n:
            few, of_V, to = at_once(n - k, FEW), (o + k) * V_row, m * s_row + k
            dots(rows, few, h, m * h_row, h_row, H, V, of_V, V_row, b, o + k, s, to, s_row)  # F3
            k += few
        m += rows


@njit(**JIT, **BORROWS)
def move(block: Block, n_rows: int, x: Any, i: int, K: int, W: Array, first_row: int) -> None:
    """a_{i+1} = a_i + f(x_i) W_r(x_i) (F4), whose rows of W begin at first_row."""
    for n in range(n_rows):
        r = row_of(K, x[n, i])
        if r != NO_ROW:
            add(row(block.a, n), factor(K, x[n, i], W), row(W, first_row + r))  # F4
            block.moved[n] = 1


@njit(**INLINE, **BORROWS)
def add_and_activate(a: Array, times: float, W_r: Array, rate: float, h: Array) -> None:
    """a += times · W_r, h = σ(rate · a)."""
    for j in range(W_r.size):
        a_j = a[j] + times * W_r[j]
        a[j], h[j] = a_j, sigmoid(rate * a_j)  # F4, F2


@njit(**JIT, **BORROWS)
def step(
    block: Block, n_rows: int, x: Any, i: int, K: int, W: Array, first_row: int, rho: Array
) -> None:
    """`move`, and h_{i+1} (F2) where that changes it: a row of a is used while it is near."""
    anew = change_rate(block, rho, i + 1)
    for n in range(n_rows):
        r = row_of(K, x[n, i])
        if r != NO_ROW:
            W_r, times = row(W, first_row + r), factor(K, x[n, i], W)
            add_and_activate(row(block.a, n), times, W_r, block.rate[0], row(block.h, n))
        elif anew:
            sigmoids(block, n)


@njit(**INLINE, **BORROWS)
def add(total: Array, times: float, term: Array) -> None:
    """total += times · term, as far as term goes."""
    for j in range(term.size):
        total[j] += times * term[j]
