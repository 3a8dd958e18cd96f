"""A level from a channel's outputs and a uniform: one function for each kind of distribution.

Here alone the compiled loops know what s means.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.categorical.cpu import pick as pick_symbol
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, sigmoid
from chainrule.kernels.logistics import least_log_scale
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


def kind(sizes: Sizes) -> Kind:
    """Return the distribution of a channel."""
    return Kind(sizes.levels, sizes.n_logistics, least_log_scale(sizes.levels))


@njit(**JIT)
def room(K: int, of: Kind) -> Room:
    """Return working memory for draws from K outputs."""
    work = np.empty((3, of.n_logistics), np.float64)
    return Room(np.empty(K, np.float64), np.empty(K, np.int32), work)


@njit(**JIT)
def draw(s: Array, m: int, u: float, of: Kind, memory: Room) -> int:
    """Return the level for row m of s and u ≥ 0."""
    if of.n_logistics > 0:  # F5
        return int(pick_of_mixture(s, m, u, of.levels, of.least, memory.work))
    if of.levels == 2:
        return 1 if u < sigmoid(s[m, 0]) else 0
    return int(pick_symbol(s, m, u, 1.0, 0, 1.0, memory.w, memory.heap))
