"""Numba twin of dropout: the generator's rounds vectorised over a line's channels."""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.dropout import WORD, key, threshold_and_scale
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array

THREAD_WORK = 100_000  # numbers worth a thread: about 0.1 ms

_M_0, _M_1, _HALF = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57), np.uint64(32)
_W_0, _W_1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)


def apply(
    x: Array,
    y: Array,
    time_major: bool,
    rate: float,
    seed: int,
    step: int,
    site: int,
    row: int,
) -> None:
    """See `chainrule.kernels.dropout.apply`."""
    tau, kappa = threshold_and_scale(rate)
    words = (np.uint32(word % WORD) for word in (tau, *key(seed), step, site, row))
    draw = (time_major, x.dtype.type(kappa), *words)
    A, B, C = x.shape
    map_rows(lambda lo, hi: _apply(x, y, lo, hi, *draw), A * B, 1 + THREAD_WORK // max(1, C))


@njit(**JIT)
def _apply(
    x: Array,
    y: Array,
    lo: int,
    hi: int,
    time_major: bool,
    kappa: float,
    tau: Any,
    k_0: Any,
    k_1: Any,
    step: Any,
    site: Any,
    row: Any,
) -> None:
    """Of lines lo … hi - 1, each C numbers of one row and position."""
    _, B, C = x.shape
    packs = -(-C // 4)
    line, zero = np.empty((packs, 4), x.dtype), x.dtype.type(0)
    flat = line.reshape(-1)
    for i in range(lo, hi):
        a, b = i // B, i % B
        t, n = (a, b) if time_major else (b, a)
        first, n_th = np.uint32(t * packs), np.uint32(row + np.uint32(n))
        for q in range(packs):
            at = np.uint32(first + np.uint32(q))
            w_0, w_1, w_2, w_3 = _philox(at, n_th, step, site, k_0, k_1)  # F2
            line[q, 0] = kappa if w_0 >= tau else zero  # F3
            line[q, 1] = kappa if w_1 >= tau else zero  # F3
            line[q, 2] = kappa if w_2 >= tau else zero  # F3
            line[q, 3] = kappa if w_3 >= tau else zero  # F3
        for j in range(C):
            flat[j] *= x[a, b, j]  # F4, B1; y may be x: a loop over both could not be vectorised
        for j in range(C):
            y[a, b, j] = flat[j]


@njit(**INLINE)
def _philox(c_0: Any, c_1: Any, c_2: Any, c_3: Any, k_0: Any, k_1: Any) -> Any:
    for _ in range(10):
        p, q = _M_0 * np.uint64(c_0), _M_1 * np.uint64(c_2)  # P1
        c_0, c_1 = np.uint32(q >> _HALF) ^ c_1 ^ k_0, np.uint32(q)  # P2
        c_2, c_3 = np.uint32(p >> _HALF) ^ c_3 ^ k_1, np.uint32(p)  # P2
        k_0, k_1 = np.uint32(k_0 + _W_0), np.uint32(k_1 + _W_1)  # P3
    return c_0, c_1, c_2, c_3
