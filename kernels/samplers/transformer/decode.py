"""The compiled loop of the Transformer sampler: symbols, layers and rows, with no Python between.

A step passes a batch of tokens through all layers. A token is one position of one row, so the same
code serves a symbol of every row (M rows, one position each) and filling the cache (one row, M
positions): keys and values of all tokens enter the cache before any token attends, and a token
looks at the positions up to its own.

All arrays are C-contiguous; M counts the tokens, the leading rows of the working memory in use.
Weights are the contract's, their matrices as they lie or laid out by `products.for_tiles`.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.categorical import Options
from chainrule.kernels.categorical.cpu import pick
from chainrule.kernels.causal_attention.rows import attend
from chainrule.kernels.compiled import njit
from chainrule.kernels.gelu.cpu import activate
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.layer_norm import EPS
from chainrule.kernels.layer_norm.cpu import normalise
from chainrule.kernels.linear.tile import panel_width
from chainrule.kernels.rotary.cpu import turn
from chainrule.kernels.samplers.products import add, add_product, affine, multiply
from chainrule.kernels.samplers.transformer import Memory, Sizes, Weights
from chainrule.kernels.types import Array, Ids

FILL = 24  # tokens that enter the cache together


class Angles(NamedTuple):
    """Of every position, (S, d/2); (0, d/2) where E_pos adds positions."""

    cos: Array
    sin: Array


class Scratch(NamedTuple):
    """Working memory for up to M tokens."""

    row: Ids  # (M,): the token's row
    at: Ids  # (M,): its position in the row's window
    x: Array  # (M, C)
    y: Array  # (M, C): normalised x, or attention's output
    qkv: Array  # (M, 3C)
    hidden: Array  # (M, 4C)
    product: Array  # (M, ≥ 4C, V)
    p: Array  # (n_heads, S) attention
    s: Array  # (N, V) logits
    w: Array  # (V,) float64
    heap: Ids  # (V,)


@njit(**JIT)
def new_scratch(N: int, E: Array, V: int, n_heads: int, S: int) -> Scratch:
    """Return working memory for N rows of V symbols, of E's width and dtype.

    Made here, not by NumPy: Numba's arrays begin at cache lines, and a row's vectors lie in one.
    """
    M, C, width = max(N, FILL), E.shape[1], panel_width(E)
    return Scratch(
        np.empty(M, np.int32),
        np.empty(M, np.int32),
        np.empty((M, C), E.dtype),
        np.empty((M, C), E.dtype),
        np.empty((M, 3 * C), E.dtype),
        np.empty((M, 4 * C), E.dtype),
        np.empty((M, -(-max(4 * C, V) // width) * width), E.dtype),
        np.empty((n_heads, S), E.dtype),
        np.empty((N, V), E.dtype),
        np.empty(V, np.float64),
        np.empty(V, np.int32),
    )


@njit(**JIT)
def extend(
    u: Array,
    weights: Weights,
    angles: Angles,
    sizes: Sizes,
    options: Options,
    memory: Memory,
    V: int,
    x: Ids,
) -> None:
    """Draw and read the symbols, of V, of a few rows, x: (N, k)."""
    N = len(u)
    scratch = new_scratch(N, weights.E, V, sizes.n_heads, memory.window.shape[1])
    for i in range(u.shape[1]):
        for n in range(N):
            if not u[n, i] < 0:
                fill_cache(n, weights, angles, memory, scratch)
        M = list_drawn(u, i, scratch)
        if M > 0:
            find_logits(M, weights, angles, memory, scratch)
        for m in range(M):
            n = scratch.row[m]
            x[n, i] = pick(  # F6
                scratch.s,
                m,
                u[n, i],
                options.temperature,
                options.top_k,
                options.top_p,
                scratch.w,
                scratch.heap,
            )
        for n in range(N):
            if x[n, i] >= 0:
                append(n, x[n, i], sizes.stride, memory.window, memory.length, memory.cached)


@njit(**JIT)
def read(x: Ids, stride: int, window: Ids, length: Ids, cached: Ids) -> None:
    """Read the given symbols of a few rows, x: (N, k): `extend` where nothing is drawn."""
    for n in range(len(x)):
        for i in range(x.shape[1]):
            if x[n, i] >= 0:
                append(n, x[n, i], stride, window, length, cached)


@njit(**INLINE)
def list_drawn(u: Array, i: int, scratch: Scratch) -> int:
    """List the rows whose symbol i is drawn in scratch.row; return how many there are.

    A function: a variable that begins as 0 is a type of its own to Numba, for which it would
    compile all that is called with it once more.
    """
    M = 0
    for n in range(len(u)):
        if not u[n, i] < 0:
            scratch.row[M] = n
            M += 1
    return M


@njit(**JIT)
def peek(weights: Weights, angles: Angles, sizes: Sizes, memory: Memory, s: Array) -> None:
    """Write every row's logits into s, (N, V)."""
    N, V = s.shape
    scratch = new_scratch(N, weights.E, V, sizes.n_heads, memory.window.shape[1])
    for n in range(N):
        fill_cache(n, weights, angles, memory, scratch)
    for n in range(N):
        scratch.row[n] = n
    find_logits(N, weights, angles, memory, scratch)
    for n in range(N):
        for v in range(V):
            s[n, v] = scratch.s[n, v]


