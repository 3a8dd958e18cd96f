"""The compiled loops of the recurrent samplers: symbols, layers and rows, no Python between.

`step` moves a list of rows on by one symbol each, so the same code serves drawing (all rows),
prompts of different lengths (the rows whose prompt has not ended) and a window's restart (the
rows that have symbols to catch up with).
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels import categorical
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, sigmoid, tanh
from chainrule.kernels.samplers.products import add, add_product, affine, multiply
from chainrule.kernels.tiles import panel_width, row
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """The parameters that move the state, named as in the contract.

    The matrices, and those of Output, are (K, N) each as they lie, or laid out by
    products.for_tiles.
    """

    W_xh: Array
    U: Array
    W_hh: Array
    b_h: Array
    b_n: Array


class Output(NamedTuple):
    """The parameters that turn states into logits; W_ay is empty where nothing attends."""

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
def new_scratch(M: int, H: int, weights: Weights) -> Scratch:
    """Return working memory for up to M rows of H hidden units."""
    (V, G_H), dtype = weights.W_xh.shape, weights.W_xh.dtype
    width = panel_width(weights.W_xh)
    return Scratch(
        np.empty(M, np.int32),
        np.empty(M, np.int32),
        np.empty((M, H), dtype),
        np.empty((M, G_H), dtype),
        np.empty((M, -(-max(G_H, V) // width) * width), dtype),
        np.empty((M, H), dtype),
        np.empty((M, V), dtype),
        np.empty(V, np.float64),
        np.empty(V, np.int32),
    )


@njit(**JIT)
def feed(x: Ids, lengths: Ids, weights: Weights, h: Array, c: Array) -> None:
    """Let each row's state see the first lengths[n] symbols of x_n."""
    scratch = new_scratch(len(x), h.shape[2], weights)
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
    scratch = new_scratch(N, h.shape[2], weights)
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
    affine(scratch.h, N, output.W_hy, output.b_y, scratch.hW, s)  # F1, A2
    if output.W_ay.size:
        add_product(scratch.a, N, output.W_ay, scratch.hW, s)
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
    rows, z, hW, below = scratch.row, scratch.z, scratch.hW, scratch.h
    H = h.shape[2]
    for l in range(h.shape[1]):
        if l == 0:  # F3
            for m in range(M):
                for j in range(z.shape[1]):
                    z[m, j] = weights.W_xh[scratch.symbol[m], j]
            add(z, M, weights.b_h[l])
        else:
            affine(below, M, weights.U[l - 1], weights.b_h[l], hW, z)
        for m in range(M):  # F4
            for j in range(H):
                below[m, j] = h[rows[m], l, j]
        multiply(below, M, weights.W_hh[l], hW)
        for m in range(M):
            n = rows[m]
            if z.shape[1] == H:
                tanh_cell(row(z, m), row(hW, m), h[n, l])
            elif z.shape[1] == 4 * H:
                lstm_cell(row(z, m), row(hW, m), h[n, l], c[n, l])
            else:
                gru_cell(row(z, m), row(hW, m), weights.b_n[l], h[n, l])
            for j in range(H):
                below[m, j] = h[n, l, j]


# The cells of one row. Loops of few arrays each, and z for what comes between, so that the compiler
# can tell the arrays apart and uses vectors.


@njit(**JIT)
def tanh_cell(z: Array, hW: Array, h: Array) -> None:
    """h = tanh(z + h W)."""
    for j in range(h.size):
        h[j] = tanh(z[j] + hW[j])


@njit(**JIT)
def lstm_cell(z: Array, hW: Array, h: Array, c: Array) -> None:
    """c = f c + i g, h = o tanh(c)."""
    H = h.size
    i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
    hW_g, hW_o = hW[2 * H : 3 * H], hW[3 * H :]
    for j in range(2 * H):
        z[j] = sigmoid(z[j] + hW[j])
    for j in range(H):
        g[j] = tanh(g[j] + hW_g[j])
    for j in range(H):
        o[j] = sigmoid(o[j] + hW_o[j])
    for j in range(H):
        c[j] = f[j] * c[j] + i[j] * g[j]
    for j in range(H):
        h[j] = o[j] * tanh(c[j])


@njit(**JIT)
def gru_cell(z: Array, hW: Array, b_n: Array, h: Array) -> None:
    """h = (1 - u) n + u h."""
    H, one = h.size, h.dtype.type(1)
    r, u, n, hW_n = z[:H], z[H : 2 * H], z[2 * H :], hW[2 * H :]
    for j in range(2 * H):
        z[j] = sigmoid(z[j] + hW[j])
    for j in range(H):
        n[j] += r[j] * (hW_n[j] + b_n[j])
    for j in range(H):
        n[j] = tanh(n[j])
    for j in range(H):
        h[j] = (one - u[j]) * n[j] + u[j] * h[j]
