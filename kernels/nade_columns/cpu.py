"""Numba twin of NADE over columns: splits the rows over threads; `sweeps` compute.

What a function writes depends on the number of threads only where it is a sum over rows, that is,
in the gradients.

The sweeps read x in the dtype of the parameters, whatever kinds its columns are of: a copy of N·D
numbers saves compiling each sweep for bits, for categories and for real numbers.
"""

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.columns import Layout
from chainrule.kernels.nade_columns import Weights, sweeps
from chainrule.kernels.types import Array, Ids, Table

THREAD_WORK = 2_000_000  # multiply-adds worth a thread: about 0.1 ms


def forward(layout: Layout, weights: Weights, x: Table, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.nade_columns.forward`."""
    x = _numbers(x, weights)

    def rows(lo: int, hi: int) -> None:
        sweeps.forward(layout, weights, x[lo:hi], y[lo:hi], s[lo:hi])

    threads.map_rows(rows, len(x), _min_rows(weights))


def log_prob(layout: Layout, weights: Weights, x: Table, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade_columns.log_prob`."""
    x = _numbers(x, weights)

    def rows(lo: int, hi: int) -> None:
        sweeps.log_prob(layout, weights, x[lo:hi], y[lo:hi], log_p[lo:hi])

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
        part = x[lo:hi], y[lo:hi], scale_typed, nll[lo:hi]
        sweeps.nll_and_grad(layout, weights, *part, Weights(*share), dx[lo:hi])

    if len(x) == 0:
        for array in grad:
            array.fill(0)
    else:
        threads.sum_rows(rows, len(x), _shares(grad, len(x)), _min_rows(weights))


def sample(layout: Layout, weights: Weights, u: Array, y: Ids, x: Table) -> None:
    """See `chainrule.kernels.nade_columns.sample`."""
    drawn = _numbers(x, weights)

    def rows(lo: int, hi: int) -> None:
        sweeps.sample(layout, weights, u[lo:hi], y[lo:hi], drawn[lo:hi])

    threads.map_rows(rows, len(u), _min_rows(weights))
    if drawn is not x:
        x[...] = drawn


def _numbers(x: Table, weights: Weights) -> Array:
    """Return x in the parameters' dtype."""
    return np.ascontiguousarray(x, weights.V.dtype)


def _min_rows(weights: Weights) -> int:
    """Return the fewest rows worth a thread."""
    return 1 + THREAD_WORK // max(1, weights.V.size + weights.W.size)


def _shares(grad: Weights, n_rows: int) -> list[Weights]:
    """Return the caller's gradients as the first thread's share, and scratch for the others."""
    others = min(threads.n_threads(), n_rows // _min_rows(grad)) - 1
    return [grad, *(Weights(*map(np.empty_like, grad)) for _ in range(others))]
