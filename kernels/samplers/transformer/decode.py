"""The compiled loop of the Transformer sampler: symbols, layers and rows, with no Python between.

A step passes a batch of tokens through all layers. A token is one position of one row, so the same
code serves a symbol of every row (M rows, one position each) and filling the cache (one row, M
positions): keys and values of all tokens enter the cache before any token attends, and a token
looks at the positions up to its own.

All arrays are C-contiguous; M counts the tokens, the leading rows of the working memory in use.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels import categorical
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, sigmoid
from chainrule.kernels.samplers.products import add, add_product, affine, attend, multiply
from chainrule.kernels.tiles import panel_width
from chainrule.kernels.types import Array, Ids

FILL = 24  # tokens that enter the cache together


class Weights(NamedTuple):
    """The parameters, named as in the contract; the matrices as they lie, or by for_tiles."""

    E: Array
    P: Array
    W_qkv: Array
    W_o: Array
    W_1: Array
    W_2: Array
    W_y: Array
    b_qkv: Array
    b_o: Array
    b_1: Array
    b_2: Array
    ln1_g: Array
    ln1_b: Array
    ln2_g: Array
    ln2_b: Array
    ln_g: Array
    ln_b: Array
    cos: Array  # (S, d/2) of position · frequency; (0, 0) where P adds positions
    sin: Array


class State(NamedTuple):
    """What the rows remember, as in the contract."""

    window: Ids
    length: Ids
    cached: Ids
    keys: Array
    values: Array


class Scratch(NamedTuple):
    """Working memory for up to M tokens."""

    row: Ids  # (M,): the token's row
    at: Ids  # (M,): its position in the row's window
    x: Array  # (M, C)
    y: Array  # (M, C): normalised x, or attention's output
    qkv: Array  # (M, 3C)
    hidden: Array  # (M, 4C)
    s: Array  # (M, V) logits
    product: Array  # (M, ≥ 4C, V)
    p: Array  # (n_heads, S) attention
    w: Array  # (V,) float64
    heap: Ids  # (V,)


@njit(**JIT)
def extend(
    u: Array,
    weights: Weights,
    state: State,
    n_heads: int,
    stride: int,
    temperature: float,
    top_k: int,
    top_p: float,
    V: int,
    ids: Ids,
) -> None:
    """Write the next symbols, of V, of a few rows into ids, (N, n_new)."""
    N = len(u)
    scratch = new_scratch(max(N, FILL), weights, V, n_heads, state.window.shape[1])
    for i in range(u.shape[1]):
        for n in range(N):
            fill_cache(n, weights, state, n_heads, scratch)
        for n in range(N):
            scratch.row[n], scratch.at[n] = n, state.length[n] - 1
            state.cached[n] = state.length[n]
        run_layers(N, weights, state, n_heads, False, scratch)
        normalise(scratch.x, N, weights.ln_g, weights.ln_b, scratch.y)  # F6
        multiply(scratch.y, N, weights.W_y, scratch.product)
        scratch.s[:N] = scratch.product[:N, :V]
        for n in range(N):
            ids[n, i] = categorical.pick(
                scratch.s, n, u[n, i], temperature, top_k, top_p, scratch.w, scratch.heap
            )
            append(n, ids[n, i], stride, state)  # F7


@njit(**JIT)
def new_scratch(M: int, weights: Weights, V: int, n_heads: int, S: int) -> Scratch:
    """Return working memory for up to M tokens of V symbols."""
    C, dtype = weights.E.shape[1], weights.E.dtype
    width = panel_width(weights.E)
    return Scratch(
        np.empty(M, np.int32),
        np.empty(M, np.int32),
        np.empty((M, C), dtype),
        np.empty((M, C), dtype),
        np.empty((M, 3 * C), dtype),
        np.empty((M, 4 * C), dtype),
        np.empty((M, V), dtype),
        np.empty((M, -(-max(4 * C, V) // width) * width), dtype),
        np.empty((n_heads, S), dtype),
        np.empty(V, np.float64),
        np.empty(V, np.int32),
    )


@njit(**JIT)
def fill_cache(n: int, weights: Weights, state: State, n_heads: int, scratch: Scratch) -> None:
    """Let all tokens of row n but the last into the cache."""
    while state.cached[n] < state.length[n] - 1:
        first = state.cached[n]
        M = min(FILL, state.length[n] - 1 - first)
        for m in range(M):
            scratch.row[m], scratch.at[m] = n, first + m
        run_layers(M, weights, state, n_heads, True, scratch)
        state.cached[n] += M


@njit(**JIT)
def append(n: int, symbol: int, stride: int, state: State) -> None:
    """Let a symbol join row n's window; a full one moves on by `stride` symbols (F7)."""
    window, length = state.window, state.length
    if length[n] < window.shape[1]:
        window[n, length[n]] = symbol
        length[n] += 1
        return
    for j in range(1, length[n] - stride):
        window[n, j] = window[n, j + stride]
    if stride < length[n]:
        window[n, length[n] - stride] = symbol
    length[n] += 1 - stride
    state.cached[n] = 0


