"""What an output sees, measured on masked convolutions, whose windows say what it may, and models.

The models' gradient in their images is held against slopes of their outputs, and what it finds
against what the papers say that a pixel sees.
"""

import numpy as np
import pytest

from chainrule.engine import arena, receptive
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import pixels
from chainrule.engine.models import pixel_cnn, pixel_rnn
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.masked_conv import raster, reference

NETWORKS = {  # a model, and what decides its kind
    "plain": (pixel_cnn, {"n_features": 6}),
    "gated": (pixel_cnn, {"n_features": 6, "gated": True}),
    "row": (pixel_rnn, {"n_hidden": 6, "cell": "row"}),
    "diagonal": (pixel_rnn, {"n_hidden": 6, "cell": "diagonal"}),
}
IMAGES = {  # what an image is, and what is told of it
    "bits": {},
    "levels, labels": {"levels": 4, "n_classes": 3},
    "places": {"levels": 3, "positions": True},
    "colours": {"channels": 3, "levels": 4},
    "mixtures": {"channels": 3, "levels": 9, "n_logistics": 2},
}
every_network = pytest.mark.parametrize("network", NETWORKS)
every_backend = pytest.mark.parametrize("backend", HOST_BACKENDS)


def made(network, size, n_layers, rng, **options):
    """Return a model, its config, generic parameters, images, and their classes."""
    model, own = NETWORKS[network]
    R, S = size
    config = model.Config(R, S, n_layers=n_layers, **{"first_size": 3, **own, **options})
    params = model.init(config, rng, np.float64)
    x = rng.integers(0, config.levels, (6, *config.event.shape)).astype(np.uint8)
    return model, config, params, x, rng.integers(0, config.n_classes, 6).astype(np.int32)


def sees(network, size, n_layers, pixel, rng, **options):
    """Return which values a pixel's channel sees, (R, S, C) bool, by the gradient."""
    model, config, params, x, y = made(network, size, n_layers, rng, **options)

    def dx_of(x, pixel):
        return model.input_gradient(config, params, x, pixel, y)

    return receptive.measure(dx_of, x, pixel) > 0


def around(size, pixel):
    """Return how far up and how far right of a pixel each pixel lies."""
    i, j = np.indices(size)
    return pixel[0] - i, j - pixel[1]


def network(rng, windows, channels):
    """Return the gradient in x of a stack of masked convolutions, and ReLU between them."""
    widths = [channels] + [3 * channels] * len(windows)
    weights = []
    for window, C, O in zip(windows, widths, widths[1:], strict=False):
        W = rng.normal(size=(window.n_taps, C, O))
        weights.append((window, W, rng.normal(size=O)))

    def dx_of(x, pixel):
        h, before = np.asarray(x, np.float64), []
        for window, W, b in weights:
            y = np.empty((*h.shape[:3], W.shape[2]))
            reference.forward(h, W, b, window, y)
            before.append(h)
            h = np.maximum(y, 0) if W is not weights[-1][1] else y
        d, (i, j, g) = np.zeros_like(h), pixel
        d[:, i, j, 3 * g : 3 * g + 3] = rng.normal(size=3)
        for k, (window, W, b) in reversed([*enumerate(weights)]):
            dx = np.empty_like(before[k])
            reference.backward(d, before[k], W, window, dx, np.empty_like(W), np.empty_like(b))
            d = dx if k == 0 else dx * (before[k] > 0)
        return d

    return dx_of


def past(shape, pixel):
    order = np.arange(np.prod(shape)).reshape(shape)
    return order < order[pixel]


