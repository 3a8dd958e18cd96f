"""What pictures are given: images as `fit` takes them, and sentences on what cannot be drawn."""

import numpy as np
import pytest
from support.pictures import mosaics

import chainrule as cr
from chainrule import plots

SMALL = {"n_layers": 1, "n_features": 6, "first_size": 3, "epochs": 1, "seed": 0}


def fitted(X, **settings):
    return cr.PixelCNN(**{**SMALL, **settings}).fit(X)


@pytest.fixture(scope="module")
def greys():
    return np.random.default_rng(0).integers(0, 256, (12, 4, 3))


@pytest.fixture(scope="module")
def reduced(greys):
    return fitted(greys, levels=4, reduce_from=256)


def forms(x):
    """Return images in each form that they may have."""
    return {"grey": x, "channel": x[..., None], "rows": x.reshape(len(x), -1)}


@pytest.mark.parametrize("form", ["grey", "channel", "rows"])
def test_a_model_that_reduces_levels_reads_what_is_drawn(greys, reduced, form):
    X = forms(greys)[form][:2]
    p, terms = reduced.conditionals(X), reduced.log_prob_terms(X)
    bins = greys[:2] // 64
    for figure in (
        plots.surprise(X, terms, columns=1, model=reduced),
        plots.entropy(p, X, columns=1, model=reduced),
        plots.conditional_probability(X, p, columns=1, model=reduced),
    ):
        np.testing.assert_allclose(mosaics(figure)[0][:4], bins[0] / 3)
    there = np.take_along_axis(p.reshape(2, 4, 3, 4), bins[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(mosaics(figure)[1][:4], there[0], rtol=1e-5)


def test_completions_show_the_data_in_the_models_levels(greys, reduced):
    observed = np.zeros((4, 3), bool)
    observed[:2] = True
    drawn = reduced.sample(2, seed=0, given=greys[:2], observed=observed)
    for X, of in ((greys, drawn), (greys.reshape(12, -1), drawn.reshape(2, -1))):
        data, seen, made = mosaics(plots.completions(X[:2], observed, of[None], model=reduced))
        np.testing.assert_allclose(data[:4], greys[0] // 64 / 3)
        np.testing.assert_allclose(seen[:2], data[:2])
        np.testing.assert_allclose(made[:2], data[:2], err_msg="what is observed looks alike")


def test_a_model_that_binarizes_reads_what_is_drawn(greys):
    model = fitted(greys, binarize=127)
    figure = plots.conditional_probability(greys[:1], model.conditionals(greys[:1]), model=model)
    np.testing.assert_allclose(mosaics(figure)[0], greys[0] > 127)
    drawn = model.sample(1, seed=0)
    data, _, made = mosaics(plots.completions(drawn, np.ones((4, 3), bool), drawn[None]))
    np.testing.assert_allclose(data, made)


@pytest.mark.parametrize("threshold", [127, 0.5])
def test_bits_that_a_model_drew_are_not_binarized_again(threshold, greys):
    """A threshold of 127 would leave no 1 of them; other images than bits are read."""
    model, observed = fitted(greys, binarize=threshold), np.arange(4) < 2
    observed = observed[:, None].repeat(3, axis=1)
    drawn = model.sample(4, seed=0, given=greys[:4], observed=observed)
    for X, of in ((greys, drawn), (greys.reshape(12, -1), drawn.reshape(4, -1))):
        made = mosaics(plots.completions(X[:4], observed, of[None], model=model))[2]
        np.testing.assert_array_equal(made[:4], drawn[0])
    _, _, made = mosaics(plots.completions(greys[:1], observed, greys[None, :1], model=model))
    np.testing.assert_array_equal(made, greys[0] > threshold)


def test_images_in_grey_need_no_axis_for_their_channel(rng):
    x, p = rng.integers(0, 4, (3, 5, 4)), rng.dirichlet(np.ones(4), (3, 5, 4))
    x[0, 0, 0] = 3
    terms, bit = np.log(rng.random(x.shape)), rng.random(x.shape)
    observed = rng.random((3, 5, 4)) < 0.5
    for draw in (
        lambda f: plots.surprise(f(x), f(terms)),
        lambda f: plots.entropy(f(bit)),
        lambda f: plots.entropy(f(bit), f(x)),
        lambda f: plots.conditional_probability(f(x > 1), f(bit)),
        lambda f: plots.completions(f(x), f(observed), f(x)[None]),
        lambda f: plots.completions(f(x), observed[0], f(x)[None]),
    ):
        for one, other in zip(
            mosaics(draw(lambda a: a)), mosaics(draw(lambda a: a[..., None])), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    for draw in (plots.entropy, lambda q: plots.conditional_probability(x, q)):
        one, other = mosaics(draw(p)), mosaics(draw(p[..., None, :]))
        np.testing.assert_array_equal(one[-1], other[-1])
    three = rng.random((2, 3, 3, 3))  # of bits in colour, no three levels
    assert mosaics(plots.entropy(three))[0].max() > np.log2(3)


def test_images_of_more_levels_than_the_probabilities_stand_beside_their_entropy(greys, reduced):
    p = reduced.conditionals(greys[:1])
    data = mosaics(plots.entropy(p, greys[:1], levels=256))[0]
    np.testing.assert_allclose(data, greys[0] / 255)
    plots.entropy(p, greys[:1])
    with pytest.raises(ValueError, match=r"4 levels reach from 0 to 3; where a model reduces or"):
        plots.conditional_probability(greys[:1], p)


X = np.arange(48).reshape(3, 4, 4) % 5
ROWS = (X > 2).reshape(3, 16)
WRONG = [
    (lambda: plots.sample_grid(X + 1000), "x holds 1004, and pixels have 256 levels at most, 0"),
    (lambda: plots.sample_grid(ROWS + 1000), "x holds 1001, and rows are drawn of values from 0"),
    (lambda: plots.sample_grid(ROWS - 1), "x holds -1, and rows are drawn of values from 0"),
    (lambda: plots.sample_grid(X / 0.3), "holds 3.33333, and levels are whole numbers; make"),
    (lambda: plots.sample_grid(np.full((1, 3, 3), np.nan)), r"x holds nan at \[0, 0, 0\]"),
    (lambda: plots.sample_grid(np.full((1, 9), np.inf)), r"x holds inf at \[0, 0\]; replace"),
    (lambda: plots.sample_grid([[1, 2], [3]]), "x must be an array, and its parts differ in"),
    (lambda: plots.sample_grid([["a", "b"]]), "x must be an array of numbers, got <U1"),
    (lambda: plots.sample_grid(object()), "x must be an array of numbers, got object"),
    (lambda: plots.sample_grid(X, levels=2.5), "levels must be a whole number of at least 2, got"),
    (lambda: plots.sample_grid(X, levels=3), "x holds 4, and 3 levels reach from 0 to 2; say how"),
    (lambda: plots.surprise(cr.PixelCNN(), X), "x must be an array of numbers, got PixelCNN"),
    (lambda: plots.surprise(X, cr.PixelCNN()), "log_prob_terms must be an array of numbers, got"),
    (lambda: plots.surprise(X, X[:2]), r"log_prob_terms must have the shape of the images, \(3, 4"),
    (lambda: plots.surprise(ROWS, ROWS), r"in grey, got \(3, 16\); of rows of pixels that is x"),
    (lambda: plots.surprise(X, X, model=4), "model must be a fitted model of images, got int"),
    (lambda: plots.entropy(X, X, model=cr.PixelCNN()), "model must be a fitted model of images"),
    (lambda: plots.entropy("p"), "probabilities must be an array of numbers, got str"),
    (lambda: plots.conditional_probability(X / 3, np.full((3, 4, 4, 5), 0.2)), "whole numbers"),
    (lambda: plots.conditional_probability(X, X[:2]), "p must have the shape of the images"),
    (lambda: plots.completions(X, X > 0, X), r"drawn must hold some completions of all rows, \(K"),
    (lambda: plots.completions(X, X[0, 0] > 0, X[None]), r"observed must have the shape \(R, S\)"),
    (lambda: plots.receptive_field("a", (0, 0)), "gradient must be an array of numbers, got str"),
]


@pytest.mark.parametrize(("draw", "says"), WRONG)
def test_what_cannot_be_drawn_is_one_sentence(draw, says):
    with pytest.raises((ValueError, TypeError), match=says) as caught:
        draw()
    assert "\n" not in str(caught.value)
