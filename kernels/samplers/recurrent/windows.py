"""The compiled loop of the sampler with attention: a recurrent layer that looks back at itself."""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.samplers.products import attend
from chainrule.kernels.samplers.recurrent import decode
from chainrule.kernels.samplers.recurrent.decode import Options, Output, Scratch, Weights
from chainrule.kernels.types import Array, Ids


class State(NamedTuple):
    """What the rows remember, as in the contract."""

    window: Ids
    length: Ids
    seen: Ids
    history: Array
    c: Array


@njit(**JIT)
def extend(
    u: Array,
    weights: Weights,
    output: Output,
    b_0: Array,
    c_0: Array,
    n_heads: int,
    stride: int,
    options: Options,
    state: State,
    ids: Ids,
) -> None:
    """Write the next symbols of a few rows into ids, (N, n_new)."""
    N, S = state.window.shape
    length, history = state.length, state.history
    scratch = decode.new_scratch(N, history.shape[2], weights)
    h = np.empty((N, 1, history.shape[2]), history.dtype)  # h_seen of every row
    p = np.empty((n_heads, S), history.dtype)
    past = history.reshape(N, 1, S, history.shape[2])
    for n in range(N):
        if state.seen[n] >= 0:
            h[n, 0] = history[n, state.seen[n]]
    for t in range(u.shape[1]):
        for n in range(N):
            if state.seen[n] < 0:
                h[n], history[n, 0], state.c[n], state.seen[n] = b_0, b_0[0], c_0, 0
        catch_up(weights, state, h, scratch)
        decode.gather(h, N, 0, scratch)
        for n in range(N):  # A1
            attend(scratch.h, n, n, 0, length[n], past, past, p, scratch.a)
        decode.draw(u, t, output, options, scratch, ids)
        for n in range(N):
            append(n, ids[n, t], stride, state)


@njit(**JIT)
def catch_up(weights: Weights, state: State, h: Array, scratch: Scratch) -> None:
    """Let every row's states see all of its window, the rows that lag behind side by side."""
    row, symbol, seen = scratch.row, scratch.symbol, state.seen
    while True:
        M = 0
        for n in range(len(seen)):
            if seen[n] < state.length[n]:
                row[M], symbol[M] = n, state.window[n, seen[n]]
                M += 1
        if M == 0:
            return
        decode.step(M, weights, h, state.c, scratch)
        for m in range(M):
            n = row[m]
            seen[n] += 1
            for j in range(h.shape[2]):
                state.history[n, seen[n], j] = h[n, 0, j]


@njit(**JIT)
def append(n: int, symbol: int, stride: int, state: State) -> None:
    """Let a symbol join row n's window; one that would be full moves on by `stride` symbols."""
    window, length = state.window, state.length
    window[n, length[n]] = symbol
    length[n] += 1
    if length[n] == window.shape[1]:
        length[n] -= stride
        for j in range(length[n]):
            window[n, j] = window[n, j + stride]
        state.seen[n] = -1
