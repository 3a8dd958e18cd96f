"""What compiled samplers share: products of a few rows with a matrix, attention over a cache.

A sampler multiplies as few as one row by each weight matrix, so the time goes into reading the
weights: each is read once, in the order in which it lies in memory, for all rows.
"""

import numpy as np
from numba import njit

from chainrule.kernels.inline import JIT, JIT_SUMS, exp
from chainrule.kernels.types import Array


@njit(**JIT)
def multiply_add(x: Array, M: int, W: Array, y: Array) -> None:
    """y_m += x_m W for the first M rows of x, (·, K), and y, (·, N); W: (K, N).

    Eight rows of W at a time: they stay in the first-level cache while the rows of x pass by, and
    a load and a store of y serve eight products.
    """
    K, N = W.shape
    k = 0
    while k + 8 <= K:
        for m in range(M):
            x0, x1, x2, x3 = x[m, k], x[m, k + 1], x[m, k + 2], x[m, k + 3]
            x4, x5, x6, x7 = x[m, k + 4], x[m, k + 5], x[m, k + 6], x[m, k + 7]
            for j in range(N):
                low = x0 * W[k, j] + x1 * W[k + 1, j] + x2 * W[k + 2, j] + x3 * W[k + 3, j]
                high = x4 * W[k + 4, j] + x5 * W[k + 5, j] + x6 * W[k + 6, j] + x7 * W[k + 7, j]
                y[m, j] += low + high
        k += 8
    while k < K:
        for m in range(M):
            for j in range(N):
                y[m, j] += x[m, k] * W[k, j]
        k += 1


@njit(**JIT)
def add(y: Array, M: int, b: Array) -> None:
    """Add b to every row of y."""
    for m in range(M):
        for j in range(b.size):
            y[m, j] += b[j]


@njit(**JIT)
def spread(y: Array, M: int, b: Array) -> None:
    """Set every row of y to b."""
    for m in range(M):
        for j in range(b.size):
            y[m, j] = b[j]


@njit(**JIT_SUMS)
def attend(
    qkv: Array,
    m: int,
    n: int,
    l: int,
    stop: int,
    n_heads: int,
    keys: Array,
    values: Array,
    p: Array,
    a: Array,
) -> None:
    """a_m = Σ_{j<stop} softmax_j(q_m·k_j / √d) v_j of row n and layer l, each head by itself.

    q_m: the first C entries of qkv[m]; keys, values: (N, L, S, C). a_m = 0 where stop = 0.
    """
    d = keys.shape[3] // n_heads
    zero, one = p.dtype.type(0), p.dtype.type(1)
    scale = p.dtype.type(1 / np.sqrt(d))
    for head in range(n_heads):
        c = head * d
        largest = p.dtype.type(-np.inf)
        for j in range(stop):
            s = zero
            for k in range(d):
                s += qkv[m, c + k] * keys[n, l, j, c + k]
            p[j] = s * scale
            largest = max(largest, p[j])
        exponentials(p, stop, largest)
        total = zero
        for j in range(stop):
            total += p[j]
        inverse = one / total if stop > 0 else one
        weigh(p, stop, inverse, values, n, l, c, d, a, m)


@njit(**JIT)
def exponentials(p: Array, stop: int, largest: float) -> None:
    """p_j = exp(p_j - largest)."""
    for j in range(stop):
        p[j] = exp(p[j] - largest)


@njit(**JIT)
def weigh(
    p: Array,
    stop: int,
    scale: float,
    values: Array,
    n: int,
    l: int,
    c: int,
    d: int,
    a: Array,
    m: int,
) -> None:
    """a_m = scale Σ_j p_j v_j of one head, whose columns start at c; four positions at a time."""
    for k in range(d):
        a[m, c + k] = 0
    j = 0
    while j + 4 <= stop:
        p0, p1, p2, p3 = p[j], p[j + 1], p[j + 2], p[j + 3]
        for k in range(d):
            a[m, c + k] += (p0 * values[n, l, j, c + k] + p1 * values[n, l, j + 1, c + k]) + (
                p2 * values[n, l, j + 2, c + k] + p3 * values[n, l, j + 3, c + k]
            )
        j += 4
    while j < stop:
        for k in range(d):
            a[m, c + k] += p[j] * values[n, l, j, c + k]
        j += 1
    for k in range(d):
        a[m, c + k] *= scale
