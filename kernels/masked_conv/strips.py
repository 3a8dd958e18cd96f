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
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_conv.layout import in_sight, lay, lay_windows, surround
from chainrule.kernels.memory import lines
from chainrule.kernels.stacks import stack
from chainrule.kernels.target import REGISTERS
from chainrule.kernels.tiles import HEIGHT, HEIGHTS, lanes, panel_width
from chainrule.kernels.types import Array

# Heights of tiles, by vectors of their width. Four vectors read a number of x once for 64 outputs;
# twelve rows read a panel of dy less often, where rows are side by side and need no registers.
NARROW = {1: HEIGHTS, 2: HEIGHTS}
OF_PIXELS = {**NARROW, 3: HEIGHTS, 4: (6, 4, 2, 1)} if REGISTERS == 32 else NARROW
OF_NUMBERS = dict.fromkeys(NARROW, (12, *HEIGHTS)) if REGISTERS == 32 else NARROW
# Rows of a tile: pixels, whose numbers are side by side; pixels, of numbers laid out; or numbers.
times_pixels = stack("pixels", OF_PIXELS, along=1)
times_windows = stack("windows", OF_PIXELS, rows=1)
times_numbers = stack("numbers", OF_NUMBERS, rows=1)


@njit(**JIT)
def convolve(
    x: Array, W: Array, b: Array, anew: bool, runs: Any, laid: Any, pads: Any, rows: int, y: Array,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """Write blocks lo … hi - 1 of y: `rows` rows of an image each, an image's after another's.

    W: by `packed`. b: what a pixel's outputs begin with if they are anew, by `begun`; otherwise
    they are added to. runs, laid: of a `Course`.
    """
    (_, R, S, C), O = x.shape, y.shape[3]
    left, gap, up, down = pads
    (G, K, width), step, n_blocks = W.shape, S + gap, -(-R // rows)
    alone = gap + up + down == 0
    around = lines(0 if alone else (left + (up + rows + down) * step) * C, x).reshape((-1, C))
    along = rows * step
    windows = lines(K * along if len(laid) else 0, x).reshape((-1, along))
    pixels = x.reshape((-1, C))
    for block in range(lo, hi):
        n, i = block // n_blocks, block % n_blocks * rows
        m = min(rows, R - i)
        source, begin = pixels, (n * R + i) * S
        if not alone:
            surround(x[n], i, m, pads, around)
            source, begin = around, left + up * step
        k, n_seen = 0, 0
        if len(laid):
            k, n_seen = in_sight(laid, i, m, R)
            lay_windows(around, begin, laid[k : k + n_seen], m * step - gap, windows)
        strips, long = (1, m * S) if alone else (m, S)
        for g in range(G):
            w, j, c = g * K * width, g * width, min(width, O - g * width)
            q, to = -(-c // lanes(y)), (n * R + i) * S * O + j
            start = j if anew else -1
            if len(laid):
                for r in range(m):
                    # F1: what is seen times W_t
                    times_windows(
                        q, c, n_seen, S, windows, r * step, 1, along, W, w + k * width, width,
                        y, to + r * S * O, O, b, start,
                    )  # fmt: skip
                continue
            for s in range(runs.shape[1]):
                of_pixel, count, k = runs[g, s]
                for r in range(strips):
                    # F1, B3: what is seen times W_t
                    times_pixels(
                        q, c, count, long, source, (begin + r * step) * C + of_pixel, C, 1,
                        W, w + k * width, width, y, to + r * S * O, O, b, start,
                    )  # fmt: skip
                start = -1


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
                q = -(-c // across)
                if db.size:
                    times_numbers(q, c, count, 1, one, 0, 1, 0, B, b, b_row, db, j, O, B, -1)  # B2
                for s in range(len(runs)):
                    of_pixel, n_numbers, k = runs[s]
                    first, end = max(lo, k), min(hi, k + n_numbers)
                    # B1: Σ over pixels of xᵀ G
                    times_numbers(
                        q, c, count, end - first, source, begin * C + of_pixel + (first - k), 1, C,
                        B, b, b_row, dW, first * O + j, O, B, -1,
                    )  # fmt: skip


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
    step, width, across = S + gap, panel_width(dW), lanes(dW)
    G, most = -(-O // width), rows * S
    around = lines((left + (up + R + down) * step) * C, x).reshape((-1, C))
    panels = lines(G * most * width, dW).reshape((G, most, width))
    windows = lines(HEIGHT * most, x).reshape((HEIGHT, most))
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
                    times_numbers(
                        -(-c // across), c, m * S, 1, one, 0, 1, 0, of_panels, g * most * width,
                        width, db, j, O, panels, -1,
                    )  # B2  # fmt: skip
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
                    # B1: Σ over pixels of xᵀ G
                    times_pixels(
                        -(-c // across), c, n_pixels, tall, windows, 0, most, 1, of_panels, b,
                        width, dW, f * O + j, O, panels, -1,
                    )  # fmt: skip
