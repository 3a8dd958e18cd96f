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
    """F2 of one position: x, (n_heads, d), by its angles, (d/2,). Shared with the samplers."""
    half = len(cos)
    for h in range(len(x)):
        for i in range(half):
            a, b = x[h, i], x[h, half + i]
            c, s = cos[i], direction * sin[i]
            x[h, i] = a * c - b * s  # F2, or B1 with the sine negated
            x[h, half + i] = a * s + b * c  # F2, B1


@njit(**JIT)
def _rotate(x: Array, cos: Array, sin: Array, direction: float) -> None:
    for n in range(x.shape[0]):
        for t in range(x.shape[1]):
            turn(x[n, t], cos[t], sin[t], direction)
