"""Numba twin of layer normalisation: a row stays in the nearest cache for all its sweeps."""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT, JIT_SUMS
from chainrule.kernels.layer_norm import EPS
from chainrule.kernels.threads import map_rows, n_threads, sum_rows
from chainrule.kernels.types import Array

THREAD_WORK = 100_000  # entries worth a thread: about 0.1 ms


def forward(x: Array, g: Array, b: Array, y: Array, mean: Array, rstd: Array) -> None:
    """See `chainrule.kernels.layer_norm.forward`."""

    def rows(lo: int, hi: int) -> None:
        _forward(x[lo:hi], g, b, y[lo:hi], mean[lo:hi], rstd[lo:hi], g.dtype.type(EPS))

    map_rows(rows, len(x), _min_rows(x))


def backward(
    dy: Array, x: Array, g: Array, mean: Array, rstd: Array, dx: Array, dg: Array, db: Array
) -> None:
    """See `chainrule.kernels.layer_norm.backward`."""

    def rows(lo: int, hi: int, dg: Array, db: Array) -> None:
        _backward(dy[lo:hi], x[lo:hi], g, mean[lo:hi], rstd[lo:hi], dx[lo:hi], dg, db)

    parts = min(n_threads(), max(1, len(x) // _min_rows(x)))
    shares = [(dg, db), *((np.empty_like(dg), np.empty_like(db)) for _ in range(1, parts))]
    sum_rows(rows, len(x), shares, _min_rows(x))


def _min_rows(x: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(x.shape[1]))


@njit(**JIT_SUMS)
def _sum(x: Array) -> Any:
    total = x.dtype.type(0)
    for j in range(len(x)):
        total += x[j]
    return total


@njit(**JIT_SUMS)
def _square_sum(x: Array, m: float) -> Any:
    total = x.dtype.type(0)
    for j in range(len(x)):
        total += (x[j] - m) * (x[j] - m)
    return total


@njit(**INLINE)
def normalise(x: Array, g: Array, b: Array, y: Array, eps: float) -> tuple[Any, Any]:
    """F1-F4 of one row; return its mean and 1/deviation. Shared with the samplers."""
    size, one = x.dtype.type(len(x)), x.dtype.type(1)
    m = _sum(x) / size  # F1
    r = one / np.sqrt(_square_sum(x, m) / size + eps)  # F2
    for j in range(len(x)):
        y[j] = (x[j] - m) * r * g[j] + b[j]  # F3, F4
    return m, r


@njit(**JIT)
def _forward(x: Array, g: Array, b: Array, y: Array, mean: Array, rstd: Array, eps: float) -> None:
    for n in range(len(x)):
        mean[n], rstd[n] = normalise(x[n], g, b, y[n], eps)


@njit(**JIT)
def _backward(
    dy: Array, x: Array, g: Array, mean: Array, rstd: Array, dx: Array, dg: Array, db: Array
) -> None:
    N, C = x.shape
    size = x.dtype.type(C)
    dg[:] = 0
    db[:] = 0
    for n in range(N):
        m, r = mean[n], rstd[n]
        p, q = _two_sums(dy[n], x[n], g, m, r)  # B4's sums
        p, q = p / size, q / size  # B4's means
        for j in range(C):
            x_hat = (x[n, j] - m) * r
            db[j] += dy[n, j]  # B1
            dg[j] += dy[n, j] * x_hat  # B2
            dx[n, j] += r * (dy[n, j] * g[j] - p - x_hat * q)  # B3, B4


@njit(**JIT_SUMS)
def _two_sums(dy: Array, x: Array, g: Array, m: float, r: float) -> tuple[Any, Any]:
    """Return Σ_j dx̂_j and Σ_j dx̂_j x̂_j of one row (B3)."""
    p, q = x.dtype.type(0), x.dtype.type(0)
    for j in range(len(x)):
        t = dy[j] * g[j]
        p += t
        q += t * ((x[j] - m) * r)
    return p, q
