"""How the CPU's convolution lays its operands out before products: images, windows, weights.

Images lie with zeros around them (`surround`), where a window's row of taps is a run of numbers.
Where a pixel is one number, a run is too short to be worth a product, and all that each pixel sees
is laid out (`lay_windows`): numbers by pixels, each number's row the image moved by a tap.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_conv.runs import width_of
from chainrule.kernels.memory import lines
from chainrule.kernels.tiles import pack, row
from chainrule.kernels.types import Array


def packed(W: Array, hidden: Any) -> Array:
    """Return W, (T, C, O), in panels, (⌈O / width⌉, T·C, width); 0 where it is hidden."""
    T, C, O = W.shape
    width, shown = width_of(O, W.dtype), _shown(W, hidden)
    return _packed(shown.reshape(T * C, O), width)  # type: ignore[no-any-return]


def packed_mirrored(W: Array, hidden: Any) -> Array:
    """Return the taps' transposes, the last one first, in panels, (⌈C / width⌉, T·O, width)."""
    width, shown = width_of(W.shape[1], W.dtype), _shown(W, hidden)
    return _packed_mirrored(shown, width)  # type: ignore[no-any-return]


def begun(b: Array | None, W: Array) -> Array:
    """Return a bias, (O,), or zeros, as W's panels, (G, K, width), have it: (G · width,)."""
    start = np.zeros(W.shape[0] * W.shape[2], W.dtype)
    if b is not None:
        start[: len(b)] = b
    return start


def _shown(W: Array, hidden: Any) -> Array:
    return np.where(hidden, 0, W).astype(W.dtype) if hidden.size else np.ascontiguousarray(W)


def hide(dW: Array, hidden: Any) -> None:
    """Let hidden entries be exactly 0."""
    if hidden.size:
        dW[hidden] = 0


@njit(**JIT)
def _packed(W: Array, width: int) -> Array:
    K, O = W.shape
    G = -(-O // width)
    out: Array = lines(G * K * width, W).reshape((G, K, width))
    pack(W, out)
    return out


@njit(**JIT)
def _packed_mirrored(W: Array, width: int) -> Array:
    T, C, O = W.shape
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
def surround(x: Array, i: int, rows: int, pads: Any, out: Array) -> None:
    """Copy rows i … i + rows - 1 of an image, and those that windows see, zeros around them.

    x: (R, S, C). out: (pixels, C); pixel (i + r, j) is at left + (up + r) (S + gap) + j.
    """
    (R, S, C), (left, gap, up, down) = x.shape, pads
    to, zero = out.reshape(out.size), x.dtype.type(0)
    for k in range(left * C):
        to[k] = zero
    at = left * C
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
        margin = to[at + S * C : at + (S + gap) * C]
        for k in range(margin.size):
            margin[k] = zero
        at += (S + gap) * C


@njit(**JIT)
def in_sight(laid: Any, i: int, m: int, R: int) -> tuple[int, int]:
    """Return the first of the numbers that rows i … i + m - 1 of R may see, and how many they are.

    The others, first ones or last ones, are beyond the image for all of these rows.
    """
    first, end = 0, len(laid)
    while first < end and i + m - 1 + laid[first, 1] < 0:
        first += 1
    while first < end and i + laid[end - 1, 1] >= R:
        end -= 1
    return first, end - first


@njit(**JIT)
def lay_windows(x: Array, at: int, laid: Any, pixels: int, windows: Array) -> None:
    """Lay out what `pixels` pixels from number `at` on see, where a pixel is one number.

    x: by `surround`. laid: of a `Course`, some numbers. windows: (numbers, pixels or more).
    """
    numbers = x.reshape(x.size)
    for k in range(len(laid)):
        begin = at + laid[k, 0]
        seen, to = numbers[begin : begin + pixels], row(windows, k)
        for p in range(seen.size):
            to[p] = seen[p]


@njit(**JIT)
def lay(dy: Array, i: int, m: int, at: int, c: int, gap: int, panel: Array) -> None:
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
