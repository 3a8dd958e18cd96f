"""Products of a few rows with a matrix, for compiled samplers.

A sampler multiplies as few as one row by each weight matrix, so the time goes into reading the
weights: each is read once, in the order in which it lies in memory, for all rows.
"""

from numba import njit

from chainrule.kernels.inline import JIT
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
