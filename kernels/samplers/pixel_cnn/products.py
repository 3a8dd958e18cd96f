"""Products of pixels' features with a map's panels, on register tiles, and what stands around them.

Every array of features is a matrix with a row a pixel. The pixels that are computed together are
either one of every image, or, where all levels are known, a span of pixels of a row of every image;
then a tile's rows are a row's pixels, else they are the images. Where a pixel's row stands in an
array says a `PixelRows`.
"""

from typing import NamedTuple

from chainrule.kernels.compiled import njit
from chainrule.kernels.gate.cpu import gate
from chainrule.kernels.inline import BORROWS, INLINE, JIT
from chainrule.kernels.samplers.pixel_cnn.panels import (
    B_BEGIN,
    B_CLASS,
    B_SIZE,
    BEGIN,
    FIRST_RUN,
    GROUPS,
    INPUTS,
    OUTPUTS,
    PANELS,
    RUNS,
    Net,
)
from chainrule.kernels.tiles import at_once, lanes, multiply, panel_width, row
from chainrule.kernels.types import Array, Ids


class Pixels(NamedTuple):
    """Pixels (i, j) … (i, j + span - 1) of images lo … lo + n - 1, computed together."""

    lo: int
    n: int
    i: int
    j: int
    span: int


class PixelGrid(NamedTuple):
    """How an array has its rows: layers, of slots for rows of an image, of images, of pixels.

    Row i of an image is in slot i mod `slots`. width: pixels of a row, `left` of which are zeros
    before its first one.
    """

    slots: int
    images: int
    width: int
    left: int


class PixelRows(NamedTuple):
    """Rows of an array: at + o · outer + r · inner, for image o and its pixel r, or image r."""

    at: int
    outer: int
    inner: int


@njit(**INLINE, **BORROWS)
def counts(of: Pixels) -> tuple[int, int]:
    """Return how many o and r there are, in a place's words."""
    return (1, of.n) if of.span == 1 else (of.n, of.span)


@njit(**INLINE, **BORROWS)
def listed(first: int, of: Pixels) -> PixelRows:
    """Return the place of pixels in an array that has them one after the other."""
    return PixelRows(first, of.span, 1)


@njit(**INLINE, **BORROWS)
def spot(grid: PixelGrid, layer: int, of: Pixels, u: int, v: int) -> PixelRows:
    """Return where the pixels u rows and v columns from `of` are."""
    slot = (of.i + u + grid.slots) % grid.slots
    at = ((layer * grid.slots + slot) * grid.images + of.lo) * grid.width + grid.left + of.j + v
    return PixelRows(at, grid.width, grid.width if of.span == 1 else 1)


@njit(**INLINE, **BORROWS)
def multiply_rows(
    of: Pixels, x: Array, x_at: PixelRows, net: Net, which: int, layer: int, g: int, run: int,
    y: Array, y_at: PixelRows, column: int, edge: Array,
) -> None:  # fmt: skip
    """Add one run's product to columns of y, as many as a group has outputs."""
    line = net.maps[which, FIRST_RUN] + g * net.maps[which, RUNS] + run
    n, k = net.runs[line, 2], net.runs[line, 3]
    multiply_part(of, x, x_at, net, which, layer, g, k, n, y, y_at, column, edge)


