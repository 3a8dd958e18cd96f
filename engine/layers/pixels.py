"""What networks over images share: levels as numbers, masked maps with labels, the top layers.

Shapes      x: (N, R, S, C) levels    h, dh: (N, R, S, F)    s, ds: (N, R, S, C·K)    y: labels
            W_t: (1, F, Q)    W_s: (1, Q, C·K)    b_t: (Q,)    b_s: (n_classes, C·K)
            b_p: (R, S, O), of a map to O features whose pixels have biases of their own

Forward     (F1)  z = 2 x / (levels - 1) - 1                 in [-1, 1]; beyond the image 0, which
                                                             is no level, so that edges are seen
            (F2)  a = b_y + b_p + masked convolution of z or h     b_y: of the image's class; b_p,
                                                             if any: of the pixel, for all images;
                                                             chainrule.kernels.masked_conv
            (F3)  s = relu(relu(h) W_t + b_t) W_s + b_s,y    the top: 1 × 1, kind B

Backward    (B1)  dx = 2 dz / (levels - 1)                   undoes F1
            (B2)  db_c = Σ over images of class c, and over their pixels, of da; db_p = Σ over
                  images of da; the rest is masked_conv's    undoes F2
            With u = relu(h) and t = relu(u W_t + b_t),
            (B3)  dW_s, db_s, dt from ds; 0 where t = 0, the ReLU's slope;
                  dW_t, db_t, du from that; dh = du, 0 where u = 0                undoes F3

Places      A convolution does the same everywhere. Where a pixel is it can tell only from the
            image's edge, as far as layers hand that on. Of centred digits the place says much: b_p
            tells it. Being a constant, it lets no pixel see another.

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759), table 1, for the top. Networks told the place: Chen et al. 2018,
            "PixelSNAIL: An Improved Autoregressive Generative Model" (arXiv:1712.09763), as
            coordinates beside the input; a bias each: ours.
"""

from typing import Any, NamedTuple

from chainrule.engine import classes
from chainrule.engine.arena import New
from chainrule.engine.params import Params
from chainrule.kernels import activation, masked_conv
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_conv import Window
from chainrule.kernels.types import Array, Ids


def scaled(x: Any, levels: int, new: New) -> Array:
    """Return levels as numbers in [-1, 1]; F1."""
    z = new(x.shape)
    z[...] = x
    z *= 2 / (levels - 1)  # F1
    z -= 1
    return z


def unscaled(dz: Array, levels: int) -> Array:
    """Return the gradient in levels, given that in `scaled` ones; B1."""
    dx: Array = 2 / (levels - 1) * dz  # B1
    return dx


def mapped(
    h: Array, W: Array, table: Array, y: Ids, window: Window, new: New, b_p: Array | None = None
) -> Array:
    """Return a of F2; table: (n_classes, O), each class's bias."""
    a = new((*h.shape[:3], W.shape[2]))
    if len(table) == 1:
        masked_conv.forward(h, W, table[0], window, a)  # F2
    else:
        a[...] = classes.rows(table, y, len(h))[:, None, None]
        masked_conv.add(h, W, window, a)  # F2
    if b_p is not None:
        a += b_p  # F2
    return a


def mapped_backward(
    da: Array, h: Array, W: Array, y: Ids, window: Window, dh: Array | None, dW: Array,
    dtable: Array, db_p: Array | None = None,
) -> None:  # fmt: skip
    """Overwrite dW, the biases' gradients and dh, given da = dL/da; B2. dh: None of data."""
    alone = len(dtable) == 1
    if dh is None:
        of_biases = dtable[0] if alone else array_module(da).empty_like(dtable[0])
        masked_conv.weight_gradient(da, h, window, dW, of_biases)
    elif alone:
        masked_conv.backward(da, h, W, window, dh, dW, dtable[0])
    else:
        masked_conv.add_backward(da, h, W, window, dh, dW)
    if not alone:
        classes.add_up(da.sum(axis=(1, 2)), y, dtable)  # B2
    if db_p is not None:
        da.sum(axis=0, out=db_p)  # B2


def rectified(h: Array, new: New) -> Array:
    """Return max(h, 0), an array of its own."""
    u = new(h.shape)
    array_module(h).maximum(h, 0, out=u)
    return u


def slope(u: Array, du: Array) -> None:
    """Update du by ReLU's slope, u what came out of it."""
    activation.backward(activation.RELU, _flat(u), _flat(du))


def rectify(a: Array) -> None:
    """Update a to max(a, 0)."""
    activation.forward(activation.RELU, _flat(a))


def _flat(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1])


class TopWeights(NamedTuple):
    """The top's parameters, or their gradients; the biases with their axis of classes in front."""

    W_t: Array
    b_t: Array
    W_s: Array
    b_s: Array


def top_weights(config: Any, params: Params) -> TopWeights:
    """Return the top's parameters, or gradients, of a model: views."""
    b_s = classes.table(config, params["b_s"])
    return TopWeights(params["W_t"], params["b_t"][None], params["W_s"], b_s)


class TopCache(NamedTuple):
    """What `top_backward` needs from `top`."""

    u: Array
    t: Array


def top(h: Array, w: TopWeights, y: Ids, groups: int, new: New) -> tuple[Array, TopCache]:
    """Return s of F3, and the cache for `top_backward`."""
    window = masked_conv.raster(1, "B", groups)
    u = rectified(h, new)  # F3
    t = mapped(u, w.W_t, w.b_t, y, window, new)
    rectify(t)
    return mapped(t, w.W_s, w.b_s, y, window, new), TopCache(u, t)


def top_backward(
    ds: Array,
    cache: TopCache,
    w: TopWeights,
    dw: TopWeights,
    y: Ids,
    groups: int,
    dh: Array,
    new: New,
) -> None:
    """Overwrite dh and dw, given ds = dL/ds; B3."""
    window = masked_conv.raster(1, "B", groups)
    dt = new(cache.t.shape)  # B3
    mapped_backward(ds, cache.t, w.W_s, y, window, dt, dw.W_s, dw.b_s)
    slope(cache.t, dt)
    mapped_backward(dt, cache.u, w.W_t, y, window, dh, dw.W_t, dw.b_t)
    slope(cache.u, dh)
