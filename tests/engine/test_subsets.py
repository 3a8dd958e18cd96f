"""Random subsets of variables: each as likely as it should be, and the same in every cut."""

from collections import Counter
from itertools import combinations, pairwise, permutations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import gammaln
from scipy.stats import chisquare

from chainrule.engine import subsets
from chainrule.engine.noise import Noise

N = 30_000


# The sizes that are left, 1 … D, have probabilities that fall as Γ(k + a) / k!, a = 1 or ½.
of_each = pytest.mark.parametrize("exponent", [subsets.ESTIMATES, subsets.GRADIENTS])


def drawn(known, seed=0, step=5, row=0, exponent=subsets.GRADIENTS):
    return subsets.draw(Noise(seed, step, row), known, np.float64, exponent)


def probabilities(D, exponent):
    """Return P(1) … P(D)."""
    k = np.arange(1, D + 1)
    log_p = gammaln(k + 1 / exponent) - gammaln(k + 1)
    return np.exp(log_p) / np.exp(log_p).sum()


@of_each
@pytest.mark.parametrize("D", [1, 2, 5])
def test_subsets_are_as_likely_as_they_should_be(D, exponent):
    seen, _ = drawn(np.ones((N, D), bool), exponent=exponent)
    found = Counter(tuple(np.flatnonzero(row)) for row in seen)
    every = [o for left in range(1, D + 1) for o in combinations(range(D), D - left)]
    assert set(found) == set(every)
    if D > 1:
        P = probabilities(D, exponent)
        expected = [N * P[D - len(o) - 1] / comb(D, len(o)) for o in every]
        assert chisquare([found[o] for o in every], expected).pvalue > 1e-4


@of_each
@pytest.mark.parametrize("D", [1, 7, 784])
def test_weights_undo_the_probabilities(D, exponent):
    """w_k P(k) = 1 / k: the mean over orderings, whatever sizes are drawn with."""
    k, w = np.arange(1, D + 1), subsets.weights(D, exponent)
    assert w[0] == 0
    assert_allclose(w[1:] * probabilities(D, exponent), 1 / k, rtol=1e-9)


def test_weights_are_those_of_the_rest():
    seen, weights = drawn(np.ones((50, 7), bool), exponent=subsets.ESTIMATES)
    k = seen.sum(axis=1, keepdims=True)
    assert_allclose(weights, np.where(seen, 0, 7 / (7 - k)), rtol=1e-12)
    assert k.min() == 0 and k.max() == 6
    assert weights.dtype == np.float64


@of_each
def test_a_mean_over_orderings_is_estimated_without_bias(exponent, rng):
    """Of a made-up loss of variable i given a set: w's sum against all orderings of four."""
    loss = rng.normal(size=(4, 16))  # of variable i, given the set of that number
    number = 1 << np.arange(4)
    orders = np.array(list(permutations(range(4))))
    exact = np.mean([sum(loss[i, number[o[:d]].sum()] for d, i in enumerate(o)) for o in orders])
    seen, weights = drawn(np.ones((N, 4), bool), exponent=exponent)
    estimates = (weights * loss[:, seen @ number].T).sum(axis=1)
    assert abs(estimates.mean() - exact) < 4 * estimates.std() / N**0.5


@of_each
def test_what_is_missing_is_never_seen_and_weighs_nothing(exponent, rng):
    known = rng.random((N, 4)) < 0.6
    known[:3] = [[0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]]
    seen, weights = drawn(known, exponent=exponent)
    assert not (seen & ~known).any() and not weights[~known].any()
    assert not weights[0].any() and not seen[0].any()
    assert_allclose(weights[1], [0, 1, 0, 0])
    n, k = known.sum(axis=1), seen.sum(axis=1)
    assert_array_equal((weights > 0).sum(axis=1), n - k)
    for size in (2, 3):
        counts = np.bincount(size - k[n == size], minlength=size + 1)
        assert len(counts) == size + 1 and counts[0] == 0
        expected = counts.sum() * probabilities(size, exponent)
        assert chisquare(counts[1:], expected).pvalue > 1e-4


@pytest.mark.parametrize("edges", [(0, 1, 40), (0, 17, 18, 40)])
def test_any_cut_of_a_minibatch_draws_the_same(edges, rng):
    known = rng.random((40, 9)) < 0.9
    whole = drawn(known)
    parts = [drawn(known[lo:hi], row=lo) for lo, hi in pairwise(edges)]
    for one, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert_array_equal(np.concatenate(pieces), one)


def test_seed_and_step_draw_anew():
    known = np.ones((40, 9), bool)
    first = drawn(known)[0]
    for other in (drawn(known, seed=1), drawn(known, step=6), drawn(known, seed=2**64 - 1)):
        assert (other[0] != first).any()
    assert_array_equal(drawn(known)[0], first)


def test_what_uniform_sizes_cost_is_what_the_derivation_says():
    """By Cauchy and Schwarz the least is (Σ k^-1/2)², which is nearly 4 D; uniform ones D Σ 1/k."""
    k = np.arange(1, 785)
    least = (k**-0.5).sum() ** 2
    assert 3.75 * 784 < least < 4 * 784
    assert f"for D = 784 {784 * (1 / k).sum() / least:.1f} times" in " ".join(
        subsets.__doc__.split()
    )
