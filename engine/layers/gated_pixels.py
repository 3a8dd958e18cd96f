"""The gated PixelCNN's layer: a stack of features of the rows above, and one of the own row.

Shapes      v, dv, h, dh: (N, R, S, F), or levels in the first layer    p, q: (N, R, S, 2F)
            W_v: (T_v, F, 2F)    W_h: (T_h, F, 2F)    W_vh: (1, 2F, 2F)    W_o: (1, F, F)
            b_v, b_h: (n_classes, 2F)    y: labels
            b_p: (R, S, 2F), of each pixel, in the first layer, if any

A k × k raster window does not see what lies above and to the right beyond its corner, and stacked
windows never do: a blind spot. Here two stacks share the past, and none of it is lost:

Forward     (F1)  p  = v W_v + b_v,y + b_p              window `above`: rows above, a full rectangle
            (F2)  q  = h W_h + b_h,y + p W_vh           window `left`, and 1 × 1
            (F3)  v' = tanh(p₁) ∘ σ(p₂)                 chainrule.kernels.gate
            (F4)  g  = M ∘ tanh(q₁) ∘ σ(q₂)             M: chainrule.kernels.dropout
            (F5)  h' = h + g W_o                        in the first layer g W_o alone

            v of row i knows rows above i: the first layer's window leaves out the own row (kind A),
            so later layers may look at v's own row. So p may go straight to h of the same pixel;
            the other way nothing goes, as h knows pixels of the own row.

Backward    dv' is 0, and F3 left out, in the last layer, whose v' nobody reads.
            (B1)  dg = dh' W_oᵀ,  dW_o = Σ gᵀ dh'                       undoes F5
            (B2)  dq by the gate's backward, of dg ∘ M                  undoes F4
            (B3)  dp by the gate's backward, of dv'                     undoes F3
            (B4)  dp += dq W_vhᵀ,  dW_vh = Σ pᵀ dq
                  dh = dh' + dq W_hᵀ,  dW_h, db_h                       undoes F2
            (B5)  dv = dp W_vᵀ,  dW_v, db_v, db_p                       undoes F1

Cost        (2 T_v + 2 T_h + 5) F² multiply-adds a pixel forward, twice that backward. Kept: 7 F
            numbers a pixel.

Source      van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders",
            arXiv:1606.05328, section 2 and figure 2.
"""

from typing import NamedTuple

from chainrule.engine import arena
from chainrule.engine.arena import New
from chainrule.engine.layers import dropout
from chainrule.engine.layers.dropout import Site
from chainrule.engine.layers.pixels import mapped, mapped_backward
from chainrule.kernels import gate, masked_conv
from chainrule.kernels.masked_conv import Window
from chainrule.kernels.types import Array, Ids


class Weights(NamedTuple):
    """A layer's parameters, or their gradients; biases with the axis of classes in front."""

    W_v: Array
    b_v: Array
    W_h: Array
    b_h: Array
    W_vh: Array
    W_o: Array


class Stacks(NamedTuple):
    """What a layer's two stacks see, and what two features of one pixel see of each other."""

    above: Window
    left: Window
    own: Window  # of h: groups of colours
    whole: Window  # of p: all of it lies in the past


class GatedCache(NamedTuple):
    """What `backward` needs from `forward`."""

    v: Array
    h: Array
    p: Array
    q: Array
    g: Array
    site: Site | None


def windows(k: int, kind: str, groups: int) -> Stacks:
    """Return a layer's windows, of kernels of size k; kind A for the first."""
    own, whole = masked_conv.raster(1, "B", groups), masked_conv.raster(1, "B")
    return Stacks(masked_conv.above(k, kind), masked_conv.left(k, kind, groups), own, whole)


def forward(
    v: Array, h: Array, w: Weights, y: Ids, see: Stacks, site: Site | None, new: New,
    first: bool = False, last: bool = False, b_p: Array | None = None,
) -> tuple[Array, Array, GatedCache]:  # fmt: skip
    """Return v' and h', and the cache for `backward`; v' of the last layer is v."""
    p = mapped(v, w.W_v, w.b_v, y, see.above, new, b_p)  # F1
    q = mapped(h, w.W_h, w.b_h, y, see.left, new)  # F2
    masked_conv.add(p, w.W_vh, see.whole, q)
    v_next = v if last else _gated(p, 1, new)  # F3
    g = _gated(q, see.own.groups, new)  # F4
    dropout.of_pixels(g, site)
    h_next = new(g.shape)
    h_next[...] = 0 if first else h
    masked_conv.add(g, w.W_o, see.own, h_next)  # F5
    return v_next, h_next, GatedCache(v, h, p, q, g, site)


def backward(
    dv: Array, dh: Array, cache: GatedCache, w: Weights, dw: Weights, y: Ids, see: Stacks,
    last: bool = False,
) -> None:  # fmt: skip
    """Update dv and dh from the layer's outputs to its inputs, and overwrite dw.

    last: dv is not read, only written.
    """
    with arena.borrow(dh) as new:
        dp, dq = _sums_gradient(dv, dh, cache, w, dw, see, last, new)
        more = new(dh.shape)
        mapped_backward(dq, cache.h, w.W_h, y, see.left, more, dw.W_h, dw.b_h)  # B4
        dh += more
        mapped_backward(dp, cache.v, w.W_v, y, see.above, dv, dw.W_v, dw.b_v)  # B5


def first_backward(
    dv: Array, dh: Array, cache: GatedCache, w: Weights, dw: Weights, y: Ids, see: Stacks,
    last: bool, dz: Array | None, db_p: Array | None = None,
) -> None:  # fmt: skip
    """Overwrite dw, of the first layer, and dz, where it is wanted: the gradient in its input."""
    with arena.borrow(dh) as new:
        dp, dq = _sums_gradient(dv, dh, cache, w, dw, see, last, new)
        more = None if dz is None else new(dz.shape)
        mapped_backward(dq, cache.h, w.W_h, y, see.left, dz, dw.W_h, dw.b_h)  # B4
        mapped_backward(dp, cache.v, w.W_v, y, see.above, more, dw.W_v, dw.b_v, db_p)  # B5
        if dz is not None and more is not None:
            dz += more


def _sums_gradient(
    dv: Array,
    dh: Array,
    cache: GatedCache,
    w: Weights,
    dw: Weights,
    see: Stacks,
    last: bool,
    new: New,
) -> tuple[Array, Array]:
    """Return dp and dq; overwrite dW_o and dW_vh."""
    _, _, p, q, g, site = cache
    dp, dq, dg = new(p.shape), new(q.shape), new(g.shape)
    masked_conv.add_backward(dh, g, w.W_o, see.own, dg, dw.W_o)  # B1
    dropout.of_pixels(dg, site)
    _gate_backward(dg, q, see.own.groups, dq)  # B2
    masked_conv.add_backward(dq, p, w.W_vh, see.whole, dp, dw.W_vh)  # B4
    if not last:
        through = new(p.shape)
        _gate_backward(dv, p, 1, through)  # B3
        dp += through
    return dp, dq


def _gated(a: Array, groups: int, new: New) -> Array:
    out = new((*a.shape[:3], a.shape[3] // 2))
    gate.forward(_rows(a), groups, _rows(out))
    return out


def _gate_backward(dy: Array, a: Array, groups: int, da: Array) -> None:
    gate.backward(_rows(dy), _rows(a), groups, _rows(da))


def _rows(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1])
