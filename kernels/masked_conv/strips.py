"""Convolution as products on register tiles: pixels by outputs, over runs of visible numbers.

F1, B3  A strip, the pixels of a row, times each run's rows of a panel of W: the tile's rows lie a
        pixel apart in the copy with zeros around it (`runs`), so a run is read where it is.
B1, B2  Numbers of a run times a panel of dy, over all pixels of a few rows, zeros of gaps between.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.memory import lines
from chainrule.kernels.tiles import (
    HEIGHT,
    at_once,
    lanes,
    multiply,
    multiply_rows,
    pack,
    panel_width,
    row,
)
from chainrule.kernels.types import Array

ANEW, ADD, BIAS = range(3)  # what y begins with: nothing, itself, a bias
NOTHING: Any = np.empty(0, np.float32)


def packed(W: Array, hidden: Any) -> Array:
    """Return W, (T, C, O), in panels, (⌈O / width⌉, T·C, width); 0 where it is hidden."""
    T, C, O = W.shape
    return _packed(_shown(W, hidden).reshape(T * C, O))  # type: ignore[no-any-return]


def packed_mirrored(W: Array, hidden: Any) -> Array:
    """Return the taps' transposes, the last one first, in panels, (⌈C / width⌉, T·O, width)."""
    return _packed_mirrored(_shown(W, hidden))  # type: ignore[no-any-return]


def _shown(W: Array, hidden: Any) -> Array:
    return np.where(hidden, 0, W).astype(W.dtype) if hidden.size else np.ascontiguousarray(W)


def hide(dW: Array, hidden: Any) -> None:
    """Let hidden entries be exactly 0."""
    if hidden.size:
        dW[hidden] = 0


