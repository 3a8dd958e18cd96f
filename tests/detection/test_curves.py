"""Areas under ROC curves against their definition, and intervals against simulation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score, roc_curve

from chainrule import detection


def by_pairs(clean, odd):
    above = clean[:, None] > odd[None]
    return above.mean() + (clean[:, None] == odd[None]).mean() / 2


def delong(clean, odd):
    """DeLong's variance by its definition, pair by pair."""
    psi = (clean[:, None] > odd[None]) + (clean[:, None] == odd[None]) / 2
    return psi.mean(1).var(ddof=1) / len(clean) + psi.mean(0).var(ddof=1) / len(odd)


@pytest.mark.parametrize("digits", [8, 0])  # with many ties
def test_the_area_is_of_pairs_and_the_interval_delongs(digits, rng):
    clean, odd = np.round(rng.normal(1, 1, 80), digits), np.round(rng.normal(0, 1, 50), digits)
    area = detection.auc(clean, odd)
    assert area.value == pytest.approx(by_pairs(clean, odd))
    truth = np.r_[np.ones(80), np.zeros(50)]
    assert area.value == pytest.approx(roc_auc_score(truth, np.r_[clean, odd]))
    middle, spread = np.log(area.value / (1 - area.value)), np.sqrt(delong(clean, odd))
    half = 1.959964 * spread / (area.value * (1 - area.value))
    for end, sign in ((area.low, -1), (area.high, 1)):
        assert np.log(end / (1 - end)) == pytest.approx(middle + sign * half, rel=1e-5)
    narrow = detection.auc(clean, odd, level=0.5)
    assert area.low < narrow.low < area.value < narrow.high < area.high


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_interval_covers_as_often_as_it_says(shift, rng):
    from statistics import NormalDist

    true = NormalDist().cdf(shift / np.sqrt(2))
    hits = 0
    for _ in range(400):
        area = detection.auc(rng.normal(shift, 1, 40), rng.normal(0, 1, 60))
        hits += area.low <= true <= area.high
    assert 0.9 < hits / 400 <= 1


def test_where_all_are_told_apart_the_interval_still_says_how_many_there_were():
    few, many = (detection.auc(np.ones(n), np.zeros(n)) for n in (5, 500))
    assert few.value == few.high == many.value == many.high == 1
    assert 0.5 < few.low < 0.9 < many.low < 1
    none = detection.auc(np.zeros(5), np.ones(5))
    assert none.value == none.low == 0 and none.high == pytest.approx(1 - few.low)
    same = detection.auc(np.zeros(20), np.zeros(20))
    assert same.value == 0.5 and same.low < 0.5 < same.high


def test_the_curve_is_that_of_scikit_learn_and_has_the_area(rng):
    clean, odd = np.round(rng.normal(1, 1, 30), 1), np.round(rng.normal(0, 1, 40), 1)
    curve = detection.roc(clean, odd)
    false, true, _ = roc_curve(
        np.r_[np.zeros(30), np.ones(40)], -np.r_[clean, odd], drop_intermediate=False
    )
    assert_allclose(curve.false, false)
    assert_allclose(curve.true, true)
    assert np.trapezoid(curve.true, curve.false) == pytest.approx(curve.area.value)
    assert (curve.n_clean, curve.n_odd) == (30, 40)


@pytest.mark.parametrize(
    ("clean", "odd", "said"),
    [([], [1], "scores_clean"), ([1], [np.nan], "scores_odd"), ([[1]], [1], "scores_clean")],
)
def test_what_are_no_scores_is_said(clean, odd, said):
    with pytest.raises(ValueError, match=f"{said} must be one or more numbers"):
        detection.auc(clean, odd)


def test_a_level_is_between_0_and_1():
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        detection.auc([1, 2], [0, 1], level=95)
    lone = detection.auc([1], [0])
    assert lone.value == 1 and lone.low < 0.5
