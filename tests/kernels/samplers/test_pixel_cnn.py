"""PixelCNN's sampler: the levels that recomputing the whole network for every channel gives."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness
from support.pixel_cnn import KINDS, SHAPE, a_model, labels, uniforms_and_given

from chainrule.engine.models import pixel_cnn
from chainrule.kernels import use_backend, use_threads
from chainrule.kernels.samplers import images
from chainrule.kernels.samplers.pixel_cnn import cpu, loop

every_kind = pytest.mark.parametrize(("gated", "channels", "levels", "n_classes"), KINDS, ids=str)
# Odd, smaller than the first kernel, a row, a column; sizes of kernels; features a channel; blocks.
SHAPES = [
    SHAPE,
    ((2, 2), (5, 3), 3, 1),
    ((1, 6), (3, 5), 17, 1),
    ((5, 1), (1, 3), 2, 2),
    ((4, 3), (3, 3), 1, 1),
]


def recomputed(config, params, u, x, y):
    """Return what sampling must: every channel from all conditionals of what came before."""
    out = x.copy()
    for q in range(u.shape[1]):
        images = out.reshape(len(x), *config.event.shape)
        p = pixel_cnn.conditionals(config, params, images, y)
        p = p.reshape(*u.shape, -1)[:, q]
        below = np.cumsum(p, axis=1)
        v = u[:, q, None] < p if config.levels == 2 else None
        drawn = v[:, 0] if config.levels == 2 else (below <= u[:, q, None] * below[:, -1:]).sum(1)
        out[:, q] = np.where(u[:, q] < 0, x[:, q], drawn)
    return out


@pytest.mark.parametrize(
    ("gated", "channels", "levels", "n_classes", "shape"),
    [(*kind, SHAPES[0]) for kind in KINDS]
    + [(*kind, 3, 2, shape) for kind in product((False, True), (1, 3)) for shape in SHAPES[1:]],
    ids=str,
)
def test_the_levels_that_recomputing_gives(gated, channels, levels, n_classes, shape, rng):
    config, params = a_model(gated, channels, levels, n_classes, shape)
    N, y = 3, labels(config, 3)
    u, x = uniforms_and_given(rng, config, N)
    expected = recomputed(config, params, u, x, y)
    for backend in ("reference", "cpu"):
        with use_backend(backend):
            drawn = pixel_cnn.start(config, params, N, y).extend(u, x)
        assert drawn.dtype == config.event.dtype
        assert_array_equal(drawn, expected, err_msg=backend)


@every_kind
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_pieces_and_threads(gated, channels, levels, n_classes, threads, rng):
    """Whatever the cuts, in the middle of rows and of pixels; one image among others."""
    config, params = a_model(gated, channels, levels, n_classes)
    N, y = 11, labels(config, 11)
    u, x = uniforms_and_given(rng, config, N)
    with use_threads(threads):
        expected = pixel_cnn.start(config, params, N, y).extend(u, x)
        for step in (1, 2, 7):
            sampler = pixel_cnn.start(config, params, N, y)
            pieces = [
                sampler.extend(u[:, q : q + step], x[:, q : q + step])
                for q in range(0, u.shape[1], step)
            ]
            assert_array_equal(np.concatenate(pieces, axis=1), expected)
        lone = pixel_cnn.start(config, params, 1, None if y is None else y[4:5])
        assert_array_equal(lone.extend(u[4:5], x[4:5]), expected[4:5])


@every_kind
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_looking_and_putting(gated, channels, levels, n_classes, backend, rng):
    """Each channel's distribution is the one of a whole pass, whatever was looked at before."""
    config, params = a_model(gated, channels, levels, n_classes)
    N, y = 4, labels(config, 4)
    x = rng.integers(0, levels, (N, *config.event.shape)).astype(config.event.dtype)
    expected = pixel_cnn.conditionals(config, params, x, y)
    expected = expected.reshape(N, config.height * config.width * channels, -1)
    flat = x.reshape(N, -1)
    with use_backend(backend):
        sampler = pixel_cnn.start(config, params, N, y)
        for q in range(flat.shape[1]):
            if q % 4 != 2:
                p = sampler.peek().reshape(N, -1)
                assert_allclose(p, expected[:, q], rtol=1e-12)
            if q % 3:
                sampler.put(flat[:, q])
            else:
                sampler.extend(np.full((N, 1), -1.0), flat[:, q : q + 1])


