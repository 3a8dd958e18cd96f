"""An LSTM over the pixels of an image: a cell for each, whose past is cells of the image.

Shapes      a, gates, da: (N, R, S, 4H)    h, c, dh: (N, R, S, H)    W, dW: (T, H, 4H)

            N images of R rows of S pixels. a is the input's part of every cell, which the caller
            works out for all at once. Contiguous. By `chainrule.kernels.grid_lstm.fronts` a cell
            sees T others, at distances (u_p, v_p), rows and columns; W_p is the matrix of one of
            them. What lies beyond the image is 0, of h and of c.

            rows        T = 3, the nearest three above        c comes from (-1, 0), above
            diagonals   T = 2, above and to the left          c comes from (0, -1), the left
            mirrored    T = 2, above and to the right         c comes from (0, 1), the right

Groups      In a colour image features come in groups, of which a later one may know what an earlier
            one must not (`chainrule.kernels.masked_conv`). The last axis of a is cut into groups
            first, each of them into the gates i, f, g, o, so that a group of a is as contiguous as
            masked convolution makes it; h and c are cut into groups alike. Gates of a group make
            that group of c and of h, and no other. W is whole: the cells that it is multiplied
            with are other pixels', of the past in all their groups.

Forward     For a pixel q, front by front; the cell before, q' = q + (u, v), of c's distance:
            (F1)  a_q += Σ_p h_{q + (u_p, v_p)} W_p
            (F2)  i_q = σ(a_i)   f_q = σ(a_f)   g_q = tanh(a_g)   o_q = σ(a_o)    of each group
            (F3)  c_q = f_q ∘ c_{q'} + i_q ∘ g_q
            (F4)  h_q = o_q ∘ tanh(c_q)

            The activated gates replace a, which nothing needs again: `gates` below.

Backward    Let δ_q = dL/dh_q and ε_q = dL/dc_q along every path. h_q enters F1 of those cells of
            which it is tap p, q - (u_p, v_p), all of them in the next front; c_q enters F3 of one,
            q⁺ = q - (u, v). So, fronts in reverse, and what is beyond the image 0:
            (B1)  δ_q = dh_q + Σ_p da_{q - (u_p, v_p)} W_pᵀ                  undoes F1
            (B2)  do  = δ_q ∘ tanh(c_q)                                      undoes F4
                  ε_q = f_{q⁺} ∘ ε_{q⁺} + δ_q ∘ o_q ∘ (1 - tanh²(c_q))       undoes F3 of q⁺, and F4
            (B3)  di  = ε_q ∘ g_q    df = ε_q ∘ c_{q'}    dg = ε_q ∘ i_q     undoes F3
            (B4)  da_i = di ∘ i_q (1 - i_q)    da_f, da_o alike              undoes F2
                  da_g = dg ∘ (1 - g_q²)
            (B5)  dW_p = Σ_q h_{q + (u_p, v_p)}ᵀ da_q                        undoes F1 of every cell

Skewing     A front of `diagonals` is a column of the skewed map, whose row k is the image's moved
            right by k. There pixel (k, l - k) is entry (k, l), the one above it (k - 1, l - 1) and
            the one to its left (k, l - 1): a convolution of 2 × 1 over the column before. Moving
            numbers about is linear, and its gradient moves them back; so where (k, l) is read as
            (k, l - k) instead, in F1 as in B1, no map is skewed, and neither is a gradient.

            The second direction reads a mirrored image, (k, S - 1 - l). Its cell at (k, l) knows
            pixels (k, l' ≥ l), which are not in the past. Those of the row above it are, so that
            h_{k-1, l} may be told to pixel (k, l): the caller moves its map down by one row.

Cost        8 T·N·R·S·H² FLOPs forward, twice that backward; N·R·S·H exponentials: 5 forward, and
            with tanh(c_q) a sixth backward; in R fronts of N·S cells that wait for each other, or
            R + S - 1 of N·min(R, S) at most. Beside W, counted as in `kernels.lstm`, in N·R·S·H
            bytes: forward 40 (a 16 read, gates 16, h 4, c 4 written), backward 44 (gates 16, c 4,
            dh 4, h 4 read, da 16 written), B5 front by front; at the end, as on a GPU, it reads da
            again.

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759), sections 3.1 and 3.2; its gates are (o, f, i, g), and no c is
            convolved. Gradients of a cell as in `kernels.lstm`.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.grid_lstm.fronts import Fronts, diagonals, mirrored, rows
from chainrule.kernels.types import Array

__all__ = ["Fronts", "backward", "diagonals", "forward", "mirrored", "pixel", "rows"]


def forward(a: Array, W: Array, fronts: Fronts, h: Array, c: Array) -> None:
    """Overwrite h and c, and a by the gates; F1-F4.

    Raises:
        ValueError: a W of another shape, or groups of unequal size.
    """
    op = select(__name__, a, W, h, c)
    fronts.check(W, h.shape[3])
    op.forward(a, W, fronts, h, c)


def pixel(a: Array, W: Array, fronts: Fronts, i: int, j: int, h: Array, c: Array) -> None:
    """Overwrite h and c at pixel (i, j), given the cells that it sees; F1-F4.

    a: (N, 4H), of that pixel, overwritten by the gates. Raises as `forward`.
    """
    op = select(__name__, a, W, h, c)
    fronts.check(W, h.shape[3])
    op.pixel(a, W, fronts, i, j, h, c)


def backward(
    dh: Array, gates: Array, W: Array, fronts: Fronts, h: Array, c: Array, da: Array, dW: Array
) -> None:
    """Overwrite da and dW by the gradients of a and W; B1-B5.

    da may be gates itself. Raises as `forward`.
    """
    op = select(__name__, dh, gates, W, h, c, da, dW)
    fronts.check(W, h.shape[3])
    op.backward(dh, gates, W, fronts, h, c, da, dW)
