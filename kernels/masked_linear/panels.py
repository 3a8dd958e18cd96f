"""The cores of the masked linear map that multiply, on register tiles: blocks of zeros are skipped.

x here is the matrix of those inputs that enter as numbers, (N, K), of W's dtype, K = len(numbers).

F1      A panel of outputs sees the first `seen` numbers of its last output, and needs no more of
        them: a product of that depth. `pack` lays the panel out, with zeros below the stairs.
B1      A block of ROWS inputs is seen from its first input's `first` on: so many panels of dy, laid
        out once, are multiplied, and zeros stand before. Products are written where they belong,
        row after row, but for tiles across the stairs, of which a part is zero.
B3      A panel of inputs is seen by the outputs from its first input's `first` on: a product of
        that depth, with W's rows laid out as columns, zeros below the stairs again.
"""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.tiles import (
    ROWS,
    row,
    row_distance,
    wide_add,
    wide_overwrite,
    wide_overwrite_transposed,
    wide_width,
)
from chainrule.kernels.types import Array

BLOCK = 128  # outputs laid out at a time


@njit(**JIT)
def pack(W: Array, stairs: Staircase, out: Array) -> None:
    """Lay out what the mask leaves of W: out[g, k, j] is number k's weight to output g · width + j.

    out: (panels, K, width), of which each panel's first `seen` rows are written.
    """
    width, O = wide_width(W), W.shape[1]
    for k in range(out.shape[1]):
        i = stairs.numbers[k]
        weights, first = row(W, stairs.rows[i]), stairs.first[i]
        whole = min(-(-first // width), O // width)  # the first panel that sees all of it
        for g in range(whole, O // width):
            for j in range(width):
                out[g, k, j] = weights[g * width + j]
        for g in (first // width, O // width):
            if g < out.shape[0] and (g < whole or g == O // width):
                _pack_part(weights[g * width :], first - g * width, out[g, k])


@njit(**JIT)
def pack_dense(x: Array, out: Array) -> None:
    """Lay out x, (n, O): out[g, n, j] = x[n, g · width + j], 0 beyond the last column."""
    width = wide_width(x)
    for n in range(out.shape[1]):
        for g in range(out.shape[0]):
            _pack_part(row(x, n)[g * width :], 0, out[g, n])


@njit(**JIT)
def _pack_part(weights: Array, first: int, out: Array) -> None:
    """Copy weights to out, zeros before `first` and after their end."""
    for j in range(out.size):
        out[j] = weights[j] if first <= j < weights.size else out.dtype.type(0)


@njit(**JIT)
def multiply(x: Array, panels: Array, stairs: Staircase, y: Array, lo: int, hi: int) -> None:
    """Add F1's sum over the numbers to rows lo … hi - 1 of y; panels: by `pack`."""
    width, O, K = wide_width(y), y.shape[1], x.shape[1]
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
                wide_add(rows, *panel, y, n * y_row + at, y_row)  # F1
            else:
                wide_overwrite(rows, *panel, edge, 0, width)
                for r in range(rows):
                    for j in range(m):
                        y[n + r, at + j] += edge[r, j]


@njit(**JIT)
def weight_gradient(dys: Array, x: Array, stairs: Staircase, dW: Array, lo: int, hi: int) -> None:
    """Overwrite the rows of dW of the numbers lo … hi - 1 by B1.

    dys: dy by `pack_dense`, (panels, N, width).
    """
    N, O, width = len(x), dW.shape[1], wide_width(dW)
    x_row, dW_row = row_distance(x), row_distance(dW)
    tile = np.empty((ROWS, width), dW.dtype)
    for k in range(lo, hi, ROWS):
        rows = min(ROWS, hi - k)
        begin, last = stairs.numbers[k], stairs.numbers[k + rows - 1]
        start = stairs.first[begin] // width  # the first panel that sees anything
        whole = -(-stairs.first[last] // width)  # the first that sees all
        together = stairs.rows[last] - stairs.rows[begin] == rows - 1
        for r in range(rows):
            to = row(dW, stairs.rows[stairs.numbers[k + r]])[: min(O, start * width)]
            for j in range(to.size):
                to[j] = 0
        for g in range(start, dys.shape[0]):
            at = g * width
            product = (rows, x, k, x_row, N, dys, g * N * width, width)
            if together and whole <= g < O // width:
                wide_overwrite_transposed(
                    *product, dW, stairs.rows[begin] * dW_row + at, dW_row
                )  # B1
                continue
            wide_overwrite_transposed(*product, tile, 0, width)  # B1
            for r in range(rows):
                i = stairs.numbers[k + r]
                to = row(dW, stairs.rows[i])[at : min(O, at + width)]
                _pack_part(tile[r], stairs.first[i] - at, to)


@njit(**JIT)
def input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array, lo: int, hi: int) -> None:
    """Overwrite the columns of dx of the numbers in panels lo … hi - 1 of them by B3."""
    (N, O), K, width = dy.shape, stairs.numbers.size, wide_width(W)
    dy_row, dx_row = row_distance(dy), row_distance(dx)
    panel, tile = np.empty((O, width), W.dtype), np.empty((ROWS, width), W.dtype)
    for g in range(lo, hi):
        at = g * width
        m, own = min(width, K - at), stairs.numbers[at:]
        begin = stairs.first[own[0]]
        _pack_columns(W, stairs, at, begin, panel)
        together = m == width and own[m - 1] - own[0] == width - 1
        for n in range(0, N, ROWS):
            rows = min(ROWS, N - n)
            product = (rows, dy, n * dy_row + begin, dy_row, O - begin, panel, begin * width, width)
            if together:
                wide_overwrite(*product, dx, n * dx_row + own[0], dx_row)  # B3
                continue
            wide_overwrite(*product, tile, 0, width)  # B3
            for r in range(rows):
                for j in range(m):
                    dx[n + r, own[j]] = tile[r, j]


@njit(**JIT)
def _pack_columns(W: Array, stairs: Staircase, at: int, begin: int, out: Array) -> None:
    """Lay out numbers at … at + width - 1: out[o, j] is number at + j's weight to output o ≥ begin.

    0 below the stairs, and beyond the last number.
    """
    O, width = out.shape
    for start in range(begin, O, BLOCK):  # so much of the panel as a core's first cache holds
        end = min(O, start + BLOCK)
        for j in range(width):
            inside = at + j < stairs.numbers.size
            i = stairs.numbers[at + j] if inside else 0
            first = min(end, max(start, stairs.first[i])) if inside else end
            for o in range(start, first):
                out[o, j] = 0
            weights, to = row(W, stairs.rows[i])[first:end], out[first:end]
            for o in range(weights.size):
                to[o, j] = weights[o]


@njit(**JIT)
def cut(stairs: Staircase, lo: int, hi: int, total: int) -> tuple[int, int]:
    """Return which numbers, in whole blocks, are the part lo … hi of `total`, of equal work."""
    O, K = stairs.seen.size, stairs.numbers.size
    work = 0
    for k in range(0, K, ROWS):
        work += O - stairs.first[stairs.numbers[k]] + O // 4 + 1  # zeros are written too
    first = last = done = 0
    for k in range(0, K, ROWS):
        if done * total < lo * work:
            first = min(K, k + ROWS)
        if done * total < hi * work:
            last = min(K, k + ROWS)
        done += O - stairs.first[stairs.numbers[k]] + O // 4 + 1
    return first, last
