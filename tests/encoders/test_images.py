"""Images of users as levels, in every form and dtype, and back; and what is no image."""

import json
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits

from chainrule.encoders import sizes
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.images import Images
from chainrule.encoders.pixels import Settings
from chainrule.encoders.reals import RealValues
from chainrule.engine import greys
from chainrule.engine.event import Image

DIGITS = load_digits().images[:50]  # (50, 8, 8) float64, 0 … 16


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (6, 4, 3, 3), np.uint8)


def images(**settings):
    return Images(Settings(**settings))


def through_json(encoder):
    return json.loads(json.dumps(encoder.as_json()))


# Forms and dtypes


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, np.float32, object])
@pytest.mark.parametrize("form", [(8, 8), (8, 8, 1), (64,)])
def test_images_go_down_and_come_back_as_they_were(form, dtype):
    X = DIGITS.reshape(50, *form).astype(dtype)
    encoder = images().learn(X)
    x = encoder.encode(X)
    assert x.shape == (50, 8, 8, 1) and x.dtype == np.uint8
    assert_array_equal(x[..., 0], DIGITS)
    assert encoder.event == Image(8, 8, 1, 256) and encoder.dims == 64
    back = encoder.decode(x)
    assert back.shape == X.shape and back.dtype == (np.float64 if dtype is object else dtype)
    assert_array_equal(back, DIGITS.reshape(50, *form))
    again = images().of_json(through_json(encoder), encoder.event)
    assert_array_equal(again.decode(x), back)
    assert vars(again).keys() == vars(encoder).keys()


def test_rows_of_bytes_are_not_copied(colour):
    encoder = images().learn(colour)
    assert np.shares_memory(encoder.encode(colour), colour)
    bits = colour > 100
    encoder = images().learn(bits)
    assert encoder.event.levels == 2 and np.shares_memory(encoder.encode(bits), bits)
    assert encoder.decode(encoder.encode(bits)).dtype == bool


@pytest.mark.parametrize(
    ("D", "image_shape", "shape"),
    [
        (64, None, (8, 8, 1)),
        (1, None, (1, 1, 1)),
        (10, (1, 10), (1, 10, 1)),
        (10, (5, 2), (5, 2, 1)),
        (12, (2, 2, 3), (2, 2, 3)),
        (64, (4, 16), (4, 16, 1)),
    ],
)
def test_rows_are_images_of_a_shape(D, image_shape, shape, rng):
    X = rng.integers(0, 2, (5, D))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = images(image_shape=image_shape).learn(X)
    assert encoder.shape == shape
    assert_array_equal(encoder.encode(X), X.reshape(5, *shape))
    assert_array_equal(encoder.undo(encoder.encode(X)), X)


