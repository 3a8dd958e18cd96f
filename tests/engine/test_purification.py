"""Purification: pixel for pixel what recomputing the network at each of them gives."""

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_array_equal
from support.pixel_cnn import KINDS, a_model, labels

from chainrule.engine.models import pixel_cnn, pixel_rnn
from chainrule.engine.params import Params
from chainrule.engine.purification import purified
from chainrule.kernels import use_backend, use_threads

MIXTURES = [(gated, channels, 7, 1, 2) for gated in (False, True) for channels in (1, 3)]
every_kind = pytest.mark.parametrize("kind", [(*kind, 0) for kind in KINDS] + MIXTURES, ids=str)


def a_net(kind, dtype=np.float64):
    gated, channels, levels, n_classes, n_logistics = kind
    return a_model(gated, channels, levels, n_classes, dtype=dtype, n_logistics=n_logistics)


def limits(rng, config, N=3):
    """Return what levels are allowed: of some pixels one, of some all, of some images only one."""
    shape = (N, *config.event.shape)
    ends = np.sort(rng.integers(0, config.levels, (2, *shape)), axis=0)
    low, high = ends
    given = rng.random(shape) < 0.3
    given |= rng.random(shape[1:3])[..., None] < 0.3
    given[-1] = True
    high = np.where(given, low, high)
    free = rng.random(shape) < 0.3
    free[-1] = False
    return np.where(free, 0, low), np.where(free, config.levels - 1, high)


def by_definition(model, config, params, low, high, y):
    """Return every channel from all conditionals of what was chosen before."""
    x = low.astype(config.event.dtype)
    flat, least, most = (a.reshape(len(x), -1) for a in (x, low, high))
    for q in range(flat.shape[1]):
        p = model.conditionals(config, params, x, y)
        if config.levels == 2 and not config.n_logistics:
            p = np.stack([1 - p, p], axis=-1)
        p = p.reshape(len(x), flat.shape[1], -1)[:, q]
        for n in range(len(x)):
            allowed = slice(least[n, q], most[n, q] + 1)
            flat[n, q] = least[n, q] + p[n, allowed].argmax()
    return x


@every_kind
def test_what_recomputing_gives(kind, rng):
    config, params = a_net(kind)
    low, high = limits(rng, config)
    y = labels(config, 3)
    expected = by_definition(pixel_cnn, config, params, low, high, y)
    assert (low < high).any() and ((expected != low).any() or config.levels == 2)
    for backend in ("reference", "cpu"):
        for threads in (1, 2):
            with use_backend(backend), use_threads(threads):
                chosen = purified(pixel_cnn, config, params, low, high, y)
            assert chosen.dtype == config.event.dtype
            assert_array_equal(chosen, expected, err_msg=backend)


@every_kind
def test_in_single_precision_too_its_twins_choose_alike(kind, rng):
    config, params = a_net(kind, np.float32)
    params.flat[...] *= 0.5
    low, high = limits(rng, config)
    y = labels(config, 3)
    with use_backend("reference"):
        expected = purified(pixel_cnn, config, params, low, high, y)
    assert_array_equal(purified(pixel_cnn, config, params, low, high, y), expected)


@pytest.mark.parametrize("kind", [*[(*k, 0) for k in KINDS if k[3] == 1], *MIXTURES], ids=str)
def test_on_a_gpu(kind, rig, rng):
    config, params = a_net(kind)
    low, high = limits(rng, config)
    expected = by_definition(pixel_cnn, config, params, low, high, None)
    on_gpu = Params(params.shapes, to_device(params.flat))
    chosen = purified(pixel_cnn, config, on_gpu, to_device(low), to_device(high))
    assert_array_equal(chosen.get(), expected)


@pytest.mark.parametrize("levels", [2, 5])
def test_a_sampler_that_does_not_choose_by_itself(levels, rng):
    config = pixel_rnn.Config(3, 4, 1, levels, n_hidden=4, n_layers=1, first_size=3)
    params = pixel_rnn.init(config, rng, np.float64)
    params.flat[...] = rng.normal(size=params.size)
    low, high = limits(rng, config)
    expected = by_definition(pixel_rnn, config, params, low, high, None)
    assert_array_equal(purified(pixel_rnn, config, params, low, high), expected)


def test_it_goes_on_where_it_stopped_and_among_draws(rng):
    """In pieces, and after pixels that were drawn: the memory is the sampler's."""
    config, params = a_model(True, 1, 5)
    low, high = (a.reshape(3, -1) for a in limits(rng, config))
    u = rng.random((3, 4))
    whole, cut = (pixel_cnn.start(config, params, 3) for _ in range(2))
    drawn = whole.extend(u)
    expected = whole.choose(low[:, 4:], high[:, 4:])
    assert_array_equal(cut.extend(u), drawn)
    pieces = [cut.choose(low[:, lo:hi], high[:, lo:hi]) for lo, hi in ((4, 5), (5, 11), (11, 15))]
    assert_array_equal(np.concatenate(pieces, axis=1), expected)


def test_greedy_choices_are_likely_ones(rng):
    config, params = a_model(False, 1, 5)
    x = rng.integers(0, 5, (20, *config.event.shape))
    low, high = np.maximum(x - 1, 0), np.minimum(x + 1, 4)
    chosen = purified(pixel_cnn, config, params, low, high)
    assert ((chosen >= low) & (chosen <= high)).all()
    raised = pixel_cnn.log_prob(config, params, chosen) - pixel_cnn.log_prob(
        config, params, x.astype(np.uint8)
    )
    assert raised.mean() > 0 and (raised > 0).mean() > 0.8
