"""Numba twin of NADE over columns: rows split over threads, each share into blocks for `sweeps`.

What a function writes depends on the number of threads only where it is a sum over rows, that is,
in the gradients.

The sweeps read x in the dtype of the parameters, whatever kinds its columns are of: a copy of N·D
numbers saves compiling each sweep for bits, for categories and for real numbers.
"""

from collections.abc import Iterator

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.columns import Layout
from chainrule.kernels.nade_columns import Weights, block, sums, sweeps
from chainrule.kernels.types import Array, Ids, Table

THREAD_WORK = 2_000_000  # multiply-adds worth a thread: about 0.1 ms


def forward(layout: Layout, weights: Weights, x: Table, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.nade_columns.forward`."""
    x = _numbers(x, weights)

    def rows(lo: int, hi: int) -> None:
        units = block.new(_block_size(lo, hi, weights), layout, weights.V)
        for these in _blocks(lo, hi, weights):
            sweeps.forward(layout, weights, x[these], y[these], s[these], units)

    threads.map_rows(rows, len(x), _min_rows(weights))


def log_prob(layout: Layout, weights: Weights, x: Table, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade_columns.log_prob`."""
    x = _numbers(x, weights)

    def rows(lo: int, hi: int) -> None:
        units = block.new(_block_size(lo, hi, weights), layout, weights.V)
        work, nll = np.empty(layout.work, weights.V.dtype), np.zeros(hi - lo)
        for these in _blocks(lo, hi, weights):
            of_these = nll[these.start - lo : these.stop - lo]
            sweeps.loss(layout, weights, x[these], y[these], of_these, units, work)
        np.negative(nll, out=log_p[lo:hi], casting="same_kind")

    threads.map_rows(rows, len(x), _min_rows(weights))


def nll_and_grad(
    layout: Layout,
    weights: Weights,
    x: Table,
    y: Ids,
    scale: float,
    nll: Array,
    grad: Weights,
    dx: Array,
) -> None:
    """See `chainrule.kernels.nade_columns.nll_and_grad`."""
    x, scale_typed = _numbers(x, weights), weights.V.dtype.type(scale)

    def rows(lo: int, hi: int, *share: Array) -> None:
        into, V = Weights(*share), weights.V
        size, work = _block_size(lo, hi, weights), np.empty(layout.work, V.dtype)
        units, total = block.new(size, layout, V), sums.new(size, layout, V)
        of_rows = np.zeros(hi - lo)
        sums.clear(into)
        for these in _blocks(lo, hi, weights):
            of_these = of_rows[these.start - lo : these.stop - lo]
            given, outcome = (layout, weights, x[these], y[these]), (into, dx[these])
            rest = units, total, work, these.start == lo
            sweeps.gradient(*given, scale_typed, of_these, *outcome, *rest)
            sweeps.add_totals(*given, *outcome, total)
        nll[lo:hi] = of_rows

    if len(x) == 0:
        for array in grad:
            array.fill(0)
    else:
        threads.sum_rows(rows, len(x), _shares(grad, len(x)), _min_rows(weights))


def sample(layout: Layout, weights: Weights, u: Array, y: Ids, x: Table) -> None:
    """See `chainrule.kernels.nade_columns.sample`."""
    drawn = _numbers(x, weights)

    def rows(lo: int, hi: int) -> None:
        units = block.new(_block_size(lo, hi, weights), layout, weights.V)
        work = np.empty(layout.work, np.float64)
        for these in _blocks(lo, hi, weights):
            sweeps.sample(layout, weights, u[these], y[these], drawn[these], units, work)

    threads.map_rows(rows, len(u), _min_rows(weights))
    if drawn is not x:
        x[...] = drawn


def _numbers(x: Table, weights: Weights) -> Array:
    """Return x in the parameters' dtype."""
    return np.ascontiguousarray(x, weights.V.dtype)


def _block_size(lo: int, hi: int, weights: Weights) -> int:
    """Return how many rows are worked on at once."""
    return min(hi - lo, block.n_rows_for(weights.V.shape[1]))


def _blocks(lo: int, hi: int, weights: Weights) -> Iterator[slice]:
    """Yield the rows lo … hi - 1, some at a time."""
    size = block.n_rows_for(weights.V.shape[1])
    for first in range(lo, hi, size):
        yield slice(first, min(hi, first + size))


def _min_rows(weights: Weights) -> int:
    """Return the fewest rows worth a thread."""
    return 1 + THREAD_WORK // max(1, weights.V.size + weights.W.size)


def _shares(grad: Weights, n_rows: int) -> list[Weights]:
    """Return the caller's gradients as the first thread's share, and scratch for the others."""
    others = min(threads.n_threads(), n_rows // _min_rows(grad)) - 1
    return [grad, *(Weights(*map(np.empty_like, grad)) for _ in range(others))]
