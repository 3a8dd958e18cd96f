"""Masked convolution: each pixel's features from the pixels before it, and only those multiplied.

Shapes      x, dx: (N, R, S, C)    y, dy: (N, R, S, O)    W: (T, C, O)    b: (O,)

            N images of R rows of S pixels, C and O features each. The window, by
            `chainrule.kernels.masked_conv.windows`, has T visible pixels, taps, at distances
            (u_t, v_t), rows and columns; W_t is the matrix of one of them. No other entries of a
            k × k kernel are stored: of 3 × 3, kind B, 5 of 9, of 7 × 7, kind A, 24 of 49.

Groups      In a colour image a pixel's channels have an order too, red, green, blue, and features
            come in as many groups: group g is that of channel g, and knows nothing of a later one.
            All taps but the pixel itself lie in the past whole (in `full` windows, anywhere). Of
            the pixel itself, output o sees the first seen_o input features, those of groups up to
            its own, or (strict) below it: W_t there is a staircase, whose hidden entries are
            neither read nor ever changed.

Forward     (F1)  y_nij = b + Σ_t x_{n, i+u_t, j+v_t} W_t          0 beyond the image

Backward    Let G = dL/dy. Entry (c, o) of W_t enters every pixel's output o once, times
            x_{i+u_t, j+v_t, c}; where that pixel is beyond the image it is 0. So, by tap,
            (B1)  dW_t = Σ_nij x_{n, i+u_t, j+v_t}ᵀ G_nij                       undoes F1
                  and exactly 0 where W_t is hidden
            (B2)  db   = Σ_nij G_nij                                            undoes F1
            x_nij enters the output of every pixel (i', j') that sees it: i = i' + u_t, j = j' + v_t
            for some t, that is (i', j') = (i - u_t, j - v_t), if that is in the image. So
            (B3)  dx_nij = Σ_t G_{n, i-u_t, j-v_t} W_tᵀ                         undoes F1
                  a convolution too, of the mirrored window with transposed weights

Why so      Let the window of every layer look at pixels before the own one in raster order, and
            from the second layer on at the own one too (kind B); the first leaves it out (kind A).
            Then features of pixel q depend on x_<q alone: by induction, features of the first layer
            do, and a feature of a later layer is a function of features of pixels r ≤ q, which
            depend on x_<r, and x_<r is a part of x_<q. So a softmax over pixel q's features is
            p(x_q | x_<q), all factors of p(x) = Π_q p(x_q | x_<q) in one pass.

            With groups the same holds for pairs (q, g), pixel and channel, in lexicographic order:
            features of group g at q depend on x_<q and on channels below g of x_q. Of the first
            layer: taps in the past see whole pixels before q, and the pixel itself is seen strictly
            below g. Of a later one: taps in the past see features of pixels r < q, of any group,
            which depend on x_<r and channels of x_r, all before q; at q itself groups h ≤ g are
            seen, which depend on channels below h ≤ g. What reads red, green and blue from the last
            features' groups is therefore p(red | x_<q), p(green | x_<q, red) and
            p(blue | x_<q, red, green).

Cost        2 N R S T C O FLOPs for F1, as many for B1 and for B3; a dense k × k kernel times a mask
            takes k² / T times as many. Memory: x, y and W read or written once, if rows of the
            image stay in the caches while the taps pass over them.

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759), sections 3.4 and 3.5, for masks and groups; van den Oord et al.
            2016, "Conditional Image Generation with PixelCNN Decoders" (arXiv:1606.05328), section
            2.2, for the two stacks without a blind spot, windows `above` and `left`.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.masked_conv.windows import Window, above, full, left, raster
from chainrule.kernels.types import Array

__all__ = [
    "Window", "above", "add", "add_backward", "backward", "forward", "full", "left", "raster",
    "weight_gradient",
]  # fmt: skip


def forward(x: Array, W: Array, b: Array, window: Window, y: Array) -> None:
    """Overwrite y by F1."""
    select(__name__, x, W, b, y).forward(x, W, b, window, y)


def add(x: Array, W: Array, window: Window, y: Array) -> None:
    """Update y: add F1 without b."""
    select(__name__, x, W, y).add(x, W, window, y)


def backward(
    dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array, db: Array
) -> None:
    """Overwrite dW, db and dx by B1, B2 and B3, given dy = dL/dy."""
    select(__name__, dy, x, W, dx, dW, db).backward(dy, x, W, window, dx, dW, db)


def weight_gradient(dy: Array, x: Array, window: Window, dW: Array, db: Array) -> None:
    """Overwrite dW and db by B1 and B2: of a layer whose inputs are data."""
    select(__name__, dy, x, dW, db).weight_gradient(dy, x, window, dW, db)


def add_backward(dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array) -> None:
    """Overwrite dW and dx by B1 and B3: what undoes `add`."""
    select(__name__, dy, x, W, dx, dW).add_backward(dy, x, W, window, dx, dW)
