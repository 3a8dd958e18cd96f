"""What compiled samplers share: products of a few rows with a matrix.

A sampler multiplies as few as one row by each weight matrix, so the time goes into reading the
weights: each is read once, in the order in which it lies in memory, for all rows. Where there are
more rows, `for_tiles` lays the weights out for register tiles (kernels/linear), and the products
below, which take either layout, choose when they are compiled.
"""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.linear.packed import packed, product
from chainrule.kernels.types import Array

FEW = 4  # rows; fewer leave most of a tile's registers idle
FEW_SYMBOLS = 256  # of all rows together; fewer are not worth laying the weights out


def for_tiles(n_rows: int, n_symbols: int, *matrices: Array) -> list[Array]:
    """Return matrices, (K, N) or (L, K, N), by `packed` if so many symbols in all are worth it."""
    if n_rows < FEW or n_symbols < FEW_SYMBOLS:
        return list(matrices)
    return [_packed_layers(W) if W.ndim == 3 else packed(W) for W in matrices]


def _packed_layers(W: Array) -> Array:
    layers = [packed(W_l) for W_l in W]
    return np.stack(layers) if layers else np.empty((0, 0, 0, 0), W.dtype)


@njit(**JIT)
def multiply(x: Array, M: int, W: Array, y: Array) -> None:
    """y = x W for the first M rows of x, (·, K), and y, (·, N or more): whole panels if packed."""
    if W.ndim == 3:
        product(x[:M], W, y[:, : y.shape[1]])  # a part, as below: the same code
    else:
        for m in range(M):
            for j in range(y.shape[1]):
                y[m, j] = 0
        multiply_add(x, M, W, y)


@njit(**JIT)
def add_product(x: Array, M: int, W: Array, xW: Array, y: Array) -> None:
    """y += x W for the first M rows; xW: scratch, as y of `multiply`."""
    if W.ndim == 3:
        product(x[:M], W, xW[:, : y.shape[1]])
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
