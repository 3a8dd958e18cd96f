"""How the CPU's convolution walks over a window: runs of numbers in rows with zeros around them.

A few rows of an image, C numbers a pixel, lie one after the other, each with `gap` pixels of zeros
behind it, which are the margin of the next row too. Tap (u, v) of a pixel is then u·(S + gap) + v
pixels away, and a row of taps is one run of numbers, whatever the pixel.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.masked_conv.windows import Window
from chainrule.kernels.target import REGISTERS, VECTOR_BYTES
from chainrule.kernels.tiles import HEIGHT, WIDTH

WIDE = 4 if REGISTERS == 32 else WIDTH  # vectors of a panel of W, at most
ROW_BYTES = 96 * 1024  # of rows worked on at once: beside a panel, in the second cache
LAID_BYTES = 16 * 1024  # of what their pixels see, laid out: in the first cache; or of one row
PARTS = 1 << 12  # what shares of dW's work are counted in


class Pads(NamedTuple):
    """The zeros around rows of an image: before the first pixel, behind a row, above and below."""

    left: int
    gap: int
    up: int
    down: int


class Course(NamedTuple):
    """What to multiply.

    runs: (panels, runs, 3) int64: a run's begin, in numbers from the pixel's own first one on, how
    many they are, and with which row of the panel they begin to be multiplied. whole: (runs, 3),
    the same where nothing is hidden. laid: (K, 2), where a pixel is one number, whose runs are too
    short to be worth products: of each number seen, how far it is from the pixel, and u, its row,
    in order of u; (0, 2) elsewhere. hidden: (T, C, O) bool, entries of W that are; empty where
    there are none. ends: (tiles + 1,), of dW's tiles of HEIGHT rows each: how much of the work, of
    PARTS, lies before it; of no use in a mirrored course. rows: of an image at once. work:
    multiply-adds an image.
    """

    runs: Any
    whole: Any
    laid: Any
    hidden: Any
    ends: Any
    pads: Pads
    rows: int
    work: int


def width_of(n_out: int, dtype: Any) -> int:
    """Return how many outputs a panel of W has: whole vectors, as evenly as at most WIDE can be."""
    lanes: int = VECTOR_BYTES // np.dtype(dtype).itemsize
    n_vectors = -(-n_out // lanes)
    return lanes * -(-n_vectors // -(-n_vectors // WIDE))


@lru_cache(maxsize=256)
def course(
    window: Window, mirrored: bool, shape: tuple[int, ...], of_W: tuple[int, ...], dtype: Any
) -> Course:
    """Return the course over images of a shape, (N, R, S, C), for weights (T, C, O).

    mirrored: for B3, over dy, (N, R, S, O).
    """
    (_, R, S, _), (T, C, O) = shape, of_W
    n_in, n_out = (O, C) if mirrored else (C, O)
    rows = window.mirrored if mirrored else window.runs
    pads = _pads(rows)
    step = S + pads.gap
    seen = window.seen(C, O) if window.centre is not None else []
    width = width_of(n_out, dtype)
    n_panels = -(-n_out // width)
    runs = []
    for g in range(n_panels):
        at, last = g * width, min(n_out, (g + 1) * width) - 1
        if not seen:
            own = (0, n_in)
        elif mirrored:
            own = (int(np.searchsorted(seen, at, "right")), n_in)
        else:
            own = (0, seen[last])
        runs.append(_of_panel(rows, n_in, step, own, window.groups > 1))
    hidden = np.zeros((0, 0, 0), bool)
    if window.groups > 1 and window.centre is not None:
        hidden = ~window.mask(C, O)
    whole = np.array(_of_panel(rows, n_in, step, (0, n_in), False), np.int64)
    of_runs, laid = np.array(runs, np.int64), np.zeros((0, 2), np.int64)
    size = np.dtype(dtype).itemsize
    at_once = ROW_BYTES // max(1, step * n_in * size)
    if n_in == 1 and T > 1:
        at_once = LAID_BYTES // (step * T * size)
        laid = np.array([(u * step + v + k, u) for u, v, n in rows for k in range(n)], np.int64)
    even = -(-R // -(-R // max(1, min(R, at_once))))  # blocks of one size, or nearly
    ends = _ends(T * C, laid[: 0 if mirrored else len(laid), 1], R)
    return Course(of_runs, whole, laid, hidden, ends, pads, even, R * S * T * C * O)


def _ends(K: int, u: Any, R: int) -> Any:
    """Return a Course's ends, for K rows of dW; u: of each its row, or none if all are alike."""
    first = np.arange(0, K, HEIGHT)
    work = np.ones(len(first), np.int64)  # what a tile costs anyhow
    if len(u):
        least, most = u[first], u[np.minimum(first + HEIGHT, K) - 1]
        work += np.maximum(0, R - np.maximum(0, least) - np.maximum(0, -most))  # rows that see it
    before = np.concatenate([[0], np.cumsum(work)]).astype(np.int64)
    return before * PARTS // before[-1]


def _pads(rows: tuple[tuple[int, int, int], ...]) -> Pads:
    """Return the zeros that runs of taps, (u, v, n), may read."""
    up, down = max(-u for u, _, _ in rows), max(u for u, _, _ in rows)
    left, right = max(-v for _, v, _ in rows), max(v + n - 1 for _, v, n in rows)
    return Pads(max(0, left), max(0, left, right), max(0, up), max(0, down))


def _of_panel(
    rows: Any, C: int, step: int, own: tuple[int, int], cut: bool
) -> list[tuple[int, int, int]]:
    """Return a panel's runs; own: which of the pixel's own numbers it sees, if they are cut off."""
    runs, k = [], 0
    for u, v, n in rows:
        pieces = [(v, n)]
        if cut and u == 0 and v <= 0 < v + n:
            pieces = [piece for piece in ((v, -v), (0, 1), (1, v + n - 1)) if piece[1]]
        for begin, count in pieces:
            lo, hi = own if cut and (u, begin, count) == (0, 0, 1) else (0, count * C)
            runs.append(((u * step + begin) * C + lo, max(0, hi - lo), k + lo))
            k += count * C
    return runs