@pytest.mark.parametrize(("channels", "channel"), [(1, 0), (3, 0), (3, 2)])
def test_nothing_but_what_came_before_is_seen(channels, channel, rng):
    windows = [raster(3, "A", channels), raster(3, "B", channels), raster(3, "B", channels)]
    x, pixel = rng.normal(size=(5, 9, 9, channels)), (6, 4, channel)
    seen = receptive.measure(network(rng, windows, channels), x, pixel)
    assert seen.shape == (9, 9, channels)
    assert (seen[~past(seen.shape, pixel)] == 0).all()
    assert seen[6, 3].all() and seen[5, 4].all(), "its neighbours are seen"
    assert (seen[6, 4, :channel] > 0).all(), "and the channels before its own"
    assert not seen[:3].any(), "three layers of 3 × 3 reach three rows up"


def test_the_blind_spot_of_one_stack(rng):
    """To the right a row up, a 3 × 3 raster sees one pixel, and no more however deep it is."""
    windows = [raster(3, "A", 1)] + [raster(3, "B", 1)] * 2
    seen = receptive.measure(network(rng, windows, 1), rng.normal(size=(5, 9, 9, 1)), (6, 4, 0))
    np.testing.assert_array_equal(seen[5, :, 0] > 0, [0, 1, 1, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(seen[4, :, 0] > 0, [0, 1, 1, 1, 1, 1, 1, 0, 0])


def test_a_mean_of_sizes():
    """What cancels between images, or is 0 in one of them, is seen nevertheless."""
    gradients = np.array([[1.0, 0], [-1, 0.5]]).reshape(2, 1, 2, 1)
    seen = receptive.measure(lambda x, pixel: gradients, np.zeros((2, 1, 2, 1)), (0, 1, 0))
    np.testing.assert_array_equal(seen, [[[1], [0.25]]])


@pytest.mark.parametrize(
    ("shape", "pixel", "text"),
    [((9, 9, 1), (0, 0, 0), "x must be images"), ((0, 9, 9, 1), (0, 0, 0), "and not empty"),
     ((1, 3, 3, 1), (0, 3, 0), "row 0, column 3, channel 0 lies outside images of 3×3 pixels"),
     ((1, 3, 3, 3), (0, 0, 3), "channel 3 lies outside images of 3×3 pixels and 3 channels, each"),
     ((1, 3, 3, 1), (-1, 0), "row -1, column 0, channel 0 lies outside"),
     ((1, 3, 3, 1), 4, r"pixel must be \(row, column\) or \(row, column, channel\), got 4"),
     ((1, 3, 3, 1), np.zeros((2, 3, 3)), r"channel\), got an array of shape \(2, 3, 3\)$"),
     ((1, 3, 3, 1), (0.5, 1), r"got \(0.5, 1\)"), ((1, 3, 3, 1), "ab", "got 'ab'"),
     ((1, 3, 3, 1), (1,), r"got \(1,\)"),
     ((1, 3, 3, 1), (0, 0, 0), r"the shape of x, \(1, 3, 3, 1\), got \(2,\)")],
)  # fmt: skip
def test_what_is_no_image_or_no_gradient_is_refused(shape, pixel, text):
    with pytest.raises(ValueError, match=text):
        receptive.measure(lambda x, pixel: np.zeros(2), np.zeros(shape), pixel)


# --- models


@every_backend
@pytest.mark.parametrize("kind", IMAGES)
@every_network
def test_the_gradient_in_images_is_the_slope_of_the_outputs(network, kind, backend, rng):
    """Of one channel's, each times a number of its own, as if levels were real."""
    model, config, params, x, y = made(network, (4, 3), 2, rng, **IMAGES[kind])
    params.flat[...] += rng.normal(size=params.size) / 3
    real, (i, j, c) = x[:2].astype(np.float64), (2, 1, config.event.channels - 1)
    y = y[:2] if config.n_classes > 1 else y[:0]

    def outputs():
        with arena.borrow(params.flat) as new:
            z = pixels.scaled(real, config.levels, new)
            s = model._forward(config, params, z, y, None, new)[0]
            own = s[:, i, j].reshape(len(s), config.event.channels, -1)[:, c]
            return float((own * (1 + np.arange(own.shape[1]) / own.shape[1])).sum())

    with use_backend(backend):
        dx = model.input_gradient(config, params, x[:2], (i, j, c), y if len(y) else None)
        slopes = numeric_grad(outputs, real)
    assert dx.shape == x[:2].shape and np.abs(slopes).max() > 1e-2
    np.testing.assert_allclose(dx, slopes, rtol=1e-6, atol=1e-8)
    assert (dx[slopes == 0] == 0).all()


@pytest.mark.parametrize(("n_layers", "first", "kernel"), [(2, 3, 3), (4, 3, 3), (2, 5, 5)])
def test_one_stack_has_a_blind_spot_and_two_have_none(n_layers, first, kernel, rng):
    """To the right of a pixel each step up opens as many columns as half a kernel has."""
    size, pixel, sizes = (9, 9), (6, 3, 0), {"first_size": first, "kernel_size": kernel}
    up, right = around(size, pixel)
    reach = first // 2 + n_layers * (kernel // 2)
    past = (up > 0) | ((up == 0) & (right < 0))
    near = past & (up <= reach) & (np.abs(right) <= reach)
    two = sees("gated", size, n_layers, pixel, rng, **sizes)[..., 0]
    np.testing.assert_array_equal(two, near)
    one = sees("plain", size, n_layers, pixel, rng, **sizes)[..., 0]
    half = kernel // 2
    np.testing.assert_array_equal(one, near & (right <= half * up))
    assert (near & ~one).sum() >= 3


def test_enough_gated_layers_see_every_pixel_before_and_none_after(rng):
    order = np.arange(30).reshape(5, 6)
    for at in ((0, 0), (1, 0), (2, 3), (4, 5)):
        seen = sees("gated", (5, 6), 5, (*at, 0), rng)[..., 0]
        np.testing.assert_array_equal(seen, order < order[at])


def test_the_row_lstm_sees_a_triangle_which_layers_widen(rng):
    """A step up widens it by one to both sides; each map of the own row by one to the left."""
    up, right = around((7, 11), (5, 5))
    past = (up > 0) | ((up == 0) & (right < 0))
    for n_layers in (1, 2):
        seen = sees("row", (7, 11), n_layers, (5, 5, 0), rng)[..., 0]
        triangle = (right <= up) & (-right <= up + 1 + n_layers)
        np.testing.assert_array_equal(seen, past & triangle)


def test_the_diagonal_bilstm_sees_all_that_came_before(rng):
    """But the last pixel of the row above only where the first map reaches that far."""
    order = np.arange(20).reshape(5, 4)
    for at, first in (((3, 2), 3), ((4, 3), 3), ((3, 0), 3), ((3, 1), 3), ((3, 1), 5), ((3, 0), 7)):
        lacks = int(at[1] + first // 2 < 3)
        seen = sees("diagonal", (5, 4), 1, (*at, 0), rng, first_size=first)[..., 0]
        past = order < order[at]
        assert not (seen & ~past).any() and (past & ~seen).sum() == lacks
        assert seen[at[0] - 1, 3] == (not lacks)


@every_network
def test_a_channel_sees_the_channels_of_its_own_pixel_before_it(network, rng):
    """Red sees neither, green sees red, blue both; of the pixel to the left all see all."""
    for channel in range(3):
        seen = sees(network, (4, 4), 1, (2, 2, channel), rng, channels=3, levels=4)
        np.testing.assert_array_equal(seen[2, 2], np.arange(3) < channel)
        assert seen[2, 1].all() and not seen[2, 3].any() and not seen[3].any()


@pytest.mark.parametrize("network", ["plain", "row", "diagonal"])
def test_a_first_map_of_one_pixel_lets_all_colours_be_seen_but_the_last(network, rng):
    seen = sees(network, (4, 4), 2, (3, 2, 1), rng, channels=3, levels=4, first_size=1)
    assert seen[2, 2, :2].all() and not seen[..., 2].any()
    assert seen[3, 2].tolist() == [True, False, False]
