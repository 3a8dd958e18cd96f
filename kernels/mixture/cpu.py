"""Numba twin of the mixture: batches of rows, whose gradients take the place of their outputs."""

import numpy as np

from chainrule.kernels.batches import BATCH, NLL, RATE, X
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.mixture import batch, n_components, quantile
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array

THREAD_WORK = 20_000  # outputs worth a thread: about 0.1 ms
DRAW_WORK = 300  # components to draw from that are worth one


def terms(s: Array, x: Array, half: float, family: int, learned: bool, log_p: Array) -> None:
    """See `chainrule.kernels.mixture.terms`."""
    K, half = n_components(s, learned), float(half)

    def some(lo: int, hi: int) -> None:
        work = np.empty(batch.working_memory(K), s.dtype)
        _terms(s[lo:hi], x[lo:hi], K, half, family, learned, work, log_p[lo:hi])

    map_rows(some, len(s), _min_rows(s))


def backward(
    dnll: Array, s: Array, x: Array, half: float, family: int, learned: bool, ds: Array
) -> None:
    """See `chainrule.kernels.mixture.backward`."""
    _both(dnll, s, x, half, family, learned, np.empty_like(dnll), ds)


def nll_and_grad(
    s: Array,
    x: Array,
    half: float,
    scale: float,
    family: int,
    learned: bool,
    nll: Array,
    ds: Array,
) -> None:
    """See `chainrule.kernels.mixture.nll_and_grad`."""
    _both(np.full(len(s), scale, s.dtype), s, x, half, family, learned, nll, ds)


def input_gradient(ds: Array, learned: bool, dx: Array) -> None:
    """See `chainrule.kernels.mixture.input_gradient`."""
    _input_gradient(ds, n_components(ds, learned), dx)


def cdf(s: Array, x: Array, family: int, learned: bool, u: Array) -> None:
    """See `chainrule.kernels.mixture.cdf`."""
    K = n_components(s, learned)

    def some(lo: int, hi: int) -> None:
        _cdf(s[lo:hi], x[lo:hi], K, family, learned, u[lo:hi])

    map_rows(some, len(s), 1 + DRAW_WORK // K)


def draw(s: Array, u: Array, family: int, learned: bool, x: Array) -> None:
    """See `chainrule.kernels.mixture.draw`."""
    s, u, K = np.ascontiguousarray(s), np.ascontiguousarray(u, np.float64), n_components(s, learned)
    drawn = np.ascontiguousarray(x)

    def some(lo: int, hi: int) -> None:
        _draw(s[lo:hi], u[lo:hi], K, family, learned, drawn[lo:hi])

    map_rows(some, len(s), 1 + DRAW_WORK // K)
    if drawn is not x:
        x[...] = drawn


def _both(
    dnll: Array,
    s: Array,
    x: Array,
    half: float,
    family: int,
    learned: bool,
    nll: Array,
    ds: Array,
) -> None:
    K, half = n_components(s, learned), float(half)

    def some(lo: int, hi: int) -> None:
        if ds is not s:
            ds[lo:hi] = s[lo:hi]
        work = np.empty(batch.working_memory(K), s.dtype)
        mine = dnll[lo:hi], ds[lo:hi], x[lo:hi]
        _nll_and_grad(*mine, K, half, family, learned, work, nll[lo:hi])

    map_rows(some, len(s), _min_rows(s))


def _min_rows(s: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(s.shape[1]))


@njit(**JIT)
def _terms(
    s: Array,
    x: Array,
    K: int,
    half: float,
    family: int,
    learned: bool,
    work: Array,
    log_p: Array,
) -> None:
    for first in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - first)
        _fill(work, x, x, first, rows)
        batch.losses(s, first, rows, 0, K, half, family, learned, False, work)
        for k in range(rows):
            log_p[first + k] = -work[NLL + k]


@njit(**JIT)
def _nll_and_grad(
    dnll: Array,
    s: Array,
    x: Array,
    K: int,
    half: float,
    family: int,
    learned: bool,
    work: Array,
    nll: Array,
) -> None:
    """Overwrite nll, and s by the gradient."""
    for first in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - first)
        _fill(work, x, dnll, first, rows)
        batch.losses(s, first, rows, 0, K, half, family, learned, True, work)
        for k in range(rows):
            nll[first + k] = work[NLL + k]


@njit(**JIT)
def _fill(work: Array, x: Array, dnll: Array, first: int, rows: int) -> None:
    work[:NLL] = 0
    for k in range(rows):
        work[X + k], work[RATE + k] = x[first + k], dnll[first + k]


@njit(**JIT)
def _input_gradient(ds: Array, K: int, dx: Array) -> None:
    for n in range(len(ds)):
        dx[n] = batch.input_gradient(ds, n, 0, K)


@njit(**JIT)
def _cdf(s: Array, x: Array, K: int, family: int, learned: bool, u: Array) -> None:
    w = np.empty(3 * K, np.float64)
    for n in range(len(s)):
        u[n] = quantile.cdf(s, n, 0, K, x[n], family, learned, w)


@njit(**JIT)
def _draw(s: Array, u: Array, K: int, family: int, learned: bool, x: Array) -> None:
    w = np.empty(3 * K, np.float64)
    for n in range(len(s)):
        if not u[n] < 0:
            x[n] = quantile.draw(s, n, 0, K, u[n], family, learned, w)
