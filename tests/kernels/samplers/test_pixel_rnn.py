"""PixelRNN's sampler: the levels that recomputing the whole network for every channel gives."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness
from support.pixel_cnn import labels, uniforms_and_given

from chainrule.engine import image_density
from chainrule.engine.models import pixel_rnn
from chainrule.kernels import use_backend, use_threads
from chainrule.kernels.samplers import images
from chainrule.kernels.samplers.pixel_rnn import cpu

every_cell = pytest.mark.parametrize("cell", pixel_rnn.CELLS)
KINDS = {  # channels, levels, classes, logistics
    "bits": (1, 2, 1, 0),
    "levels, labels": (1, 5, 3, 0),
    "colours": (3, 3, 2, 0),
    "mixtures": (3, 7, 2, 2),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
# Of an image, odd, a row, a column, a pixel; the first kernel's size, some larger than the image;
# units a channel, some more than a panel's columns; layers.
SHAPE = (3, 5), 3, 4, 2
SHAPES = [((2, 9), 17, 3, 1), ((1, 6), 5, 2, 2), ((5, 1), 3, 2, 2), ((1, 1), 5, 3, 1)]
SHAPES += [((4, 3), 7, 19, 1), ((3, 4), 5, 2, 0)]


def a_model(cell, kind="bits", shape=SHAPE, dtype=np.float64):
    """Return a config and parameters; of bits each pixel has biases of its own."""
    (channels, levels, n_classes, n_logistics), ((height, width), first, units, L) = (
        KINDS[kind],
        shape,
    )
    config = pixel_rnn.Config(
        height, width, channels, levels, units * channels, L, cell, first, n_logistics, n_classes,
        positions=levels == 2,
    )  # fmt: skip
    params = pixel_rnn.init(config, np.random.default_rng(0), dtype)
    params.flat[...] += 0.3 * np.random.default_rng(1).normal(size=params.size)  # of the hidden too
    return config, params


def recomputed(config, params, u, x, y):
    """Return what sampling must: every channel from a whole pass over what came before."""
    anew = image_density.functions(pixel_rnn._forward, pixel_rnn._backward)
    return anew.start(config, params, len(u), y).extend(u, x)


@every_cell
@pytest.mark.parametrize(
    ("kind", "shape"), [*product(KINDS, [SHAPE]), *product(("bits", "colours"), SHAPES)], ids=str
)
def test_the_levels_that_recomputing_gives(cell, kind, shape, rng):
    config, params = a_model(cell, kind, shape)
    for N in (3, 1):
        y, (u, x) = labels(config, N), uniforms_and_given(rng, config, N)
        expected = recomputed(config, params, u, x, y)
        for backend in ("reference", "cpu"):
            with use_backend(backend):
                drawn = pixel_rnn.start(config, params, N, y).extend(u, x)
            assert drawn.dtype == config.event.dtype
            assert_array_equal(drawn, expected, err_msg=backend)


@every_cell
@every_kind
@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_and_threads(cell, kind, threads, rng):
    """Whatever the cuts, in the middle of rows and of pixels; one image among others."""
    config, params = a_model(cell, kind)
    N, y = 11, labels(config, 11)
    u, x = uniforms_and_given(rng, config, N)
    with use_threads(threads):
        expected = pixel_rnn.start(config, params, N, y).extend(u, x)
        for step in (1, 2, 7):
            sampler = pixel_rnn.start(config, params, N, y)
            pieces = [
                sampler.extend(u[:, q : q + step], x[:, q : q + step])
                for q in range(0, u.shape[1], step)
            ]
            assert_array_equal(np.concatenate(pieces, axis=1), expected)
        lone = pixel_rnn.start(config, params, 1, None if y is None else y[4:5])
        assert_array_equal(lone.extend(u[4:5], x[4:5]), expected[4:5])


@every_cell
@every_kind
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_looking_putting_and_choosing(cell, kind, backend, rng):
    """Each channel's distribution is the one of a whole pass, whatever was done before."""
    config, params = a_model(cell, kind)
    N, y = 4, labels(config, 4)
    x = rng.integers(0, config.levels, (N, *config.event.shape)).astype(config.event.dtype)
    expected = pixel_rnn.conditionals(config, params, x, y)
    expected = expected.reshape(N, x[0].size, -1)
    flat = x.reshape(N, -1)
    with use_backend(backend):
        sampler = pixel_rnn.start(config, params, N, y)
        for q in range(flat.shape[1]):
            for _ in range(0 if q % 4 == 2 else 2):  # asking moves nothing
                p = sampler.peek().reshape(N, -1)
                assert_allclose(p, expected[:, q], rtol=1e-10, atol=1e-14)
            now = flat[:, q : q + 1].astype(np.int32)
            if q % 3 == 0:
                sampler.extend(np.full((N, 1), -1.0), now)
            elif q % 3 == 1:
                sampler.choose(now, now)
            else:
                sampler.put(flat[:, q])


