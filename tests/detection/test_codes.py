"""Lengths of lossless codes: whole, comparable, and short for what is simple."""

import zlib

import numpy as np
import pytest

import chainrule as cr
from chainrule.detection import codes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_flat_images_take_fewer_bits_than_smooth_and_these_than_noise(rng):
    ramp = (np.arange(16)[:, None] + np.arange(16)) // 4
    images = np.stack([np.full((16, 16), 3), ramp, rng.integers(0, 8, (16, 16))]).astype(np.uint8)
    model = cr.PixelCNN(1, 4, first_size=3, levels=8, epochs=1).fit(images)
    flat, smooth, noise = codes.lengths(model, images)
    assert 0 < flat < smooth < noise
    assert noise >= 16 * 16 * 3 * 0.95, "no code beats the entropy of noise, 3 bits a pixel"
    assert noise < 16 * 16 * 8


def test_a_photograph_like_image_is_best_in_png(rng):
    """A gradient that its filters undo, in colour: deflate alone sees no runs."""
    x, y = np.meshgrid(np.arange(48), np.arange(48))
    image = np.stack([3 * x, 2 * y + x, x + 3 * y], axis=2).astype(np.uint8)[None]
    model = cr.PixelCNN(1, 3, first_size=3, levels=256, epochs=1).fit(image)
    coder = zlib.compressobj(9, wbits=-15)
    deflate = 8 * len(coder.compress(image.tobytes()) + coder.flush())
    assert codes.lengths(model, image)[0] < deflate / 2


@pytest.mark.parametrize("dtype", [np.uint8, float])
def test_bits_are_packed_and_texts_are_symbols(dtype, rng):
    bits = rng.integers(0, 2, (3, 800)).astype(dtype)
    bits[0] = 0
    lengths = codes.lengths(cr.FVSBN(epochs=1).fit(bits), bits)
    assert lengths[0] < 200 and 800 <= lengths[1] < 1000
    lines = ["ab" * 100, "".join(rng.choice(list("abcdefghijklmnop"), 200))]
    model = cr.RNN(3, steps=2, context=8).fit("".join(lines))
    short, long = codes.lengths(model, lines)
    assert short < 150 and 800 <= long < 1300


def test_what_has_no_code_says_so(rng):
    real = cr.RNADE(3, epochs=1).fit(rng.normal(size=(40, 2)))
    with pytest.raises(ValueError, match="real columns or counts; take another method"):
        codes.check(real)
    words = np.array([["a", "x"], ["b", "y"]] * 20, object)
    model = cr.CategoricalNADE(3, epochs=1).fit(words)
    codes.check(model)
    assert (codes.lengths(model, words) > 0).all()
    gaps = np.array([[0, 1], [1, np.nan]] * 20)
    model = cr.OrderlessNADE((3,), epochs=1, column_types="binary").fit(gaps)
    with pytest.raises(ValueError, match="rows that lack values have no code"):
        codes.lengths(model, gaps)
