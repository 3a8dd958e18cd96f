"""The compiled loops of the recurrent samplers: symbols, layers and rows, no Python between.

`step` moves a list of rows on by one symbol each, so the same code serves drawing (all rows),
prompts of different lengths (the rows whose prompt has not ended) and a window's restart (the
rows that have symbols to catch up with).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from chainrule.kernels import categorical
from chainrule.kernels.decoding import add, multiply_add, spread
from chainrule.kernels.inline import JIT, sigmoid, tanh
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """The parameters that move the state, named as in the contract."""

    W_xh: Array
    U: Array
    W_hh: Array
    b_h: Array
    b_n: Array


class Output(NamedTuple):
    """The parameters that turn states into logits; W_ay has no rows where nothing attends."""

    W_hy: Array
    W_ay: Array
    b_y: Array


class Options(NamedTuple):
    """How a symbol is drawn."""

    temperature: float
    top_k: int
    top_p: float


class Scratch(NamedTuple):
    """Working memory for up to M rows; the leading ones are in use."""

    row: Ids  # (M,)
    symbol: Ids  # (M,)
    h: Array  # (M, H): a layer's state
    z: Array  # (M, G H): what its gates get from below
    hW: Array  # (M, G H): what they get from its own state
    a: Array  # (M, H): attention's output
    s: Array  # (M, V) logits
    w: Array  # (V,) float64
    heap: Ids  # (V,)


@njit(**JIT)
def new_scratch(M: int, weights: Weights) -> Scratch:
    """Return working memory for up to M rows."""
    V, G_H = weights.W_xh.shape
    H, dtype = weights.W_hh.shape[1], weights.W_xh.dtype
    return Scratch(
        np.empty(M, np.int32),
        np.empty(M, np.int32),
        np.empty((M, H), dtype),
        np.empty((M, G_H), dtype),
        np.empty((M, G_H), dtype),
        np.empty((M, H), dtype),
        np.empty((M, V), dtype),
        np.empty(V, np.float64),
        np.empty(V, np.int32),
    )


@njit(**JIT)
def feed(x: Ids, lengths: Ids, weights: Weights, h: Array, c: Array) -> None:
    """Let each row's state see the first lengths[n] symbols of x_n."""
    scratch = new_scratch(len(x), weights)
    for t in range(x.shape[1]):
        M = 0
        for n in range(len(x)):
            if t < lengths[n]:
                scratch.row[M], scratch.symbol[M] = n, x[n, t]
                M += 1
        step(M, weights, h, c, scratch)


@njit(**JIT)
def extend(
    u: Array, weights: Weights, output: Output, options: Options, h: Array, c: Array, ids: Ids
) -> None:
    """Write the next symbols of a few rows into ids, (N, n_new)."""
    N, top = len(u), h.shape[1] - 1
    scratch = new_scratch(N, weights)
    for t in range(u.shape[1]):
        gather(h, N, top, scratch)
        draw(u, t, output, options, scratch, ids)
        step(N, weights, h, c, scratch)


@njit(**JIT)
def gather(h: Array, N: int, l: int, scratch: Scratch) -> None:
    """Put layer l's state of every row into the working memory."""
    for n in range(N):
        scratch.row[n] = n
        for j in range(h.shape[2]):
            scratch.h[n, j] = h[n, l, j]


@njit(**JIT)
def draw(u: Array, t: int, output: Output, options: Options, scratch: Scratch, ids: Ids) -> None:
    """Draw symbol t of every row from scratch.h, and scratch.a where there is attention."""
    N, s = len(u), scratch.s
    spread(s, N, output.b_y)  # F1, A2
    multiply_add(scratch.h, N, output.W_hy, s)
    if len(output.W_ay):
        multiply_add(scratch.a, N, output.W_ay, s)
    for n in range(N):  # F2
        ids[n, t] = scratch.symbol[n] = categorical.pick(
            s,
            n,
            u[n, t],
            options.temperature,
            options.top_k,
            options.top_p,
            scratch.w,
            scratch.heap,
        )


@njit(**JIT)
def step(M: int, weights: Weights, h: Array, c: Array, scratch: Scratch) -> None:
    """Move the states of M rows on by one symbol each: rows scratch.row, symbols scratch.symbol."""
    row, z, hW, below = scratch.row, scratch.z, scratch.hW, scratch.h
    H = h.shape[2]
    for l in range(h.shape[1]):
        if l == 0:  # F3
            for m in range(M):
                for j in range(z.shape[1]):
                    z[m, j] = weights.W_xh[scratch.symbol[m], j]
            add(z, M, weights.b_h[l])
        else:
            spread(z, M, weights.b_h[l])
            multiply_add(below, M, weights.U[l - 1], z)
        hW[:M] = 0
        for m in range(M):  # F4
            for j in range(H):
                below[m, j] = h[row[m], l, j]
        multiply_add(below, M, weights.W_hh[l], hW)
        for m in range(M):
            if z.shape[1] == H:
                tanh_cell(z, hW, m, below)
            elif z.shape[1] == 4 * H:
                lstm_cell(z, hW, m, below, c, row[m], l)
            else:
                gru_cell(z, hW, m, weights.b_n, l, below)
            for j in range(H):
                h[row[m], l, j] = below[m, j]


@njit(**JIT)
def tanh_cell(z: Array, hW: Array, m: int, h: Array) -> None:
    """h = tanh(z + h W)."""
    for j in range(h.shape[1]):
        h[m, j] = tanh(z[m, j] + hW[m, j])


@njit(**JIT)
def lstm_cell(z: Array, hW: Array, m: int, h: Array, c: Array, n: int, l: int) -> None:
    """c = f c + i g, h = o tanh(c)."""
    H = h.shape[1]
    for j in range(H):
        i = sigmoid(z[m, j] + hW[m, j])
        f = sigmoid(z[m, H + j] + hW[m, H + j])
        g = tanh(z[m, 2 * H + j] + hW[m, 2 * H + j])
        c[n, l, j] = f * c[n, l, j] + i * g
        h[m, j] = sigmoid(z[m, 3 * H + j] + hW[m, 3 * H + j]) * tanh(c[n, l, j])


@njit(**JIT)
def gru_cell(z: Array, hW: Array, m: int, b_n: Array, l: int, h: Array) -> None:
    """h = (1 - u) n + u h."""
    H, one = h.shape[1], h.dtype.type(1)
    for j in range(H):
        r = sigmoid(z[m, j] + hW[m, j])
        u = sigmoid(z[m, H + j] + hW[m, H + j])
        new = tanh(z[m, 2 * H + j] + r * (hW[m, 2 * H + j] + b_n[l, j]))
        h[m, j] = (one - u) * new + u * h[m, j]
