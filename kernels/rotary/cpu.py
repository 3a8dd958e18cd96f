"""Numba twin of rotary positions: one sweep in place, the angles kept from call to call."""

from functools import lru_cache
from typing import Any

from chainrule.kernels import rotary
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array

THREAD_WORK = 100_000  # entries worth a thread: about 0.1 ms


def rotate(x: Array, first: int, direction: int) -> None:
    """See `chainrule.kernels.rotary.rotate`."""
    B, T, n_heads, d = x.shape
    cos, sin = _angles(first, T, d, x.dtype)
    sign = x.dtype.type(direction)
    min_rows = 1 + THREAD_WORK // max(1, T * n_heads * d)
    map_rows(lambda lo, hi: _rotate(x[lo:hi], cos, sin, sign), B, min_rows)


@lru_cache(maxsize=8)
def _angles(first: int, T: int, d: int, dtype: Any) -> tuple[Array, Array]:
    return rotary.angles(first, T, d, dtype)


@njit(**INLINE)
def turn(x: Array, cos: Array, sin: Array, direction: float) -> None:
    """F2 of one head, (d,), by its position's angles, (d/2,). Shared with the samplers."""
    half = len(cos)
    for i in range(half):
        a, b = x[i], x[half + i]
        c, s = cos[i], direction * sin[i]
        x[i] = a * c - b * s  # F2
        x[half + i] = a * s + b * c


@njit(**JIT)
def _rotate(x: Array, cos: Array, sin: Array, direction: float) -> None:
    B, T, n_heads, _ = x.shape
    for n in range(B):
        for t in range(T):
            for h in range(n_heads):
                turn(x[n, t, h], cos[t], sin[t], direction)
