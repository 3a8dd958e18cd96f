"""The compiled loop of PixelRNN's sampler over the channels of a few images' pixels."""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.samplers.pixel_cnn import Sizes
from chainrule.kernels.samplers.pixel_cnn.draws import Kind, room
from chainrule.kernels.samplers.pixel_cnn.features import outputs
from chainrule.kernels.samplers.pixel_cnn.loop import draw_all, given_pixels, write
from chainrule.kernels.samplers.pixel_cnn.panels import OUTPUTS, Net
from chainrule.kernels.samplers.pixel_cnn.panels import S as OF_S
from chainrule.kernels.samplers.pixel_cnn.products import Pixels
from chainrule.kernels.samplers.pixel_rnn.features import begin_row, compute
from chainrule.kernels.samplers.pixel_rnn.memory import Scratch, StateGrids, States, new_scratch
from chainrule.kernels.types import Array, Ids


@njit(**JIT)
def extend(
    u: Array, low: Ids, high: Ids, begin: int, seen: int, end: int, net: Net, y: Ids, sizes: Sizes,
    grids: StateGrids, kept: States, kind: Kind, x: Ids, lo: int, hi: int,
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
        of = Pixels(lo, hi - lo, pixel // S, pixel % S, 1)
        if q % (S * C) == 0:
            begin_row(Pixels(lo, hi - lo, of.i, 0, S), net, y, C, grids, kept, scratch)
        if g == 0 and given_pixels(u, begin, q, min(end, q + C), C, lo, hi) > 0:
            write(x, q, C, sizes, grids, kept, lo, hi)  # first: a group looks at those before it
            compute(of, 0, C, False, net, y, C, grids, kept, scratch)
            q += C
        else:
            compute(of, g, g + 1, True, net, y, C, grids, kept, scratch)
            draw_all(  # F5, F6
                of, g, q, u, low, high, begin, net, y, kind, kept, scratch, of_draw, x
            )
            write(x, q, 1, sizes, grids, kept, lo, hi)
            q += 1


@njit(**JIT)
def peek(
    at: int, net: Net, y: Ids, sizes: Sizes, grids: StateGrids, kept: States, kind: Kind, s: Array,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """Write s, (N, K), of channel `at`, all before it having been seen."""
    C, S = sizes.channels, sizes.width
    scratch = new(net, sizes, kept, hi - lo)
    pixel, g = at // C, at % C
    of = Pixels(lo, hi - lo, pixel // S, pixel % S, 1)
    if at % (S * C) == 0:
        begin_row(Pixels(lo, hi - lo, of.i, 0, S), net, y, C, grids, kept, scratch)
    compute(of, g, g + 1, True, net, y, C, grids, kept, scratch)
    outputs(of, g, net, y, kept, scratch)
    for n in range(lo, hi):
        for k in range(s.shape[1]):
            s[n, k] = scratch.s[n - lo, k]


@njit(**JIT)
def new(net: Net, sizes: Sizes, kept: States, n: int) -> Scratch:
    """Return working memory for n images."""
    H, Q = kept.h.shape[1], kept.t.shape[1]
    scratch: Scratch = new_scratch(n, H, Q, net.maps[OF_S, OUTPUTS], sizes.width, kept.t)
    return scratch
