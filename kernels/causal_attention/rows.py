"""Attention of one query over the positions of a cache, compiled: what decoding calls for a row.

The cache is a sampler's, (N, L, S, C): N rows, L layers, S positions, all heads of a position side
by side. All heads of a position are read before the next position's: what is read in the order in
which it lies is fetched ahead.
"""

from typing import Any

import numpy as np

from chainrule.kernels.causal_attention.scores import larger
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp
from chainrule.kernels.types import Array


@njit(**JIT)
def attend(
    qkv: Array,
    m: int,
    n: int,
    l: int,
    stop: int,
    keys: Array,
    values: Array,
    p: Array,
    a: Array,
) -> None:
    """a_m = Σ_{j<stop} softmax_j(q_m·k_j / √d) v_j of row n and layer l, each head by itself.

    q_m: the first C entries of qkv[m]; keys, values: (N, L, S, C); p: (n_heads, S), scratch.
    a_m = 0 where stop = 0.
    """
    n_heads = len(p)
    d = keys.shape[3] // n_heads
    one, scale = p.dtype.type(1), p.dtype.type(1 / np.sqrt(d))
    compare(qkv, m, n, l, stop, d, scale, keys, p)
    for head in range(n_heads):
        largest = p.dtype.type(-np.inf)
        for j in range(stop):
            largest = larger(largest, p[head, j])
        total = exponentials(p[head], stop, largest)
        inverse = one / total if stop > 0 else one
        for j in range(stop):
            p[head, j] *= inverse
    weigh(p, stop, values, n, l, d, a, m)


@njit(**JIT_SUMS)
def compare(
    qkv: Array, m: int, n: int, l: int, stop: int, d: int, scale: float, keys: Array, p: Array
) -> None:
    """p_hj = scale q_m·k_j of every head h."""
    for j in range(stop):
        for head in range(len(p)):
            c, s = head * d, p.dtype.type(0)
            for k in range(d):
                s += qkv[m, c + k] * keys[n, l, j, c + k]
            p[head, j] = s * scale


@njit(**JIT_SUMS)
def exponentials(p: Array, stop: int, largest: Any) -> Any:
    """Overwrite p_j by exp(p_j - largest); return their sum."""
    total = p.dtype.type(0)
    for j in range(stop):
        p[j] = exp(p[j] - largest)
        total += p[j]
    return total


@njit(**JIT)
def weigh(p: Array, stop: int, values: Array, n: int, l: int, d: int, a: Array, m: int) -> None:
    """a_m = Σ_j p_hj v_j, each head h by itself; four positions at a time."""
    for k in range(len(p) * d):
        a[m, k] = 0
    j = 0
    while j + 4 <= stop:
        for head in range(len(p)):
            c = head * d
            p0, p1, p2, p3 = p[head, j], p[head, j + 1], p[head, j + 2], p[head, j + 3]
            for k in range(d):
                a[m, c + k] += (p0 * values[n, l, j, c + k] + p1 * values[n, l, j + 1, c + k]) + (
                    p2 * values[n, l, j + 2, c + k] + p3 * values[n, l, j + 3, c + k]
                )
        j += 4
    while j < stop:
        for head in range(len(p)):
            c = head * d
            for k in range(d):
                a[m, c + k] += p[head, j] * values[n, l, j, c + k]
        j += 1
