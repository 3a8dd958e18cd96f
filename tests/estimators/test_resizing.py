"""Models of images at another size: the same function of the pixels around each, elsewhere."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

import chainrule as cr
from chainrule.engine import models
from chainrule.engine.params import Params
from chainrule.kernels import use_backend

RNG = np.random.default_rng(0)
BITS = (np.cumsum(RNG.random((40, 24)) < 0.3, axis=1) % 2).astype(np.uint8).reshape(40, 4, 6)
COLOUR = RNG.integers(0, 4, (20, 4, 6, 3))
TRAINED = {"epochs": 2, "first_size": 3, "seed": 0, "n_threads": 1}
KINDS = {
    "plain": (cr.PixelCNN(1, 6, **TRAINED), BITS),
    "gated in colour": (cr.PixelCNN(1, 6, gated=True, levels=4, **TRAINED), COLOUR),
    "row, of rows": (cr.PixelRNN(1, 4, image_shape=(4, 6), **TRAINED), BITS.reshape(40, 24)),
    "diagonal": (cr.PixelRNN(1, 6, cell="diagonal", levels=4, **TRAINED), COLOUR),
}


@pytest.fixture(params=KINDS, scope="module")
def fitted(request):
    model, X = KINDS[request.param]
    return model.fit(X)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (5, 8)])
def test_it_draws_and_scores_images_of_that_size(fitted, size):
    before = fitted.sample(3, seed=1)
    other = fitted.resized(*size)
    drawn = other.sample(5, seed=0)
    C = fitted.encoder_.shape[2]
    pixels = (*size, C)[: drawn.ndim - 1]
    assert drawn.shape == ((5, *pixels) if drawn.ndim > 2 else (5, np.prod(size)))
    assert drawn.dtype == before.dtype and other.n_features_in_ == np.prod(size) * C
    # What the engine says of these images with a network of that size, in float64.
    config = dataclasses.replace(fitted.config_, height=size[0], width=size[1])
    x = drawn.reshape(5, *size, C).astype(np.uint8)
    of_64 = Params(fitted.params_.shapes, fitted.params_.flat.astype(np.float64))
    with use_backend("reference"):
        log_p = models.get(fitted.model_).log_prob(config, of_64, x)
    assert_allclose(other.log_prob(drawn), log_p, rtol=1e-4)
    assert other.bits_per_dim(drawn) == pytest.approx(-log_p.mean() / x[0].size / np.log(2), 1e-4)
    assert_array_equal(fitted.sample(3, seed=1), before)  # and the model is what it was


def test_of_its_own_size_it_is_itself(fitted):
    same = fitted.resized(*fitted.encoder_.shape[:2])
    assert_array_equal(same.sample(4, seed=3), fitted.sample(4, seed=3))


def test_larger_images_are_completed_and_saved(fitted, tmp_path):
    other = fitted.resized(8, 6)
    drawn = other.sample(2, seed=0)
    seen = np.arange(8)[:, None] < np.full(6, 4)
    again = other.sample(2, seed=5, given=drawn, observed=seen)
    upper = 24 * fitted.encoder_.shape[2]
    assert_array_equal(again.reshape(2, -1)[:, :upper], drawn.reshape(2, -1)[:, :upper])
    other.save(tmp_path / "m.safetensors")
    loaded = cr.load(tmp_path / "m.safetensors")
    assert_array_equal(loaded.sample(2, seed=0), drawn)
    assert_array_equal(loaded.log_prob(drawn), other.log_prob(drawn))


def test_what_comes_before_is_scored_alike_at_every_size():
    """The upper left of a larger image: windows see the same there, but for its right edge."""
    model = cr.PixelCNN(1, 6, **TRAINED).fit(BITS)
    large = np.zeros((3, 7, 9), np.uint8)
    large[:, :4, :6] = BITS[:3]
    terms = model.resized(7, 9).log_prob_terms(large)
    reach = 1 + 1  # of two 3 × 3 windows, to the right of a pixel, a row up
    assert_allclose(terms[:, :4, : 6 - reach], model.log_prob_terms(BITS[:3])[..., :-reach], 1e-5)


def test_names_of_pixels_are_of_their_size():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(BITS.reshape(40, 24), columns=[f"p{k}" for k in range(24)])
    model = cr.PixelCNN(1, 6, image_shape=(4, 6), **TRAINED).fit(table)
    assert list(model.resized(4, 6).feature_names_in_) == list(table.columns)
    other = model.resized(6, 4)
    assert not hasattr(other, "feature_names_in_") and other.sample(2, seed=0).shape == (2, 24)
    assert list(model.feature_names_in_) == list(table.columns)


def test_what_cannot_be():
    with pytest.raises(NotFittedError):
        cr.PixelCNN().resized(3, 3)
    placed = cr.PixelCNN(1, 6, positions=True, **TRAINED).fit(BITS)
    with pytest.raises(ValueError, match="biases of its own"):
        placed.resized(5, 6)
    assert placed.resized(4, 6).sample(1, seed=0).shape == (1, 4, 6)
    for size in ((0, 3), (3, -1), (2.5, 3), (3, True)):
        with pytest.raises((ValueError, TypeError), match=r"rows|columns"):
            placed.resized(*size)


def test_rows_that_it_draws_can_be_learnt_from():
    """A fit of the resized model reads rows of its own size as such."""
    model = cr.PixelRNN(1, 4, image_shape=(4, 6), **TRAINED).fit(BITS.reshape(40, 24))
    other = model.resized(3, 5)
    assert other.image_shape == (3, 5) and model.image_shape == (4, 6)
    assert other.fit(other.sample(20, seed=0)).encoder_.shape == (3, 5, 1)
    assert model.encoder_.shape == (4, 6, 1)
