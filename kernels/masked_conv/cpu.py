"""Numba twin of masked convolution: cuts work into shares for threads; `strips` computes.

Images are worked on a few rows at a time, with those that their windows look at, in a copy with
zeros around it: what lies in a core's second cache. There a window's row of taps is one run of
numbers, and a convolution a few products of matrices with shifted rows (`strips`). A run at the
pixel itself is cut where groups of channels are hidden (`runs`). Images of one channel have runs
too short for that: what each pixel sees is laid out for one product (`layout`).
"""

from collections.abc import Callable

import numpy as np

from chainrule.kernels.masked_conv import layout, strips
from chainrule.kernels.masked_conv.runs import PARTS, ROW_BYTES, Course, course
from chainrule.kernels.masked_conv.windows import Window
from chainrule.kernels.threads import map_rows
from chainrule.kernels.tiles import HEIGHT, panel_width
from chainrule.kernels.types import Array

THREAD_WORK = 4_000_000  # multiply-adds worth a thread: about 0.1 ms
Part = Callable[[int, int], None]


def forward(x: Array, W: Array, b: Array, window: Window, y: Array) -> None:
    """See `chainrule.kernels.masked_conv.forward`."""
    _multiply(x, W, b, window, y)


def add(x: Array, W: Array, window: Window, y: Array) -> None:
    """See `chainrule.kernels.masked_conv.add`."""
    _multiply(x, W, None, window, y)


def _multiply(x: Array, W: Array, b: Array | None, window: Window, y: Array) -> None:
    p = course(window, False, x.shape, W.shape, x.dtype)
    panels = layout.packed(W, p.hidden)
    _over_images(x, panels, layout.begun(b, panels), b is not None, p, y)


def _over_images(x: Array, panels: Array, b: Array, anew: bool, p: Course, y: Array) -> None:
    """Convolve all rows of all images, shared out over threads."""
    n_blocks, x = -(-x.shape[1] // p.rows), np.ascontiguousarray(x)

    def part(lo: int, hi: int) -> None:
        strips.convolve(x, panels, b, anew, p.runs, p.laid, p.pads, p.rows, y, lo, hi)  # F1, B3

    work = max(1, p.work // n_blocks)  # of a block
    map_rows(part, len(x) * n_blocks, 1 + THREAD_WORK // work)


def backward(
    dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array, db: Array
) -> None:
    """See `chainrule.kernels.masked_conv.backward`."""
    weight_gradient(dy, x, window, dW, db)
    _input_gradient(dy, W, window, dx)


def add_backward(dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array) -> None:
    """See `chainrule.kernels.masked_conv.add_backward`."""
    _weight_gradient(dy, x, window, dW, dW[:0])
    _input_gradient(dy, W, window, dx)


def _input_gradient(dy: Array, W: Array, window: Window, dx: Array) -> None:
    """Overwrite dx by B3: the mirrored window's convolution of dy."""
    p = course(window, True, dy.shape, W.shape, dy.dtype)
    panels = layout.packed_mirrored(W, p.hidden)
    _over_images(dy, panels, layout.begun(None, panels), True, p, dx)


def weight_gradient(dy: Array, x: Array, window: Window, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_conv.weight_gradient`."""
    _weight_gradient(dy, x, window, dW, db.reshape(1, 1, -1))


def _weight_gradient(dy: Array, x: Array, window: Window, dW: Array, db: Array) -> None:
    """Overwrite dW by B1, and db, (1, 1, O), by B2; where it is empty, it is not wanted."""
    p = course(window, False, x.shape, dW.shape, x.dtype)
    x, dy = np.ascontiguousarray(x), np.ascontiguousarray(dy)
    K = dW.shape[0] * dW.shape[1]
    of_panel = ROW_BYTES // (x.shape[2] * dy.itemsize * int(panel_width(dW)))  # rows of dy
    of_panel = max(1, min(of_panel, x.shape[1]))

    def part(lo: int, hi: int) -> None:
        first = min(K, int(np.searchsorted(p.ends, lo)) * HEIGHT)
        end = K if hi == PARTS else min(K, int(np.searchsorted(p.ends, hi)) * HEIGHT)
        sums = dW[:0] if lo else db  # of the first share alone
        # B1, B2
        if len(p.laid):
            strips.weight_gradient_of_numbers(x, dy, p.laid, p.pads, of_panel, dW, sums, first, end)
        else:
            strips.weight_gradient(x, dy, p.whole, p.pads, p.rows, dW, sums, first, end)

    map_rows(part, PARTS, 1 + PARTS * THREAD_WORK // max(1, p.work * len(x)))
    layout.hide(dW, p.hidden)  # B1
