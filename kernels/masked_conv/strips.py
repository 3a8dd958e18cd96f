"""Convolution as products on register tiles: pixels by outputs, over runs of visible numbers.

F1, B3  A strip, the pixels of a row, times each run's rows of a panel of W: the tile's rows lie a
        pixel apart in the copy with zeros around it (`runs`), so a run is read where it is; where
        a pixel is one number, from what all pixels see, laid out (`layout`).
B1, B2  Numbers of a run times a panel of dy, over all pixels of a few rows, zeros of gaps between;
        where a pixel is one number, of numbers laid out, without gaps.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.masked_conv.layout import in_sight, lay, lay_windows, spread, surround
from chainrule.kernels.memory import lines
from chainrule.kernels.tiles import (
    HEIGHT,
    at_once,
    lanes,
    multiply,
    multiply_rows,
    panel_width,
)
from chainrule.kernels.types import Array

ANEW, ADD, BIAS = range(3)  # what y begins with: nothing, itself, a bias
NOTHING: Any = np.empty(0, np.float32)
_U = np.uintp  # an index that cannot be negative: no wrapping round, which would hinder vectors


@njit(**JIT)
def convolve(
    x: Array, W: Array, b: Array, how: int, runs: Any, laid: Any, pads: Any, rows: int, y: Array,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """Write blocks lo … hi - 1 of y: `rows` rows of an image each, an image's after another's.

    W: by `packed`. b: the bias, if how is BIAS. runs, laid: of a `Course`.
    """
    (_, R, S, C), O = x.shape, y.shape[3]
    left, gap, up, down = pads
    (G, K, width), step, n_blocks = W.shape, S + gap, -(-R // rows)
    alone = gap + up + down == 0
    around = lines(0 if alone else (left + (up + rows + down) * step) * C, x).reshape((-1, C))
    windows = lines(K * rows * step if len(laid) else 0, x).reshape((-1, rows * step))
    edge = lines(HEIGHT * width, y).reshape((HEIGHT, width))
    pixels = x.reshape((-1, C))
    for block in range(lo, hi):
        n, i = block // n_blocks, block % n_blocks * rows
        m = min(rows, R - i)
        source, begin = pixels, (n * R + i) * S
        if not alone:
            surround(x[n], i, m, pads, around)
            source, begin = around, left + up * step
        to = (n * R + i) * S
        if how == BIAS:
            spread(b, y[n, i : i + m].reshape((m * S, O)))
        if len(laid):
            k, n_seen = in_sight(laid, i, m, R)
            lay_windows(around, begin, laid[k : k + n_seen], m * step - gap, windows)
            _over_windows(windows, step, W, k, n_seen, y, to, m, how == ANEW, edge)
            continue
        strips, long = (1, m * S) if alone else (m, S)
        for g in range(G):
            for s in range(runs.shape[1]):
                anew = how == ANEW and s == 0
                for r in range(strips):
                    _strip(
                        source, (begin + r * step) * C + runs[g, s, 0], C, 1, runs[g, s, 1], W, g,
                        runs[g, s, 2], y, to + r * S, long, anew, edge,
                    )  # fmt: skip


@njit(**JIT)
def _over_windows(
    windows: Array, step: int, W: Array, k: int, n: int, y: Array, to: int, m: int, anew: bool,
    edge: Array,
) -> None:  # fmt: skip
    """Add the n numbers that m rows of pixels see, by `lay_windows`, times W from row k on to y.

    A function of its own: two loops over tiles in one are a tenth slower each.
    """
    S, along = y.shape[2], windows.shape[1]
    for g in range(len(W)):
        for r in range(m):
            _strip(
                windows, r * step, 1, along, n, W, g, k, y, to + r * S, S, anew, edge
            )  # fmt: skip


@njit(**INLINE)
def _strip(
    x: Array, at: int, apart: int, along: int, n: int, W: Array, g: int, k: int, y: Array, to: int,
    long: int, anew: bool, edge: Array,
) -> None:  # fmt: skip
    """Add n numbers a pixel, from index `at` of x on, times panel g's rows from k on, to y.

    Pixels: `long` of them, `apart` in x, where a pixel's numbers are `along` apart; from number
    `to` of y's on.
    """
    O, width, across = y.shape[3], W.shape[2], lanes(y)
    w, j = (g * W.shape[1] + k) * width, g * width
    c = min(width, O - j)
    q = -(-c // across)
    whole = c == q * across
    r = 0
    while r < long:
        tall = at_once(long - r)
        seen = at + r * apart
        if whole:
            place = (to + r) * O + j
            # F1, B3: what is seen times W_t, and y's tile its sum
            multiply(tall, q, n, x, seen, apart, along, W, w, width, y, place, O, anew)
        else:
            multiply(tall, q, n, x, seen, apart, along, W, w, width, edge, 0, width, True)
            _move(edge, y, to + r, j, tall, c, anew)
        r += tall


@njit(**JIT)
def _move(edge: Array, y: Array, to: int, j: int, tall: int, c: int, anew: bool) -> None:
    """Write, or add, a tile's part that y has room for."""
    numbers, O = y.reshape(y.size), y.shape[-1]
    for r in range(tall):
        at = (to + r) * O + j
        for k in range(c):
            numbers[_U(at + k)] = edge[r, k] + (y.dtype.type(0) if anew else numbers[_U(at + k)])


