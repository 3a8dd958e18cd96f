"""The dense cores of the masked linear map, on register tiles: blocks of zeros are skipped.

x here is the matrix of those inputs that enter as numbers, (N, K), of W's dtype, K = len(numbers).

F1      A panel of outputs sees the first `seen` numbers of its last output, and needs no more of
        them: a product of that depth. `pack` lays the panel out, with zeros below the stairs.
B1      The same panels from the other side: only so many rows of dW are products, and each tile
        is copied to dW but for what lies below the stairs, which is set to zero, as are all other
        rows.
B3      A block of ROWS inputs is seen by the outputs from its first input's `first` on. As a
        product from the left, W[inputs] dyᵀ, it reads W's rows as they lie, and dyᵀ in panels of
        samples.
"""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.tiles import (
    ROWS,
    add,
    overwrite,
    overwrite_transposed,
    panel_width,
    row,
    row_distance,
)
from chainrule.kernels.types import Array


@njit(**JIT)
def pack(W: Array, stairs: Staircase, out: Array) -> None:
    """Lay out what the mask leaves of W: out[g, k, j] is number k's weight to output g · width + j.

    out: (panels, K, width), of which each panel's first `seen` rows are written.
    """
    width, O = panel_width(W), W.shape[1]
    for g in range(out.shape[0]):
        at = g * width
        m = min(width, O - at)
        for k in range(stairs.seen[at + m - 1]):
            i = stairs.numbers[k]
            weights = row(W, stairs.rows[i])[at:]
            hidden = stairs.first[i] - at  # of the panel's outputs, those that do not see i
            if hidden <= 0 and m == width:
                for j in range(width):
                    out[g, k, j] = weights[j]
            else:
                for j in range(width):
                    out[g, k, j] = weights[j] if hidden <= j < m else W.dtype.type(0)


@njit(**JIT)
def multiply(x: Array, panels: Array, stairs: Staircase, y: Array, lo: int, hi: int) -> None:
    """Add F1's sum over the numbers to rows lo … hi - 1 of y; panels: by `pack`."""
    width, O, K = panel_width(y), y.shape[1], x.shape[1]
    x_row, y_row = row_distance(x), row_distance(y)
    edge = np.empty((ROWS, width), y.dtype)
    for g in range(panels.shape[0]):
        at = g * width
        m = min(width, O - at)
        seen = stairs.seen[at + m - 1]
        for n in range(lo, hi, ROWS):
            rows = min(ROWS, hi - n)
            panel = (x, n * x_row, x_row, seen, panels, g * K * width, width)
            if m == width:
                add(rows, *panel, y, n * y_row + at, y_row)  # F1
            else:
                overwrite(rows, *panel, edge, 0, width)
                for r in range(rows):
                    for j in range(m):
                        y[n + r, at + j] += edge[r, j]


@njit(**JIT)
def weight_gradient(dy: Array, x: Array, stairs: Staircase, dW: Array, lo: int, hi: int) -> None:
    """Overwrite the numbers' rows of dW, in the panels lo … hi - 1 of outputs, by B1."""
    (N, O), K, width = dy.shape, x.shape[1], panel_width(dy)
    x_row = row_distance(x)
    strip, tile = np.empty((N, width), dy.dtype), np.empty((ROWS, width), dy.dtype)
    for g in range(lo, hi):
        at = g * width
        m = min(width, O - at)
        for n in range(N):
            dy_n = row(dy, n)[at:]
            for j in range(width):
                strip[n, j] = dy_n[j] if j < m else dy.dtype.type(0)
        seen = stairs.seen[at + m - 1]
        for k in range(0, K, ROWS):
            rows = min(ROWS, K - k)
            if k < seen:
                overwrite_transposed(rows, x, k, x_row, N, strip, 0, width, tile, 0, width)  # B1
            for r in range(rows):
                i = stairs.numbers[k + r]
                to, hidden = row(dW, stairs.rows[i])[at:], stairs.first[i] - at
                if hidden <= 0 and m == width:
                    for j in range(width):
                        to[j] = tile[r, j]
                else:
                    for j in range(m):
                        to[j] = tile[r, j] if hidden <= j else dy.dtype.type(0)


@njit(**JIT)
def input_gradient(dyT: Array, W: Array, stairs: Staircase, dx: Array, lo: int, hi: int) -> None:
    """Overwrite the columns of dx of the numbers lo … hi - 1 by B3.

    dyT: (panels of samples, O, width), dy by `tiles.pack_transposed`.
    """
    N, O, width = len(dx), W.shape[1], panel_width(W)
    some, tile = np.empty((ROWS, O), W.dtype), np.empty((ROWS, width), W.dtype)
    for k in range(lo, hi, ROWS):
        rows = min(ROWS, hi - k)
        begin = stairs.first[stairs.numbers[k]]
        for r in range(rows):
            i = stairs.numbers[k + r]
            weights, to, hidden = row(W, stairs.rows[i]), row(some, r), stairs.first[i]
            for j in range(begin, hidden):
                to[j] = 0
            weights, to = weights[hidden:], to[hidden:]
            for j in range(to.size):
                to[j] = weights[j]
        for p in range(dyT.shape[0]):
            panel = (dyT, (p * O + begin) * width, width)
            overwrite(rows, some, begin, O, O - begin, *panel, tile, 0, width)  # B3
            for c in range(min(width, N - p * width)):
                for r in range(rows):
                    dx[p * width + c, stairs.numbers[k + r]] = tile[r, c]


@njit(**JIT)
def cut(stairs: Staircase, width: int, lo: int, hi: int, total: int) -> tuple[int, int]:
    """Return which panels of outputs are the part lo … hi of `total`, all parts of equal work."""
    O, work = stairs.seen.size, 0
    for at in range(0, O, width):
        work += stairs.seen[min(O, at + width) - 1] + width
    first = last = done = 0
    for at in range(0, O, width):
        if done * total < lo * work:
            first += 1
        if done * total < hi * work:
            last += 1
        done += stairs.seen[min(O, at + width) - 1] + width
    return first, last
