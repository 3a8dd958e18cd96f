"""Numba twin of PixelCNN's sampler: splits the images over threads; `loop` computes.

A thread has all of its images drawn in step: a weight that is read is multiplied with all of them.
What it remembers is caught up where levels were given, or it was not there, from the levels.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.samplers.pixel_cnn import Memory, Sizes, Weights, draws, loop
from chainrule.kernels.samplers.pixel_cnn import memory as features
from chainrule.kernels.samplers.pixel_cnn.panels import Net, net
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

CALL_WORK = 200_000_000  # multiply-adds of a call of compiled code, which no Ctrl-C interrupts
KEY = "cpu"


class _State(NamedTuple):
    """What is remembered. seen: of how many channels, (1,)."""

    net: Net
    y: Ids
    sizes: Sizes
    grids: features.Grids
    kept: features.Features
    kind: draws.Kind
    seen: list[int]


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.extend`."""
    end = at + u.shape[1]
    memory.x[:, at:end] = x
    if (u >= 0).any():
        _move(np.ascontiguousarray(u, np.float64), _drawn(u), weights, sizes, at, end, memory)
        x[...] = memory.x[:, at:end]


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.choose`."""
    end, free = at + low.shape[1], low < high
    memory.x[:, at:end] = low
    if free.any():
        of = np.ascontiguousarray(low, np.int32), np.ascontiguousarray(high, np.int32)
        _move(np.where(free, 0.0, -1.0), of, weights, sizes, at, end, memory)
    x[...] = memory.x[:, at:end]


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.peek`."""
    none = np.empty((len(s), 0))
    state = _move(none, _drawn(none), weights, sizes, at, at, memory)
    out = np.empty(s.shape, weights.W_t.dtype)
    map_rows(lambda lo, hi: loop.peek(at, *state[:6], out, lo, hi), len(s))
    s[...] = out


def _drawn(u: Array) -> tuple[Ids, Ids]:
    """Return no levels to choose among: what u does not give it draws."""
    none: Ids = np.empty((len(u), 0), np.int32)
    return none, none


def _move(
    u: Array, of: tuple[Ids, Ids], weights: Weights, sizes: Sizes, at: int, end: int, memory: Memory
) -> _State:
    """Let all images see the channels before `end`, those from `at` on drawn by u where it is ≥ 0.

    of: the levels, low and high, of which they are chosen instead; none if they are drawn.

    A few rows at a time, so that an interrupt is heard between.
    """
    state, N = _state(weights, sizes, at, memory), len(memory.x)
    row = sizes.width * sizes.channels
    read = sum(a.size for a in weights._replace(b_p=weights.b_p[:0]))  # by a pixel, or fewer
    work = N * sizes.width * read
    step = row * max(1, CALL_WORK // max(1, work))
    while state.seen[0] < end:
        seen, stop = state.seen[0], min(end, (state.seen[0] // step + 1) * step)

        def part(lo: int, hi: int, seen: int = seen, stop: int = stop) -> None:
            loop.extend(u, *of, at, seen, stop, *state[:6], memory.x, lo, hi)

        map_rows(part, N)
        state.seen[0] = stop
    return state


def _state(weights: Weights, sizes: Sizes, at: int, memory: Memory) -> _State:
    """Return what is remembered of the channels before `at`, or the beginning of it."""
    state: _State | None = memory.kept.get(KEY)
    if state is None or state.seen[0] > at:  # an interrupt, or somebody went back
        y = memory.y if len(memory.y) else np.zeros(len(memory.x), np.int32)
        grids = features.grids(sizes, len(memory.x))
        kept = features.kept(weights, grids, sizes.channels)
        state = _State(net(weights, sizes), y, sizes, grids, kept, draws.kind(sizes), [0])
        memory.kept[KEY] = state
    return state
