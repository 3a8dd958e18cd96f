"""P-values from ranks: exact by enumeration, ties, thresholds, rates, and groups."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.detection import ranks


def every_place(values):
    """Yield each of some exchangeable values as the new one, the others being the clean ones."""
    for k in range(len(values)):
        yield np.sort(np.delete(values, k)), values[k]


def test_p_is_uniform_over_all_places_of_the_new_one():
    values = np.array([0.3, -1.0, 2.5, 7.0, 0.1])
    p = sorted(float(ranks.p_values(clean, s)) for clean, s in every_place(values))
    assert_allclose(p, [0.2, 0.4, 0.6, 0.8, 1.0])


def test_ties_count_against_oddity():
    clean = np.array([0.0, 1.0, 1.0, 2.0])
    assert_allclose(ranks.p_values(clean, [-1, 0, 1, 1.5, 2, 3]), np.array([1, 2, 4, 4, 5, 5]) / 5)
    values = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    p = np.array([float(ranks.p_values(clean, s)) for clean, s in every_place(values)])
    for alpha in np.arange(1, 7) / 6:
        assert (p <= alpha + 1e-12).mean() <= alpha + 1e-12


def test_randomised_p_is_uniform_whatever_the_ties(rng):
    values = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    drawn = np.concatenate(
        [ranks.randomised(clean, np.full(4000, s), rng) for clean, s in every_place(values)]
    )
    counts = np.histogram(drawn, 12, (0, 1))[0]
    assert drawn.min() > 0 and drawn.max() <= 1
    assert_allclose(counts, 2000, atol=4.5 * np.sqrt(2000))


def test_the_threshold_is_where_p_meets_the_rate(rng):
    for n in (1, 2, 9, 10, 99, 100, 137):
        clean = np.sort(rng.integers(0, 30, n).astype(float))
        scores = np.append(np.arange(-1, 32.0), -np.inf)
        p = [Fraction(int(1 + (clean <= s).sum()), n + 1) for s in scores]
        for rate in (
            Fraction(1, n + 1),
            Fraction(1, 3),
            Fraction(1, 2),
            Fraction(9, 10),
            Fraction(1),
        ):
            if rate >= Fraction(1, n + 1):
                assert_array_equal(scores < ranks.threshold(clean, rate), [q <= rate for q in p])


@pytest.mark.parametrize("asked", [0.01, 0.1, 0.05, 0.3, 0.07, 1 / 3, 0.001, 1.0])
def test_least_rows_is_just_enough(asked):
    (rate,) = ranks.rates(asked, 10**6)
    n = ranks.least_rows(rate)
    assert Fraction(1, n + 1) <= rate
    assert n == 1 or Fraction(1, n) > rate
    assert ranks.rates(asked, n) == (rate,)
    if n > 1:
        with pytest.raises(
            ValueError, match=f"takes {n:,} clean rows or more, and there are {n - 1:,}"
        ):
            ranks.rates(asked, n - 1)


def test_rates_are_read_as_their_decimals_say():
    assert ranks.rates((0.1, np.float32(0.5), 1), 50) == (Fraction(1, 10), Fraction(1, 2), 1)
    assert ranks.least_rows(ranks.rates(0.01, 99)[0]) == 99  # 1 / 0.01 - 1 in floats may be more


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (0, "infinitely many clean rows; give a rate above 0, of 50 clean rows at least 0.02"),
        (-0.1, "above 0 and at most 1, got -0.1"),
        (1.5, "above 0 and at most 1, got 1.5"),
        (float("nan"), "above 0 and at most 1, got nan"),
        ((), "holds no rate"),
        (0.001, "false_alarm=0.001 takes 999 clean rows or more, and there are 50"),
        ((0.1, 0.001), "takes 999 clean rows"),
    ],
)
def test_rates_that_are_none_are_refused_in_a_sentence(asked, said):
    with pytest.raises(ValueError, match=said) as error:
        ranks.rates(asked, 50)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("n", [1, 2, 28, 29, 50, 98, 99, 150, 12_345])
def test_the_rate_that_is_advised_is_one_that_can_be_told(n):
    with pytest.raises(ValueError, match="at least") as error:
        ranks.rates(0, n)
    advised = float(str(error.value).rpartition(" ")[2])
    assert ranks.rates(advised, n) and advised < 1.1 / (n + 1)


@pytest.mark.parametrize("asked", ["often", True, [None], b"1"])
def test_what_is_no_rate_is_a_type_error(asked):
    with pytest.raises(TypeError, match="must be a rate such as"):
        ranks.rates(asked, 50)


def test_groups_are_exact_by_enumeration(rng):
    """Over all ways to choose which of few values are the group, p is at most α as often."""
    values = np.array([0.0, 0.2, 0.9, 1.0, 1.7])
    p = []
    for order in {tuple(sorted(o[:2])) for o in permutations(range(5))}:
        group = values[list(order)]
        clean = np.sort(np.delete(values, list(order)))
        p.append(ranks.group_p_value(clean, group, lambda m: -m, 4000, rng))
    for alpha in (0.1, 0.2, 0.5):
        assert np.mean(np.array(p) <= alpha + 0.02) == pytest.approx(alpha, abs=0.11)
    assert min(p) == pytest.approx(0.1, abs=0.02) and max(p) == 1


@pytest.mark.parametrize("m", [2, 30, 300])
def test_a_group_of_its_own_kind_is_not_odd_and_another_is(m, rng):
    clean = np.sort(rng.normal(size=200))
    same = [ranks.group_p_value(clean, rng.normal(size=m), np.negative, 99, rng) for _ in range(60)]
    assert 0.3 < np.mean(same) < 0.7
    odd = rng.normal(size=m) - 3
    assert ranks.group_p_value(clean, odd, np.negative, 999, rng) < 0.02
    assert ranks.group_p_value(clean, odd, lambda mean: mean, 999, rng) > 0.98


def test_a_group_that_cannot_be_told_apart_is_at_one(rng):
    """Sums in another order round otherwise, and must not make equal groups odd."""
    clean = np.full(100, 0.1)
    assert ranks.group_p_value(clean, np.full(7, 0.1), np.negative, 99, rng) == 1