@njit(**INLINE)
def find_logits(M: int, weights: Weights, angles: Angles, memory: Memory, scratch: Scratch) -> None:
    """Pass the last token of each of M rows; write scratch.s, a line for each of them."""
    x, y, s, product = scratch.x, scratch.y, scratch.s, scratch.product
    for m in range(M):
        n = scratch.row[m]
        scratch.at[m] = memory.length[n] - 1
        memory.cached[n] = memory.length[n]
    run_layers(M, weights, angles, memory, len(weights.W_qkv), scratch)
    normalise_rows(x, M, weights.ln_g, weights.ln_b, y)  # F6
    multiply(y, M, weights.W_y, product)  # F6
    for m in range(M):
        for v in range(s.shape[1]):
            s[m, v] = product[m, v]


@njit(**JIT)
def fill_cache(n: int, weights: Weights, angles: Angles, memory: Memory, scratch: Scratch) -> None:
    """Let all tokens of row n but the last into the cache."""
    while memory.cached[n] < memory.length[n] - 1:
        first = memory.cached[n]
        M = min(FILL, memory.length[n] - 1 - first)
        for m in range(M):
            scratch.row[m], scratch.at[m] = n, first + m
        run_layers(M, weights, angles, memory, len(weights.W_qkv) - 1, scratch)
        memory.cached[n] += M


@njit(**INLINE)
def append(n: int, symbol: int, stride: int, window: Ids, length: Ids, cached: Ids) -> None:
    """Let a symbol join row n's window; a full one moves on by `stride` symbols (F7)."""
    if length[n] < window.shape[1]:
        window[n, length[n]] = symbol  # F7
        length[n] += 1
        return
    for j in range(1, length[n] - stride):
        window[n, j] = window[n, j + stride]  # F7
    if stride < length[n]:
        window[n, length[n] - stride] = symbol
    length[n] += 1 - stride
    cached[n] = 0


@njit(**JIT)
def run_layers(
    M: int, weights: Weights, angles: Angles, memory: Memory, end: int, scratch: Scratch
) -> None:
    """F1-F5 for M tokens; nothing after layer `end`'s keys and values, if there is such a layer.

    end: a number, not a flag, whose two values Numba would compile one after the other.
    """
    row, at, x, y, qkv, hidden, product, p = scratch[:8]
    embed(M, weights, memory.window, row, at, x)  # F1
    for l in range(len(weights.W_qkv)):
        normalise_rows(x, M, weights.ln1_g[l], weights.ln1_b[l], y)  # F2
        affine(y, M, weights.W_qkv[l], weights.b_qkv[l], product, qkv)  # F2
        if angles.cos.size:
            rotate(qkv, M, at, len(p), angles)  # F2
        remember(qkv, M, row, at, l, memory.keys, memory.values)  # F2
        if l == end:
            return
        for m in range(M):
            attend(qkv, m, row[m], l, at[m] + 1, memory.keys, memory.values, p, y)  # F3
        add(x, M, weights.b_o[l])  # F4
        add_product(y, M, weights.W_o[l], product, x)  # F4
        normalise_rows(x, M, weights.ln2_g[l], weights.ln2_b[l], y)  # F5
        multiply(y, M, weights.W_1[l], product)  # F5
        activate_rows(product, M, weights.b_1[l], hidden)  # F5
        add(x, M, weights.b_2[l])  # F5
        add_product(hidden, M, weights.W_2[l], product, x)  # F5


@njit(**JIT)
def embed(M: int, weights: Weights, window: Ids, row: Ids, at: Ids, x: Array) -> None:
    """x_p = E[window_p] + E_pos[p] (F1)."""
    E, E_pos = weights.E, weights.E_pos
    for m in range(M):
        symbol = window[row[m], at[m]]
        for j in range(x.shape[1]):
            x[m, j] = E[symbol, j]
        if len(E_pos):
            for j in range(x.shape[1]):
                x[m, j] += E_pos[at[m], j]


# Compiled by themselves: once for both layouts of the weights.


@njit(**JIT)
def normalise_rows(x: Array, M: int, g: Array, b: Array, y: Array) -> None:
    """y = LN(x)."""
    eps = x.dtype.type(EPS)
    for m in range(M):
        normalise(x[m], g, b, y[m], eps)


@njit(**JIT)
def activate_rows(u: Array, M: int, b: Array, y: Array) -> None:
    """y = gelu(u + b), u as wide as y or wider."""
    for m in range(M):
        activate(u[m], b, y[m])


@njit(**JIT)
def rotate(qkv: Array, M: int, at: Ids, n_heads: int, angles: Angles) -> None:
    """Turn queries and keys by their position (F2)."""
    cos, sin = angles
    d, forward = 2 * cos.shape[1], qkv.dtype.type(1)
    for m in range(M):
        heads = qkv[m, : 2 * n_heads * d].reshape(2 * n_heads, d)  # queries', then keys'
        turn(heads, cos[at[m]], sin[at[m]], forward)


@njit(**JIT)
def remember(qkv: Array, M: int, row: Ids, at: Ids, l: int, keys: Array, values: Array) -> None:
    """Let the tokens' keys and values into layer l's cache."""
    C = keys.shape[3]
    for m in range(M):
        n, p = row[m], at[m]
        for j in range(C):
            keys[n, l, p, j] = qkv[m, C + j]
        for j in range(C):
            values[n, l, p, j] = qkv[m, 2 * C + j]
