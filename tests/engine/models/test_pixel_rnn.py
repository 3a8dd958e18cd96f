"""PixelRNN: what every pixel sees, how it starts, and how it draws.

What it has in common with all models is in `test_contract.py`.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import arena, classes, image_density
from chainrule.engine.image_sampling import ImageSampler
from chainrule.engine.layers import pixels
from chainrule.engine.models import pixel_rnn
from chainrule.engine.models.pixel_rnn import Config
from chainrule.engine.noise import Noise
from chainrule.kernels import adam, use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

CELLS = pixel_rnn.CELLS
every_cell = pytest.mark.parametrize("cell", CELLS)
SMALL = {  # height, width, channels, levels, n_hidden, n_layers
    "bits": {"levels": 2, "n_hidden": 5, "n_layers": 2},
    "levels, labels": {"levels": 4, "n_hidden": 3, "n_layers": 1, "n_classes": 3},
    "colours": {"channels": 3, "levels": 3, "n_hidden": 6, "n_layers": 2},
    "mixtures": {"channels": 3, "levels": 9, "n_hidden": 3, "n_layers": 1, "n_logistics": 2},
    "no layers": {"n_hidden": 4, "n_layers": 0},
}
every_size = pytest.mark.parametrize("size", SMALL)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def make(rng, cell, size, height=4, width=3, first_size=3):
    """Return a config, generic parameters, images, and their classes."""
    config = Config(height, width, cell=cell, first_size=first_size, **SMALL[size])
    params = pixel_rnn.init(config, rng, np.float64)
    params.flat[...] += rng.normal(size=params.size) / 3
    x = rng.integers(0, config.levels, (6, *config.event.shape)).astype(np.uint8)
    y = rng.integers(0, config.n_classes, 6) if config.n_classes > 1 else None
    return config, params, x, y


def start_of_device(config, params, n, y=None):
    """Return the sampler of arrays on a device, for those on the host."""
    told = classes.told(config, params, n, y)
    return ImageSampler(config, params, n, pixel_rnn._Memory(config, params, told, n))


every_start = pytest.mark.parametrize("start", [pixel_rnn.start, start_of_device])


def layer_sees(cell, R, S):
    """Return which pixels' features a layer's pixel depends on, by the paper's figures."""
    found = np.zeros((R, S, R, S), bool)
    for i in range(R):
        for j in range(S):
            for u in range(i + 1):
                if cell == "diagonal":
                    found[i, j, u, : j + 1] = True
                    found[i, j, u, j:] |= u < i
                else:
                    lo, hi = max(0, j - (i - u)), min(S, j + (i - u) + 1)
                    found[i, j, u, max(0, lo - 1) : hi] = True  # and each one's left neighbour
    return found.reshape(R * S, R * S)


def first_sees(k, R, S):
    """Return which pixels a k × k kernel of kind A looks at."""
    found = np.zeros((R, S, R, S), bool)
    for i, j, u, v in np.ndindex(*found.shape):
        near = abs(u - i) <= k // 2 and abs(v - j) <= k // 2
        found[i, j, u, v] = near and (u, v) < (i, j)
    return found.reshape(R * S, R * S)


