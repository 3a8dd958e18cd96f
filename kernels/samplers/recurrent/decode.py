"""The compiled loops of the recurrent samplers: symbols, layers and rows, no Python between.

`step` moves a list of rows on by one symbol each, so the same code serves drawing, prompts of
different lengths (the rows whose prompt has not ended) and a window's restart (the rows that have
symbols to catch up with). Weights and Output are the contract's, their matrices as they lie or laid
out by `products.for_tiles`.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.categorical import Options
from chainrule.kernels.categorical.cpu import pick
from chainrule.kernels.compiled import njit
from chainrule.kernels.gru.cpu import cell as gru_cell
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.linear.tile import panel_width
from chainrule.kernels.lstm.cpu import cell as lstm_cell
from chainrule.kernels.rnn.cpu import cell as tanh_cell
from chainrule.kernels.samplers.products import add, add_product, affine, multiply
from chainrule.kernels.samplers.recurrent import Memory, Output, Weights
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array, Ids


class Scratch(NamedTuple):
    """Working memory for up to M rows; the leading ones are in use."""

    row: Ids  # (M,)
    symbol: Ids  # (M,)
    h: Array  # (M, H): a layer's state
    z: Array  # (M, G H): what its gates get from below
    hW: Array  # (M, ≥ G H, V): what they get from its own state
    a: Array  # (M, H): attention's output
    s: Array  # (M, V) logits
    w: Array  # (V,) float64
    heap: Ids  # (V,)


@njit(**JIT)
def new_scratch(M: int, H: int, W_xh: Array) -> Scratch:
    """Return working memory for up to M rows of H hidden units.

    Made here, not by NumPy: Numba's arrays begin at cache lines, and a row's vectors lie in one.
    """
    (V, G_H), dtype, width = W_xh.shape, W_xh.dtype, panel_width(W_xh)
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
def extend(
    u: Array,
    weights: Weights,
    output: Output,
    options: Options,
    memory: Memory,
    x: Ids,
) -> None:
    """Draw and read the symbols of a few rows, x: (N, k)."""
    h, c = memory
    scratch = new_scratch(len(u), h.shape[2], weights.W_xh)
    for t in range(u.shape[1]):
        M = list_drawn(u, t, scratch)
        if M > 0:
            gather(h, M, h.shape[1] - 1, scratch)
            find_logits(M, output, scratch)
            draw(u, t, M, options, scratch, x)
        M = list_moving(x, t, scratch)
        if M > 0:
            step(M, weights, h, c, scratch)


# Counts come from functions: a variable that begins as 0 is a type of its own to Numba, for which
# it would compile all that is called with it once more.


@njit(**INLINE)
def list_drawn(u: Array, t: int, scratch: Scratch) -> int:
    """List the rows whose symbol t is drawn in scratch.row; return how many there are."""
    M = 0
    for n in range(len(u)):
        if not u[n, t] < 0:
            scratch.row[M] = n
            M += 1
    return M


@njit(**INLINE)
def list_moving(x: Ids, t: int, scratch: Scratch) -> int:
    """List the rows that have a symbol t, and these; return how many there are."""
    M = 0
    for n in range(len(x)):
        if x[n, t] >= 0:
            scratch.row[M], scratch.symbol[M] = n, x[n, t]
            M += 1
    return M


@njit(**INLINE)
def gather(h: Array, M: int, l: int, scratch: Scratch) -> None:
    """Put layer l's state of the M rows in scratch.row into the working memory."""
    for m in range(M):
        n = scratch.row[m]
        for j in range(h.shape[2]):
            scratch.h[m, j] = h[n, l, j]


@njit(**JIT)
def find_logits(M: int, output: Output, scratch: Scratch) -> None:
    """scratch.s from scratch.h, and scratch.a where there is attention, M rows each."""
    affine(scratch.h, M, output.W_hy, output.b_y, scratch.hW, scratch.s)  # F1, A2
    if output.W_ay.size:
        add_product(scratch.a, M, output.W_ay, scratch.hW, scratch.s)  # A2


@njit(**INLINE)
def draw(u: Array, t: int, M: int, options: Options, scratch: Scratch, x: Ids) -> None:
    """Draw symbol t of the M rows in scratch.row from scratch.s."""
    for m in range(M):
        n = scratch.row[m]
        x[n, t] = pick(  # F2
            scratch.s,
            m,
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
        if l == 0:
            for m in range(M):
                for j in range(z.shape[1]):
                    z[m, j] = weights.W_xh[scratch.symbol[m], j]  # F3
            add(z, M, weights.b_h[l])  # F3
        else:
            affine(below, M, weights.U[l - 1], weights.b_h[l], hW, z)  # F3
        for m in range(M):
            for j in range(H):
                below[m, j] = h[rows[m], l, j]
        multiply(below, M, weights.W_hh[l], hW)  # F4: h W
        for m in range(M):
            n = rows[m]
            move(row(hW, m), row(z, m), weights.b_n[l], h[n, l], c[n, l])  # F4
            for j in range(H):
                below[m, j] = h[n, l, j]


@njit(**JIT)
def move(p: Array, z: Array, b_n: Array, h: Array, c: Array) -> None:
    """Move one row of a layer on, whatever its cell. Compiled by itself: once for both layouts."""
    H = len(h)
    if len(z) == H:
        tanh_cell(p, z, h)
    elif len(z) == 4 * H:
        lstm_cell(p, z, c, c, h)
    else:
        gru_cell(p, b_n, z, p[2 * H :], h, h)