@pytest.mark.parametrize(
    ("D", "says"),
    [
        (3072, "they are in colour, say image_shape=(32, 32, 3), which a loaded Dataset has, or "
         "give arrays (N, 32, 32, 3), and if not, image_shape=(1, 3072)"),
        (10, "they have more rows, say image_shape=(R, S) or (R, S, C), which a loaded Dataset "
         "has, or give arrays (N, R, S) or (N, R, S, C), and if not, image_shape=(1, 10)"),
    ],
)  # fmt: skip
def test_rows_whose_pixels_are_no_square_are_doubtful(D, says, rng):
    X = rng.integers(0, 2, (5, D))
    for learn in (images().learn, RealValues(flat=False).learn):
        with pytest.warns(DataWarning) as heard:
            assert learn(X).shape == (1, D, 1)
        [text] = [str(one.message) for one in heard]
        assert text == (
            f"X has rows of {D:,} pixels, which is no square, and they are taken for images of "
            f"1×{D}; if {says}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RealValues().learn(X).shape == (D,)  # of no images


def test_rows_of_square_images_in_colour_are_no_squares():
    """3 s² is none, so that the warning names what every such row is."""
    for side in range(1, 300):
        assert sizes.of((side * side,), None, "X") == (side, side, 1)
        with pytest.warns(DataWarning, match=rf"image_shape=\({side}, {side}, 3\)"):
            sizes.of((3 * side * side,), None, "X")


def test_every_form_of_what_was_learnt_is_taken(colour):
    encoder = images().learn(colour)
    assert_array_equal(encoder.encode(colour.reshape(6, 36)), colour)
    assert_array_equal(encoder.encode(colour.tolist()), colour)
    assert_array_equal(encoder.encode(sparse.csr_array(colour.reshape(6, 36))), colour)
    assert encoder.describe() == "images of 4×3 pixels in colour, 256 levels"


def test_frames_have_names(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rng.integers(0, 2, (5, 4)), columns=list("abcd"))
    encoder = images().learn(X)
    assert_array_equal(encoder.encode(X).reshape(5, 4), X)
    assert encoder.shape == (2, 2, 1)


# Levels


def test_levels_are_learnt():
    for X, levels in ((DIGITS > 8, 2), (DIGITS, 256), (np.zeros((2, 4)), 2), ([[[255, 0]]], 256)):
        assert images().learn(X).event.levels == levels
    assert images(levels=17).learn(DIGITS).event.levels == 17


def test_levels_are_reduced_and_come_back_spread(colour):
    encoder = images(levels=4, reduce_from=256).learn(colour)
    x = encoder.encode(colour)
    assert encoder.event.levels == 4 and encoder.highest == 255
    assert_array_equal(x, colour // 64)
    drawn = encoder.decode(x)
    assert set(np.unique(drawn)) == {0, 85, 170, 255} and drawn.dtype == np.uint8
    assert_array_equal(encoder.encode(drawn), x)


def test_a_threshold_makes_bits():
    encoder = images(binarize=8).learn(DIGITS)
    x = encoder.encode(DIGITS)
    assert_array_equal(x[..., 0], DIGITS > 8)
    drawn = encoder.decode(x)
    assert drawn.dtype == np.uint8 and drawn.shape == DIGITS.shape and encoder.highest == 1
    assert encoder.describe() == "images of 8×8 pixels, bits"


@pytest.mark.parametrize("form", ["levels", "shares"])
def test_greys_are_drawn_always_alike(form):
    X, settings = (
        (DIGITS.astype(np.uint8), {"reduce_from": 17})
        if form == "levels"
        else ((DIGITS / 16).astype(np.float32), {})
    )
    encoder = images(draws=True, **settings).learn(X)
    x = encoder.encode(X)
    assert encoder.event == Image(8, 8, 1, 2) and set(np.unique(x)) == {0, 1}
    assert_array_equal(encoder.encode(X[7:9]), x[7:9])
    assert (x[DIGITS == 0] == 0).all() and (x[DIGITS == 16] == 1).all()
    grey = encoder.greys(X)
    assert_array_equal(grey[..., 0], X)
    assert encoder.top == (16.0 if form == "levels" else 1.0)
    assert_array_equal(greys.drawn(grey, encoder.top), x)
    drawn = encoder.decode(x)
    assert set(np.unique(drawn)) == {0, encoder.highest} and drawn.dtype == X.dtype
    assert_array_equal(encoder.encode(drawn), x)  # what is black or white is no chance
    assert_array_equal(encoder.encode(x.astype(X.dtype)), x)  # bits are bits


# What is no image


@pytest.mark.filterwarnings("ignore:X has rows of")  # of two pixels
@pytest.mark.parametrize(
    ("settings", "X", "says"),
    [
        ({}, [[0.5, 0]], r"X holds 0\.5 at \[0, 0\], and levels are whole numbers from 0 on; make"),
        ({}, [[0, 2.5]], r"holds 2\.5 at \[0, 1\].*; round such pixels, or set binarize to 1\.2"),
        ({}, [[0, 300]], r"holds 300 at \[0, 1\], and there are 256 levels at most; scale such"),
        ({}, [[0, -1]], r"holds -1 at \[0, 1\], and levels are whole numbers from 0 on; shift"),
        ({}, [[0, np.nan]], r"X contains NaN \(first at \[0, 1\]\)"),
        ({}, [[0, np.inf]], r"X contains inf \(first at \[0, 1\]\)"),
        ({"levels": 4}, [[0, 4]], r"holds 4 at \[0, 1\], and of levels=4 the last is 3; give such"),
        ({"levels": 2, "reduce_from": 4}, [[0, 5]], r"holds 5 at .*, past reduce_from=4; say of"),
        ({"draws": True}, [[0.5, 1.5]], r"holds 1\.5 at \[0, 1\], and the greys .* are shares"),
        ({"draws": True}, [[0, 1]], "X holds only 0 and 1, so that no bits can be drawn; leave"),
        ({}, np.zeros((2, 0, 3)), r"X has shape \(2, 0, 3\); images are .*none of these"),
        ({}, np.zeros((0, 4)), "0 sample"),
        ({}, np.zeros((2, 0)), "0 feature"),
        ({}, np.zeros((2, 2, 2, 2, 2)), r"X has shape \(2, 2, 2, 2, 2\); images are"),
        ({}, np.zeros((2, 3, 32, 32)), r"32 channels, more than 4; they come last: X\.transpose"),
        ({}, np.zeros((2, 32, 32, 9)), r"9 channels, more than 4; leave some out"),
        ({}, np.zeros(4), "Reshape your data"),
        ({}, np.zeros((2, 2, 2), complex), "Complex data not supported"),
        ({}, [[[0, 1], [1]]], "must be a rectangular table of numbers"),
        ({"image_shape": (3, 3)}, [[0, 1]], r"images of 2 pixels, and image_shape says \(3, 3\)"),
        ({"image_shape": (4, 2)}, np.zeros((2, 2, 4)), "images of 2×4, and image_shape says"),
        ({"binarize": 1}, [[0, np.nan]], "X contains NaN"),
        ({"levels": 2}, [[0, 0.6]], r"holds 0\.6 .*; round such pixels, or set binarize to 0\.5$"),
        ({"levels": 16}, [[0, 300]], r"256 levels at most; scale such pixels to 0 … 15$"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(settings, X, says):
    encoder = images(**settings)
    with pytest.raises(ValueError, match=says) as caught:
        encoder.learn(X).encode(X)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:X has rows of")  # of two pixels
@pytest.mark.parametrize(
    ("settings", "X", "says"),
    [
        ({"draws": True}, [[-1, 9]], "shift or clip such pixels"),
        ({"draws": True, "reduce_from": 17}, [[-1, 9]], "shift or clip such pixels"),
        ({"levels": 16}, [[-1, 9]], "shift or clip such pixels"),
        ({"levels": 16, "reduce_from": 256}, [[-1, 9]], "shift or clip such pixels"),
        ({"levels": 16, "reduce_from": 256}, [[0, 2.5]], "round such pixels"),
        ({"levels": 16, "reduce_from": 256}, [[1, 0.5]],
         "make levels of shares, (X * 255).round() as uint8"),
        ({"levels": 4, "reduce_from": 17}, [[1, 0.5]],
         "make levels of shares, (X * 16).round() as uint8"),
        ({"levels": 16}, [[1, 0.5]], "make levels of shares, (X * 15).round() as uint8"),
    ],
    ids=str,
)  # fmt: skip
def test_advice_is_none_that_is_refused_itself(settings, X, says):
    """Beside these settings a threshold is refused; levels of shares are as many as were said."""
    encoder = images(**settings)
    with pytest.raises(ValueError, match="whole numbers from 0 on") as caught:
        encoder.learn(X).encode(X)
    assert str(caught.value).endswith(f"from 0 on; {says}")
    with pytest.raises(ValueError, match="binarize makes bits of pixels by a threshold"):
        Settings(**settings, binarize=0.5).check()
    if "* " in says:
        made = (np.array(X) * int(says.split("* ")[1].split(")")[0])).round().astype(np.uint8)
        assert encoder.learn(made).encode(made).max() == encoder.levels - 1


def test_words_are_no_pixels():
    with pytest.raises(TypeError, match="must hold numbers"):
        images().learn(np.array([[["a", "b"]]]))
    with pytest.raises(TypeError, match="must hold numbers"):
        images().learn(np.array([[[1, "b"]]], object))


def test_a_pixel_is_named_by_its_indices(colour):
    wrong = colour.astype(int)
    wrong[2, 3, 1, 2] = 999
    with pytest.raises(ValueError, match=r"X holds 999 at \[2, 3, 1, 2\], and there are 256"):
        images().learn(wrong).encode(wrong)
    encoder = images().learn(colour > 100)
    with pytest.raises(
        ValueError, match=r"at \[0, 0, 0, 0\], and those of the fit are from 0 to 1"
    ):
        encoder.encode(np.full((1, 4, 3, 3), 7))


@pytest.mark.parametrize(
    ("X", "says"),
    [
        (np.zeros((2, 4, 4, 3)), r"X has images of 4×4×3, and the model was fitted on 4×3×3"),
        (np.zeros((2, 4, 3)), r"X has images of 4×3, and the model was fitted on 4×3×3; give"),
        (np.zeros((2, 4, 3, 1)), r"images of 4×3, and the model was fitted on 4×3×3"),
        (np.zeros((2, 3, 4, 3)), r"images of 3×4×3, and the model"),
        (np.zeros((4, 3, 3)), r"X has the shape of one image, 4×3×3, .*; of one give X\[None\]$"),
        (np.zeros((2, 35)), "X has 35 features, but this model is expecting 36 features"),
    ],
)
def test_images_of_other_sizes_are_refused(colour, X, says):
    encoder = images().learn(colour)
    with pytest.raises(ValueError, match=says):
        encoder.encode(X)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"levels": 1}, "levels must be a whole number of at least 2, got 1"),
        ({"levels": 257}, "levels must be from 2 to 256, got 257"),
        ({"levels": 4, "binarize": 3}, "binarize makes bits of pixels by a threshold"),
        ({"draws": True, "binarize": 3}, "binarize makes bits of pixels by a threshold; leave it"),
        ({"levels": 4, "draws": True}, "dynamic_binarization draws bits, and levels=4; leave one"),
        ({"reduce_from": 4}, "reduce_from=4 says of how many levels; set levels, to how many they"),
        ({"levels": 4, "reduce_from": 3}, "reduce_from must be from levels to 256, got 3"),
        ({"levels": 4, "reduce_from": 300}, "reduce_from must be from levels to 256, got 300"),
        ({"image_shape": (3,)}, "image_shape must be rows and pixels of a row"),
        ({"image_shape": (3, 0)}, "image_shape must be rows and pixels of a row"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be(settings, says):
    with pytest.raises(ValueError, match=says):
        Settings(**settings).check()


# Given pixels


def test_given_pixels_are_looked_at_where_they_are_observed(colour):
    encoder = images().learn(colour)
    given = np.full((4, 3, 3), 900.0)
    given[0] = colour[0, 0]
    marks = np.zeros((4, 3), bool)
    marks[0] = True
    mask = encoder.mask(marks, 2)
    assert mask.shape == (36,) and mask.sum() == 9
    x = encoder.encode_given(given, mask, 2).reshape(2, 4, 3, 3)
    assert_array_equal(x[:, 0], np.stack([colour[0, 0]] * 2))
    assert (x[:, 1:] == 0).all()
    with pytest.raises(ValueError, match=r"given holds 900 at"):
        encoder.encode_given(given, ~mask, 2)
    for shaped in (given, given[None], given.reshape(36), given.reshape(1, 36)):
        assert_array_equal(encoder.encode_given(shaped, mask, 1)[0], x[0].reshape(36))
    for marked in (marks, np.repeat(marks[..., None], 3, 2), marks[None], mask, mask[None]):
        assert np.array_equal(np.ravel(encoder.mask(marked, 1)), mask)
    with pytest.raises(ValueError, match=r"an image of shape \(4, 3, 3\), or 2 of them"):
        encoder.encode_given(np.zeros((3, 4, 3, 3)), mask, 2)
    with pytest.raises(ValueError, match=r"or 2 of them; got shape \(4, 3\)"):  # one grey image
        encoder.encode_given(np.zeros((4, 3)), mask, 2)


# Files


@pytest.mark.parametrize(
    "damage",
    [
        {"shape": [4, 3, 1]}, {"form": [5, 5]}, {"dtype": "S3"}, {"of": 3}, {"of": 300},
        {"levels": 7}, {"shares": 1}, {"shape": [4, 3, "x"]},
    ],
    ids=str,
)  # fmt: skip
def test_damaged_metadata_are_refused(colour, damage):
    encoder = images().learn(colour)
    values = through_json(encoder)
    values["images"] |= damage
    with pytest.raises((ValueError, TypeError, KeyError)):
        images().of_json(values, encoder.event)
    with pytest.raises(ValueError, match="names other columns"):
        images().of_json(through_json(encoder) | {"feature_names": ["a"]}, encoder.event)
