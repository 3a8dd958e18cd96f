"""Layers over pixels: every gradient against finite differences, with a random upstream gradient.

Weights that a window hides are random too: they must be neither read nor moved.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import agree

from chainrule.engine import arena
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import gated_pixels, pixels, residual_pixels
from chainrule.engine.layers.dropout import Site
from chainrule.engine.noise import Noise
from chainrule.kernels import masked_conv, use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

N, R, S = 2, 3, 2
SITE = Site(0.4, Noise(seed=3, step=5, row=7), number=2)
# groups of colours, classes, and where numbers are dropped
KINDS = {"plain": (1, 1, None), "labels": (1, 3, SITE), "colours": (3, 2, SITE)}
every_kind = pytest.mark.parametrize(("groups", "n_classes", "site"), KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def draw(rng, *shape):
    return rng.normal(size=shape)


def labels(n_classes):
    return np.array([n_classes - 1, 0], np.int32) if n_classes > 1 else np.empty(0, np.int32)


def nan_like(weights):
    return type(weights)(*(np.full_like(W, np.nan) for W in weights))


def check(loss, weights, gradients, windows):
    """Hold every parameter's gradient against slopes; hidden entries are exactly 0 in both."""
    for name, W, dW in zip(weights._fields, weights, gradients, strict=True):
        agree(dW, numeric_grad(loss, W), name)
        if name in windows:
            hidden = ~windows[name].mask(*W.shape[1:])
            assert_array_equal(dW[hidden], 0, err_msg=name)


@every_kind
def test_residual_block(groups, n_classes, site, rng):
    F, window = 3, masked_conv.raster(3, "B", groups)
    own, y = masked_conv.raster(1, "B", groups), labels(n_classes)
    w = residual_pixels.Weights(
        draw(rng, 1, 2 * F, F), draw(rng, 1, F), draw(rng, 5, F, F), draw(rng, n_classes, F),
        draw(rng, 1, F, 2 * F),
    )  # fmt: skip
    h, upstream = draw(rng, 2, N, R, S, 2 * F)

    def loss():
        out = h.copy()
        with arena.borrow(h) as new:
            residual_pixels.forward(out, w, y, window, site, new)
        return float((out * upstream).sum())

    dh, dw = upstream.copy(), nan_like(w)
    with arena.borrow(h) as new:
        cache = residual_pixels.forward(h.copy(), w, y, window, site, new)
        residual_pixels.backward(dh, cache, w, dw, y, window)
    check(loss, w, dw, {"W_i": own, "W_m": window, "W_o": own})
    agree(dh, numeric_grad(loss, h), "h")


@every_kind
@pytest.mark.parametrize("last", [False, True])
def test_gated_layer(groups, n_classes, site, last, rng):
    F, see, y = 3, gated_pixels.windows(3, "B", groups), labels(n_classes)
    w = gated_weights(rng, see, F, F, n_classes)
    v, h, dv, dh = draw(rng, 4, N, R, S, F)

    def loss():
        with arena.borrow(h) as new:
            out_v, out_h, _ = gated_pixels.forward(v, h, w, y, see, site, new, last=last)
            return float((out_h * dh).sum() + (0 if last else (out_v * dv).sum()))

    got_v, got_h, dw = np.full_like(dv, np.nan) if last else dv.copy(), dh.copy(), nan_like(w)
    with arena.borrow(h) as new:
        _, _, cache = gated_pixels.forward(v, h, w, y, see, site, new, last=last)
        gated_pixels.backward(got_v, got_h, cache, w, dw, y, see, last)
    check(loss, w, dw, {"W_v": see.above, "W_h": see.left, "W_vh": see.whole, "W_o": see.own})
    agree(got_v, numeric_grad(loss, v), "v")
    agree(got_h, numeric_grad(loss, h), "h")


