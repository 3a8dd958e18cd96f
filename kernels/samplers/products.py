"""What compiled samplers share: products of a few rows with a matrix, attention over a cache.

A sampler multiplies as few as one row by each weight matrix, so the time goes into reading the
weights: each is read once, in the order in which it lies in memory, for all rows. Where there are
more rows, `for_tiles` lays the weights out for register tiles (kernels/tiles.py), and the products
below, which take either layout, choose when they are compiled.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp
from chainrule.kernels.tiles import packed, product
from chainrule.kernels.types import Array

FEW = 4  # rows; fewer leave most of a tile's registers idle
FEW_SYMBOLS = 256  # of all rows together; fewer are not worth laying the weights out


def for_tiles(n_rows: int, n_new: int, *matrices: Array) -> list[Array]:
    """Return matrices, (K, N) or (L, K, N), by `packed` if so many symbols are worth it."""
    if n_rows < FEW or n_rows * n_new < FEW_SYMBOLS:
        return list(matrices)
    return [_packed_layers(W) if W.ndim == 3 else packed(W) for W in matrices]


def _packed_layers(W: Array) -> Array:
    layers = [packed(W_l) for W_l in W]
    return np.stack(layers) if layers else np.empty((0, 0, 0, 0), W.dtype)


@njit(**JIT)
def multiply(x: Array, M: int, W: Array, y: Array) -> None:
    """y = x W for the first M rows of x, (·, K), and y, (·, N or more): whole panels if packed."""
    if W.ndim == 3:
        product(x[:M], W, y)
    else:
        y[:M] = 0
        multiply_add(x, M, W, y)


@njit(**JIT)
def add_product(x: Array, M: int, W: Array, xW: Array, y: Array) -> None:
    """y += x W for the first M rows; xW: scratch, as y of `multiply`."""
    if W.ndim == 3:
        product(x[:M], W, xW)
        for m in range(M):
            for j in range(y.shape[1]):
                y[m, j] += xW[m, j]
    else:
        multiply_add(x, M, W, y)


@njit(**JIT)
def affine(x: Array, M: int, W: Array, b: Array, xW: Array, y: Array) -> None:
    """y = x W + b for the first M rows; xW: scratch, as y of `multiply`."""
    spread(y, M, b)
    add_product(x, M, W, xW, y)


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
    a_m = 0 where stop = 0. All heads of a position are read before the next position's: the cache
    lies so, and what is read in order is fetched ahead.
    """
    n_heads = len(p)
    d = keys.shape[3] // n_heads
    one, scale = p.dtype.type(1), p.dtype.type(1 / np.sqrt(d))
    compare(qkv, m, n, l, stop, d, scale, keys, p)
    for head in range(n_heads):
        largest = p.dtype.type(-np.inf)
        for j in range(stop):
            largest = max(largest, p[head, j])
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