@njit(**JIT)
def run_layers(
    M: int, weights: Weights, state: State, n_heads: int, cache_only: bool, scratch: Scratch
) -> None:
    """F1-F5 for M tokens; with cache_only, nothing after the last layer's keys and values."""
    row, at, x, y, qkv, hidden = scratch[:6]
    xW = scratch.product
    embed(M, weights, state.window, row, at, x)  # F1
    L = len(weights.W_qkv)
    for l in range(L):
        normalise(x, M, weights.ln1_g[l], weights.ln1_b[l], y)  # F2
        affine(y, M, weights.W_qkv[l], weights.b_qkv[l], xW, qkv)
        if weights.cos.size:
            rotate(qkv, M, at, n_heads, weights.cos, weights.sin)
        remember(qkv, M, row, at, l, state.keys, state.values)
        if cache_only and l == L - 1:
            return
        for m in range(M):  # F3
            attend(qkv, m, row[m], l, at[m] + 1, state.keys, state.values, scratch.p, y)
        add(x, M, weights.b_o[l])  # F4
        add_product(y, M, weights.W_o[l], xW, x)
        normalise(x, M, weights.ln2_g[l], weights.ln2_b[l], y)  # F5
        affine(y, M, weights.W_1[l], weights.b_1[l], xW, hidden)
        gelu(hidden, M)
        add(x, M, weights.b_2[l])
        add_product(hidden, M, weights.W_2[l], xW, x)


@njit(**JIT)
def embed(M: int, weights: Weights, window: Ids, row: Ids, at: Ids, x: Array) -> None:
    """x_p = E[window_p] + P_p (F1)."""
    E, P = weights.E, weights.P
    for m in range(M):
        symbol = window[row[m], at[m]]
        for j in range(x.shape[1]):
            x[m, j] = E[symbol, j]
        if len(P):
            for j in range(x.shape[1]):
                x[m, j] += P[at[m], j]


@njit(**JIT_SUMS)
def normalise(x: Array, M: int, g: Array, b: Array, y: Array) -> None:
    """Layer normalisation of each row of x."""
    C = x.shape[1]
    zero = x.dtype.type(0)
    size, eps, one = x.dtype.type(C), x.dtype.type(1e-5), x.dtype.type(1)
    for m in range(M):
        total = zero
        for j in range(C):
            total += x[m, j]
        mean = total / size
        square = zero
        for j in range(C):
            centred = x[m, j] - mean
            y[m, j] = centred
            square += centred * centred
        scale = one / np.sqrt(square / size + eps)
        for j in range(C):
            y[m, j] = y[m, j] * scale * g[j] + b[j]


@njit(**JIT)
def gelu(a: Array, M: int) -> None:
    """Overwrite a by gelu(a) = a σ(2 √(2/π) (a + 0.044715 a³)): (1 + tanh z) / 2 = σ(2z)."""
    c1 = a.dtype.type(2 * (2 / np.pi) ** 0.5)
    c3 = a.dtype.type(2 * (2 / np.pi) ** 0.5 * 0.044715)
    for m in range(M):
        for j in range(a.shape[1]):
            a[m, j] = a[m, j] * sigmoid(a[m, j] * (c1 + c3 * a[m, j] * a[m, j]))


@njit(**JIT)
def rotate(qkv: Array, M: int, at: Ids, n_heads: int, cos: Array, sin: Array) -> None:
    """Rotate queries and keys by their position: (a, b) to (a cos - b sin, a sin + b cos)."""
    half = cos.shape[1]
    for m in range(M):
        for head in range(2 * n_heads):  # the keys' heads follow the queries'
            i = head * 2 * half
            for j in range(half):
                a, b = qkv[m, i + j], qkv[m, i + half + j]
                c, s = cos[at[m], j], sin[at[m], j]
                qkv[m, i + j] = a * c - b * s
                qkv[m, i + half + j] = a * s + b * c


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
