"""A layer of PixelRNN: Row LSTM or Diagonal BiLSTM, added to what it reads.

Shapes      x, dx: (N, R, S, F), F = 2H features    a_d: (N, R, S, 4H)    h_d, c_d, m: (N, R, S, H)
            W_i: (n_d, T_i, F, 4H)    W_h: (n_d, T_h, H, 4H)    W_o: (1, H, F)
            b_i: (n_classes, n_d, 4H)    y: labels    n_d: directions, d one of them

            cell      n_d   input's part of a cell              order
            row         1   `left` 3, kind B: T_i = 2             rows
            diagonal    2   1 × 1, kind B                       diagonals, mirrored diagonals

Forward     (F1)  a_d = x W_i^d + b_i,y^d       all pixels at once; chainrule.kernels.masked_conv
            (F2)  h_d = the recurrence over a_d     chainrule.kernels.grid_lstm
            (F3)  m_ij = M ∘ (h_1,ij + h_2,i-1,j)   h_2 of the row above; beyond the image 0
                                                    M: chainrule.kernels.dropout
            (F4)  x' = x + m W_o                    1 × 1, kind B; its bias would be the next map's

            The mirrored direction's h_2,ij knows pixels to the right of (i, j), which come after.
            Moved down by a row they are the row above's, all of which comes before: h_2,i-1,j knows
            pixels (i', j') of i' < i, and no other. M is of m alone: the recurrence hears all of h.

Backward    With x' = x + f(x), dx = dx' + (df/dx)ᵀ dx': one array is both.
            (B1)  dm = dx' W_oᵀ,  dW_o = Σ mᵀ dx'                       undoes F4
            (B2)  dm ∘ M; dh_1 = dm,  dh_2,ij = dm_i+1,j, 0 in the last row     undoes F3
            (B3)  da_d, dW_h^d, fronts in reverse                       undoes F2
            (B4)  dx = dx' + Σ_d da_d W_i^dᵀ,  dW_i^d,  db_i^d          undoes F1

Cost        (n_d (4 T_i F + 4 T_h H) + F) H multiply-adds a pixel forward: 30 H² for `row` and 34 H²
            for `diagonal`; twice that backward. Kept: 8 H numbers a pixel, or 15 H.

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759), sections 3.1 to 3.3, figures 3, 4 and 5; table 1 for the windows.
            Dropout off the recurrent path: Zaremba, Sutskever and Vinyals 2014, "Recurrent Neural
            Network Regularization" (arXiv:1409.2329).
"""

from typing import NamedTuple

from chainrule.engine import arena
from chainrule.engine.arena import New
from chainrule.engine.layers import dropout
from chainrule.engine.layers.dropout import Site
from chainrule.engine.layers.pixels import mapped, mapped_backward
from chainrule.kernels import grid_lstm, masked_conv
from chainrule.kernels.grid_lstm import Fronts
from chainrule.kernels.masked_conv import Window
from chainrule.kernels.types import Array, Ids

CELLS = ("row", "diagonal")


class Cell(NamedTuple):
    """What a cell's input is read from, in which orders cells are worked out, and W_o's window."""

    window: Window
    directions: tuple[Fronts, ...]
    own: Window


class Weights(NamedTuple):
    """A layer's parameters, or their gradients; b_i with its axis of classes in front."""

    W_i: Array
    b_i: Array
    W_h: Array
    W_o: Array


class GridCache(NamedTuple):
    """What `backward` needs from `forward`; gates, h and c of each direction."""

    x: Array
    gates: list[Array]
    h: list[Array]
    c: list[Array]
    m: Array
    site: Site | None


def cell(kind: str, groups: int) -> Cell:
    """Return what there is to say of a cell of CELLS, its features in so many groups."""
    own = masked_conv.raster(1, "B", groups)
    if kind == "row":
        return Cell(masked_conv.left(3, "B", groups), (grid_lstm.rows(groups),), own)
    return Cell(own, (grid_lstm.diagonals(groups), grid_lstm.mirrored(groups)), own)


def forward(
    x: Array, w: Weights, y: Ids, of: Cell, site: Site | None, new: New
) -> tuple[Array, GridCache]:
    """Return x', and the cache for `backward`; no dropout without a site."""
    gates, h, c = [], [], []
    for d, fronts in enumerate(of.directions):
        a = mapped(x, w.W_i[d], w.b_i[:, d], y, of.window, new)  # F1
        shape = *x.shape[:3], a.shape[3] // 4
        h.append(new(shape))
        c.append(new(shape))
        gates.append(a)
        grid_lstm.forward(a, w.W_h[d], fronts, h[d], c[d])  # F2
    m = h[0]
    if len(h) > 1:
        m = new(shape)
        m[:, 0] = h[0][:, 0]
        m[:, 1:] = h[0][:, 1:] + h[1][:, :-1]  # F3
    elif site is not None:
        m = new(shape)
        m[...] = h[0]  # which the backward reads whole
    dropout.of_pixels(m, site)  # F3
    after = new(x.shape)
    after[...] = x
    masked_conv.add(m, w.W_o, of.own, after)  # F4
    return after, GridCache(x, gates, h, c, m, site)


def backward(dx: Array, cache: GridCache, w: Weights, dw: Weights, y: Ids, of: Cell) -> None:
    """Update dx from the layer's output to its input, and overwrite dw; the gates are used up."""
    x, gates, h, c, m, site = cache
    with arena.borrow(dx) as new:
        dm, moved, more = new(m.shape), new(m.shape), new(x.shape)
        masked_conv.add_backward(dx, m, w.W_o, of.own, dm, dw.W_o)  # B1
        dropout.of_pixels(dm, site)  # B2
        for d, fronts in enumerate(of.directions):
            dh = dm
            if d == 1:
                dh = moved
                moved[:, :-1] = dm[:, 1:]  # B2
                moved[:, -1] = 0
            da = gates[d]
            grid_lstm.backward(dh, da, w.W_h[d], fronts, h[d], c[d], da, dw.W_h[d])  # B3
            mapped_backward(da, x, w.W_i[d], y, of.window, more, dw.W_i[d], dw.b_i[:, d])  # B4
            dx += more
