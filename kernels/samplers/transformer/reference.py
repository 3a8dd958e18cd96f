"""NumPy twin of the Transformer sampler: the definition that the fast ones are tested against.

One row and one symbol after the other.
"""

import numpy as np

from chainrule.kernels.categorical import Options
from chainrule.kernels.categorical import reference as categorical
from chainrule.kernels.causal_attention import reference as causal_attention
from chainrule.kernels.gelu import reference as gelu
from chainrule.kernels.layer_norm import reference as layer_norm
from chainrule.kernels.rotary import reference as rotary
from chainrule.kernels.samplers.transformer import Memory, Sizes, Weights
from chainrule.kernels.types import Array, Ids


def extend(
    u: Array, weights: Weights, sizes: Sizes, options: Options, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.transformer.extend`."""
    for n, i in np.ndindex(*u.shape):
        if u[n, i] >= 0:
            s = _logits(n, weights, sizes, memory)
            categorical.draw(s, u[n, i, None], *options, x[n, i, None])  # F6
        if x[n, i] >= 0:
            _append(n, x[n, i, None], sizes.stride, memory)  # F7


def peek(weights: Weights, sizes: Sizes, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.transformer.peek`."""
    for n in range(len(s)):
        s[n] = _logits(n, weights, sizes, memory)[0]


def _logits(n: int, weights: Weights, sizes: Sizes, memory: Memory) -> Array:
    """Pass row n's tokens that are not cached yet, all at once; return s of the last, (1, V)."""
    w, stop = weights, int(memory.length[n])
    first = min(int(memory.cached[n]), stop - 1)
    x: Array = w.E[memory.window[n, first:stop]]  # F1
    if len(w.E_pos):
        x = x + w.E_pos[first:stop]  # F1
    for l in range(len(w.W_qkv)):
        qkv = _normalised(x, w.ln1_g[l], w.ln1_b[l]) @ w.W_qkv[l] + w.b_qkv[l]  # F2
        q, k, v = (a.reshape(len(x), sizes.n_heads, -1) for a in np.split(qkv, 3, axis=1))
        if not len(w.E_pos):
            q, k = (_rotated(a, first) for a in (q, k))  # F2
        keys, values = (a[n, l].reshape(-1, *k.shape[1:]) for a in (memory.keys, memory.values))
        keys[first:stop], values[first:stop] = k, v
        x = x + _attended(q, keys, values, first) @ w.W_o[l] + w.b_o[l]  # F3, F4
        u = _normalised(x, w.ln2_g[l], w.ln2_b[l]) @ w.W_1[l]  # F5
        gelu.forward(u, w.b_1[l], u)  # F5
        x = x + u @ w.W_2[l] + w.b_2[l]  # F5
    memory.cached[n] = stop
    s: Array = _normalised(x[-1:], w.ln_g, w.ln_b) @ w.W_y  # F6
    return s


def _append(n: int, symbol: Ids, stride: int, memory: Memory) -> None:
    """Let a symbol, (1,), join row n's window (F7)."""
    window, length, cached = memory[:3]
    seen = np.concatenate([window[n, 1 : length[n]], symbol])
    if len(seen) == window.shape[1]:
        seen, cached[n] = seen[stride:], 0
    length[n] = 1 + len(seen)
    window[n, 1 : 1 + len(seen)] = seen


def _normalised(x: Array, g: Array, b: Array) -> Array:
    y, mean, rstd = np.empty_like(x), np.empty(len(x), x.dtype), np.empty(len(x), x.dtype)
    layer_norm.forward(x, g, b, y, mean, rstd)
    return y


def _rotated(x: Array, first: int) -> Array:
    """Return x, (T, n_heads, d), rotated by its positions, x[0]'s being `first`."""
    turned = x.copy()
    rotary.rotate(turned[None], first, 1)
    return turned


def _attended(q: Array, keys: Array, values: Array, first: int) -> Array:
    """Return a, (T, C): queries (T, n_heads, d) at positions from `first` on look at theirs."""
    T, a = len(q), np.empty_like(q)
    k, v = (np.broadcast_to(cache, (T, *cache.shape)) for cache in (keys, values))
    length = np.arange(first + 1, first + T + 1, dtype=np.int32)
    causal_attention.decode(q, k, v, length, a)
    return a.reshape(T, -1)