@njit(**JIT)
def weight_gradient(
    x: Array, dy: Array, runs: Any, pads: Any, rows: int, dW: Array, db: Array, lo: int, hi: int
) -> None:
    """Overwrite rows lo … hi - 1 of dW, as (T·C, O), by B1, and db, (1, 1, O), by B2.

    db is what dW would be of an input that is 1 everywhere. An empty one is not wanted.
    """
    (N, R, S, C), O = x.shape, dy.shape[3]
    left, gap, up, down = pads
    step, width, across = S + gap, panel_width(dW), lanes(dW)
    alone = gap + up + down == 0
    around = lines(0 if alone else (left + (up + rows + down) * step) * C, x).reshape((-1, C))
    panel = lines(rows * step * width, dW).reshape((rows * step, width))
    edge = lines(HEIGHT * width, dW).reshape((HEIGHT, width))
    pixels, of_dy, of_dW = x.reshape((-1, C)), dy.reshape((-1, O)), dW.reshape((-1, O))
    one = np.ones((1, 1), x.dtype)
    of_dW[lo:hi] = 0
    db[:] = 0
    for n in range(N):
        for i in range(0, R, rows):
            m = min(rows, R - i)
            source, begin, count = pixels, (n * R + i) * S, m * step - gap
            if not alone:
                surround(x[n], i, m, pads, around)
                source, begin = around, left + up * step
            for g in range(-(-O // width)):
                j, c = g * width, min(width, O - g * width)
                B, b, b_row = panel, 0, width
                # Pixels without zeros between them are read where they are, but for half vectors,
                # whose other half would be the next pixel's.
                if alone and c % across == 0:
                    B, b, b_row = of_dy, (n * R + i) * S * O + j, O
                else:
                    lay(dy[n], i, m, j, c, gap, panel)
                if db.size:
                    _rows(1, count, one, 0, 0, 0, B, b, b_row, c, db, 0, j, edge)
                for s in range(len(runs)):
                    of_pixel, n_numbers, k = runs[s]
                    first, end = max(lo, k), min(hi, k + n_numbers)
                    for f in range(first, end, HEIGHT):
                        at, tall = begin * C + of_pixel + (f - k), min(HEIGHT, end - f)
                        _rows(tall, count, source, at, 1, C, B, b, b_row, c, dW, f, j, edge)


@njit(**JIT)
def weight_gradient_of_numbers(
    x: Array, dy: Array, laid: Any, pads: Any, rows: int, dW: Array, db: Array, lo: int, hi: int
) -> None:
    """`weight_gradient` where a pixel is one number, and a window may be as large as the image.

    A tile is HEIGHT numbers of a window. What each of them is at all pixels of some rows is laid
    out, a row of the tile each, and multiplied with these pixels' dy. Rows of pixels from which the
    whole tile lies beyond the image are left out: of a large window half of them. So many rows at a
    time as leave a panel of their dy in the second cache.
    """
    (N, R, S, C), O = x.shape, dy.shape[3]
    left, gap, up, down = pads
    step, width = S + gap, panel_width(dW)
    G, most = -(-O // width), rows * S
    around = lines((left + (up + R + down) * step) * C, x).reshape((-1, C))
    panels = lines(G * most * width, dW).reshape((G, most, width))
    windows = lines(HEIGHT * most, x).reshape((HEIGHT, most))
    edge = lines(HEIGHT * width, dW).reshape((HEIGHT, width))
    of_panels, one = panels.reshape((-1, width)), np.ones((1, 1), x.dtype)
    dW.reshape((-1, O))[lo:hi] = 0
    db[:] = 0
    for n in range(N):
        surround(x[n], 0, R, pads, around)
        for i in range(0, R, rows):
            m = min(rows, R - i)
            for g in range(G):
                j, c = g * width, min(width, O - g * width)
                lay(dy[n], i, m, j, c, 0, panels[g])
                if db.size:
                    b = g * most * width
                    _rows(1, m * S, one, 0, 0, 0, of_panels, b, width, c, db, 0, j, edge)
            for f in range(lo, hi, HEIGHT):
                tall = min(HEIGHT, hi - f)
                top, end = max(i, -laid[f + tall - 1, 1]), min(i + m, R - laid[f, 1])
                if top >= end:
                    continue
                for r in range(top, end):
                    at = left + (up + r) * step
                    lay_windows(around, at, laid[f : f + tall], S, windows[:, (r - top) * S :])
                n_pixels = (end - top) * S
                for g in range(G):
                    j, c = g * width, min(width, O - g * width)
                    b = (g * most + (top - i) * S) * width
                    _rows(
                        tall, n_pixels, windows, 0, most, 1, of_panels, b, width, c, dW, f, j, edge
                    )  # fmt: skip


@njit(**JIT)
def _rows(
    tall: int, n: int, x: Array, at: int, apart: int, along: int, B: Array, b: int, b_row: int,
    c: int, dW: Array, f: int, j: int, edge: Array,
) -> None:  # fmt: skip
    """Add to `tall` rows of dW from f on, c columns from j on, n pixels' numbers times a panel.

    Numbers: from index `at` of x on, a pixel's `apart`, and pixels `along` apart. Panel: from index
    b of B on, its rows b_row apart.
    """
    O, width, across = dW.shape[2], edge.shape[1], lanes(dW)
    q = -(-c // across)
    if c == q * across:
        # B1, and B2 where x is 1: Σ over n pixels of xᵀ G
        multiply_rows(tall, q, n, x, at, apart, along, B, b, b_row, dW, f * O + j, O, False)
    else:
        multiply_rows(tall, q, n, x, at, apart, along, B, b, b_row, edge, 0, width, True)
        _move(edge, dW, f, j, tall, c, False)
