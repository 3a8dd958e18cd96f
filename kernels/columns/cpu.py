"""Numba twin of rows of columns: a row's outputs are read once, and turn into their gradient."""

import numpy as np

from chainrule.kernels.batches import BATCH, NLL, RATE, X
from chainrule.kernels.columns import BIT, Layout, bodies
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp, log1p_of_share, smallest_normal
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Table

THREAD_WORK = 20_000  # outputs worth a thread: about 0.1 ms
DRAW_WORK = 1000  # outputs to draw from that are worth one


def terms(layout: Layout, s: Array, x: Table, log_p: Array) -> None:
    """See `chainrule.kernels.columns.terms`."""

    def some(lo: int, hi: int) -> None:
        _terms(layout, s[lo:hi], x[lo:hi], log_p[lo:hi])

    map_rows(some, len(s), _min_rows(s, THREAD_WORK))


def nll_and_grad(layout: Layout, s: Array, x: Table, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.columns.nll_and_grad`."""

    def some(lo: int, hi: int) -> None:
        if ds is not s:
            ds[lo:hi] = s[lo:hi]
        _nll_and_grad(layout, ds[lo:hi], x[lo:hi], scale, nll[lo:hi])

    map_rows(some, len(s), _min_rows(s, THREAD_WORK))


def weighted_nll_and_grad(
    layout: Layout, s: Array, x: Table, weights: Array, nll: Array, ds: Array
) -> None:
    """See `chainrule.kernels.columns.weighted_nll_and_grad`."""

    bits = len(layout.values) > 0 and (layout.values == BIT).all()

    def some(lo: int, hi: int) -> None:
        if bits:
            _weighted_bits(s[lo:hi], x[lo:hi], weights[lo:hi], nll[lo:hi], ds[lo:hi])
            return
        if ds is not s:
            ds[lo:hi] = s[lo:hi]
        _weighted_nll_and_grad(layout, ds[lo:hi], x[lo:hi], weights[lo:hi], nll[lo:hi])

    map_rows(some, len(s), _min_rows(s, THREAD_WORK))


def input_gradient(layout: Layout, ds: Array, dx: Array) -> None:
    """See `chainrule.kernels.columns.input_gradient`."""
    _input_gradient(layout, ds, dx)


def draw(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    """See `chainrule.kernels.columns.draw`."""
    s, u = np.ascontiguousarray(s), np.ascontiguousarray(u, np.float64)
    drawn = np.ascontiguousarray(x)

    def some(lo: int, hi: int) -> None:
        _draw(layout, i, s[lo:hi], u[lo:hi], drawn[lo:hi])

    map_rows(some, len(s), _min_rows(s, DRAW_WORK))
    if drawn is not x:
        x[...] = drawn


def cdf_interval(layout: Layout, s: Array, x: Table, lo: Array, hi: Array) -> None:
    """See `chainrule.kernels.columns.cdf_interval`."""

    def some(first: int, stop: int) -> None:
        _cdf_interval(layout, s[first:stop], x[first:stop], lo[first:stop], hi[first:stop])

    map_rows(some, len(s), _min_rows(s, DRAW_WORK))


def _min_rows(s: Array, work: int) -> int:
    return 1 + work // max(1, int(s.shape[1]))


@njit(**JIT)
def _terms(layout: Layout, s: Array, x: Table, log_p: Array) -> None:
    work, nll = np.empty(layout.work, s.dtype), np.empty(BATCH)
    for n in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - n)
        for i in range(x.shape[1]):
            nll[:] = 0
            of_i = s[n : n + rows]
            bodies.block_loss(layout, i, of_i, layout.first[i], x[n : n + rows], 0, rows, nll, work)
            for k in range(rows):
                log_p[n + k, i] = -nll[k]


@njit(**JIT)
def _nll_and_grad(layout: Layout, s: Array, x: Table, scale: float, nll: Array) -> None:
    """Overwrite nll, and s by the gradient."""
    work, total = np.empty(layout.work, s.dtype), np.empty(BATCH)
    for n in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - n)
        block, of_x = s[n : n + rows], x[n : n + rows]
        total[:] = 0
        for i in range(x.shape[1]):
            o = layout.first[i]
            bodies.block_loss_gradient(layout, i, block, o, of_x, 0, rows, scale, total, work)
        for k in range(rows):
            nll[n + k] = total[k]


@njit(**JIT)
def _weighted_nll_and_grad(layout: Layout, s: Array, x: Table, weights: Array, nll: Array) -> None:
    """Overwrite nll, and s by the gradient."""
    work, total = np.empty(layout.work, s.dtype), np.empty(BATCH)
    for n in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - n)
        total[:] = 0
        for i in range(x.shape[1]):
            work[:NLL] = 0
            for k in range(rows):
                weight = weights[n + k, i]
                if weight != 0:
                    work[X + k], work[RATE + k] = x[n + k, i], weight
            bodies.batch_losses(layout, i, s, n, rows, layout.first[i], True, work)  # B1
            for k in range(rows):
                total[k] += work[RATE + k] * work[NLL + k]  # F4
        for k in range(rows):
            nll[n + k] = total[k]


@njit(**JIT)
def _weighted_bits(s: Array, x: Table, weights: Array, nll: Array, ds: Array) -> None:
    """Overwrite nll, and ds, which may be s, where all columns are bits: vectorised along a row."""
    (N, D), zero, one = s.shape, s.dtype.type(0), s.dtype.type(1)
    tiny, wrong, e = smallest_normal(s), np.empty(D, s.dtype), np.empty(D, s.dtype)
    for n in range(N):
        s_n, x_n, w_n, ds_n = s[n], x[n], weights[n], ds[n]
        for i in range(D):
            wrong[i] = -s_n[i] if x_n[i] != 0 else s_n[i]  # the logit of the value it has not
            e[i] = exp(-abs(wrong[i]))
        nll[n] = _weighted_sum(w_n, wrong, e)
        for i in range(D):
            error = w_n[i] * (one if wrong[i] > zero else e[i]) / (one + e[i])
            error = zero if abs(error) < tiny else error  # see chainrule.kernels.bernoulli.cpu
            ds_n[i] = -error if x_n[i] != 0 else error  # B1


@njit(**JIT_SUMS)
def _weighted_sum(weights: Array, wrong: Array, e: Array) -> float:
    """Return the sum of weights times softplus(wrong), e being e^-|wrong|."""
    total = 0.0
    for i in range(e.size):
        loss = max(wrong[i], wrong.dtype.type(0)) + log1p_of_share(e[i])
        total += weights[i] * loss
    return total


@njit(**JIT)
def _input_gradient(layout: Layout, ds: Array, dx: Array) -> None:
    for n in range(len(ds)):
        for i in range(dx.shape[1]):
            dx[n, i] = bodies.input_gradient(layout, i, ds, n, layout.first[i])


@njit(**JIT)
def _draw(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    w = np.empty(layout.work, np.float64)
    for n in range(len(s)):
        if not u[n] < 0:
            x[n] = bodies.draw(layout, i, s, n, 0, u[n], w)


@njit(**JIT)
def _cdf_interval(layout: Layout, s: Array, x: Table, lo: Array, hi: Array) -> None:
    w = np.empty(layout.work, np.float64)
    for n in range(len(s)):
        for i in range(x.shape[1]):
            o = layout.first[i]
            lo[n, i], hi[n, i] = bodies.cdf_interval(layout, i, s, n, o, x, n, w)
