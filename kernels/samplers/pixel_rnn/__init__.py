"""Sample from a PixelRNN, channel by channel, each with no more work than its own pixel's features.

Shapes      N images of R rows of S pixels of C channels; H units a cell, L layers of D directions,
            each of T cells seen; K outputs a channel
            u: (N, n) uniforms, x: (N, n) int32 levels, drawn or given: chainrule.kernels.samplers
            low, high: (N, n) int32, the levels that one is chosen of, where none is drawn
            W_x: (taps, C, 2H)   W_i: (L, D, taps, 2H, 4H)   W_h: (L, D, T, H, 4H)
            W_o: (L, 1, H, 2H)   W_t: (1, 2H, 2H)   W_s: (1, 2H, C K)
            b_x: (n_classes, 2H)   b_i: (n_classes, L, D, 4H)   b_t: (1, 2H)
            b_s: (n_classes, C K), n_classes being 1 where all images share them
            b_p: (R, S, 2H), biases of each pixel, or (0, 0, 0)

            cell      D   W_i sees                    W_h sees, the cells of direction d
            row       1   the left pixel, the own     above: left, straight, right       T = 3
            diagonal  2   the own pixel               above, and 1: left, 2: right       T = 2

Memory      as of chainrule.kernels.samplers.pixel_cnn; `Sizes`, too, kernel_size being how many
            pixels of its row W_i looks at, and on its right: 3 of `row`, 1 of `diagonal`

Step t      Channel c of pixel (i, j). `seen` are masked maps (chainrule.kernels.masked_conv), z the
            levels scaled to [-1, 1]; all of it is of this pixel and of the features of group c
            alone; h_1, c_1, h_2, c_2 the states of a layer's directions, beyond the image 0.
            (F1)  x = b_x + b_p + seen(z)
            (F2)  in each layer a = b_i + seen(x) + Σ_p h_1 W_p over the cells that W_h sees, and
                  h_1, c_1 from a and c_1 of the cell above (row) or to the left (diagonal), by the
                  gates of chainrule.kernels.grid_lstm
            (F3)  m = h_1, of `diagonal` plus h_2 of pixel (i - 1, j);   x = x + m W_o
            (F4)  s from x of the last layer, as in chainrule.kernels.samplers.pixel_cnn
            (F5)  the level is drawn or given, as in chainrule.kernels.samplers.pixel_cnn
            (F6)  or it is chosen, as in chainrule.kernels.samplers.pixel_cnn

            Why old features stay as they are: as PixelCNN's, since every map and every cell looks
            at pixels before, and of the own one at groups up to c. h_2 is the exception: of pixel
            (i, j) it is a function of its row's pixels from j on, which come later. F3 reads it of
            the row above, all of which comes before, and F2 reads of h_2 what lies above and to the
            right: the same row and one that is complete. So h_2 of a row is worked out once, when
            the row is complete, from its last pixel to its first, from x of that row, which is kept
            till then, and from h_2 of the row above it.

            What a row's beginning pays for all of its pixels, for then all rows above are known:
            of F1 b_x, b_p and the window's rows above the own one; of F2 b_i and the W_p of cells
            above; all of h_2 of the row above. That leaves a pixel, of F1, its own row; of F2
            seen(x), and of `diagonal` the W_p of the left cell. Nothing else of the past is read.

            What is kept: of x, h and c of each layer the own row and the one above; of F1 and F2
            what the row's beginning has paid; of z all. Of a pixel all of whose channels are given
            nothing is computed that only s would read.

Cost        2 FLOPs for each weight that is not hidden, a pixel and image: a pass over R S pixels
            costs as much as one pass of the whole network, where recomputing it for every channel
            is R S C times as much. What a pixel costs does not grow with the pixels before it, but
            for the first window's rows, of which the first rows of the image see fewer. Of them
            only what is inside the image is multiplied, in pieces of a tile's height of pixels.
            Memory: (4 (D + 2) L + 2) S H + R C (S + k) numbers an image, k the first kernel's size,
            and a few pixels' features.

Source      Ramachandran et al. 2017, "Fast Generation for Convolutional Autoregressive Models"
            (arXiv:1704.06001), for features that are kept; the layers: van den Oord, Kalchbrenner
            and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks" (arXiv:1601.06759). When which
            direction can be worked out, and what a row's beginning pays: ours.

`reference` (NumPy) recomputes everything for every channel; `cpu` draws the same levels but where a
uniform falls within rounding of a boundary. There is no `cuda`: on a device PixelRNN asks
chainrule.kernels.grid_lstm and chainrule.kernels.linear pixel by pixel, with the same memory.
"""

from typing import NamedTuple

from chainrule.kernels.dispatch import select
from chainrule.kernels.samplers.pixel_cnn import Memory, Sizes
from chainrule.kernels.types import Array, Ids

__all__ = ["Memory", "Sizes", "Weights", "choose", "extend", "peek"]


class Weights(NamedTuple):
    """The parameters, shaped as above."""

    W_x: Array
    W_i: Array
    W_h: Array
    W_o: Array
    W_t: Array
    W_s: Array
    b_x: Array
    b_i: Array
    b_t: Array
    b_s: Array
    b_p: Array

    @property
    def diagonal(self) -> bool:
        """Whether cells have two directions, of diagonals, or one, of rows."""
        return bool(self.W_h.shape[1] == 2)


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """Update x and the memory by draws, where u ≥ 0, and given levels, x's where u < 0; F1-F5.

    at: how many channels of each image are known so far. Calls with pieces of u and x do what one
    call does.
    """
    op = select(__name__, u, *weights, memory.x, memory.y, x)
    op.extend(u, weights, sizes, at, memory, x)


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """Overwrite x by the likeliest of levels low … high, and update the memory; F1-F4, F6.

    low, high: (N, n) int32, 0 ≤ low ≤ high < levels; where they are equal the level is given.
    """
    op = select(__name__, low, high, *weights, memory.x, memory.y, x)
    op.choose(low, high, weights, sizes, at, memory, x)


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """Overwrite s, (N, K), by the outputs of every image's next channel, F1-F4; nothing moves."""
    select(__name__, *weights, memory.x, memory.y, s).peek(weights, sizes, at, memory, s)