@njit(**JIT, **BORROWS)
def multiply_part(
    of: Pixels, x: Array, x_at: PixelRows, net: Net, which: int, layer: int, g: int, k: int, n: int,
    y: Array, y_at: PixelRows, column: int, edge: Array,
) -> None:  # fmt: skip
    """Add n numbers' product with the panels' rows from k on to columns of y."""
    (outer, inner), across, width = counts(of), lanes(y), panel_width(y)
    groups, B, K = net.maps[which, GROUPS], net.maps[which, PANELS], net.maps[which, INPUTS]
    C, Q = x.shape[1], y.shape[1]
    if n <= 0:
        return
    for b in range(B):
        first = net.maps[which, BEGIN] + (((layer * groups + g) * B + b) * K + k) * width
        c = min(width, net.maps[which, OUTPUTS] - b * width)
        q = -(-c // across)
        for o in range(outer):
            r = 0
            while r < inner:
                tall = at_once(inner - r)
                a = (x_at.at + o * x_at.outer + r * x_at.inner) * C
                at, j = y_at.at + o * y_at.outer + r * y_at.inner, column + b * width
                if c == q * across:
                    multiply(
                        tall, q, n, x, a, x_at.inner * C, 1, net.panels, first, width, y,
                        at * Q + j, y_at.inner * Q, False,
                    )  # fmt: skip
                else:
                    multiply(
                        tall, q, n, x, a, x_at.inner * C, 1, net.panels, first, width, edge, 0,
                        width, True,
                    )  # fmt: skip
                    _add_edge(edge, tall, c, y, at, y_at.inner, j)
                r += tall


@njit(**JIT, **BORROWS)
def _add_edge(
    edge: Array, tall: int, c: int, y: Array, first: int, distance: int, column: int
) -> None:
    """Add a tile's part that a group has columns for."""
    for r in range(tall):
        of_r, to = row(edge, r), row(y, first + r * distance)[column : column + c]
        for k in range(to.size):
            to[k] += of_r[k]


@njit(**JIT, **BORROWS)
def own(
    of: Pixels, x: Array, x_at: PixelRows, net: Net, which: int, layer: int, g: int, y: Array,
    y_at: PixelRows, edge: Array,
) -> None:  # fmt: skip
    """Add a 1 × 1 map's group g of x to y's."""
    column = g * net.maps[which, OUTPUTS]
    multiply_rows(of, x, x_at, net, which, layer, g, 0, y, y_at, column, edge)


@njit(**JIT, **BORROWS)
def look(
    of: Pixels, x: Array, grid: PixelGrid, x_layer: int, net: Net, which: int, layer: int, g: int,
    y: Array, y_at: PixelRows, edge: Array,
) -> None:  # fmt: skip
    """Add group g of a map with a window over x to y's."""
    n, column = net.maps[which, RUNS], g * net.maps[which, OUTPUTS]
    for run in range(n):
        line = net.maps[which, FIRST_RUN] + g * n + run
        x_at = spot(grid, x_layer, of, net.runs[line, 0], net.runs[line, 1])
        multiply_rows(of, x, x_at, net, which, layer, g, run, y, y_at, column, edge)


@njit(**JIT, **BORROWS)
def spread(
    of: Pixels, net: Net, which: int, y: Ids, layer: int, begin: int, n: int, out: Array,
    at: PixelRows, column: int,
) -> None:  # fmt: skip
    """Overwrite n columns from `column` on by each image's bias, from number `begin` on."""
    outer, inner = counts(of)
    first, size = net.maps[which, B_BEGIN] + begin, net.maps[which, B_SIZE]
    for o in range(outer):
        for r in range(inner):
            image = of.lo + (r if of.span == 1 else o)
            b_at = first + (y[image] * net.maps[which, B_CLASS] + layer) * size
            b = net.biases[b_at : b_at + n]
            to = row(out, at.at + o * at.outer + r * at.inner)[column : column + n]
            for k in range(to.size):
                to[k] = b[k]


@njit(**JIT, **BORROWS)
def place(of: Pixels, net: Net, begin: int, n: int, out: Array, at: PixelRows) -> None:
    """Add to n columns from `begin` on what each pixel's own bias is, if any."""
    if net.places.size == 0:
        return
    outer, inner = counts(of)
    for o in range(outer):
        for r in range(inner):
            b = net.places[of.i, of.j + (0 if of.span == 1 else r)][begin : begin + n]
            to = row(out, at.at + o * at.outer + r * at.inner)[begin : begin + n]
            for k in range(to.size):
                to[k] += b[k]


@njit(**JIT, **BORROWS)
def rectify(of: Pixels, x: Array, at: PixelRows, column: int, n: int) -> None:
    """Update n columns of x to max(x, 0)."""
    (outer, inner), zero = counts(of), x.dtype.type(0)
    for o in range(outer):
        for r in range(inner):
            numbers = row(x, at.at + o * at.outer + r * at.inner)[column : column + n]
            for k in range(numbers.size):
                numbers[k] = max(numbers[k], zero)


@njit(**JIT, **BORROWS)
def rectified(
    of: Pixels, x: Array, x_at: PixelRows, y: Array, y_at: PixelRows, column: int, n: int
) -> None:
    """Overwrite n columns of y by max(x, 0): of two arrays that are one it would be slow."""
    (outer, inner), zero = counts(of), x.dtype.type(0)
    for o in range(outer):
        for r in range(inner):
            numbers = row(x, x_at.at + o * x_at.outer + r * x_at.inner)[column : column + n]
            to = row(y, y_at.at + o * y_at.outer + r * y_at.inner)[column : column + n]
            for k in range(to.size):
                to[k] = max(numbers[k], zero)


@njit(**JIT, **BORROWS)
def copy(
    of: Pixels, x: Array, x_at: PixelRows, y: Array, y_at: PixelRows, column: int, n: int
) -> None:
    """Overwrite n columns of y by x's."""
    outer, inner = counts(of)
    for o in range(outer):
        for r in range(inner):
            numbers = row(x, x_at.at + o * x_at.outer + r * x_at.inner)[column : column + n]
            to = row(y, y_at.at + o * y_at.outer + r * y_at.inner)[column : column + n]
            for k in range(to.size):
                to[k] = numbers[k]


@njit(**JIT, **BORROWS)
def clear(of: Pixels, x: Array, at: PixelRows, column: int, n: int) -> None:
    """Overwrite n columns of x by 0."""
    (outer, inner), zero = counts(of), x.dtype.type(0)
    for o in range(outer):
        for r in range(inner):
            numbers = row(x, at.at + o * at.outer + r * at.inner)[column : column + n]
            for k in range(numbers.size):
                numbers[k] = zero


@njit(**JIT, **BORROWS)
def add_rows(
    of: Pixels, x: Array, x_at: PixelRows, y: Array, y_at: PixelRows, column: int, n: int
) -> None:
    """Add n columns of x to y's."""
    outer, inner = counts(of)
    for o in range(outer):
        for r in range(inner):
            numbers = row(x, x_at.at + o * x_at.outer + r * x_at.inner)[column : column + n]
            to = row(y, y_at.at + o * y_at.outer + r * y_at.inner)[column : column + n]
            for k in range(to.size):
                to[k] += numbers[k]


@njit(**JIT, **BORROWS)
def gated(of: Pixels, a: Array, a_at: PixelRows, g: int, y: Array, y_at: PixelRows, n: int) -> None:
    """Overwrite y's group g, n numbers, by the gate of a's, twice as many."""
    outer, inner = counts(of)
    for o in range(outer):
        for r in range(inner):
            numbers = row(a, a_at.at + o * a_at.outer + r * a_at.inner)
            to = row(y, y_at.at + o * y_at.outer + r * y_at.inner)
            gate(numbers[2 * g * n : 2 * (g + 1) * n], to[g * n : (g + 1) * n])
