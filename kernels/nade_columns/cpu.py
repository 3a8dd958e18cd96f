"""Numba twin of NADE over columns: rows in blocks for `sweeps`, shared out over threads.

Where nothing is summed up over rows, a thread has some of them. For the gradient it has some of the
variables instead, of all rows. Then each row of V and W, and of their gradients, is one thread's
alone, and only Q, (rows, H), has to be added up; with rows shared out every thread would read all
of V, and write a gradient of its own.

What a function writes depends on the number of threads only in the gradients, and in the last bits
of nll and dx beside them, which are sums over variables.

The sweeps read x in the dtype of the parameters, whatever kinds its columns are of: a copy of N·D
numbers saves compiling each sweep for bits, for categories and for real numbers.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.columns import Layout
from chainrule.kernels.nade_columns import Weights, block, sums, sweeps
from chainrule.kernels.types import Array, Ids, Table

THREAD_WORK = 2_000_000  # multiply-adds worth a thread: about 0.1 ms
# Of a variable's step in the gradient, in outputs: what does not depend on how many it has, and
# moving a past the variable of another thread.
UNITS_WORK, PASS_WORK = 8, 1


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


class _Part(NamedTuple):
    """A thread's variables, lo … hi - 1, and its memory for a block of rows."""

    lo: int
    hi: int
    units: block.Block
    total: sums.Sums
    work: Array
    nll: Array  # float64


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
    x, rate = _numbers(x, weights), weights.V.dtype.type(scale)
    for array in grad if len(x) == 0 else (grad.b, grad.c, grad.rho):
        array.fill(0)  # W's and V's the first block writes
    parts = _parts(layout, weights, len(x))
    for these in _blocks(0, len(x), weights):
        given, into = (layout, weights, x[these], y[these]), (grad, dx[these])
        _sweep(parts, given, rate, into, these.start == 0)
        of_parts = [part.nll[: these.stop - these.start] for part in parts]
        nll[these] = np.sum(of_parts, axis=0)


def _sweep(parts: list[_Part], given: Any, scale: Any, into: Any, anew: bool) -> None:
    """Let each part sweep over its variables, then add what the sums of all of them are."""

    def forward(t: int, _: int) -> None:
        lo, hi, units, total, work, nll = parts[t]
        nll.fill(0)
        sweeps.gradient(*given, scale, nll, *into, units, total, work, anew, lo, hi)

    def back(t: int, _: int) -> None:
        sweeps.add_totals(*given, *into, parts[t].total, parts[t].lo, parts[t].hi)

    threads.map_rows(forward, len(parts))
    for this, after in pairwise(parts[::-1]):
        after.total.Q[...] += this.total.Q  # Q_{D+1} less what it was where a part began
    threads.map_rows(back, len(parts))


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


def _parts(layout: Layout, weights: Weights, n_rows: int) -> list[_Part]:
    """Return the variables' parts, of about equal work, and memory for each."""
    D, V = len(layout.values), weights.V
    n = max(1, min(threads.n_threads(), D, n_rows // _min_rows(weights)))
    starts, size = _starts(layout, n), _block_size(0, n_rows, weights)
    return [
        _Part(
            lo, hi, block.new(size, layout, V), sums.new(size, layout, V),
            np.empty(layout.work, V.dtype), np.zeros(size),
        )
        for lo, hi in pairwise([*starts, D])
    ]  # fmt: skip


def _starts(layout: Layout, parts: int) -> list[int]:
    """Return the first variable of each part."""
    D, starts = len(layout.values), list(range(parts))
    done = layout.first + UNITS_WORK * np.arange(D + 1)  # the work of the variables before each
    for _ in range(3 if parts > 1 else 0):  # the work of moving a depends on where a part begins
        share = (done[-1] + PASS_WORK * sum(starts)) / parts
        for t in range(1, parts):
            before = starts[t - 1]
            end = np.searchsorted(done, done[before] + share - PASS_WORK * before)
            starts[t] = min(max(int(end), before + 1), D - parts + t)
    return starts
