"""What the sweeps keep of a block of rows from one variable to the next, and its steps.

A variable's step is a few products of matrices (`chainrule.kernels.tiles`), all rows of the block
at once, and loops over single rows for what is a row's own:

    activate        h = σ(ρ_i a), of the rows whose a has moved, or of all where ρ_i has (F2)
    outputs         s_i = b_i + V_i h                                                    (F3)
    move            a += f W_r, of the rows whose x_i is an event                        (F4)

A row's numbers depend on no other row: neither a tile's nor a loop's sums mix them.

Rows of a and h are an odd number of cache lines apart. A column of tiles then spreads over all
sets of a cache, where rows a power of two apart would share a few. What lies beyond H is 0 in a,
and is read and written by whole vectors, to no effect.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.columns import REAL, Layout
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, JIT_SUMS, sigmoid
from chainrule.kernels.tiles import ROWS, overwrite, panel_width, row, row_distance
from chainrule.kernels.types import Array, Bits

# Of a block a, h and P stay in a core's second-level cache: 128 rows of 500 units, 0.8 MB in
# float32. A variable's rows of V and W are read from memory once a block, so fewer rows cost more.
UNITS = 64_000
MOST_ROWS = 4096  # of few units: what else is kept of a row, counts too
NARROW = 4  # outputs up to which products with single rows of V beat a panel, most of it empty
NO_ROW = -1  # of W: x_i leaves a as it is


class Block(NamedTuple):
    """The units of some rows, and the outputs of the variable at hand."""

    a: Array  # (rows, room)
    h: Array  # (rows, room)
    moved: Bits  # (rows,): whether a has moved since h was computed
    s: Array  # (rows, whole panels): outputs, then their gradients
    V_panels: Array  # (panels, H, width): V_i transposed


def n_rows_for(H: int) -> int:
    """Return how many rows are one block."""
    return min(MOST_ROWS, max(1, UNITS // H))


def new(n_rows: int, layout: Layout, V: Array) -> Block:
    """Return room for so many rows."""
    width, most = panel_width(V), most_outputs(layout)
    units = room(V.shape[1], V)
    return Block(
        np.zeros((n_rows, units), V.dtype),
        np.zeros((n_rows, units), V.dtype),
        np.empty(n_rows, np.uint8),
        np.zeros((n_rows, room(most, V)), V.dtype),
        np.zeros((-(-most // width), V.shape[1], width), V.dtype),
    )


def room(n: int, like: Array) -> int:
    """Return how many numbers a row of n takes: an odd number of panels, each a cache line."""
    width = panel_width(like)
    return (-(-n // width) | 1) * width


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
            a[j] = c_y[j]
        block.moved[n] = 1


@njit(**JIT, **BORROWS)
def activate(block: Block, n_rows: int, rho: Array, i: int) -> None:
    """h_i = σ(ρ_i a_i) (F2)."""
    rate, anew = block.a.dtype.type(1), False
    if rho.size > 0:
        rate = rho[i]
        anew = i > 0 and rho[i] != rho[i - 1]
    for n in range(n_rows):
        if anew or block.moved[n] != 0:
            a, h = row(block.a, n), row(block.h, n)
            for j in range(a.size):
                h[j] = sigmoid(rate * a[j])
            block.moved[n] = 0


@njit(**JIT, **BORROWS)
def outputs(block: Block, n_rows: int, V: Array, b: Array, o: int, n: int) -> None:
    """s_i = b_i + V_i h_i (F3), from the n rows of V from o on."""
    if n <= NARROW:
        for m in range(n_rows):
            narrow(row(block.h, m), V, b, o, n, row(block.s, m))
        return
    h, s, panels, width = block.h, block.s, block.V_panels, panel_width(V)
    H, h_row, s_row = V.shape[1], row_distance(h), row_distance(s)
    pack(V, o, n, panels)
    for g in range(-(-n // width)):
        for m in range(0, n_rows, ROWS):
            of_tile, to = min(ROWS, n_rows - m), m * s_row + g * width
            overwrite(of_tile, h, m * h_row, h_row, H, panels, g * H * width, width, s, to, s_row)
    for m in range(n_rows):
        s_m = row(s, m)
        for k in range(n):
            s_m[k] += b[o + k]


@njit(**JIT_SUMS, **BORROWS)
def narrow(h: Array, V: Array, b: Array, o: int, n: int, s: Array) -> None:
    """F3 of one row of data, a row of V at a time."""
    for k in range(n):
        V_k, total = row(V, o + k), b.dtype.type(0)
        for j in range(V_k.size):
            total += V_k[j] * h[j]
        s[k] = b[o + k] + total


@njit(**JIT, **BORROWS)
def pack(V: Array, o: int, n: int, panels: Array) -> None:
    """Lay out the transpose of n rows of V from o on: panels[g, j, k] = V[o + g · width + k, j].

    Beyond the last row stands what stood there: it makes outputs that nobody reads.
    """
    width = panel_width(V)
    for k in range(n):
        V_k, g, at = row(V, o + k), k // width, k % width
        for j in range(V_k.size):
            panels[g, j, at] = V_k[j]


@njit(**JIT, **BORROWS)
def move(block: Block, n_rows: int, x: Any, i: int, K: int, W: Array, first_row: int) -> None:
    """a_{i+1} = a_i + f(x_i) W_r(x_i) (F4), whose rows of W begin at first_row."""
    for n in range(n_rows):
        r = row_of(K, x[n, i])
        if r != NO_ROW:
            add(row(block.a, n), factor(K, x[n, i], W), row(W, first_row + r))
            block.moved[n] = 1


@njit(**INLINE, **BORROWS)
def add(total: Array, times: float, term: Array) -> None:
    """total += times · term, as far as term goes."""
    for j in range(term.size):
        total[j] += times * term[j]
