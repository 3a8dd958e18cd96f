"""Pictures of what a model of images says: surprise, entropy, probabilities, completions."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from support.pictures import mosaics, titles

from chainrule import plots
from chainrule.plots import faces, palette
from chainrule.plots.images import PROBABILITY

SHAPES = [(1, 3, 3, 1), (4, 5, 7, 1), (3, 8, 8, 3), (2, 28, 28, 1), (2, 2, 40, 3)]
any_images = pytest.mark.parametrize("shape", SHAPES, ids=str)


def images(rng, shape, levels):
    x = rng.integers(0, levels, shape)
    x[0, 0, 0, 0] = levels - 1  # so that the levels can be told
    return x


def distributions(rng, shape, levels):
    return rng.dirichlet(np.ones(levels), shape)


def keys(figure):
    return [text for text in titles(figure) if " to " in text]


# --- images as they are


def test_two_levels_are_ink_more_are_greys_and_three_channels_are_colours():
    x = np.array([[[[0], [1]]]])
    assert faces.faces(x, 2).colours is palette.INKS
    grey = faces.faces(8 * x, 17)
    assert grey.colours is palette.GREYS
    np.testing.assert_array_equal(grey.tiles, [[[0, 0.5]]])
    colour = np.array([[[[0, 255, 51]]]])
    np.testing.assert_allclose(faces.faces(colour, 256).tiles, [[[[0, 1, 0.2]]]])
    assert palette.GREYS(0.0)[:3] == (0, 0, 0) and palette.GREYS(1.0)[:3] == (1, 1, 1)


@pytest.mark.parametrize(
    ("x", "levels", "text"),
    [
        (np.zeros((2, 9)), 2, r"shape \(N, R, S, C\)"),
        (np.zeros((0, 3, 3, 1)), 2, "x must not be empty"),
        (np.zeros((1, 3, 3, 2)), 2, "1 or 3 channels"),
        (np.full((1, 3, 3, 1), 4), 4, "x holds 4, and 4 levels reach from 0 to 3; say how many"),
        (np.full((1, 3, 3, 1), np.nan), 4, r"x holds nan at \[0, 0, 0, 0\]; replace"),
    ],
)
def test_what_is_no_image_is_refused(x, levels, text):
    with pytest.raises(ValueError, match=text):
        plots.surprise(x, np.zeros_like(x, float), levels)


@any_images
def test_any_images_are_drawn(shape, rng, tmp_path):
    x, p = images(rng, shape, 4), distributions(rng, shape, 4)
    terms = np.log(np.take_along_axis(p, x[..., None], axis=4)[..., 0])
    observed = np.arange(shape[1])[:, None].repeat(shape[2], axis=1) < 2
    for figure in (
        plots.surprise(x, terms),
        plots.entropy(p),
        plots.entropy(p, x),
        plots.conditional_probability(x, p),
        plots.completions(x, observed, np.stack([x, x, x])),
        plots.receptive_field(rng.random(shape[1:]), (1, 1)),
    ):
        width, height = figure.get_size_inches() * plots.DPI
        assert 100 < width <= 3000 and 80 < height <= 4000
        plots.save(figure, tmp_path / "x.png")


# --- surprise


def test_surprise_is_in_bits_summed_over_channels_on_one_scale(rng):
    x = images(rng, (2, 2, 2, 3), 4)
    terms = -np.log(2) * rng.integers(0, 5, x.shape)
    data, maps = mosaics(figure := plots.surprise(x, terms, columns=1))
    bits = (-terms / np.log(2)).sum(axis=3)
    np.testing.assert_allclose(maps[:2], bits[0])
    np.testing.assert_allclose(maps[3:], bits[1])
    assert maps.mask[2].all(), "a gap is not blank"
    np.testing.assert_allclose(data[:2], x[0] / 3)
    np.testing.assert_array_equal(data[2], 1)  # white between images in colour
    total = f"{bits.sum() / 2:.1f} bits an image, {bits.mean() / 3:.3g} a channel"
    assert titles(figure)[:2] == ["data", f"surprise: {total}"]
    assert figure.axes[1].get_images()[0].get_clim() == (0, np.quantile(bits, 0.995))


def test_what_a_model_holds_for_impossible_is_drawn_as_the_most_surprising():
    x, terms = np.ones((1, 40, 40, 1), int), np.full((1, 40, 40, 1), -1.0)
    terms[0, 3, 4] = -np.inf
    maps = mosaics(figure := plots.surprise(x, terms))[1]
    assert not np.ma.getmaskarray(maps).any() and maps[3, 4] > 1e6
    assert keys(figure) == ["0 to 1.4 bits or more"]
    everywhere = plots.surprise(x[:, :1], np.zeros((1, 1, 40, 1)))  # a scale of nothing
    assert keys(everywhere) == ["0 to 1 bits"]


def test_terms_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"log_prob_terms must have .* \(1, 3, 3\), got"):
        plots.surprise(np.zeros((1, 3, 3, 1)), np.zeros((1, 3, 4, 1)))


# --- entropy


@pytest.mark.parametrize("levels", [2, 4, 16])
def test_entropy_of_even_odds_is_the_log_of_the_levels(levels):
    p = np.full((1, 3, 3, 3, levels), 1 / levels)
    p[0, 1, 1] = np.eye(levels)[0]
    (maps,) = mosaics(figure := plots.entropy(p))
    assert maps[1, 1] == 0, "what is certain has none"
    maps[1, 1] = maps[0, 0]
    np.testing.assert_allclose(maps, 3 * np.log2(levels))
    assert keys(figure) == [f"0 to {3 * np.log2(levels):.2g} bits"]


def test_entropy_of_bits_is_that_of_both_values(rng):
    p = rng.random((2, 3, 3, 1))
    (one,) = mosaics(plots.entropy(p))
    (both,) = mosaics(plots.entropy(np.stack([1 - p, p], axis=-1)))
    np.testing.assert_allclose(one, both)
    q = p[0, 0, 0, 0]
    np.testing.assert_allclose(one[0, 0], -q * np.log2(q) - (1 - q) * np.log2(1 - q))


def test_entropy_stands_beside_the_images_where_they_are_given(rng):
    x, p = np.zeros((1, 3, 3, 1), int), distributions(rng, (1, 3, 3, 1), 5)
    figure = plots.entropy(p, x)
    assert len(mosaics(figure)) == 2 and titles(figure)[0] == "data"
    assert figure.axes[0].get_images()[0].cmap == palette.GREYS, "the probabilities are of 5 levels"
    with pytest.raises(ValueError, match="probabilities must have the shape of the images"):
        plots.entropy(p, x[:, :2])


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (np.zeros((1, 9)), r"\(N, R, S, C, K\), got \(1, 9\)"),
        (np.full((1, 3, 3, 1), 1.2), "not negative"),
        (np.full((1, 3, 3, 1, 4), 0.3), "sum to 1"),
        (np.full((1, 3, 3, 1, 4), np.nan), "sum to 1"),
    ],
)
def test_what_are_no_probabilities_is_refused(p, text):
    with pytest.raises(ValueError, match=text):
        plots.entropy(p)
    if p.ndim > 2:
        with pytest.raises(ValueError, match=text):
            plots.conditional_probability(np.zeros((1, 3, 3, 1)), p)


# --- probabilities


def test_of_bits_the_probability_of_a_one_is_drawn(rng):
    x, p = images(rng, (1, 3, 3, 1), 2), rng.random((1, 3, 3, 1))
    figure = plots.conditional_probability(x, p)
    np.testing.assert_allclose(mosaics(figure)[1], p[0, :, :, 0])
    assert titles(figure) == ["data", PROBABILITY, "0 to 1"]
    colour = rng.random((1, 3, 3, 3))
    figure = plots.conditional_probability(np.zeros((1, 3, 3, 3)), colour)
    np.testing.assert_allclose(mosaics(figure)[1], colour[0])
    assert not keys(figure), "a colour is not on a scale"


def test_of_more_levels_the_probability_of_the_observed_one_is_drawn(rng):
    shape = (2, 3, 4, 3)
    x, p = images(rng, shape, 5), distributions(rng, shape, 5)
    there = np.take_along_axis(p, x[..., None], axis=4)[..., 0]
    for given in (p, there):
        maps = mosaics(figure := plots.conditional_probability(x, given, columns=1))[1]
        np.testing.assert_allclose(maps[:3], there[0].prod(axis=2))
        assert titles(figure)[1] == "probability of what is there"
        top = there.prod(axis=3).max()
        assert figure.axes[1].get_images()[0].get_clim() == pytest.approx((0, top))
    with pytest.raises(ValueError, match="p must have the shape of the images"):
        plots.conditional_probability(x[:1], p)


# --- completions


@pytest.mark.parametrize("which", [(0,), (0, 0), (0, 0, 0)])
def test_completions_of_images_veil_what_was_not_seen(which):
    """A mask of pixels, of values, or of values image by image, all of one meaning."""
    x = np.array([[[[0], [2]], [[3], [1]]]])
    pixels = np.array([[True, False], [False, True]])
    observed = {1: pixels, 2: pixels[..., None], 3: pixels[None, ..., None]}[len(which)]
    drawn = np.stack([x, 3 - x])
    data, seen, made = mosaics(plots.completions(x, observed, drawn))
    np.testing.assert_allclose(data, np.array([[0, 2], [3, 1]]) / 3)
    np.testing.assert_allclose(seen, [[0, faces.UNSEEN], [faces.UNSEEN, 1 / 3]])
    np.testing.assert_allclose(made[:, :2], data)
    np.testing.assert_allclose(made[:, 3:], 1 - data)


def test_a_row_has_the_completions_of_its_image(rng):
    """Of images, and of rows."""
    x = images(rng, (2, 3, 3, 1), 2)
    drawn = rng.integers(0, 2, (3, *x.shape))
    for given in (x, x.reshape(2, 9)):
        observed = np.arange(9).reshape(given.shape[1:]) < 3
        made = mosaics(plots.completions(given, observed, drawn.reshape(3, *given.shape)))[2]
        for n in range(2):
            for k in range(3):
                tile = made[4 * n : 4 * n + 3, 4 * k : 4 * k + 3]
                np.testing.assert_array_equal(tile, drawn[k, n, :, :, 0])


def test_completions_in_colour_veil_a_pixel_of_which_a_channel_is_missing(rng):
    x = images(rng, (2, 2, 2, 3), 256)
    observed = np.ones((2, 2, 2, 3), bool)
    observed[1, 0, 1, 2] = False
    _, seen, made = mosaics(plots.completions(x, observed, x[None]))
    shown = x / 255
    shown[1, 0, 1] = to_rgb(palette.VEIL)
    np.testing.assert_allclose(seen, np.concatenate([shown[0], np.ones((1, 2, 3)), shown[1]]))
    np.testing.assert_allclose(made[3:], x[1] / 255)
    with pytest.raises(ValueError, match=r"of images \(2, 2, 2, 3\), got \(3,\)"):
        plots.completions(x, np.ones(3), x[None])


def test_completions_of_other_images_are_refused():
    """One of each without the axis of ways, as a sampler returns them, would be cut up."""
    x = np.zeros((4, 2, 3, 1), np.uint8)
    for drawn in (x, x[None, :3], x[0]):
        with pytest.raises(ValueError, match=r"\(K, 4, 2, 3, 1\), got .*drawn\[None\]"):
            plots.completions(x, np.ones((2, 3), bool), drawn)
