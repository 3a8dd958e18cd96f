"""Recipes and learning-rate schedules."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.engine.training.recipe import SCHEDULES, Recipe, learning_rate


def rates(n_steps, **settings):
    recipe = Recipe(learning_rate=2.0, **settings)
    return [learning_rate(recipe, step, n_steps) for step in range(n_steps)]


def test_constant_is_constant():
    assert rates(5, schedule="constant") == [2.0] * 5


def test_cosine_falls_from_the_full_rate_to_nearly_nothing():
    got = rates(4, schedule="cosine")
    assert got == pytest.approx([2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5])
    assert rates(1000)[-1] < 1e-5


def test_warm_up_is_linear_and_ends_at_the_full_rate():
    assert rates(8, schedule="constant", warmup=0.5) == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]
    warm = rates(8, schedule="cosine", warmup=0.5)
    assert warm[:4] == [0.5, 1.0, 1.5, 2.0]
    assert warm[4:] == rates(4, schedule="cosine")  # the fall takes the steps that are left


@given(
    st.sampled_from(SCHEDULES),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 300),
    st.data(),
)
def test_every_rate_is_positive_and_at_most_the_recipes(schedule, warmup, n_steps, data):
    recipe = Recipe(learning_rate=0.3, schedule=schedule, warmup=warmup)
    step = data.draw(st.integers(0, n_steps - 1))
    assert 0 < learning_rate(recipe, step, n_steps) <= 0.3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", inf),
        ("learning_rate", nan),
        ("schedule", "linear"),
        ("warmup", 1.0),
        ("warmup", -0.1),
        ("weight_decay", -1.0),
        ("weight_decay", nan),
        ("clip_norm", -1.0),
        ("beta1", 1.0),
        ("beta2", 1.5),
        ("eps", 0.0),
        ("patience", -1),
        ("seed", -1),
    ],
)
def test_a_setting_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be "):
        Recipe(**{name: value})
