"""Bits by grey values and mirrored images: what is drawn, and that it follows from its place."""

import numpy as np
import pytest

from chainrule.engine import greys
from chainrule.engine.greys import Chance


@pytest.fixture
def x(rng):
    return rng.integers(0, 256, (40, 6, 5, 2), np.uint8)


def test_a_grey_value_is_the_probability_of_a_one():
    x = np.tile(np.array([0, 64, 191, 255], np.uint8), (500, 3, 1))[..., None]
    bits = greys.seen(x, Chance(top=255), 3, 1, np.arange(500))
    assert bits.dtype == np.uint8 and bits.shape == x.shape and set(np.unique(bits)) == {0, 1}
    mean = bits.mean(axis=(0, 1, 3))
    assert mean[0] == 0 and mean[3] == 1
    for share, expected in zip(mean[1:3], (64 / 255, 191 / 255), strict=True):
        assert abs(share - expected) < 4 * np.sqrt(0.25 / 1500)
    assert not np.array_equal(bits[0], bits[1])


@pytest.mark.parametrize("chance", [Chance(255.0), Chance(None, True), Chance(255.0, True)])
def test_what_is_drawn_follows_from_seed_epoch_and_row(x, chance):
    rows = np.arange(100, 140)
    whole = greys.seen(x, chance, 7, 2, rows)
    part = np.array([31, 4, 17])
    np.testing.assert_array_equal(greys.seen(x[part], chance, 7, 2, rows[part]), whole[part])
    for other in ((8, 2, rows), (7, 3, rows), (7, 2, rows + 1)):
        assert not np.array_equal(greys.seen(x, chance, *other), whole)
    huge = 2**64 + 7  # 64 bits of a seed count
    np.testing.assert_array_equal(greys.seen(x, chance, huge, 2, rows), whole)


def test_about_half_of_the_images_are_mirrored_and_whole(x):
    out = greys.seen(x, Chance(flips=True), 0, 1, np.arange(40))
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(out, x, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(out, x, strict=True)]
    assert np.all(np.logical_xor(mirrored, same)) and 10 < sum(mirrored) < 30
    assert out.flags.c_contiguous and out.dtype == x.dtype


def test_the_words_are_those_of_the_first_release():
    """Trainings go on to the same bits whatever NumPy there is: the stream is written down here."""
    x = np.full((2, 1, 8, 1), 128, np.uint8)
    bits = greys.seen(x, Chance(top=255), 1, 1, np.array([0, 5])).reshape(2, 8)
    assert ["".join(map(str, row)) for row in bits] == WORDS


WORDS = ["11010000", "11011001"]


def test_outside_of_training_an_image_has_the_bits_of_its_levels(x):
    bits = greys.drawn(x, 255)
    order = np.array([5, 0, 39])
    np.testing.assert_array_equal(greys.drawn(x[order], 255), bits[order])
    np.testing.assert_array_equal(greys.drawn(x[order] / 255, 1.0), bits[order])  # as shares
    pure = np.where(x < 128, 0, 255)
    np.testing.assert_array_equal(greys.drawn(pure, 255), pure == 255)
    assert abs(bits.mean() - 0.5) < 0.05
