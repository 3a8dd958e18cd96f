"""Numba twin of the mixture of logistics: batches of rows, gradients in place of their outputs."""

from typing import Any

import numpy as np

from chainrule.kernels.batches import BATCH, NLL, RATE, X
from chainrule.kernels.categorical.cpu import weigh
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, exp, one_less_exp, sigmoid
from chainrule.kernels.logistics import T_MAX, Z_MAX, batch, least_log_scale
from chainrule.kernels.mixture.batch import working_memory
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

_U = np.uintp
THREAD_WORK = 20_000  # outputs worth a thread: about 0.1 ms
DRAW_WORK = 1_500  # exponentials in float64 that are worth one
TABLE_WORK = 40_000  # probabilities of a component that are


def forward(s: Array, x: Ids, levels: int, nll: Array) -> None:
    """See `chainrule.kernels.logistics.forward`."""
    least = least_log_scale(levels)

    def some(lo: int, hi: int) -> None:
        work = np.empty(working_memory(s.shape[1] // 3), s.dtype)
        _forward(s[lo:hi], x[lo:hi], levels, least, work, nll[lo:hi])

    map_rows(some, len(s), _min_rows(s))


def backward(dnll: Array, s: Array, x: Ids, levels: int, ds: Array) -> None:
    """See `chainrule.kernels.logistics.backward`."""
    _both(dnll, s, x, levels, np.empty_like(dnll), ds)


def nll_and_grad(s: Array, x: Ids, levels: int, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.logistics.nll_and_grad`."""
    _both(np.full(len(s), scale, s.dtype), s, x, levels, nll, ds)


def conditionals(s: Array, p: Array) -> None:
    """See `chainrule.kernels.logistics.conditionals`."""
    least, L, K = least_log_scale(p.shape[1]), p.shape[1], s.shape[1] // 3
    rows = 1 + TABLE_WORK // (L * K)
    map_rows(lambda lo, hi: _table(s[lo:hi], least, p[lo:hi]), len(s), rows)


def draw(s: Array, u: Array, levels: int, x: Ids) -> None:
    """See `chainrule.kernels.logistics.draw`."""
    s, u = np.ascontiguousarray(s), np.ascontiguousarray(u, np.float64)
    drawn, least = np.ascontiguousarray(x), least_log_scale(levels)

    def some(lo: int, hi: int) -> None:
        _draw(s[lo:hi], u[lo:hi], levels, least, drawn[lo:hi])

    questions = (levels - 1).bit_length() * (s.shape[1] // 3)
    map_rows(some, len(s), 1 + DRAW_WORK // questions)
    if drawn is not x:
        x[...] = drawn


def _both(dnll: Array, s: Array, x: Ids, levels: int, nll: Array, ds: Array) -> None:
    least = least_log_scale(levels)

    def some(lo: int, hi: int) -> None:
        if ds is not s:
            ds[lo:hi] = s[lo:hi]
        work = np.empty(working_memory(s.shape[1] // 3), s.dtype)
        _nll_and_grad(dnll[lo:hi], ds[lo:hi], x[lo:hi], levels, least, work, nll[lo:hi])

    map_rows(some, len(s), _min_rows(s))


def _min_rows(s: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(s.shape[1]))


@njit(**JIT)
def _forward(s: Array, x: Ids, levels: int, least: float, work: Array, nll: Array) -> None:
    for first in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - first)
        _fill(work, x, first, rows, levels)
        batch.losses(s, first, rows, s.shape[1] // 3, levels, least, False, work)
        for k in range(rows):
            nll[first + k] = work[NLL + k] if x[first + k] >= 0 else 0


@njit(**JIT)
def _nll_and_grad(
    dnll: Array, s: Array, x: Ids, levels: int, least: float, work: Array, nll: Array
) -> None:
    """Overwrite nll, and s by the gradient."""
    for first in range(0, len(s), BATCH):
        rows = min(BATCH, len(s) - first)
        _fill(work, x, first, rows, levels)
        for k in range(rows):
            work[RATE + k] = dnll[first + k]
        batch.losses(s, first, rows, s.shape[1] // 3, levels, least, True, work)
        for k in range(rows):
            nll[first + k] = work[NLL + k]
            if x[first + k] < 0:
                nll[first + k] = 0
                s[first + k] = 0


@njit(**JIT)
def _fill(work: Array, x: Ids, first: int, rows: int, levels: int) -> None:
    """Write y of each row; -1 is read as 0."""
    work[:NLL] = 0
    for k in range(rows):
        work[X + k] = 2 * max(0, x[first + k]) - (levels - 1)


@njit(**INLINE, **BORROWS)
def _step_of(t: Any, levels: int, least: float, like: Array) -> Any:
    """Return k, in like's dtype (F1)."""
    lowest, highest = like.dtype.type(least), like.dtype.type(T_MAX)
    tau = lowest if t < lowest else t
    return exp(-(highest if tau > highest else tau)) / like.dtype.type(levels - 1)


@njit(**INLINE, **BORROWS)
def _held(z: Any, like: Array) -> Any:
    """Return z within its bounds (F2)."""
    far = like.dtype.type(Z_MAX)
    z = -far if z < -far else z
    return far if z > far else z


@njit(**JIT)
def _table(s: Array, least: float, p: Array) -> None:
    w, L = np.empty(s.shape[1] // 3, np.float64), p.shape[1]
    for m in range(len(s)):
        masses(s, m, L, 0, L - 1, least, w, p, m)


@njit(**JIT)
def masses(
    s: Array, m: int, L: int, low: int, high: int, least: float, w: Array, p: Array, to: int
) -> None:
    """Write P(v) of levels low … high of row m to p[to]; for compiled callers; w: (K,) float64."""
    K, one, n = s.shape[1] // 3, p.dtype.type(1), p.dtype.type(L - 1)
    weigh(s, m, 2 * K, K, 1.0, w)  # F5
    A = w.sum()
    p[to, low : high + 1] = 0
    for j in range(K):
        pi, mu = p.dtype.type(w[j] / A), n * s[m, j]
        k = _step_of(s[m, K + j], L, least, p)
        q = exp(-k)
        less = one_less_exp(k) * (one + q)
        for v in range(max(1, low), min(L - 1, high + 1)):
            y = p.dtype.type(np.int32(2 * v)) - n
            E = exp(-abs(_held((y - mu) * k, p)))
            p[_U(to), _U(v)] += pi * (E * less / ((one + E * q) * (E + q)))  # C1, F3
        if low == 0:
            p[to, 0] += pi * sigmoid(_held((-n - mu) * k, p) + k)  # F4
        if high == L - 1:
            p[to, L - 1] += pi * sigmoid(k - _held((n - mu) * k, p))  # F4


@njit(**JIT)
def _draw(s: Array, u: Array, levels: int, least: float, x: Ids) -> None:
    work = np.empty((3, s.shape[1] // 3), np.float64)
    for m in range(len(s)):
        if not u[m] < 0:
            x[m] = pick(s, m, u[m], levels, least, work)


@njit(**JIT)
def pick(s: Array, m: int, u: float, levels: int, least: float, work: Array) -> int:
    """Return the level for row m of s and u ≥ 0, for compiled callers; work: (3, K) float64."""
    w, mu, k, K = work[0], work[1], work[2], s.shape[1] // 3
    weigh(s, m, 2 * K, K, 1.0, w)
    A = w.sum()
    for j in range(K):
        mu[j] = (levels - 1) * np.float64(s[m, j])
        k[j] = _step_of(np.float64(s[m, K + j]), levels, least, k)
    low, high = 0, levels - 1
    while low < high:  # D3
        v = (low + high) // 2
        if _ends_beyond(u, 2 * v - (levels - 1), A, w, mu, k):  # D1
            high = v
        else:
            low = v + 1
    return low


@njit(**JIT)
def _ends_beyond(u: float, y: int, A: float, w: Array, mu: Array, k: Array) -> bool:
    """Return whether F > u at the end of level y (D1, D2)."""
    below = 0.0
    for j in range(w.size):
        end = _held((np.float64(y) - mu[j]) * k[j], k) + k[j]
        below += w[j] / (1 + np.exp(-end))
    return below > u * A  # D2
