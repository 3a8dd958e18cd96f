"""Numba twin of softmax cross-entropy: a row's logits stay in cache for all its sweeps."""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

THREAD_WORK = 50_000  # entries worth a thread: about 0.1 ms


def forward(s: Array, y: Ids, nll: Array) -> None:
    """See `chainrule.kernels.softmax_cross_entropy.forward`."""
    map_rows(lambda lo, hi: _forward(s[lo:hi], y[lo:hi], nll[lo:hi]), len(s), _min_rows(s))


def backward(dnll: Array, s: Array, y: Ids, ds: Array) -> None:
    """See `chainrule.kernels.softmax_cross_entropy.backward`."""
    _both(dnll, s, y, ds, np.empty(len(s), s.dtype))


def nll_and_grad(s: Array, y: Ids, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.softmax_cross_entropy.nll_and_grad`."""
    _both(np.full(len(s), scale, s.dtype), s, y, ds, nll)


def _both(dnll: Array, s: Array, y: Ids, ds: Array, nll: Array) -> None:
    def rows(lo: int, hi: int) -> None:
        _nll_and_grad(dnll[lo:hi], s[lo:hi], y[lo:hi], ds[lo:hi], nll[lo:hi])

    map_rows(rows, len(s), _min_rows(s))


def _min_rows(s: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(s.shape[1]))


@njit(**JIT)
def _largest(s: Array) -> Any:
    """Return the largest of s; a NaN where there is one might be passed over: Z shows it."""
    m = s[0]
    for i in range(1, len(s)):
        m = max(m, s[i])
    return m


@njit(**JIT_SUMS)
def _sum(e: Array) -> Any:
    total = e.dtype.type(0)
    for i in range(len(e)):
        total += e[i]
    return total


@njit(**JIT)
def _exponentials(s: Array, m: float, e: Array) -> None:
    for i in range(len(s)):
        e[i] = exp(s[i] - m)


@njit(**JIT)
def _forward(s: Array, y: Ids, nll: Array) -> None:
    e = np.empty(s.shape[1], s.dtype)
    for n in range(len(s)):
        m = _largest(s[n])  # F1
        _exponentials(s[n], m, e)
        nll[n] = np.log(_sum(e)) + (m - s[n, y[n]]) if y[n] >= 0 else 0  # F2, F3


@njit(**JIT)
def _nll_and_grad(dnll: Array, s: Array, y: Ids, ds: Array, nll: Array) -> None:
    """Overwrite ds and nll, both directions on one set of exponentials; ds may be s itself."""
    N, V = s.shape
    for n in range(N):
        if y[n] < 0:
            nll[n] = 0
            ds[n] = 0
            continue
        m = _largest(s[n])  # F1
        below = m - s[n, y[n]]
        _exponentials(s[n], m, ds[n])
        Z = _sum(ds[n])
        nll[n] = np.log(Z) + below  # F2, F3
        rate = dnll[n] / Z
        for i in range(V):
            ds[n, i] *= rate  # B1, B2
        ds[n, y[n]] -= dnll[n]
