"""CUDA twin of PixelCNN's sampler: one launch a call, a block an image, which goes over its pixels.

Images never meet, so nothing waits but a block's own threads for each other, a dozen barriers a
layer and channel. Where outputs are a mixture of logistics, it is two launches a channel.

The weights come from the second-level cache, for each image by itself: at the plain network of 6
blocks of F = 64, 1 MB a pixel, at some 64 bytes a clock and multiprocessor 9 µs on an H100, and 7
ms for 784 pixels of up to 132 images; barriers and the latency of what each sum reads first come on
top. Not measured on a GPU.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels import logistics
from chainrule.kernels.device import Plan, launch, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.samplers.pixel_cnn import Memory, Sizes, Weights
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("pixel_cnn_sampler.cu")
THREADS = 256
KEY = "cuda"


class _State(NamedTuple):
    """What is remembered: features, (N, room); of how many channels, (1,); the labels."""

    features: Array
    seen: list[int]
    y: Ids


def room(sizes: Sizes, L: int, F: int, gated: bool) -> int:
    """Return how many numbers an image's features are: the .cu's Memory."""
    R, S, C, _, _, k, first = sizes
    half, over, Q = k // 2, first // 2, F if gated else 2 * F
    z = (R + over) * (S + 2 * over) * C
    rows = L * (half + 1) * (S + 2 * half) * F
    beside = L * (S + half) * F + (L + 1) * S * 2 * F if gated else 0
    return z + rows + beside + (L + 1) * (Q + F) + 2 * Q + S * 2 * F


@planner
def plan(
    N: int, sizes: Sizes, of_net: tuple[int, int, bool, bool, bool], dtype: np.dtype[Any],
    begin: int, seen: int, end: int, n_u: int, peek: bool,
) -> Plan:  # fmt: skip
    """Return the launch for N images; of_net: L, F, and what it has: gates, labels, places."""
    L, F, gated, labels, placed = of_net
    half, first = sizes.kernel_size // 2, sizes.first_size // 2
    numbers = (
        *sizes[:3],
        half,
        first,
        L,
        F,
        sizes.levels,
        sizes.n_outputs,
        begin,
        seen,
        end,
        n_u,
        peek,
        labels,
        placed,
    )
    scalars = (*map(np.int32, numbers), np.int64(room(sizes, L, F, gated)))
    constants = (("GATED", int(gated)),)
    return Plan("pixel_cnn_sample", dtype, (N,), THREADS, scalars, constants=constants)


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.extend`."""
    xp, end = array_module(x), at + u.shape[1]
    memory.x[:, at:end] = x
    if not u.size or not (u >= 0).any():
        return
    s, u = (
        xp.empty((len(x), sizes.n_outputs), weights.W_t.dtype),
        xp.ascontiguousarray(u, np.float64),
    )
    if sizes.n_logistics:
        for q in range(at, end):
            _draw_mixture(u[:, q - at], weights, sizes, q, memory, s)
    else:
        _launch(u, weights, sizes, at, end, memory, s, False)
    x[...] = memory.x[:, at:end]


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.choose`."""
    xp, n = array_module(x), len(x)
    s: Array = xp.empty((n, sizes.n_outputs), weights.W_t.dtype)
    v, rows = xp.arange(sizes.levels), xp.arange(n)
    for k in range(low.shape[1]):
        memory.x[:, at + k] = low[:, k]
        if bool((low[:, k] < high[:, k]).any()):
            peek(weights, sizes, at + k, memory, s)
            p = _likelihoods(s, sizes)
            allowed = (v >= low[:, k, None]) & (v <= high[:, k, None])
            memory.x[rows, at + k] = xp.where(allowed, p, -xp.inf).argmax(axis=1)
    x[...] = memory.x[:, at : at + low.shape[1]]


def _likelihoods(s: Array, sizes: Sizes) -> Array:
    """Return what grows with the probability of each level, (N, levels); F6."""
    xp = array_module(s)
    if sizes.n_logistics:
        p: Array = xp.empty((len(s), sizes.levels), np.float64)
        logistics.conditionals(s.astype(np.float64), p)  # F6
        return p
    return xp.concatenate([xp.zeros_like(s), s], axis=1) if sizes.levels == 2 else s


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.peek`."""
    out: Array = array_module(s).empty(s.shape, weights.W_t.dtype)
    u: Array = array_module(s).zeros((len(s), 0), np.float64)
    _launch(u, weights, sizes, at, at, memory, out, True)
    s[...] = out


def _draw_mixture(
    u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array
) -> None:
    """Draw one channel, by a launch for its outputs and one of `chainrule.kernels.logistics`."""
    peek(weights, sizes, at, memory, s)
    xp = array_module(u)
    x: Ids = xp.ascontiguousarray(memory.x[:, at])
    logistics.draw(s, xp.ascontiguousarray(u), sizes.levels, x)
    memory.x[:, at] = x


def _launch(
    u: Array, weights: Weights, sizes: Sizes, at: int, end: int, memory: Memory, s: Array,
    look: bool,
) -> None:  # fmt: skip
    """Let all images see the channels before `end`; s: of the last one drawn, or looked at."""
    xp, N, gated = array_module(u), len(memory.x), weights.gated
    L, F = len(weights.W_v if gated else weights.W_m), weights.W_o.shape[2]
    state: _State | None = memory.kept.get(KEY)
    if state is None or state.seen[0] > at:  # somebody went back
        features = xp.zeros((N, room(sizes, L, F, gated)), s.dtype)
        y = memory.y if len(memory.y) else xp.zeros(N, np.int32)
        state = memory.kept[KEY] = _State(features, [0], y)
    of_net = L, F, gated, len(weights.b_s) > 1, weights.b_p.size > 0
    one = plan(N, sizes, of_net, s.dtype, at, state.seen[0], end, u.shape[1], look)
    w = xp.empty(s.shape, np.float64)
    launch(SOURCE, one, u, state.y, *weights, memory.x, state.features, s, w)
    state.seen[0] = end
