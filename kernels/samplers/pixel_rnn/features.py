"""Features of pixels, F1-F4: of one pixel of every image and some groups, lo_g … hi_g - 1.

tail: whether s will be wanted of the pixel: else what only s would read is left out.
"""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.lstm.cpu import cell
from chainrule.kernels.samplers.pixel_cnn.features import top
from chainrule.kernels.samplers.pixel_cnn.panels import (
    FIRST_RUN,
    LAYERS,
    OUTPUTS,
    RUNS,
    H,
    I,
    Net,
    O,
    V,
    X,
)
from chainrule.kernels.samplers.pixel_cnn.products import (
    PixelRows,
    Pixels,
    add_rows,
    clear,
    copy,
    listed,
    look,
    multiply_part,
    own,
    place,
    spot,
    spread,
)
from chainrule.kernels.samplers.pixel_rnn.memory import Scratch, StateGrids, States
from chainrule.kernels.tiles import at_once, row
from chainrule.kernels.types import Array, Ids


@njit(**JIT, **BORROWS)
def begin_row(
    of: Pixels, net: Net, y: Ids, C: int, grids: StateGrids, kept: States, scratch: Scratch
) -> None:
    """Work out what all pixels of a row, `of`, have of the rows above it."""
    _first_above(of, net, y, C, grids, kept, scratch)
    L = net.maps[O, LAYERS]
    for l in range(L):
        d = l * (net.maps[V, LAYERS] // L)
        if net.maps[H, LAYERS] > 0 and of.i > 0:
            above = Pixels(of.lo, of.n, of.i - 1, 0, of.span)
            _mirrored(above, l, d + 1, net, y, C, grids, kept, scratch)
        _from_above(of, d, net, y, grids, kept, kept.above, spot(grids.own, l, of, 0, 0), scratch)


@njit(**JIT, **BORROWS)
def compute(
    of: Pixels, lo_g: int, hi_g: int, tail: bool, net: Net, y: Ids, C: int, grids: StateGrids,
    kept: States, scratch: Scratch,
) -> None:  # fmt: skip
    """Compute a pixel's features after `begin_row`."""
    here, L, wide = listed(0, of), net.maps[O, LAYERS], net.maps[X, OUTPUTS]
    if L == 0 and not tail:
        return
    x, at = (kept.x, spot(grids.pair, 0, of, 0, 0)) if L > 0 else (scratch.h, here)
    for g in range(lo_g, hi_g):
        copy(of, kept.first, spot(grids.own, 0, of, 0, 0), x, at, g * wide, wide)  # F1
        _own_row(of, g, C, net, grids, kept, x, at, scratch)
    for l in range(L):
        _cell(of, l, lo_g, hi_g, net, C, grids, kept, scratch)
        if l == L - 1 and not tail:
            return
        to, to_at = (kept.x, spot(grids.pair, l + 1, of, 0, 0)) if l < L - 1 else (scratch.h, here)
        m_at = listed(l * grids.z.images + of.lo, of)
        for g in range(lo_g, hi_g):
            copy(of, kept.x, spot(grids.pair, l, of, 0, 0), to, to_at, g * wide, wide)  # F3
            own(of, kept.m, m_at, net, O, l, g, to, to_at, scratch.edge)  # F3
    if tail:
        top(of, lo_g, hi_g, net, y, grids, kept, scratch)  # F4


@njit(**JIT, **BORROWS)
def _first_above(
    of: Pixels, net: Net, y: Ids, C: int, grids: StateGrids, kept: States, scratch: Scratch
) -> None:
    """F1 of a row's pixels but for what they see of their own row."""
    whole, S, n = spot(grids.own, 0, of, 0, 0), of.span, net.maps[X, RUNS] - 1
    wide = net.maps[X, OUTPUTS]
    spread(of, net, X, y, 0, 0, C * wide, kept.first, whole, 0)  # F1
    place(of, net, 0, C * wide, kept.first, whole)  # F1
    for run in range(n):
        u = net.runs[net.maps[X, FIRST_RUN] + run, 0]
        for g in range(C if of.i + u >= 0 else 0):
            j = 0
            while j < S:
                piece = Pixels(of.lo, of.n, of.i, j, at_once(S - j))
                _look_inside(piece, run, g, S, C, net, grids, kept, scratch)
                j += piece.span


@njit(**JIT, **BORROWS)
def _look_inside(
    of: Pixels, run: int, g: int, S: int, C: int, net: Net, grids: StateGrids, kept: States,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Add to `first` a run of the first map, but for what is beyond the image for all of `of`."""
    line = net.maps[X, FIRST_RUN] + g * net.maps[X, RUNS] + run
    u, begin, n = net.runs[line, 0], net.runs[line, 1], net.runs[line, 2] // C
    v, end = max(begin, -(of.j + of.span - 1)), min(begin + n, S - of.j)
    x_at, to = spot(grids.z, 0, of, u, v), spot(grids.own, 0, of, 0, 0)
    column, k, n = g * net.maps[X, OUTPUTS], net.runs[line, 3] + (v - begin) * C, (end - v) * C
    multiply_part(  # F1
        of, kept.z, x_at, net, X, 0, g, k, n, kept.first, to, column, scratch.edge
    )


@njit(**JIT, **BORROWS)
def _own_row(
    of: Pixels, g: int, C: int, net: Net, grids: StateGrids, kept: States, x: Array, at: PixelRows,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Add to x what group g of a pixel sees of its own row, the window's last run."""
    line = net.maps[X, FIRST_RUN] + (g + 1) * net.maps[X, RUNS] - 1
    begin, n = net.runs[line, 1], net.runs[line, 2]
    v = max(begin, -of.j)
    skipped = (v - begin) * C  # beyond the image
    k, z_at = net.runs[line, 3] + skipped, spot(grids.z, 0, of, 0, v)
    column = g * net.maps[X, OUTPUTS]
    multiply_part(  # F1
        of, kept.z, z_at, net, X, 0, g, k, n - skipped, x, at, column, scratch.edge
    )


@njit(**JIT, **BORROWS)
def _from_above(
    of: Pixels, d: int, net: Net, y: Ids, grids: StateGrids, kept: States, out: Array,
    at: PixelRows, scratch: Scratch,
) -> None:  # fmt: skip
    """Overwrite out by b_i and what cells above give to those of a row; d: of all directions."""
    spread(of, net, I, y, d, 0, out.shape[1], out, at, 0)  # F2
    look(of, kept.h, grids.pair, d, net, V, d, 0, out, at, scratch.edge)  # F2


@njit(**JIT, **BORROWS)
def _mirrored(
    of: Pixels, l: int, d: int, net: Net, y: Ids, C: int, grids: StateGrids, kept: States,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Work out h_2 and c_2 of layer l's complete row, from right to left; d: of all directions."""
    a, here, S = scratch.a, listed(0, of), of.span
    _from_above(of, d, net, y, grids, kept, scratch.p, here, scratch)
    clear(of, a, here, 0, a.shape[1])
    for g in range(C):
        own(of, kept.x, spot(grids.pair, l, of, 0, 0), net, I, d, g, a, here, scratch.edge)  # F2
    for j in range(S - 1, -1, -1):
        one, at = Pixels(of.lo, of.n, of.i, j, 1), PixelRows(j, S, S)
        right = spot(grids.pair, d, one, 0, 1)
        for g in range(C):
            own(one, kept.h, right, net, H, d, g, a, at, scratch.edge)  # F2
        _gates(one, 0, C, C, scratch.p, at, a, at, right, spot(grids.pair, d, one, 0, 0), kept)


@njit(**JIT, **BORROWS)
def _cell(
    of: Pixels, l: int, lo_g: int, hi_g: int, net: Net, C: int, grids: StateGrids, kept: States,
    scratch: Scratch,
) -> None:  # fmt: skip
    """F2 and F3's m of layer l at a pixel."""
    a, here, n, diagonal = scratch.a, listed(0, of), net.maps[I, OUTPUTS], net.maps[H, LAYERS] > 0
    d, w = l * (2 if diagonal else 1), kept.h.shape[1] // C
    before = spot(grids.pair, d, of, 0, -1) if diagonal else spot(grids.pair, d, of, -1, 0)
    at = spot(grids.pair, d, of, 0, 0)
    clear(of, a, here, lo_g * n, (hi_g - lo_g) * n)
    for g in range(lo_g, hi_g):
        look(of, kept.x, grids.pair, l, net, I, d, g, a, here, scratch.edge)  # F2
        if diagonal:
            own(of, kept.h, before, net, H, d, g, a, here, scratch.edge)  # F2
    _gates(of, lo_g, hi_g, C, kept.above, spot(grids.own, l, of, 0, 0), a, here, before, at, kept)
    m_at, some = listed(l * grids.z.images + of.lo, of), (hi_g - lo_g) * w
    copy(of, kept.h, at, kept.m, m_at, lo_g * w, some)  # F3
    if diagonal:
        add_rows(of, kept.h, spot(grids.pair, d + 1, of, -1, 0), kept.m, m_at, lo_g * w, some)  # F3


@njit(**JIT, **BORROWS)
def _gates(
    of: Pixels, lo_g: int, hi_g: int, C: int, p: Array, p_at: PixelRows, a: Array, a_at: PixelRows,
    before: PixelRows, at: PixelRows, kept: States,
) -> None:  # fmt: skip
    """Overwrite groups of h and c of a pixel of every image, F2's a being a + p; a is used up."""
    w = kept.h.shape[1] // C
    for r in range(of.n):
        p_r, a_r = row(p, p_at.at + r * p_at.inner), row(a, a_at.at + r * a_at.inner)
        c_before = row(kept.c, before.at + r * before.inner)
        c, h = row(kept.c, at.at + r * at.inner), row(kept.h, at.at + r * at.inner)
        for g in range(lo_g, hi_g):
            units, four = slice(g * w, g * w + w), slice(4 * g * w, 4 * g * w + 4 * w)
            cell(p_r[four], a_r[four], c_before[units], c[units], h[units])  # F2
