"""The compiled loop of PixelCNN's sampler over the channels of a few images' pixels."""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.samplers.pixel_cnn import Sizes
from chainrule.kernels.samplers.pixel_cnn.draws import Kind, Room, choose, draw, room
from chainrule.kernels.samplers.pixel_cnn.features import compute, outputs, rows_above
from chainrule.kernels.samplers.pixel_cnn.memory import Features, Grids, Scratch, new_scratch
from chainrule.kernels.samplers.pixel_cnn.panels import OUTPUTS, Net
from chainrule.kernels.samplers.pixel_cnn.panels import S as OF_S
from chainrule.kernels.samplers.pixel_cnn.products import Pixels
from chainrule.kernels.types import Array, Ids


@njit(**JIT)
def extend(
    u: Array, low: Ids, high: Ids, begin: int, seen: int, end: int, net: Net, y: Ids, sizes: Sizes,
    grids: Grids, kept: Features, kind: Kind, x: Ids, lo: int, hi: int,
) -> None:  # fmt: skip
    """Move images lo … hi - 1 from channel `seen` to `end`.

    x: (N, R·S·C), of which the draws are overwritten. u: (N, ·), of channels from `begin` on; those
    before are given. low, high: as u, if the likeliest of these levels is wanted where u ≥ 0; of no
    columns if u draws.
    """
    C, S = sizes.channels, sizes.width
    scratch, of_draw = new(net, sizes, kept, hi - lo), room(net.maps[OF_S, OUTPUTS], kind)
    q = seen
    while q < end:
        pixel, g = q // C, q % C
        i, j = pixel // S, pixel % S
        if q % (S * C) == 0 and net.gated:
            rows_above(Pixels(lo, hi - lo, i, 0, S), net, y, grids, kept, scratch)
        span = 0
        if g == 0:
            span = given_pixels(u, begin, q, min(end, (i + 1) * S * C), C, lo, hi)
        if span > 0:  # z first: a pixel of the span looks at those before it
            write(x, q, span * C, sizes, grids, kept, lo, hi)
            of = Pixels(lo, hi - lo, i, j, span)
            compute(of, 0, C, False, net, y, grids, kept, scratch)
            q += span * C
        else:
            of = Pixels(lo, hi - lo, i, j, 1)
            compute(of, g, g + 1, True, net, y, grids, kept, scratch)
            draw_all(of, g, q, u, low, high, begin, net, y, kind, kept, scratch, of_draw, x)
            write(x, q, 1, sizes, grids, kept, lo, hi)
            q += 1


@njit(**JIT)
def peek(
    at: int, net: Net, y: Ids, sizes: Sizes, grids: Grids, kept: Features, kind: Kind, s: Array,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """Write s, (N, K), of channel `at`, all before it having been seen."""
    C, S = sizes.channels, sizes.width
    scratch = new(net, sizes, kept, hi - lo)
    pixel, g = at // C, at % C
    of = Pixels(lo, hi - lo, pixel // S, pixel % S, 1)
    if at % (S * C) == 0 and net.gated:
        rows_above(Pixels(lo, hi - lo, of.i, 0, S), net, y, grids, kept, scratch)
    compute(of, g, g + 1, True, net, y, grids, kept, scratch)
    outputs(of, g, net, y, kept, scratch)
    for n in range(lo, hi):
        for k in range(s.shape[1]):
            s[n, k] = scratch.s[n - lo, k]


@njit(**JIT)
def new(net: Net, sizes: Sizes, kept: Features, n: int) -> Scratch:
    """Return working memory for n images."""
    F, Q = kept.rows.shape[1], kept.t.shape[1]
    scratch: Scratch = new_scratch(n, F, Q, net.maps[OF_S, OUTPUTS], sizes.width, kept.t)
    return scratch


@njit(**INLINE)
def given_pixels(u: Array, begin: int, q: int, end: int, C: int, lo: int, hi: int) -> int:
    """Return of how many pixels from channel q on all channels up to `end` are given, of all."""
    n = 0
    while q + C <= end:
        for k in range(max(0, q - begin), max(0, q + C - begin)):
            for image in range(lo, hi):
                if not u[image, k] < 0:
                    return n
        n += 1
        q += C
    return n


@njit(**JIT)
def draw_all(
    of: Pixels, g: int, q: int, u: Array, low: Ids, high: Ids, begin: int, net: Net, y: Ids,
    kind: Kind, kept: Features, scratch: Scratch, of_draw: Room, x: Ids,
) -> None:  # fmt: skip
    """Draw channel q, g of its pixel, or choose it, of the images whose uniform says so."""
    if q < begin:
        return
    done = False
    for n in range(of.lo, of.lo + of.n):
        if not u[n, q - begin] < 0:
            if not done:
                outputs(of, g, net, y, kept, scratch)
                done = True
            m, k = n - of.lo, q - begin
            if low.shape[1] > 0:
                x[n, q] = choose(scratch.s, m, low[n, k], high[n, k], kind, of_draw)  # F6
            else:
                x[n, q] = draw(scratch.s, m, u[n, k], kind, of_draw)  # F5


@njit(**JIT)
def write(
    x: Ids, q: int, n: int, sizes: Sizes, grids: Grids, kept: Features, lo: int, hi: int
) -> None:
    """Let z know n levels of each image from channel q on, of one row."""
    C, grid, dtype = sizes.channels, grids.z, kept.z.dtype.type
    scale, one, S = dtype(2 / (sizes.levels - 1)), dtype(1), sizes.width
    for image in range(lo, hi):
        for k in range(q, q + n):
            pixel = k // C
            at = (pixel // S * grid.images + image) * grid.width + grid.left + pixel % S
            kept.z[at, k % C] = dtype(x[image, k]) * scale - one