@pytest.mark.parametrize("gated", [False, True])
def test_single_precision(gated, rng):
    """Outputs as a whole pass rounds them; so a level differs only where u is at a boundary."""
    config, params = a_model(gated, 3, 5, 1, ((6, 7), (3, 7), 16, 3), np.float32)
    params.flat[...] *= 0.3  # logits of a few units
    x = rng.integers(0, 5, (5, *config.event.shape)).astype(np.uint8)
    expected = pixel_cnn.conditionals(config, params, x).reshape(5, -1, 5)
    sampler, flat = pixel_cnn.start(config, params, 5), x.reshape(5, -1)
    for q in range(flat.shape[1]):
        assert_allclose(sampler.peek(), expected[:, q], rtol=1e-5, atol=1e-6)
        sampler.put(flat[:, q])


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("channels", "levels", "shape"), [(1, 3, (2, 2)), (3, 2, (1, 2))])
def test_samples_follow_the_probabilities(gated, channels, levels, shape, rng):
    config, params = a_model(gated, channels, levels, 1, (shape, (3, 3), 4, 1), np.float32)
    params.flat[...] *= 1.5
    drawn = pixel_cnn.sample(config, params, rng.random((20_000, *shape, channels)))

    def log_prob(rows):
        return pixel_cnn.log_prob(config, params, rows.reshape(-1, *shape, channels))

    values = (levels,) * drawn[0].size
    goodness.assert_frequencies(drawn.reshape(len(drawn), -1), log_prob, values)


def test_what_is_remembered_is_made_anew(rng):
    """After an interrupt, whose half row nobody hears of, and on another backend."""
    config, params = a_model(True, 3, 5, 1)
    u, x = uniforms_and_given(rng, config, 2)
    expected = pixel_cnn.start(config, params, 2).extend(u, x)
    sampler, at = pixel_cnn.start(config, params, 2), 20
    first = sampler.extend(u[:, :at], x[:, :at])
    with use_backend("reference"):
        second = sampler.extend(u[:, at : at + 3], x[:, at : at + 3])
    sampler.extend(u[:, at + 3 : at + 18], x[:, at + 3 : at + 18])
    sampler.at = at + 3
    third = sampler.extend(u[:, at + 3 :], x[:, at + 3 :])
    assert_array_equal(np.concatenate([first, second, third], axis=1), expected)


def test_an_interrupt_is_heard_between_rows(rng, monkeypatch):
    config, params = a_model()
    u, x = uniforms_and_given(rng, config, 2)
    expected = pixel_cnn.start(config, params, 2).extend(u, x)
    calls, extend = [], loop.extend

    def interrupted(*arguments):
        calls.append(arguments[4])
        if len(calls) == 3:
            raise KeyboardInterrupt
        extend(*arguments)

    monkeypatch.setattr(images, "CALL_WORK", 0)
    monkeypatch.setattr(cpu.loop, "extend", interrupted)
    sampler = pixel_cnn.start(config, params, 2)
    with use_threads(1):
        with pytest.raises(KeyboardInterrupt):
            sampler.extend(u, x)
        assert calls == [0, 5, 10]
        assert_array_equal(sampler.extend(u, x), expected)


@pytest.mark.parametrize("gated", [False, True])
def test_given_levels_compute_nothing_until_a_draw(gated, rng, monkeypatch):
    config, params = a_model(gated)
    u, x = uniforms_and_given(rng, config, 2)
    sampler = pixel_cnn.start(config, params, 2)
    sampler.extend(np.full((2, 7), -1.0), x[:, :7])
    assert not sampler._memory.kept
    u[:, :7] = -1
    drawn = sampler.extend(u[:, 7:], x[:, 7:])
    assert_array_equal(drawn, pixel_cnn.start(config, params, 2).extend(u, x)[:, 7:])


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_mixtures_of_logistics(gated, backend, rng):
    config, params = a_model(gated, 3, 7, 2, n_logistics=2)
    y, (u, x) = labels(config, 3), uniforms_and_given(rng, config, 3)
    with use_backend(backend):
        drawn = pixel_cnn.start(config, params, 3, y).extend(u, x)
        assert_array_equal(drawn, recomputed(config, params, u, x, y))
