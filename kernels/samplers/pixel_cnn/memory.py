"""What the compiled sampler keeps of pixels before, and its room for the pixels at hand.

Every array is a matrix with a row a pixel; `PixelGrid` says how the rows of one lie.
"""

from typing import NamedTuple

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.memory import lines
from chainrule.kernels.samplers.pixel_cnn import Sizes, Weights
from chainrule.kernels.samplers.pixel_cnn.products import PixelGrid
from chainrule.kernels.tiles import HEIGHT, panel_width
from chainrule.kernels.types import Array


class Features(NamedTuple):
    """Features of all images.

    z: levels, scaled. rows: of a or v, of each layer after the first map, those rows that windows
    reach. h, beside: of the gated network's own row, the stream and p W_vh. u, m, t: of the own
    pixel, what its later groups look at: the stream as the next map reads it, and what F1 and F4
    call m and relu(…).
    """

    z: Array
    rows: Array
    h: Array
    beside: Array
    u: Array
    m: Array
    t: Array


class Grids(NamedTuple):
    """How the first four of Features have their rows."""

    z: PixelGrid
    rows: PixelGrid
    h: PixelGrid
    beside: PixelGrid


class Scratch(NamedTuple):
    """Room for pixels at hand: h, u, m as above, p; s: outputs; edge: a tile."""

    h: Array
    u: Array
    m: Array
    p: Array
    s: Array
    edge: Array


def grids(sizes: Sizes, n: int) -> Grids:
    """Return the grids of n images."""
    R, S, half, first = sizes.height, sizes.width, sizes.kernel_size // 2, sizes.first_size // 2
    return Grids(
        z=PixelGrid(
            R + first, n, S + 2 * first, first
        ),  # above row 0: the last rows, which are zeros
        rows=PixelGrid(half + 1, n, S + 2 * half, half),
        h=PixelGrid(1, n, S + half, half),
        beside=PixelGrid(1, n, S, 0),
    )


def kept(w: Weights, of: Grids, C: int) -> Features:
    """Return the memory of images without a pixel."""
    n, F, Q = of.z.images, w.W_o.shape[2], w.W_t.shape[1]
    if w.gated:
        L = len(w.W_v)
        counts = (1, C), (L, F), (L, F), (L + 1, 2 * F)
        now = (n, Q), ((L + 1) * n, F), (n, Q)
    else:
        L = len(w.W_m)
        counts = (1, C), (L, F), (0, F), (0, F)
        now = ((L + 1) * n, Q), (L * n, F), (n, Q)
    past = ((l * g.slots * g.images * g.width, c) for (l, c), g in zip(counts, of, strict=True))
    return Features(*(zeros(rows, columns, w.W_t) for rows, columns in (*past, *now)))


@njit(**JIT)
def zeros(rows: int, columns: int, like: Array) -> Array:
    """Return a matrix of zeros that begins on a line, of like's dtype."""
    out: Array = lines(rows * columns, like).reshape((rows, columns))
    out[:] = 0
    return out


@njit(**JIT)
def new_scratch(n: int, F: int, Q: int, K: int, S: int, like: Array) -> Scratch:
    """Return working memory for n images."""
    width = panel_width(like)
    return Scratch(
        lines(n * S * Q, like).reshape((n * S, Q)),
        lines(n * S * Q, like).reshape((n * S, Q)),
        lines(n * S * F, like).reshape((n * S, F)),
        lines(n * S * 2 * F, like).reshape((n * S, 2 * F)),
        lines(n * K, like).reshape((n, K)),
        lines(HEIGHT * width, like).reshape((HEIGHT, width)),
    )