@njit(**JIT)
def _packed(W: Array) -> Array:
    (K, O), width = W.shape, panel_width(W)
    G = -(-O // width)
    out: Array = lines(G * K * width, W).reshape((G, K, width))
    pack(W, out)
    return out


@njit(**JIT)
def _packed_mirrored(W: Array) -> Array:
    (T, C, O), width = W.shape, panel_width(W)
    G = -(-C // width)
    out: Array = lines(G * T * O * width, W).reshape((G, T * O, width))
    for g in range(G):
        for t in range(T):
            for j in range(width):
                c = g * width + j
                if c < C:
                    of_c = W[T - 1 - t, c]
                    for o in range(O):
                        out[g, t * O + o, j] = of_c[o]
                else:
                    for o in range(O):
                        out[g, t * O + o, j] = 0
    return out


@njit(**JIT)
def _surround(x: Array, i: int, rows: int, pads: Any, out: Array) -> None:
    """Copy rows i … i + rows - 1 of an image, and those that windows see, zeros around them.

    x: (R, S, C). out: (pixels, C); pixel (i + r, j) is at left + (up + r) (S + gap) + j.
    """
    (R, S, C), (left, gap, up, down) = x.shape, pads
    to = out.reshape(out.size)
    for k in range(left * C):
        to[k] = 0
    at, zero = left * C, x.dtype.type(0)
    for r in range(i - up, i + rows + down):
        inside = 0 <= r < R
        numbers = to[at : at + S * C]
        if inside:
            of_row = x[r].reshape(S * C)
            for k in range(numbers.size):
                numbers[k] = of_row[k]
        else:
            for k in range(numbers.size):
                numbers[k] = zero
        at += S * C
        for k in range(gap * C):
            to[at + k] = zero
        at += gap * C


@njit(**JIT)
def convolve(
    x: Array, W: Array, b: Array, how: int, runs: Any, pads: Any, rows: int, y: Array, lo: int,
    hi: int,
) -> None:  # fmt: skip
    """Write blocks lo … hi - 1 of y: `rows` rows of an image each, an image's after another's.

    W: by `packed`. b: the bias, if how is BIAS.
    """
    (_, R, S, C), O = x.shape, y.shape[3]
    left, gap, up, down = pads
    step, width, n_blocks = S + gap, W.shape[2], -(-R // rows)
    alone = gap + up + down == 0
    around = lines(0 if alone else (left + (up + rows + down) * step) * C, x).reshape((-1, C))
    edge = lines(HEIGHT * width, y).reshape((HEIGHT, width))
    pixels = x.reshape((-1, C))
    for block in range(lo, hi):
        n, i = block // n_blocks, block % n_blocks * rows
        m = min(rows, R - i)
        source, begin = pixels, (n * R + i) * S
        if not alone:
            _surround(x[n], i, m, pads, around)
            source, begin = around, left + up * step
        to = (n * R + i) * S
        if how == BIAS:
            _spread(b, y[n, i : i + m].reshape((m * S, O)))
        strips, long = (1, m * S) if alone else (m, S)
        for g in range(W.shape[0]):
            for s in range(runs.shape[1]):
                anew = how == ANEW and s == 0
                for r in range(strips):
                    _strip(
                        source, (begin + r * step) * C + runs[g, s, 0], runs[g, s, 1], W,
                        g, runs[g, s, 2], y, to + r * S, long, anew, edge,
                    )  # fmt: skip


@njit(**INLINE)
def _strip(
    x: Array, at: int, n: int, W: Array, g: int, k: int, y: Array, to: int, long: int, anew: bool,
    edge: Array,
) -> None:  # fmt: skip
    """Add n numbers a pixel, from index `at` of x on, times panel g's rows from k on, to y.

    Pixels: `long` of them, from number `to` of y's on.
    """
    C, O, width, across = x.shape[1], y.shape[3], W.shape[2], lanes(y)
    w, j = (g * W.shape[1] + k) * width, g * width
    c = min(width, O - j)
    q = -(-c // across)
    whole = c == q * across
    r = 0
    while r < long:
        tall = at_once(long - r)
        if whole:
            place = (to + r) * O + j
            # F1, B3: what is seen times W_t, and y's tile its sum
            multiply(tall, q, n, x, at + r * C, C, 1, W, w, width, y, place, O, anew)
        else:
            multiply(tall, q, n, x, at + r * C, C, 1, W, w, width, edge, 0, width, True)
            _move(edge, y, to + r, j, tall, c, anew)
        r += tall


@njit(**JIT)
def _move(edge: Array, y: Array, to: int, j: int, tall: int, c: int, anew: bool) -> None:
    """Write, or add, a tile's part that y has room for."""
    numbers, O = y.reshape(y.size), y.shape[-1]
    for r in range(tall):
        at = (to + r) * O + j
        for k in range(c):
            numbers[at + k] = edge[r, k] + (y.dtype.type(0) if anew else numbers[at + k])


@njit(**JIT)
def _spread(b: Array, y: Array) -> None:
    for p in range(len(y)):
        of_p = row(y, p)
        for j in range(of_p.size):
            of_p[j] = b[j]


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
            source, begin = pixels, (n * R + i) * S
            if not alone:
                _surround(x[n], i, m, pads, around)
                source, begin = around, left + up * step
            count = m * step - gap
            for g in range(-(-O // width)):
                j, c = g * width, min(width, O - g * width)
                B, b, apart = panel, 0, width
                # Pixels without zeros between them are read where they are, but for half vectors,
                # whose other half would be the next pixel's.
                if alone and c % across == 0:
                    B, b, apart = of_dy, (n * R + i) * S * O + j, O
                else:
                    _lay(dy[n], i, m, j, c, gap, panel)
                if db.size:
                    _rows(1, count, one, 0, 0, B, b, apart, c, db, 0, j, edge)
                for s in range(len(runs)):
                    k = runs[s, 2]
                    first, end = max(lo, k), min(hi, k + runs[s, 1])
                    for f in range(first, end, HEIGHT):
                        at, tall = begin * C + runs[s, 0] + f - k, min(HEIGHT, end - f)
                        _rows(tall, count, source, at, C, B, b, apart, c, dW, f, j, edge)


@njit(**JIT)
def _rows(
    tall: int, n: int, x: Array, at: int, C: int, B: Array, b: int, apart: int, c: int, dW: Array,
    f: int, j: int, edge: Array,
) -> None:  # fmt: skip
    """Add to `tall` rows of dW from f on, c columns from j on, n pixels' numbers times a panel.

    Numbers: from index `at` of x on, pixels C apart. Panel: from index b of B on, `apart`.
    """
    O, width, across = dW.shape[2], edge.shape[1], lanes(dW)
    q = -(-c // across)
    if c == q * across:
        # B1, and B2 where x is 1: Σ over n pixels of xᵀ G
        multiply_rows(tall, q, n, x, at, 1, C, B, b, apart, dW, f * O + j, O, False)
    else:
        multiply_rows(tall, q, n, x, at, 1, C, B, b, apart, edge, 0, width, True)
        _move(edge, dW, f, j, tall, c, False)


@njit(**JIT)
def _lay(dy: Array, i: int, m: int, at: int, c: int, gap: int, panel: Array) -> None:
    """Lay out columns at … at + c - 1 of rows i … i + m - 1 of dy, (R, S, O), zeros in the gaps."""
    S, width, zero = dy.shape[1], panel.shape[1], dy.dtype.type(0)
    p = 0
    for r in range(i, i + m):
        of_row = dy[r]
        for j in range(S):
            numbers, to = row(of_row, j)[at : at + c], row(panel, p)
            if c == width:
                for k in range(width):
                    to[k] = numbers[k]
            else:
                for k in range(width):
                    to[k] = numbers[k] if k < c else zero
            p += 1
        for _ in range(gap if r < i + m - 1 else 0):
            to = row(panel, p)
            for k in range(width):
                to[k] = zero
            p += 1
