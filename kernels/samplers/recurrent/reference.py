"""NumPy twin of the recurrent samplers: the definition that the fast ones are tested against.

Runs on CuPy arrays too (see `cuda`).
"""

import numpy as np

from chainrule.kernels import categorical
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Ids


def feed(
    x: Ids,
    lengths: Ids,
    W_xh: Array,
    U: Array,
    W_hh: Array,
    b_h: Array,
    b_n: Array,
    h: Array,
    c: Array,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.feed`."""
    for n in range(len(x)):
        row = slice(n, n + 1)
        for t in range(int(lengths[n])):
            _advance(x[row, t], W_xh, U, W_hh, b_h, b_n, h[row], c[row])


def extend(
    u: Array,
    W_xh: Array,
    U: Array,
    W_hh: Array,
    W_hy: Array,
    b_h: Array,
    b_n: Array,
    b_y: Array,
    temperature: float,
    top_k: int,
    top_p: float,
    h: Array,
    c: Array,
) -> Ids:
    """See `chainrule.kernels.samplers.recurrent.extend`."""
    ids: Ids = array_module(u).empty(u.shape, np.int32)
    for t in range(u.shape[1]):
        s = h[:, -1] @ W_hy + b_y  # F1
        ids[:, t] = categorical.draw(s, u[:, t], temperature, top_k, top_p)  # F2
        _advance(ids[:, t], W_xh, U, W_hh, b_h, b_n, h, c)
    return ids


def extend_attention(
    u: Array,
    W_xh: Array,
    W_hh: Array,
    W_hy: Array,
    W_ay: Array,
    b_h: Array,
    b_n: Array,
    b_y: Array,
    b_0: Array,
    c_0: Array,
    n_heads: int,
    stride: int,
    temperature: float,
    top_k: int,
    top_p: float,
    window: Ids,
    length: Ids,
    seen: Ids,
    history: Array,
    c: Array,
) -> Ids:
    """See `chainrule.kernels.samplers.recurrent.extend_attention`."""
    S = window.shape[1]

    def catch_up(n: int) -> None:
        """Let row n's states see all of its window."""
        if int(seen[n]) < 0:
            history[n, 0], c[n], seen[n] = b_0[0], c_0, 0
        first = int(seen[n])
        h, cells = history[n, first, None, None].copy(), c[n : n + 1]  # (1, 1, H)
        for t in range(first, int(length[n])):
            _advance(window[n : n + 1, t], W_xh, W_hh[:0], W_hh, b_h, b_n, h, cells)
            history[n, t + 1] = h[0, 0]
        seen[n] = length[n]

    ids: Ids = array_module(u).empty(u.shape, np.int32)
    for i in range(u.shape[1]):
        for n in range(len(u)):
            catch_up(n)
            size = int(length[n])
            h, past = history[n, size], history[n, :size]
            s = h @ W_hy + _attend(h, past, n_heads) @ W_ay + b_y  # A2
            ids[n, i] = categorical.draw(s[None], u[n, i, None], temperature, top_k, top_p)[0]
            x = array_module(u).concatenate([window[n, :size], ids[n, i : i + 1]])
            if len(x) == S:
                x, seen[n] = x[stride:], -1
            length[n] = len(x)
            window[n, : len(x)] = x
    return ids


def _attend(h: Array, past: Array, n_heads: int) -> Array:
    """Return a, (H,): attention of h, (H,), to the states of the past, (t, H) (A1)."""
    if not len(past):
        return np.zeros_like(h)
    keys = past.reshape(len(past), n_heads, -1)
    s = (keys * h.reshape(n_heads, -1)).sum(axis=2) / keys.shape[2] ** 0.5  # A1
    p = np.exp(s - s.max(axis=0))
    a: Array = ((p / p.sum(axis=0))[:, :, None] * keys).sum(axis=0).ravel()
    return a


def _advance(
    x: Ids, W_xh: Array, U: Array, W_hh: Array, b_h: Array, b_n: Array, h: Array, c: Array
) -> None:
    """Move h and c, (N, L, ·), on by one symbol of each row (F3, F4)."""
    for l in range(len(W_hh)):
        z = (W_xh[x] if l == 0 else h[:, l - 1] @ U[l - 1]) + b_h[l]  # F3
        h[:, l] = _cell(z, W_hh[l], b_n[l], h[:, l], c[:, l])  # F4


def _cell(z: Array, W: Array, b_n: Array, h: Array, c: Array) -> Array:
    """Return the next h, (N, H), from the input part z; overwrite the LSTM's c."""
    H = h.shape[1]
    gates = z.shape[1] // H
    if gates == 1:
        return np.tanh(z + h @ W)
    if gates == 4:
        i, f, g, o = np.split(z + h @ W, 4, axis=1)
        c[...] = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c)
    hW = h @ W
    r, u = np.split(sigmoid(z[:, : 2 * H] + hW[:, : 2 * H]), 2, axis=1)
    n = np.tanh(z[:, 2 * H :] + r * (hW[:, 2 * H :] + b_n))
    new: Array = (1 - u) * n + u * h
    return new
