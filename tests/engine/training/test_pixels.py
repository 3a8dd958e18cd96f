"""A source of images: every cut of a minibatch sees the same, and every epoch something else."""

from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.engine import greys
from chainrule.engine.event import Abilities
from chainrule.engine.greys import Chance
from chainrule.engine.params import Params
from chainrule.engine.training import train
from chainrule.engine.training.pixels import ImageSource
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels import use_threads

RECIPE = Recipe(epochs=3, batch_size=10, seed=4)
BITS = Chance(255.0, True)


@pytest.fixture
def x(rng):
    return rng.integers(0, 256, (25, 4, 3, 1), np.uint8)


def seeing(source, step, cuts):
    """Return the images of a minibatch as a model sees them, in slices."""
    seen = []

    def loss_and_grad(config, params, x, grad, total, y=None):
        seen.append(x if y is None else x * 0 + y[:, None, None, None].astype(np.uint8))
        return 0.0

    model = SimpleNamespace(ABILITIES=Abilities(labels=True), loss_and_grad=loss_and_grad)
    batch = source.batch(model, None, RECIPE, step, None)
    for lo, hi in cuts:
        batch.gradient(None, lo, min(hi, batch.n_rows), None)
    return np.concatenate(seen)


def test_a_minibatch_is_the_same_in_every_cut(x):
    source = ImageSource(x, chance=BITS)
    whole = seeing(source, 1, [(0, 10)])
    np.testing.assert_array_equal(seeing(source, 1, [(0, 3), (3, 4), (4, 10)]), whole)
    rows = source._rows(RECIPE, 1)
    np.testing.assert_array_equal(whole, greys.seen(x[rows], BITS, 4, 1, rows))


def test_every_epoch_draws_anew_and_an_image_alike_wherever_it_is_shuffled_to(x):
    source = ImageSource(x, chance=Chance(255.0))
    epochs = []
    for epoch in range(3):
        seen = np.empty_like(x)
        for step in range(3):
            at = 3 * epoch + step
            seen[source._rows(RECIPE, at)] = seeing(source, at, [(0, 10)])
        np.testing.assert_array_equal(
            seen, greys.seen(x, Chance(255.0), 4, epoch + 1, np.arange(25))
        )
        epochs.append(seen)
    assert not np.array_equal(epochs[0], epochs[1])


def test_without_chance_images_are_as_they_are(x):
    source, y = ImageSource(x), np.arange(25)
    np.testing.assert_array_equal(seeing(source, 0, [(0, 10)]), x[source._rows(RECIPE, 0)])
    labelled = ImageSource(x, y, chance=BITS)
    np.testing.assert_array_equal(
        seeing(labelled, 0, [(0, 4), (4, 10)])[:, 0, 0, 0], source._rows(RECIPE, 0)
    )


class Shares:
    """A model of each pixel's share of ones, alike in all images."""

    WEIGHTS, ABILITIES = (), Abilities()

    @staticmethod
    def init(config, rng, dtype):
        return Params({"s": config.event.shape}, dtype=dtype)

    @staticmethod
    def loss_and_grad(config, params, x, grad, total):
        s = params["s"]
        grad["s"][...] = (1 / (1 + np.exp(-s)) - x).sum(axis=0) / total
        return float((np.logaddexp(0, s) - x * s).sum() / total)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_training_that_goes_on_draws_what_it_would_have_drawn(x, threads):
    event = SimpleNamespace(shape=x.shape[1:], guessing=8.3)
    config = SimpleNamespace(event=event)
    source = ImageSource(x, chance=BITS)
    with use_threads(threads):
        once, twice = (train.start(Shares, config, RECIPE, np.float64) for _ in range(2))
        for _ in train.run(Shares, config, RECIPE, once, source):
            pass
        steps = train.run(Shares, config, RECIPE, twice, source)
        for _ in range(4):
            next(steps)
        steps.close()
        for _ in train.run(Shares, config, RECIPE, twice, ImageSource(x, chance=BITS)):
            pass
    assert once.step == twice.step == 9
    np.testing.assert_array_equal(once.params.flat, twice.params.flat)


def test_images_go_to_the_side_of_the_training_with_their_chance(x):
    placed = ImageSource(x, np.arange(25), chance=BITS).on(np)
    assert placed._chance == BITS and placed.labelled
