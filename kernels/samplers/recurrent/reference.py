"""NumPy twin of the recurrent samplers: the definition that the fast ones are tested against.

One row and one symbol after the other.
"""

import numpy as np

from chainrule.kernels.categorical import Options
from chainrule.kernels.categorical import reference as categorical
from chainrule.kernels.causal_attention import reference as causal_attention
from chainrule.kernels.gru import reference as gru
from chainrule.kernels.lstm import reference as lstm
from chainrule.kernels.rnn import reference as rnn
from chainrule.kernels.samplers.recurrent import (
    AttentionMemory,
    First,
    Memory,
    Output,
    Sizes,
    Weights,
)
from chainrule.kernels.types import Array, Ids


def extend(
    u: Array, weights: Weights, output: Output, options: Options, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.recurrent.extend`."""
    for n, t in np.ndindex(*u.shape):
        h, c = memory.h[n], memory.c[n]
        if u[n, t] >= 0:
            s = h[-1:] @ output.W_hy + output.b_y  # F1
            categorical.draw(s, u[n, t, None], *options, x[n, t, None])  # F2
        if x[n, t] >= 0:
            _advance(int(x[n, t]), weights, h, c)


def peek(output: Output, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.recurrent.peek`."""
    s[...] = memory.h[:, -1] @ output.W_hy + output.b_y  # F1


def extend_attention(
    u: Array,
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    options: Options,
    memory: AttentionMemory,
    x: Ids,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.extend_attention`."""
    for n, t in np.ndindex(*u.shape):
        if u[n, t] >= 0:
            s = _attending(n, weights, output, first, sizes, memory)
            categorical.draw(s, u[n, t, None], *options, x[n, t, None])
        if x[n, t] >= 0:
            _append(n, x[n, t, None], sizes.stride, memory)


def peek_attention(
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    memory: AttentionMemory,
    s: Array,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.peek_attention`."""
    for n in range(len(s)):
        s[n] = _attending(n, weights, output, first, sizes, memory)[0]


def _attending(
    n: int,
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    memory: AttentionMemory,
) -> Array:
    """Let row n's states see all of its window; return its logits, (1, V)."""
    window, length, seen, history, c, y = memory
    if seen[n] < 0:
        history[n, 0], c[n, 0], seen[n] = first.b_0[y[n]], first.c_0[y[n]], 0
    h = history[n, seen[n], None].copy()
    for t in range(seen[n], length[n]):
        _advance(int(window[n, t]), weights, h, c[n])
        history[n, t + 1] = h[0]
    seen[n] = length[n]
    heads, a = (1, sizes.n_heads, -1), np.empty_like(h)
    past = history[n].reshape(1, len(history[n]), *heads[1:])
    causal_attention.decode(h.reshape(heads), past, past, seen[n : n + 1], a.reshape(heads))  # A1
    s: Array = h @ output.W_hy + a @ output.W_ay + output.b_y  # A2
    return s


def _append(n: int, symbol: Ids, stride: int, memory: AttentionMemory) -> None:
    """Let a symbol, (1,), join row n's window; one that would be full moves on by `stride`."""
    window, length, seen = memory[:3]
    symbols = np.concatenate([window[n, : length[n]], symbol])
    if len(symbols) == window.shape[1]:
        symbols, seen[n] = symbols[stride:], -1
    length[n] = len(symbols)
    window[n, : len(symbols)] = symbols


def _advance(symbol: int, weights: Weights, h: Array, c: Array) -> None:
    """Move one row's h and c, (L, ·), on by a symbol (F3, F4)."""
    w = weights
    for l in range(len(w.W_hh)):
        z = (w.W_xh[symbol] if l == 0 else h[l - 1] @ w.U[l - 1]) + w.b_h[l]  # F3
        h[l] = _cell(z[None, None], w.W_hh[l], w.b_n[l, None], h[l, None], c[l, None])  # F4


def _cell(z: Array, W: Array, b_n: Array, h: Array, c: Array) -> Array:
    """Return the next h, (1, H), from the input part z, (1, 1, G H); overwrite the LSTM's c."""
    states, gates = np.stack([h, h]), z.shape[2] // h.shape[1]
    if gates == 1:
        rnn.forward(z, W, states)
    elif gates == 4:
        cells = np.stack([c, c])
        lstm.forward(z, W, states, cells)
        c[...] = cells[1]
    else:
        gru.forward(z, W, b_n, states, np.empty_like(h)[None])
    new: Array = states[1]
    return new
