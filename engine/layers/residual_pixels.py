"""PixelCNN's residual block: 1 × 1 to half the features, a masked 3 × 3, 1 × 1 back, and added.

Shapes      h, dh: (N, R, S, 2F)    a, m: (N, R, S, F)    y: labels
            W_i: (1, 2F, F)   b_i: (F,)   W_m: (T, F, F)   b_m: (n_classes, F)   W_o: (1, F, 2F)

Forward     (F1)  u  = relu(h)
            (F2)  a  = relu(u W_i + b_i)                1 × 1, kind B
            (F3)  m  = M ∘ relu(a W_m + b_m,y)          k × k, kind B; M: chainrule.kernels.dropout
            (F4)  h' = h + m W_o                        1 × 1, kind B, without a bias

Backward    With h' = h + f(h), dh = dh' + (df/dh)ᵀ dh': one array is both, and what comes back
            through the branch is added to it.
            (B1)  dm = dh' W_oᵀ,  dW_o = Σ mᵀ dh'       undoes F4
            (B2)  dm ∘ M, 0 where m = 0; da, dW_m, db_m undoes F3
            (B3)  da = 0 where a = 0; du, dW_i, db_i    undoes F2
            (B4)  dh = dh' + du where h > 0             undoes F1
            Each map's own gradients stand with chainrule.kernels.masked_conv.

Cost        (4 + T) F² multiply-adds a pixel forward, T F² of them the masked map's; twice that
            backward. Kept: 4 F numbers a pixel.

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759), figure 5.
"""

from typing import NamedTuple

from chainrule.engine import arena
from chainrule.engine.arena import New
from chainrule.engine.layers import dropout
from chainrule.engine.layers.dropout import Site
from chainrule.engine.layers.pixels import mapped, mapped_backward, rectified, rectify, slope
from chainrule.kernels import masked_conv
from chainrule.kernels.masked_conv import Window
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """A block's parameters, or their gradients; b_i and b_m with the axis of classes in front."""

    W_i: Array
    b_i: Array
    W_m: Array
    b_m: Array
    W_o: Array


class ResidualCache(NamedTuple):
    """What `backward` needs from `forward`."""

    u: Array
    a: Array
    m: Array
    site: Site | None


def forward(
    h: Array, w: Weights, y: Ids, window: Window, site: Site | None, new: New
) -> ResidualCache:
    """Update h by the block, and return the cache for `backward`."""
    own = masked_conv.raster(1, "B", window.groups)
    u = rectified(h, new)  # F1
    a = mapped(u, w.W_i, w.b_i, y, own, new)  # F2
    rectify(a)
    m = mapped(a, w.W_m, w.b_m, y, window, new)  # F3
    rectify(m)
    dropout.of_pixels(m, site)
    masked_conv.add(m, w.W_o, own, h)  # F4
    return ResidualCache(u, a, m, site)


def backward(
    dh: Array, cache: ResidualCache, w: Weights, dw: Weights, y: Ids, window: Window
) -> None:
    """Update dh from the block's output to its input, and overwrite dw."""
    own, (u, a, m, site) = masked_conv.raster(1, "B", window.groups), cache
    with arena.borrow(dh) as new:
        dm, da, du = new(m.shape), new(a.shape), new(u.shape)
        masked_conv.add_backward(dh, m, w.W_o, own, dm, dw.W_o)  # B1
        dropout.of_pixels(dm, site)  # B2
        slope(m, dm)
        mapped_backward(dm, a, w.W_m, y, window, da, dw.W_m, dw.b_m)
        slope(a, da)  # B3
        mapped_backward(da, u, w.W_i, y, own, du, dw.W_i, dw.b_i)
        slope(u, du)  # B4
        dh += du
