"""A level from a channel's outputs: drawn by a uniform, or the likeliest of some.

Here alone the compiled loops know what s means.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.categorical.cpu import pick as pick_symbol
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, sigmoid
from chainrule.kernels.logistics import least_log_scale
from chainrule.kernels.logistics.cpu import masses
from chainrule.kernels.logistics.cpu import pick as pick_of_mixture
from chainrule.kernels.samplers.pixel_cnn import Sizes
from chainrule.kernels.types import Array, Ids


class Kind(NamedTuple):
    """A distribution: how many levels; logistics, or 0, and where their log scales are held."""

    levels: int
    n_logistics: int
    least: float


class Room(NamedTuple):
    """Working memory of a draw."""

    w: Array  # (K,) float64
    heap: Ids  # (K,)
    work: Array  # (3, n_logistics) float64
    p: Array  # (1, levels) float64, of a mixture


def kind(sizes: Sizes) -> Kind:
    """Return the distribution of a channel."""
    return Kind(sizes.levels, sizes.n_logistics, least_log_scale(sizes.levels))


@njit(**JIT)
def room(K: int, of: Kind) -> Room:
    """Return working memory for draws from K outputs."""
    work = np.empty((3, of.n_logistics), np.float64)
    p = np.empty((1, of.levels if of.n_logistics > 0 else 0), np.float64)
    return Room(np.empty(K, np.float64), np.empty(K, np.int32), work, p)


@njit(**JIT)
def draw(s: Array, m: int, u: float, of: Kind, memory: Room) -> int:
    """Return the level for row m of s and u ≥ 0."""
    if of.n_logistics > 0:  # F5
        return int(pick_of_mixture(s, m, u, of.levels, of.least, memory.work))
    if of.levels == 2:
        return 1 if u < sigmoid(s[m, 0]) else 0
    return int(pick_symbol(s, m, u, 1.0, 0, 1.0, memory.w, memory.heap))


@njit(**JIT)
def choose(s: Array, m: int, low: int, high: int, of: Kind, memory: Room) -> int:
    """Return the likeliest of levels low … high for row m of s, of several the lowest."""
    if of.n_logistics == 0 and of.levels == 2:
        return high if s[m, 0] > 0 else low  # F6
    best = low
    if of.n_logistics > 0:
        masses(s, m, of.levels, low, high, of.least, memory.work[0], memory.p, 0)
        for v in range(low + 1, high + 1):
            best = v if memory.p[0, v] > memory.p[0, best] else best
    else:
        for v in range(low + 1, high + 1):
            best = v if s[m, v] > s[m, best] else best
    return best
