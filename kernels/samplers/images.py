"""What the compiled samplers of images share: their calls, threads, and what is remembered between.

A thread has all of its images drawn in step: a weight that is read is multiplied with all of them.
What a sampler remembers is caught up where levels were given, or it was not there, from the levels.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.samplers.pixel_cnn import Memory, Sizes, draws
from chainrule.kernels.samplers.pixel_cnn.panels import Net
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

CALL_WORK = 200_000_000  # multiply-adds of a call of compiled code, which no Ctrl-C interrupts
KEY = "cpu"


class Looped(NamedTuple):
    """A sampler: the module of its compiled loop, with `extend` and `peek`, and how it begins.

    begin: from weights, sizes and the number of images to the network in panels, the grids of what
    is kept, and that itself.
    """

    loop: ModuleType
    begin: Callable[[Any, Sizes, int], tuple[Net, Any, Any]]


class _State(NamedTuple):
    """What is remembered. seen: of how many channels, (1,)."""

    net: Net
    y: Ids
    sizes: Sizes
    grids: Any
    kept: Any
    kind: draws.Kind
    seen: list[int]


def extend(
    by: Looped, u: Array, weights: Any, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.extend`."""
    end = at + u.shape[1]
    memory.x[:, at:end] = x
    if (u >= 0).any():
        _move(by, np.ascontiguousarray(u, np.float64), _drawn(u), weights, sizes, at, end, memory)
        x[...] = memory.x[:, at:end]


def choose(
    by: Looped, low: Ids, high: Ids, weights: Any, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.choose`."""
    end, free = at + low.shape[1], low < high
    memory.x[:, at:end] = low
    if free.any():
        of = np.ascontiguousarray(low, np.int32), np.ascontiguousarray(high, np.int32)
        _move(by, np.where(free, 0.0, -1.0), of, weights, sizes, at, end, memory)
    x[...] = memory.x[:, at:end]


def peek(by: Looped, weights: Any, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.peek`."""
    none = np.empty((len(s), 0))
    state = _move(by, none, _drawn(none), weights, sizes, at, at, memory)
    out = np.empty(s.shape, weights.W_t.dtype)
    map_rows(lambda lo, hi: by.loop.peek(at, *state[:6], out, lo, hi), len(s))
    s[...] = out


def _drawn(u: Array) -> tuple[Ids, Ids]:
    """Return no levels to choose among: what u does not give it draws."""
    none: Ids = np.empty((len(u), 0), np.int32)
    return none, none


def _move(
    by: Looped, u: Array, of: tuple[Ids, Ids], weights: Any, sizes: Sizes, at: int, end: int,
    memory: Memory,
) -> _State:  # fmt: skip
    """Let all images see the channels before `end`, those from `at` on drawn by u where it is ≥ 0.

    of: the levels, low and high, of which they are chosen instead; none if they are drawn.

    A few rows at a time, so that an interrupt is heard between.
    """
    state, N = _state(by, weights, sizes, at, memory), len(memory.x)
    row = sizes.width * sizes.channels
    read = sum(a.size for a in weights._replace(b_p=weights.b_p[:0]))  # by a pixel, or fewer
    work = N * sizes.width * read
    step = row * max(1, CALL_WORK // max(1, work))
    while state.seen[0] < end:
        seen, stop = state.seen[0], min(end, (state.seen[0] // step + 1) * step)

        def part(lo: int, hi: int, seen: int = seen, stop: int = stop) -> None:
            by.loop.extend(u, *of, at, seen, stop, *state[:6], memory.x, lo, hi)

        state.seen[0] = memory.x.shape[1] + 1  # after an interrupt nobody knows how many
        map_rows(part, N)
        state.seen[0] = stop
    return state


def _state(by: Looped, weights: Any, sizes: Sizes, at: int, memory: Memory) -> _State:
    """Return what is remembered of the channels before `at`, or the beginning of it."""
    state: _State | None = memory.kept.get(KEY)
    if state is None or state.seen[0] > at:  # an interrupt, or somebody went back
        y = memory.y if len(memory.y) else np.zeros(len(memory.x), np.int32)
        net, grids, kept = by.begin(weights, sizes, len(memory.x))
        state = _State(net, y, sizes, grids, kept, draws.kind(sizes), [0])
        memory.kept[KEY] = state
    return state
