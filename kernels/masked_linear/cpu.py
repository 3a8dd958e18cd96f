"""Numba twin of the masked linear map: panels for what is dense, lists for what is sparse.

Inputs that enter as numbers are a dense matrix, multiplied panel by panel (`panels`), unless they
are bits: the rows of those that are on are added up (`bits`), but for gradients of many; so are
rows that codes choose (`events`). A tile of y or of dx, and a row of dW, is one thread's, whatever
their number, so that nothing has to be added up afterwards and no result depends on it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.kernels import tiles
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_linear import Staircase, bits, events, panels
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

THREAD_WORK = 4_000_000  # multiply-adds worth a thread: about 0.1 ms
Part = Callable[[int, int], None]
PARTS = 1 << 12  # what shares of unequal panels or inputs are counted in


def forward(x: Array, W: Array, b: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.forward`."""
    y[...] = b
    add(x, W, stairs, y)


def add(x: Array, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add`."""
    some, codes = len(stairs.numbers) > 0, len(stairs.numbers) < len(stairs.first)
    listed = some and x.dtype.kind != "f"
    if some and not listed:
        numbers = _numbers(x, stairs, W.dtype)
        _split(lambda lo, hi: panels.multiply(numbers, W, stairs, y, lo, hi, PARTS), len(x), W)

    def rows(lo: int, hi: int) -> None:
        if listed:
            bits.add_rows(x, W, stairs, y, lo, hi)
        if codes:
            events.add_rows(x, W, stairs, y, lo, hi)

    if listed or codes:
        map_rows(rows, len(x), 1 + 2 * THREAD_WORK // max(1, W.size))


def _split(part: Part, n_rows: int, W: Array) -> None:
    """Run part(lo, hi) on shares of PARTS of a product of so many rows with half of W."""
    map_rows(part, PARTS, 1 + 2 * PARTS * THREAD_WORK // max(1, n_rows * W.size))


def backward(dy: Array, x: Array, stairs: Staircase, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_linear.backward`."""
    _split(_weight_gradient(dy, x, stairs, dW, db), len(x), dW)


def add_backward(dy: Array, x: Array, stairs: Staircase, dW: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_backward`."""
    _split(_weight_gradient(dy, x, stairs, dW, None), len(x), dW)


def backward_through(
    dy: Array, x: Array, W: Array, stairs: Staircase, dW: Array, db: Array, dx: Array
) -> None:
    """See `chainrule.kernels.masked_linear.backward_through`."""
    weights = _weight_gradient(dy, x, stairs, dW, db)
    inputs = _input_gradient(dy, W, stairs, dx)

    def part(lo: int, hi: int) -> None:
        weights(lo, hi)
        inputs(lo, hi)

    _split(part, 2 * len(x), W)


def _weight_gradient(dy: Array, x: Array, stairs: Staircase, dW: Array, db: Array | None) -> Part:
    """Return what overwrites a part of dW by B1, and of db, where it is wanted, by B2."""
    some, codes = len(stairs.numbers) > 0, len(stairs.numbers) < len(stairs.first)
    dense = some and (x.dtype.kind == "f" or bits.are_many(_chosen(x, stairs)))
    numbers = _numbers(x, stairs, dW.dtype) if dense else x

    def part(lo: int, hi: int) -> None:
        if dense:
            panels.weight_gradient(dy, numbers, stairs, dW, *panels.cut(stairs, lo, hi, PARTS))
        if some and not dense:
            bits.weight_gradient(dy, x, stairs, dW, *bits.cut(stairs, lo, hi, PARTS))
        if codes:
            events.weight_gradient(dy, x, stairs, dW, *events.cut(stairs, lo, hi, PARTS))
        if db is not None:
            sum_columns(dy, db, lo, hi, PARTS)  # B2

    return part


def input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array) -> None:
    """See `chainrule.kernels.masked_linear.input_gradient`."""
    _split(_input_gradient(dy, W, stairs, dx), len(dy), W)


def _input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array) -> Part:
    """Return what overwrites a part of dx by B3; what is no number is 0 already."""
    if len(stairs.numbers) < dx.shape[1]:
        dx[...] = 0
    return lambda lo, hi: panels.input_gradient(dy, W, stairs, dx, lo, hi, PARTS)


def add_inputs(x: Array, lo: int, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_inputs`."""

    def some(first: int, stop: int) -> None:
        events.add_inputs(x, lo, W, stairs, y, first, stop)

    map_rows(some, len(x), 1 + THREAD_WORK // (20 * max(1, x.shape[1] * W.shape[1])))


def arrange(W: Array, rows: Ids, columns: Ids, out: Array) -> None:
    """See `chainrule.kernels.masked_linear.arrange`."""

    def some(lo: int, hi: int) -> None:
        _arrange(W, rows, columns, out, lo, hi)

    map_rows(some, len(out), 1 + 200_000 // max(1, out.shape[1]))


def _chosen(x: Array, stairs: Staircase) -> Array:
    """Return the inputs that enter as numbers, (N, K)."""
    return x if len(stairs.numbers) == x.shape[1] else x[:, stairs.numbers]


def _numbers(x: Array, stairs: Staircase, dtype: Any) -> Array:
    """Return the same of the weights' dtype."""
    return np.ascontiguousarray(_chosen(x, stairs), dtype)


@njit(**JIT)
def sum_columns(dy: Array, db: Array, lo: int, hi: int, parts: int) -> None:
    """Overwrite part lo … hi of db, cut into `parts`, by B2."""
    lo, hi = lo * db.size // parts, hi * db.size // parts
    total = db[lo:hi]
    for j in range(total.size):
        total[j] = 0
    for n in range(len(dy)):
        dy_n = tiles.row(dy, n)[lo:hi]
        for j in range(total.size):
            total[j] += dy_n[j]


@njit(**JIT)
def _arrange(W: Array, rows: Ids, columns: Ids, out: Array, lo: int, hi: int) -> None:
    for i in range(lo, hi):
        from_, to = tiles.row(W, rows[i]), tiles.row(out, i)
        for j in range(to.size):
            to[j] = from_[columns[j]]
