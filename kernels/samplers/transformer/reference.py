"""NumPy twin of the Transformer sampler: the definition that the fast ones are tested against.

Runs on CuPy arrays too (see `cuda`).
"""

import numpy as np

from chainrule.kernels import categorical, rotary
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


def extend(
    u: Array,
    E: Array,
    P: Array,
    W_qkv: Array,
    W_o: Array,
    W_1: Array,
    W_2: Array,
    W_y: Array,
    b_qkv: Array,
    b_o: Array,
    b_1: Array,
    b_2: Array,
    ln1_g: Array,
    ln1_b: Array,
    ln2_g: Array,
    ln2_b: Array,
    ln_g: Array,
    ln_b: Array,
    n_heads: int,
    stride: int,
    temperature: float,
    top_k: int,
    top_p: float,
    window: Ids,
    length: Ids,
    cached: Ids,
    keys: Array,
    values: Array,
) -> Ids:
    """See `chainrule.kernels.samplers.transformer.extend`."""

    def last_output(n: int) -> Array:
        """Pass the tokens that are not cached yet, all at once; return x of the last, (C,)."""
        first, stop = int(cached[n]), int(length[n])
        x: Array = E[window[n, first:stop]]  # F1
        if len(P):
            x = x + P[first:stop]
        for l in range(len(W_qkv)):
            qkv = _normalise(x, ln1_g[l], ln1_b[l]) @ W_qkv[l] + b_qkv[l]  # F2
            q, k, v = np.split(qkv, 3, axis=1)
            if not len(P):
                q, k = (_rotate(a, first, n_heads) for a in (q, k))
            keys[n, l, first:stop], values[n, l, first:stop] = k, v
            a = _attend(q, keys[n, l, :stop], values[n, l, :stop], n_heads)  # F3
            x = x + a @ W_o[l] + b_o[l]  # F4
            hidden = _gelu(_normalise(x, ln2_g[l], ln2_b[l]) @ W_1[l] + b_1[l])
            x = x + hidden @ W_2[l] + b_2[l]  # F5
        cached[n] = stop
        last: Array = x[-1]
        return last

    ids: Ids = array_module(u).empty(u.shape, np.int32)
    for i in range(u.shape[1]):
        for n in range(len(u)):
            s = _normalise(last_output(n)[None], ln_g, ln_b) @ W_y  # F6
            ids[n, i] = categorical.draw(s, u[n, i, None], temperature, top_k, top_p)[0]
            _append(n, ids[n, i : i + 1], stride, window, length, cached)  # F7
    return ids


def _append(n: int, symbol: Ids, stride: int, window: Ids, length: Ids, cached: Ids) -> None:
    """Let a symbol, (1,), join row n's window (F7)."""
    S = window.shape[1]
    seen = array_module(window).concatenate([window[n, 1 : int(length[n])], symbol])
    if len(seen) == S:
        seen, cached[n] = seen[stride:], 0
    length[n] = 1 + len(seen)
    window[n, 1 : 1 + len(seen)] = seen


def _normalise(x: Array, g: Array, b: Array) -> Array:
    """Return each row of x with mean 0 and variance 1, times g plus b."""
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    y: Array = centred / np.sqrt(variance + 1e-5) * g + b
    return y


def _gelu(u: Array) -> Array:
    y: Array = 0.5 * u * (1 + np.tanh((2 / np.pi) ** 0.5 * (u + 0.044715 * u**3)))
    return y


def _rotate(x: Array, first: int, n_heads: int) -> Array:
    """Return x, (T, C), rotated in every head by its position, x[0]'s being `first`."""
    T, C = x.shape
    x = x.reshape(1, T, n_heads, C // n_heads).copy()
    rotary.rotate(x, first, 1)
    return x.reshape(T, C)


def _attend(q: Array, k: Array, v: Array, n_heads: int) -> Array:
    """Return a, shaped like q, (T, C): the last T of k's positions look at those up to theirs."""
    xp, (T, C), n_keys = array_module(q), q.shape, len(k)
    q, k, v = (x.reshape(len(x), n_heads, -1).swapaxes(0, 1) for x in (q, k, v))  # heads first
    s = q @ k.swapaxes(1, 2) / (C // n_heads) ** 0.5
    hidden = xp.triu(xp.ones((T, n_keys), bool), n_keys - T + 1)
    s = xp.where(hidden, -np.inf, s)
    p = np.exp(s - s.max(axis=2, keepdims=True))
    a: Array = (p / p.sum(axis=2, keepdims=True)) @ v
    return a.swapaxes(0, 1).reshape(T, C)
