"""Numba twin of softmax cross-entropy: a row's gradient takes the place of its logits."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.softmax_cross_entropy import rows
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

THREAD_WORK = 50_000  # entries worth a thread: about 0.1 ms
COPIED = 100_000  # entries that are copied at once, and worked on while a cache holds them


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
    def some(lo: int, hi: int) -> None:
        for first in range(lo, hi, step):
            part = slice(first, min(first + step, hi))
            if ds is not s:
                ds[part] = s[part]
            _nll_and_grad(dnll[part], y[part], ds[part], nll[part])

    step = 1 + COPIED // max(1, int(s.shape[1]))
    map_rows(some, len(s), _min_rows(s))


def _min_rows(s: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(s.shape[1]))


@njit(**JIT)
def _forward(s: Array, y: Ids, nll: Array) -> None:
    V = s.shape[1]
    e = np.empty(V, s.dtype)
    for n in range(len(s)):
        nll[n] = rows.loss(s, n, 0, V, y[n], e, 0) if y[n] >= 0 else 0  # F1-F3


@njit(**JIT)
def _nll_and_grad(dnll: Array, y: Ids, ds: Array, nll: Array) -> None:
    """Overwrite nll, and ds, which holds the logits, by their gradient."""
    N, V = ds.shape
    for n in range(N):
        if y[n] >= 0:
            nll[n] = rows.loss_gradient(ds, n, 0, V, y[n], dnll[n])  # F1-F3, B1, B2
        else:
            nll[n] = 0  # F3
            ds[n] = 0  # B2
