"""Features of pixels, F1-F4: of one pixel of every image and one group, or of spans and all groups.

lo_g, hi_g      groups lo_g … hi_g - 1 are computed
tail            whether s will be wanted of the pixels: else what only s would read is left out
"""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.samplers.pixel_cnn.memory import Features, Grids, Scratch
from chainrule.kernels.samplers.pixel_cnn.panels import (
    LAYERS,
    OUTPUTS,
    VH,
    XH,
    XV,
    H,
    I,
    M,
    Net,
    O,
    S,
    T,
    V,
    X,
)
from chainrule.kernels.samplers.pixel_cnn.products import (
    Pixels,
    add_rows,
    clear,
    copy,
    gated,
    listed,
    look,
    multiply_rows,
    own,
    place,
    rectified,
    rectify,
    spot,
    spread,
)
from chainrule.kernels.types import Ids


@njit(**JIT, **BORROWS)
def compute(
    of: Pixels, lo_g: int, hi_g: int, tail: bool, net: Net, y: Ids, grids: Grids, kept: Features,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Compute pixels' features, of a gated network after `rows_above`."""
    if net.gated:
        _gated(of, lo_g, hi_g, tail, net, y, grids, kept, scratch)
    else:
        _plain(of, lo_g, hi_g, tail, net, y, grids, kept, scratch)
    if tail:
        top(of, lo_g, hi_g, net, y, grids, kept, scratch)


@njit(**JIT, **BORROWS)
def top(
    of: Pixels, lo_g: int, hi_g: int, net: Net, y: Ids, grids: Grids, kept: Features,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Compute what W_s reads of one pixel of every image, whose last h is in the working memory."""
    here, n = listed(of.lo, of), net.maps[T, OUTPUTS]
    for g in range(lo_g, hi_g):
        at = listed(of.lo + (len(kept.u) // grids.z.images - 1) * grids.z.images, of)
        rectified(of, scratch.h, listed(0, of), kept.u, at, g * n, n)  # F4
        spread(of, net, T, y, 0, g * n, n, kept.t, here, g * n)  # F4
        own(of, kept.u, at, net, T, 0, g, kept.t, here, scratch.edge)  # F4
        rectify(of, kept.t, here, g * n, n)  # F4


@njit(**JIT, **BORROWS)
def outputs(of: Pixels, g: int, net: Net, y: Ids, kept: Features, scratch: Scratch) -> None:
    """Write s of channel g of one pixel of every image into the working memory."""
    at, n = listed(0, of), net.maps[S, OUTPUTS]
    spread(of, net, S, y, 0, g * n, n, scratch.s, at, 0)  # F4
    # F4
    multiply_rows(of, kept.t, listed(of.lo, of), net, S, 0, g, 0, scratch.s, at, 0, scratch.edge)


@njit(**JIT, **BORROWS)
def _plain(
    of: Pixels, lo_g: int, hi_g: int, tail: bool, net: Net, y: Ids, grids: Grids, kept: Features,
    scratch: Scratch,
) -> None:  # fmt: skip
    """F1, up to the last h, in the working memory."""
    h, here, edge, N = scratch.h, listed(0, of), scratch.edge, grids.z.images
    L, n, wide = net.maps[I, LAYERS], net.maps[I, OUTPUTS], net.maps[X, OUTPUTS]
    single = of.span == 1
    u, m = (kept.u, kept.m) if single else (scratch.u, scratch.m)
    first, layer = (of.lo, N) if single else (0, 0)
    for g in range(lo_g, hi_g):
        if L == 0 and not tail:
            return
        spread(of, net, X, y, 0, g * wide, wide, h, here, g * wide)  # F1
        place(of, net, g * wide, wide, h, here)  # F1
        look(of, kept.z, grids.z, 0, net, X, 0, g, h, here, edge)  # F1
    for l in range(L):
        at, a_at = listed(first + l * layer, of), spot(grids.rows, l, of, 0, 0)
        for g in range(lo_g, hi_g):
            rectified(of, h, here, u, at, g * wide, wide)  # F1
            spread(of, net, I, y, l, g * n, n, kept.rows, a_at, g * n)  # F1
            own(of, u, at, net, I, l, g, kept.rows, a_at, edge)  # F1
            rectify(of, kept.rows, a_at, g * n, n)  # F1
        if l == L - 1 and not tail:
            return
        for g in range(lo_g, hi_g):
            spread(of, net, M, y, l, g * n, n, m, at, g * n)  # F1
            look(of, kept.rows, grids.rows, l, net, M, l, g, m, at, edge)  # F1
            rectify(of, m, at, g * n, n)  # F1
            own(of, m, at, net, O, l, g, h, here, edge)  # F1


@njit(**JIT, **BORROWS)
def rows_above(
    of: Pixels, net: Net, y: Ids, grids: Grids, kept: Features, scratch: Scratch
) -> None:
    """F2: of a whole row of every image, the stack of the rows above it."""
    p, here, edge, n = scratch.p, listed(0, of), scratch.edge, net.maps[VH, OUTPUTS]
    L = net.maps[V, LAYERS]
    for l in range(L + 1):
        spread(of, net, V, y, l, 0, n, p, here, 0)  # F2
        if l == 0:
            place(of, net, 0, n, p, here)  # F2
            look(of, kept.z, grids.z, 0, net, XV, 0, 0, p, here, edge)  # F2
        else:
            look(of, kept.rows, grids.rows, l - 1, net, V, l - 1, 0, p, here, edge)  # F2
        beside = spot(grids.beside, l, of, 0, 0)
        clear(of, kept.beside, beside, 0, n)
        own(of, p, here, net, VH, l, 0, kept.beside, beside, edge)  # F3: p W_vh
        if l < L:
            gated(of, p, here, 0, kept.rows, spot(grids.rows, l, of, 0, 0), n // 2)  # F2


@njit(**JIT, **BORROWS)
def _gated(
    of: Pixels, lo_g: int, hi_g: int, tail: bool, net: Net, y: Ids, grids: Grids, kept: Features,
    scratch: Scratch,
) -> None:  # fmt: skip
    """F3, up to the last h, in the working memory."""
    q, here, edge, N = scratch.p, listed(0, of), scratch.edge, grids.z.images
    L, single, n = net.maps[H, LAYERS], of.span == 1, net.maps[O, OUTPUTS]
    m, first, layer = (kept.m, of.lo, N) if single else (scratch.m, 0, 0)
    for l in range(L + 1):
        if l == L and not tail:
            return
        at = listed(first + l * layer, of)
        for g in range(lo_g, hi_g):
            spread(of, net, H, y, l, 2 * g * n, 2 * n, q, here, 2 * g * n)  # F3
            if l == 0:
                look(of, kept.z, grids.z, 0, net, XH, 0, g, q, here, edge)  # F3
            else:
                look(of, kept.h, grids.h, l - 1, net, H, l - 1, g, q, here, edge)  # F3
            beside = spot(grids.beside, l, of, 0, 0)
            add_rows(of, kept.beside, beside, q, here, 2 * g * n, 2 * n)  # F3
            gated(of, q, here, g, m, at, n)  # F3
        to, to_at = (kept.h, spot(grids.h, l, of, 0, 0)) if l < L else (scratch.h, here)
        for g in range(lo_g, hi_g):
            if l == 0:
                clear(of, to, to_at, g * n, n)
            else:
                copy(of, kept.h, spot(grids.h, l - 1, of, 0, 0), to, to_at, g * n, n)
            own(of, m, at, net, O, l, g, to, to_at, edge)  # F3