@every_kind
@pytest.mark.parametrize("last", [False, True])
def test_first_gated_layer(groups, n_classes, site, last, rng):
    """Of levels: both stacks look at the same numbers, and what they see of them adds up."""
    F, see, y = 3, gated_pixels.windows(3, "A", groups), labels(n_classes)
    w = gated_weights(rng, see, groups, F, n_classes)
    z, (dv, dh) = draw(rng, N, R, S, groups), draw(rng, 2, N, R, S, F)

    def passed(new):
        return gated_pixels.forward(z, z, w, y, see, site, new, first=True, last=last)

    def loss():
        with arena.borrow(z) as new:
            out_v, out_h, _ = passed(new)
            return float((out_h * dh).sum() + (0 if last else (out_v * dv).sum()))

    dw, alone, dz = nan_like(w), nan_like(w), np.full_like(z, np.nan)
    with arena.borrow(z) as new:
        cache = passed(new)[2]
        gated_pixels.first_backward(dv.copy(), dh.copy(), cache, w, dw, y, see, last, dz)
        gated_pixels.first_backward(dv.copy(), dh.copy(), cache, w, alone, y, see, last, None)
    check(loss, w, dw, {"W_v": see.above, "W_h": see.left, "W_vh": see.whole, "W_o": see.own})
    agree(dz, numeric_grad(loss, z), "z")
    for name, a, b in zip(w._fields, dw, alone, strict=True):
        assert_array_equal(a, b, err_msg=f"{name} depends on whether dz is wanted")


def gated_weights(rng, see, n_in, F, n_classes):
    return gated_pixels.Weights(
        draw(rng, see.above.n_taps, n_in, 2 * F), draw(rng, n_classes, 2 * F),
        draw(rng, see.left.n_taps, n_in, 2 * F), draw(rng, n_classes, 2 * F),
        draw(rng, 1, 2 * F, 2 * F), draw(rng, 1, F, F),
    )  # fmt: skip


@every_kind
def test_top(groups, n_classes, site, rng):
    F, Q, K, y = 6, 3, 2, labels(n_classes)
    own = masked_conv.raster(1, "B", groups)
    w = pixels.TopWeights(
        draw(rng, 1, F, Q), draw(rng, 1, Q), draw(rng, 1, Q, groups * K),
        draw(rng, n_classes, groups * K),
    )  # fmt: skip
    h, ds = draw(rng, N, R, S, F), draw(rng, N, R, S, groups * K)

    def loss():
        with arena.borrow(h) as new:
            return float((pixels.top(h, w, y, groups, new)[0] * ds).sum())

    dh, dw = np.full_like(h, np.nan), nan_like(w)
    with arena.borrow(h) as new:
        _, cache = pixels.top(h, w, y, groups, new)
        pixels.top_backward(ds, cache, w, dw, y, groups, dh, new)
    check(loss, w, dw, {"W_t": own, "W_s": own})
    agree(dh, numeric_grad(loss, h), "h")


@pytest.mark.parametrize("n_classes", [1, 3])
def test_the_biases_of_a_map_of_data(n_classes, rng):
    """With and without a gradient in the data; of a class that no image has it is 0."""
    window, y = masked_conv.raster(3, "A"), labels(n_classes)
    x, da, W = draw(rng, N, R, S, 2), draw(rng, N, R, S, 3), draw(rng, 4, 2, 3)
    found = []
    for dx in (x.copy(), None):
        dW, table = np.full_like(W, np.nan), np.full((n_classes, 3), np.nan)
        pixels.mapped_backward(da, x, W, y, window, dx, dW, table)
        found.append((dW, table))
    assert_array_equal(found[0][0], found[1][0])
    assert_array_equal(found[0][1], found[1][1])
    sums = da.sum(axis=(1, 2))
    expected = [sums[1], np.zeros(3), sums[0]] if n_classes > 1 else [sums.sum(axis=0)]
    assert_allclose(found[0][1], expected, rtol=1e-12)


def test_levels_fill_the_interval(rng):
    with arena.borrow(np.empty(0)) as new:
        z = pixels.scaled(np.arange(5, dtype=np.uint8).reshape(1, 5, 1, 1), 5, new)
        assert_allclose(z.ravel(), [-1, -0.5, 0, 0.5, 1], rtol=1e-15)