@every_cell
@every_kind
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_the_likeliest_levels(cell, kind, backend, rng):
    config, params = a_model(cell, kind)
    N, y, size = 3, labels(config, 3), np.prod(config.event.shape)
    low = rng.integers(0, config.levels, (N, size)).astype(np.int32)
    high = np.minimum(low + rng.integers(0, 3, low.shape), config.levels - 1).astype(np.int32)
    with use_backend(backend):
        chosen = pixel_rnn.start(config, params, N, y).choose(low, high)
    p = pixel_rnn.conditionals(config, params, chosen.reshape(N, *config.event.shape), y)
    p = p.reshape(N, size, -1)
    p = np.concatenate([1 - p, p], axis=2) if config.levels == 2 else p
    v = np.arange(config.levels)
    allowed = (v >= low[..., None]) & (v <= high[..., None])
    assert_array_equal(chosen, np.where(allowed, p, -1).argmax(axis=2))


@every_cell
def test_single_precision(cell, rng):
    """Outputs as a whole pass rounds them; so a level differs only where u is at a boundary."""
    config, params = a_model(cell, "colours", ((6, 7), 7, 16, 3), np.float32)
    params.flat[...] *= 0.3  # logits of a few units
    x = rng.integers(0, 3, (5, *config.event.shape)).astype(np.uint8)
    y = labels(config, 5)
    expected = pixel_rnn.conditionals(config, params, x, y).reshape(5, -1, 3)
    sampler, flat = pixel_rnn.start(config, params, 5, y), x.reshape(5, -1)
    for q in range(flat.shape[1]):
        assert_allclose(sampler.peek(), expected[:, q], rtol=1e-5, atol=1e-6)
        sampler.put(flat[:, q])


@every_cell
@pytest.mark.parametrize(("kind", "shape"), [("bits", (3, 3)), ("colours", (1, 2))])
def test_samples_follow_the_probabilities(cell, kind, shape, rng):
    config, params = a_model(cell, kind, (shape, 3, 4, 1), np.float32)
    y = labels(config, 20_000)
    y = None if y is None else np.ones_like(y)
    u = rng.random((20_000, *config.event.shape))
    drawn = pixel_rnn.sample(config, params, u, None, y)

    def log_prob(rows):
        of = None if y is None else np.ones(len(rows), np.int32)
        return pixel_rnn.log_prob(config, params, rows.reshape(-1, *config.event.shape), of)

    values = (config.levels,) * drawn[0].size
    goodness.assert_frequencies(drawn.reshape(len(drawn), -1), log_prob, values)


@every_cell
def test_what_is_remembered_is_made_anew(cell, rng):
    """When somebody goes back, and on another backend."""
    config, params = a_model(cell, "colours")
    y, (u, x) = labels(config, 2), uniforms_and_given(rng, config, 2)
    expected = pixel_rnn.start(config, params, 2, y).extend(u, x)
    sampler, at = pixel_rnn.start(config, params, 2, y), 20
    first = sampler.extend(u[:, :at], x[:, :at])
    with use_backend("reference"):
        second = sampler.extend(u[:, at : at + 3], x[:, at : at + 3])
    sampler.extend(u[:, at + 3 : at + 18], x[:, at + 3 : at + 18])
    sampler.at = at + 3
    third = sampler.extend(u[:, at + 3 :], x[:, at + 3 :])
    assert_array_equal(np.concatenate([first, second, third], axis=1), expected)


@every_cell
@pytest.mark.parametrize("work", [0, images.CALL_WORK])
def test_an_interrupt_comes_when_a_call_has_moved_the_states(cell, work, rng, monkeypatch):
    config, params = a_model(cell)
    u, x = uniforms_and_given(rng, config, 2)
    expected = pixel_rnn.start(config, params, 2).extend(u, x)
    extend = cpu.loop.extend

    def interrupted(*arguments):
        extend(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "CALL_WORK", work)
    sampler = pixel_rnn.start(config, params, 2)
    with monkeypatch.context() as during:
        during.setattr(cpu.loop, "extend", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sampler.extend(u, x)
    assert_array_equal(sampler.peek(), pixel_rnn.start(config, params, 2).peek())
    assert_array_equal(sampler.extend(u, x), expected)


@every_cell
def test_given_levels_compute_nothing_until_a_draw(cell, rng):
    config, params = a_model(cell)
    u, x = uniforms_and_given(rng, config, 2)
    sampler = pixel_rnn.start(config, params, 2)
    sampler.extend(np.full((2, 7), -1.0), x[:, :7])
    assert not sampler._memory.kept
    u[:, :7] = -1
    drawn = sampler.extend(u[:, 7:], x[:, 7:])
    assert_array_equal(drawn, pixel_rnn.start(config, params, 2).extend(u, x)[:, 7:])
