"""The compiled loop of the sampler with attention: a recurrent layer that looks back at itself."""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.categorical import Options
from chainrule.kernels.causal_attention.rows import attend
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.samplers.recurrent import (
    AttentionMemory,
    First,
    Output,
    Sizes,
    Weights,
    decode,
)
from chainrule.kernels.samplers.recurrent.decode import Scratch
from chainrule.kernels.types import Array, Ids


class Rows(NamedTuple):
    """What a few rows remember, as in the contract, and room for a step of theirs."""

    window: Ids
    length: Ids
    seen: Ids
    past: Array  # (N, 1, S, H): the history, as a cache of one layer
    c: Array
    h: Array  # (N, 1, H): h_seen
    p: Array  # (n_heads, S): attention
    y: Ids


@njit(**JIT)
def extend(
    u: Array,
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    options: Options,
    memory: AttentionMemory,
    x: Ids,
) -> None:
    """Draw and read the symbols of a few rows, x: (N, k)."""
    rows = recall(memory, sizes.n_heads)
    scratch = decode.new_scratch(len(u), rows.h.shape[2], weights.W_xh)
    for t in range(u.shape[1]):
        wanted = False
        for n in range(len(u)):
            wanted = wanted or not u[n, t] < 0
        if wanted:
            catch_up(weights, first, rows, scratch)
            M = decode.list_drawn(u, t, scratch)
            find_logits(M, output, rows, scratch)
            decode.draw(u, t, M, options, scratch, x)
        for n in range(len(u)):
            if x[n, t] >= 0:
                append(n, x[n, t], sizes.stride, rows.window, rows.length, rows.seen)


@njit(**JIT)
def read(x: Ids, stride: int, window: Ids, length: Ids, seen: Ids) -> None:
    """Read the given symbols of a few rows, x: (N, k): `extend` where nothing is drawn."""
    for n in range(len(x)):
        for t in range(x.shape[1]):
            if x[n, t] >= 0:
                append(n, x[n, t], stride, window, length, seen)


@njit(**JIT)
def peek(
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    memory: AttentionMemory,
    s: Array,
) -> None:
    """Write every row's logits into s, (N, V)."""
    N, V = s.shape
    rows = recall(memory, sizes.n_heads)
    scratch = decode.new_scratch(N, rows.h.shape[2], weights.W_xh)
    catch_up(weights, first, rows, scratch)
    for n in range(N):
        scratch.row[n] = n
    find_logits(N, output, rows, scratch)
    for n in range(N):
        for v in range(V):
            s[n, v] = scratch.s[n, v]


@njit(**JIT)
def recall(memory: AttentionMemory, n_heads: int) -> Rows:
    """Return the rows of a memory, their latest states beside it."""
    window, length, seen, history, c, y = memory
    N, S, H = history.shape
    h, p = np.empty((N, 1, H), history.dtype), np.empty((n_heads, S), history.dtype)
    for n in range(N):
        if seen[n] >= 0:
            for j in range(H):
                h[n, 0, j] = history[n, seen[n], j]
    return Rows(window, length, seen, history.reshape(N, 1, S, H), c, h, p, y)


@njit(**INLINE)
def find_logits(M: int, output: Output, rows: Rows, scratch: Scratch) -> None:
    """Write scratch.s, a line for each of the M rows in scratch.row."""
    decode.gather(rows.h, M, 0, scratch)
    for m in range(M):
        n = scratch.row[m]
        attend(scratch.h, m, n, 0, rows.length[n], rows.past, rows.past, rows.p, scratch.a)  # A1
    decode.find_logits(M, output, scratch)


@njit(**JIT)
def catch_up(weights: Weights, first: First, rows: Rows, scratch: Scratch) -> None:
    """Let every row's states see all of its window, the rows that lag behind side by side."""
    row, seen, h = scratch.row, rows.seen, rows.h
    for n in range(len(seen)):
        if seen[n] < 0:
            seen[n], k = 0, rows.y[n]
            for j in range(h.shape[2]):
                h[n, 0, j] = first.b_0[k, j]
                rows.past[n, 0, 0, j] = first.b_0[k, j]
            for j in range(rows.c.shape[2]):
                rows.c[n, 0, j] = first.c_0[k, j]
    while True:
        M = list_late(rows, scratch)
        if M == 0:
            return
        decode.step(M, weights, h, rows.c, scratch)
        for m in range(M):
            n = row[m]
            seen[n] += 1
            for j in range(h.shape[2]):
                rows.past[n, 0, seen[n], j] = h[n, 0, j]


@njit(**INLINE)
def list_late(rows: Rows, scratch: Scratch) -> int:
    """List the rows that lag behind, and their next symbols; return how many there are."""
    M = 0
    for n in range(len(rows.seen)):
        if rows.seen[n] < rows.length[n]:
            scratch.row[M], scratch.symbol[M] = n, rows.window[n, rows.seen[n]]
            M += 1
    return M


@njit(**INLINE)
def append(n: int, symbol: int, stride: int, window: Ids, length: Ids, seen: Ids) -> None:
    """Let a symbol join row n's window; one that would be full moves on by `stride` symbols."""
    window[n, length[n]] = symbol
    length[n] += 1
    if length[n] == window.shape[1]:
        length[n] -= stride
        for j in range(length[n]):
            window[n, j] = window[n, j + stride]
        seen[n] = -1