@every_cell
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("R", "S"), [(4, 5), (5, 3), (1, 4), (4, 1)])
def test_what_every_pixel_sees(cell, k, R, S, rng):
    """Exactly what the paper's layers see, so nothing that comes later."""
    config, params, x, _ = make(rng, cell, "bits", R, S, k)
    found = np.zeros((R * S, R * S), bool)
    before = pixel_rnn.conditionals(config, params, x)
    for q in range(R * S):
        changed = x.copy()
        changed[:, q // S, q % S] ^= 1
        after = pixel_rnn.conditionals(config, params, changed)
        found[:, q] = (after != before).any(axis=(0, 3)).reshape(-1)
    seen = first_sees(k, R, S)
    for _ in range(config.n_layers):
        seen = layer_sees(cell, R, S) @ seen
    assert_array_equal(found, seen)
    assert not np.triu(found).any()
    if cell == "diagonal":  # all of the past but what the first kernel does not reach: a row's end
        missing = np.argwhere(np.tril(np.ones_like(found), -1) > found)
        assert all(q % S == S - 1 and p // S == q // S + 1 for p, q in missing)


@every_cell
def test_what_every_channel_sees(cell, rng):
    """Channels of its own pixel before it, and no other of that."""
    config, params, x, _ = make(rng, cell, "colours")
    before = pixel_rnn.conditionals(config, params, x).reshape(6, 36, -1)
    for q in range(36):
        changed = x.reshape(6, 36).copy()
        changed[:, q] = (changed[:, q] + 1) % 3
        after = pixel_rnn.conditionals(config, params, changed.reshape(x.shape))
        moved = (after.reshape(before.shape) != before).any(axis=(0, 2))
        assert not moved[: q + 1].any()
        assert moved[q + 1 : q // 3 * 3 + 3].all()


@every_start
@every_cell
@every_size
def test_drawing_is_recomputing_everything(cell, size, start, rng):
    """Pixel for pixel, with values that are given, and pieces."""
    config, params, x, y = make(rng, cell, size)
    u = rng.random(x.shape)
    u[rng.random(u.shape) < 0.2] = -1
    u[0] = -1
    anew = image_density.functions(pixel_rnn._forward, pixel_rnn._backward)
    drawn = anew.sample(config, params, u, x, y)
    assert_array_equal(drawn[u < 0], x[u < 0])
    flat, given = u.reshape(6, -1), x.reshape(6, -1)
    assert_array_equal(start(config, params, 6, y).extend(flat, given), drawn.reshape(6, -1))
    cut = flat.shape[1] // 2 + 1
    pieces = start(config, params, 6, y)
    parts = [pieces.extend(flat[:, part], given[:, part]) for part in np.s_[:cut, cut:]]
    assert_array_equal(np.hstack(parts), drawn.reshape(6, -1))


@every_start
@every_cell
@every_size
def test_a_sampler_that_is_told_looks_ahead_as_one_that_draws(cell, size, start, rng):
    """Some numbers are put before anybody asked for what comes next."""
    config, params, x, y = make(rng, cell, size)
    sampler, p = start(config, params, 6, y), pixel_rnn.conditionals(config, params, x, y)
    p, rows = p.reshape(6, x[0].size, -1), x.reshape(6, -1)
    for t in range(rows.shape[1]):
        if t % 5 in (0, 3):
            for _ in range(2):  # asking moves nothing
                assert_allclose(sampler.peek().reshape(6, -1), p[:, t], rtol=1e-10, atol=1e-12)
        sampler.put(rows[:, t])


@every_cell
def test_no_row_is_worked_out_again(cell, rng, monkeypatch):
    """On a device, too, without a pass over images, and no level is scaled more than twice."""
    config, params, x, _ = make(rng, cell, "bits")
    scaled, sizes = pixels.scaled, []

    def never(*args):
        raise AssertionError("a pass over whole images")

    def counted(x, *args):
        sizes.append(x.size)
        return scaled(x, *args)

    for name in ("forward", "add"):
        monkeypatch.setattr(f"chainrule.kernels.masked_conv.{name}", never)
    monkeypatch.setattr("chainrule.kernels.grid_lstm.forward", never)
    monkeypatch.setattr(pixels, "scaled", counted)
    drawn = start_of_device(config, params, 6).extend(rng.random((6, x[0].size)))
    assert drawn.shape == (6, x[0].size) and sum(sizes) <= 2 * x.size


@every_cell
def test_every_layer_drops_what_its_place_says(cell, rng):
    """By seed, minibatch and row in it, so that slices of a minibatch add up to the whole."""
    config = Config(4, 3, n_hidden=3, n_layers=2, cell=cell, first_size=3, dropout=0.4)
    params = pixel_rnn.init(config, rng, np.float64)
    x = rng.integers(0, 2, (7, 4, 3, 1)).astype(np.uint8)
    whole, part = params.like(), params.like()

    def loss(noise, rows=np.s_[:], **total):
        return pixel_rnn.loss_and_grad(config, params, x[rows], part, noise=noise, **total)

    losses, total = [], np.zeros_like(part.flat)
    for lo, hi in ((0, 4), (4, 7)):
        losses.append(loss(Noise(5, 6, lo), np.s_[lo:hi], total=7))
        total += part.flat
    loss_of_all = pixel_rnn.loss_and_grad(config, params, x, whole, noise=Noise(5, 6, 0))
    assert_allclose(sum(losses), loss_of_all, rtol=1e-12)
    assert_allclose(total, whole.flat, rtol=1e-9, atol=1e-13)
    drawn = [loss(noise) for noise in (Noise(5, 6, 0), Noise(5, 7, 0), Noise(4, 6, 0), None)]
    assert len(set(drawn)) == 4
    assert drawn[-1] == pytest.approx(-pixel_rnn.log_prob(config, params, x).mean(), rel=1e-12)
    with arena.borrow(params.flat) as new:
        z = pixels.scaled(x, 2, new)
        _, tape = pixel_rnn._forward(config, params, z, np.zeros(7, np.int32), Noise(5, 6, 0), new)
        of_layers = [layer.m == 0 for layer in tape.layers]
    assert (of_layers[0] != of_layers[1]).any()


@every_cell
def test_start(cell, rng):
    """Forget gates are open in every group, what is hidden is 0, and all else has its scale."""
    config = Config(5, 5, 3, 4, 12, 3, cell)
    params = pixel_rnn.init(config, rng)
    for b in params["b_i"].reshape(-1, 48):
        assert_array_equal(b.reshape(3, 4, 4), np.eye(4)[1][None, :, None] * np.ones((3, 1, 4)))
    of = config.of_cell
    assert not params["W_i"][:, :, ~of.window.mask(24, 48)].any()
    assert not params["W_x"][~config.first.mask(3, 24)].any()
    taps = params["W_h"].shape[2]
    assert_allclose(params["W_h"].std(), (12 * taps) ** -0.5, rtol=0.1)
    x = rng.integers(0, 4, (8, 5, 5, 3)).astype(np.uint8)
    bits = -pixel_rnn.log_prob(config, params, x).mean() / config.event.guessing
    assert 0.98 < bits < 1.1


@every_cell
def test_it_learns_what_a_far_pixel_says(cell, rng):
    """Each image is the first row, over and over: farther up than the first kernel sees."""
    x = np.repeat(rng.integers(0, 2, (64, 1, 5, 1)), 5, axis=1).astype(np.uint8)
    x[:, 1:4] = 0
    config = Config(5, 5, n_hidden=8, n_layers=2, cell=cell, first_size=3)
    params = pixel_rnn.init(config, rng)
    grad, m, v = params.like(), np.zeros_like(params.flat), np.zeros_like(params.flat)
    for t in range(1, 151):
        loss = pixel_rnn.loss_and_grad(config, params, x, grad)
        adam.step(params.flat, grad.flat, m, v, t, 0.01, 0.9, 0.99, 1e-8, 0, 0, 0, 1.0)
    assert loss < 5 * np.log(2) + 0.8  # ten bits unless the last row follows from the first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_hidden": 0}, "n_hidden and n_classes must be 1 or more"),
        ({"cell": "column"}, "cell must be one of row, diagonal, got 'column'"),
        ({"channels": 3, "n_hidden": 8}, "n_hidden must be a multiple of the 3 channels"),
        ({"first_size": 1}, "first_size must be at least 3 to see a pixel"),
        ({"first_size": 4}, "a kernel's size must be odd"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"levels": 1}, "an image needs sizes of 1 or more and 2 levels or more"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Config(3, 3, **options)
