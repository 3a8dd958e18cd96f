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


def test_the_page_shows_its_picture():
    assert "](masking.png)" in (EXAMPLES / "masking.md").read_text(encoding="utf-8")
    assert (EXAMPLES / "masking.png").stat().st_size > 10_000
