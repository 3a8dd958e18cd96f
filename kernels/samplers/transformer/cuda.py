"""CUDA twin of the Transformer sampler: all rows in step, a dozen launches a layer.

A step passes one token of every row, each at its own position, through the kernels that training
uses and `causal_attention.decode`; one kernel of its own adds the bias, turns queries and keys, and
puts keys and values into the cache. Rows whose prompt, or moved window, is not cached yet are
caught up token by token, while the others do again what they did last, to the same result.

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
from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.dispatch import array_module
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
    xp, dtype = array_module(u), E.dtype
    N, L, S, C = keys.shape
    heads = n_heads, C // n_heads
    half = 0 if len(P) else C // n_heads // 2
    cosine, sine = map(xp.asarray, rotary.angles(0, S, 2 * half, dtype))
    rows = xp.arange(N)
    x, y, q, a = (xp.empty((N, C), dtype) for _ in range(4))
    qkv, hidden, active = (xp.empty((N, width * C), dtype) for width in (3, 4, 4))
    mean, rstd = xp.empty(N, dtype), xp.empty(N, dtype)

    def read(at_host: Any) -> None:
        """Pass the token at position at[n] of each row n; x is what comes out (F1-F5)."""
        at = xp.asarray(at_host)
        seen = at + np.int32(1)
        embedding.forward(window[rows, at], E, x)
        if len(P):
            x[...] += P[at]
        for l in range(L):
            layer_norm.forward(x, ln1_g[l], ln1_b[l], y, mean, rstd)
            xp.matmul(y, W_qkv[l], out=qkv)
            plan = plan_append(keys.shape, half, l, dtype)
            launch(SOURCE, plan, qkv, b_qkv[l], cosine, sine, at, q, keys, values)  # F2
            k, v = (cache[:, l].reshape(N, S, *heads) for cache in (keys, values))
            causal_attention.decode(q.reshape(N, *heads), k, v, seen, a.reshape(N, *heads))  # F3
            _add(x, a, W_o[l], b_o[l], y)  # F4
            layer_norm.forward(x, ln2_g[l], ln2_b[l], y, mean, rstd)
            xp.matmul(y, W_1[l], out=hidden)
            gelu.forward(hidden, b_1[l], active)
            _add(x, active, W_2[l], b_2[l], y)  # F5

    ids: Ids = xp.empty(u.shape, np.int32)
    if not u.size:
        return ids
    # On the host, so that no step waits for an answer from the device.
    sizes, done = length.get(), cached.get()  # type: ignore[attr-defined]
    for i in range(u.shape[1]):
        while (done < sizes - 1).any():
            read(np.minimum(done, sizes - 1))
            done = np.minimum(done + 1, sizes - 1)
        read(sizes - 1)
        layer_norm.forward(x, ln_g, ln_b, y, mean, rstd)
        ids[:, i] = categorical.draw(y @ W_y, u[:, i], temperature, top_k, top_p)  # F6
        done = sizes.copy()
        for n in np.flatnonzero(sizes == S):  # F7
            window[n, 1 : S - stride] = window[n, 1 + stride : S].copy()
            sizes[n], done[n] = S - stride, 0
        if sizes.all():
            window[rows, xp.asarray(sizes)] = ids[:, i]
        else:  # a window without room for a symbol beside the start token
            for n in np.flatnonzero(sizes):
                window[n, int(sizes[n])] = ids[n, i]
        sizes += 1
    length[...], cached[...] = xp.asarray(sizes), xp.asarray(done)
    return ids


def _add(x: Array, a: Array, W: Array, b: Array, product: Array) -> None:
    """x += a W + b, through `product`."""
    array_module(x).matmul(a, W, out=product)
    x += product
    x += b
