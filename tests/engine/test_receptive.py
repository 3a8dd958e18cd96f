"""What an output sees, measured on masked convolutions, whose windows say what it may."""

import numpy as np
import pytest

from chainrule.engine import receptive
from chainrule.kernels.masked_conv import raster, reference


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
    [((9, 9, 1), (0, 0, 0), "x are images"), ((1, 3, 3, 1), (0, 3, 0), "pixel lies in them"),
     ((1, 3, 3, 1), (0, 0, 0), r"the shape of x, \(1, 3, 3, 1\), got \(2,\)")],
)  # fmt: skip
def test_what_is_no_image_or_no_gradient_is_refused(shape, pixel, text):
    with pytest.raises(ValueError, match=text):
        receptive.measure(lambda x, pixel: np.zeros(2), np.zeros(shape), pixel)
