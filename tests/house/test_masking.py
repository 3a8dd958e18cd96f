"""The page on what masks add: its program, hardly trained, and that all it draws is there."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from chainrule.plots.seeing import verdict

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def masking():
    spec = importlib.util.spec_from_file_location("masking", EXAMPLES / "masking.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_masks_make_of_a_full_square_a_strict_triangle(masking):
    train, test = masking.small_digits()
    models = masking.fitted(train[:200], epochs=1)
    seen = masking.seen(models, test[:3])
    assert not np.triu(seen.pop("MADE")).any()
    for name, square in seen.items():
        assert (square > 0).all() and "64 of 64 outputs see themselves" in verdict(square), name
    for model in models.values():
        assert masking.losses(model, test).shape == (len(test),)


def test_of_8_bits_the_sum_is_finished(masking):
    train, _ = masking.small_digits()
    found = masking.sums(train[:, 32:40], epochs=20)
    (coder, too_much), (made, one) = found["autoencoder, 6 units"], found["MADE"]
    assert coder < masking.entropy(train[:, 32:40]) < made
    assert too_much > 2 and abs(one - 1) < 1e-4
    assert len(masking.masks(train[:20, :8]).axes) == 5  # three masks, their product, its colours


def test_the_page_shows_its_pictures():
    page = (EXAMPLES / "masking.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("masking*.png"):
        assert f"]({path.name})" in page and path.stat().st_size > 10_000
