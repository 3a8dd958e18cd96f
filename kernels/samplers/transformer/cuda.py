"""CUDA twin of the Transformer sampler: all rows in step, a dozen launches a layer.

A step passes one token of every row, each at its own position, through the kernels that training
uses and `causal_attention.decode`; one kernel of its own adds the bias, turns queries and keys, and
puts keys and values into the cache. Rows whose prompt, or moved window, is not cached yet are
caught up token by token, while the others do again what they did last, to the same result. Which
columns are drawn is asked of the device once, before the first: no step waits for an answer.

At 4 layers some 60 launches from Python make a symbol, and they set the pace: the bytes of weights
and cache that one row reads (3 MB, kernels/samplers/transformer) would take the GPU 1 µs. Measured
on an H100, 256 symbols of one row take 629 ms, and PyTorch's loop with a cache 310 ms there.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels import (
    categorical,
    causal_attention,
    embedding,
    gelu,
    layer_norm,
    rotary,
)
from chainrule.kernels.categorical import Options
from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.samplers import columns
from chainrule.kernels.samplers.transformer import Memory, Sizes, Weights
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("transformer_sampler.cu")
THREADS = 256


@planner
def plan_append(shape: tuple[int, ...], half: int, layer: int, dtype: np.dtype[Any]) -> Plan:
    """Return the launch of sampler_append for a cache of a shape, (N, L, S, C), and one layer."""
    N, L, S, C = shape
    scalars = tuple(np.int32(size) for size in (C, L, S, half, layer))
    return Plan("sampler_append", dtype, (N * blocks(C, THREADS),), THREADS, scalars)


def extend(
    u: Array, weights: Weights, sizes: Sizes, options: Options, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.transformer.extend`."""
    if not u.size:
        return
    rows, drawn, given = _Rows(weights, sizes, memory), *columns.kinds(u, x)
    for first, stop in columns.runs(drawn):
        if drawn[:, first].any():
            s = rows.logits(drawn[:, first])
            categorical.draw(s, u[:, first], *options, x[:, first])  # F6
            rows.append(drawn[:, first] | given[:, first], x[:, first])  # F7
        else:
            rows.read(x[:, first:stop], given[:, first:stop])
    rows.store()


def peek(weights: Weights, sizes: Sizes, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.transformer.peek`."""
    if not s.size:
        return
    rows = _Rows(weights, sizes, memory)
    s[...] = rows.logits(np.ones(len(s), bool))
    rows.store()


class _Rows:
    """All rows, with room for a step. size, done: `length` and `cached`, on the host."""

    def __init__(self, weights: Weights, sizes: Sizes, memory: Memory) -> None:
        xp, dtype = array_module(weights.E), weights.E.dtype
        N, _, S, C = memory.keys.shape
        self.weights, self.memory, self.stride = weights, memory, sizes.stride
        self.heads = sizes.n_heads, C // sizes.n_heads
        self.half = 0 if len(weights.E_pos) else self.heads[1] // 2
        self.angles = tuple(map(xp.asarray, rotary.angles(0, S, 2 * self.half, dtype)))
        self.n = xp.arange(N)
        self.x, self.y, self.q, self.a = (xp.empty((N, C), dtype) for _ in range(4))
        self.qkv, self.hidden, self.active = (xp.empty((N, k * C), dtype) for k in (3, 4, 4))
        self.mean, self.rstd = xp.empty(N, dtype), xp.empty(N, dtype)
        self.size, self.done = memory.length.get(), memory.cached.get()  # type: ignore[attr-defined]

    def logits(self, wanted: Any) -> Array:
        """Return the next symbol's logits, (N, V), right of the rows where `wanted`, (N,) bool."""
        last = self.size - 1
        while (wanted & (self.done < last)).any():
            self._read(np.minimum(self.done, last))
        self._read(np.minimum(self.done, last))
        w, y = self.weights, self.y
        layer_norm.forward(self.x, w.ln_g, w.ln_b, y, self.mean, self.rstd)  # F6
        s: Array = y @ w.W_y  # F6
        return s

    def append(self, moving: Any, symbols: Ids) -> None:
        """Let a symbol join the window of each row that moves (F7)."""
        xp, window, S = array_module(symbols), self.memory.window, self.memory.window.shape[1]
        for n in np.flatnonzero(moving & (self.size == S)):
            window[n, 1 : S - self.stride] = window[n, 1 + self.stride : S].copy()
            self.size[n], self.done[n] = S - self.stride, 0
        into = np.flatnonzero(moving & (self.size > 0))  # else no room beside the start token
        rows = xp.asarray(into)
        window[rows, xp.asarray(self.size[into])] = symbols[rows]
        self.size[moving] += 1

    def read(self, x: Ids, given: Any) -> None:
        """Let given symbols of x, (N, k), join the windows all at once."""
        xp = array_module(x)
        symbols = [x[n, xp.asarray(np.flatnonzero(row))] for n, row in enumerate(given)]
        window, length = self.memory.window, self.size - 1  # without the start token, which stays
        moved = columns.join(window[:, 1:], length, window.shape[1], self.stride, symbols)
        self.size, self.done[moved] = length + 1, 0

    def store(self) -> None:
        """Write the lengths back into the memory."""
        xp = array_module(self.x)
        self.memory.length[...], self.memory.cached[...] = map(xp.asarray, (self.size, self.done))

    def _read(self, at_host: Any) -> None:
        """Pass the token at position at[n] of each row n; x is what comes out (F1-F5)."""
        w, x, y, (_, _, keys, values) = self.weights, self.x, self.y, self.memory[1:]
        xp, (N, _, S, _), heads = array_module(x), keys.shape, self.heads
        at = xp.asarray(at_host)
        seen, moments = at + np.int32(1), (self.mean, self.rstd)
        embedding.forward(self.memory.window[self.n, at], w.E, x)  # F1
        if len(w.E_pos):
            x[...] += w.E_pos[at]  # F1
        for l in range(len(w.W_qkv)):
            layer_norm.forward(x, w.ln1_g[l], w.ln1_b[l], y, *moments)  # F2
            xp.matmul(y, w.W_qkv[l], out=self.qkv)  # F2
            plan = plan_append(keys.shape, self.half, l, x.dtype)
            launch(SOURCE, plan, self.qkv, w.b_qkv[l], *self.angles, at, self.q, keys, values)  # F2
            k, v = (cache[:, l].reshape(N, S, *heads) for cache in (keys, values))
            q, a = (b.reshape(N, *heads) for b in (self.q, self.a))
            causal_attention.decode(q, k, v, seen, a)  # F3
            _add(x, self.a, w.W_o[l], w.b_o[l], y)  # F4
            layer_norm.forward(x, w.ln2_g[l], w.ln2_b[l], y, *moments)  # F5
            xp.matmul(y, w.W_1[l], out=self.hidden)  # F5
            gelu.forward(self.hidden, w.b_1[l], self.active)  # F5
            _add(x, self.active, w.W_2[l], w.b_2[l], y)  # F5
        self.done = np.maximum(self.done, at_host + 1)


def _add(x: Array, a: Array, W: Array, b: Array, product: Array) -> None:
    """x += a W + b, through `product`."""
    array_module(x).matmul(a, W, out=product)
    x += product
    x += b
