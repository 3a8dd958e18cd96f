"""PixelCNN's sampler on the CPU rig: the reference's levels, in every order of threads."""

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from cuda_on_cpu.rig import ORDERS
from numpy.testing import assert_allclose, assert_array_equal
from support.pixel_cnn import KINDS, a_model, labels, uniforms_and_given

from chainrule.engine.models import pixel_cnn
from chainrule.engine.params import Params
from chainrule.kernels import use_backend

SHAPES = [((3, 5), (3, 7), 4, 2), ((4, 2), (3, 3), 1, 1), ((2, 1), (1, 3), 33, 1)]


def on_device(params):
    return Params(params.shapes, to_device(params.flat))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_reference_s_levels(kind, dtype, rig, rng):
    """In pieces that end in the middle of a pixel; and what a look at the next one says."""
    config, params = a_model(*kind, shape=SHAPES[0], dtype=dtype)
    params.flat[...] *= 0.5
    u, x = uniforms_and_given(rng, config, 3)
    y = labels(config, 3)
    on_gpu = None if y is None else to_device(y)
    sampler = pixel_cnn.start(config, on_device(params), 3, on_gpu)
    with use_backend("reference"):
        other = pixel_cnn.start(config, params, 3, y)
        for k, (lo, hi) in enumerate(((0, 4), (4, 5), (5, 14), (14, u.shape[1] - 1))):
            rig.order = ORDERS[k]
            drawn = sampler.extend(to_device(u[:, lo:hi]), to_device(x[:, lo:hi]))
            assert_array_equal(drawn.get(), other.extend(u[:, lo:hi], x[:, lo:hi]))
            sampler.peek()  # changes nothing
        tolerance = 200 * np.finfo(dtype).eps
        assert_allclose(sampler.peek().get(), other.peek(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_other_sizes(gated, channels, shape, rig, rng):
    config, params = a_model(gated, channels, 3, 1, shape)
    u, x = uniforms_and_given(rng, config, 2)
    with use_backend("reference"):
        expected = pixel_cnn.start(config, params, 2).extend(u, x)
    for rig.order in ORDERS:
        sampler = pixel_cnn.start(config, on_device(params), 2)
        assert_array_equal(sampler.extend(to_device(u), to_device(x)).get(), expected)
    back = sampler.at = 3  # somebody goes back: what is remembered is made anew
    again = sampler.extend(to_device(u[:, back:]), to_device(x[:, back:]))
    assert_array_equal(again.get(), expected[:, back:])


@pytest.mark.parametrize("gated", [False, True])
def test_mixtures_of_logistics(gated, rig, rng):
    config, params = a_model(gated, 3, 7, 1, n_logistics=2)
    u, x = uniforms_and_given(rng, config, 2)
    with use_backend("reference"):
        expected = pixel_cnn.start(config, params, 2).extend(u, x)
    sampler = pixel_cnn.start(config, on_device(params), 2)
    assert_array_equal(sampler.extend(to_device(u), to_device(x)).get(), expected)
