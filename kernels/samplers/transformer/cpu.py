"""Numba twin of the Transformer sampler: splits the rows over threads; `decode` computes.

A thread draws all symbols of a few rows before it turns to the next ones: their cache then stays
near the core, and each weight read from further away serves all of them.
"""

import numpy as np

from chainrule.kernels import rotary, threads
from chainrule.kernels.samplers.products import for_tiles
from chainrule.kernels.samplers.transformer import decode
from chainrule.kernels.types import Array, Ids

GROUP = 4  # rows that share each read of the weights; more caches than this push them out


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
    S, d = window.shape[1], E.shape[1] // n_heads
    cos, sin = rotary.angles(0, 0 if len(P) else S, d, E.dtype)
    u = np.ascontiguousarray(u, np.float64)
    V, W_y = W_y.shape[1], np.ascontiguousarray(W_y)
    W_qkv, W_o, W_1, W_2, W_y = for_tiles(*u.shape, W_qkv, W_o, W_1, W_2, W_y)
    weights = decode.Weights(
        *(E, P, W_qkv, W_o, W_1, W_2, W_y, b_qkv, b_o, b_1, b_2),
        *(ln1_g, ln1_b, ln2_g, ln2_b, ln_g, ln_b, cos, sin),
    )
    ids = np.empty(u.shape, np.int32)
    options = (n_heads, stride, float(temperature), top_k, float(top_p), V)

    def rows(lo: int, hi: int) -> None:
        groups = max(1, -(-(hi - lo) // GROUP))
        for first, last in threads.cuts(hi - lo, groups):
            part = slice(lo + first, lo + last)
            tokens = window[part], length[part], cached[part]
            state = decode.State(*tokens, keys[part], values[part])
            decode.extend(u[part], weights, state, *options, ids[part])

    threads.map_rows(rows, len(u))
    return ids
