"""Random subsets of variables: each as likely as it should be, and the same in every cut."""

from collections import Counter
from itertools import combinations, pairwise
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import chisquare

from chainrule.engine import subsets
from chainrule.engine.noise import Noise

N = 30_000


def drawn(known, seed=0, step=5, row=0):
    return subsets.draw(Noise(seed, step, row), known, np.float64)


@pytest.mark.parametrize("D", [1, 2, 5])
def test_sizes_and_subsets_are_uniform(D):
    seen, _ = drawn(np.ones((N, D), bool))
    found = Counter(tuple(np.flatnonzero(row)) for row in seen)
    every = [o for k in range(D) for o in combinations(range(D), k)]
    assert set(found) == set(every)
    if D > 1:
        expected = [N / D / comb(D, len(o)) for o in every]
        assert chisquare([found[o] for o in every], expected).pvalue > 1e-4


def test_weights_are_those_of_the_rest():
    seen, weights = drawn(np.ones((50, 7), bool))
    k = seen.sum(axis=1, keepdims=True)
    assert_array_equal(weights, np.where(seen, 0, 7 / (7 - k)))
    assert k.min() == 0 and k.max() == 6
    assert weights.dtype == np.float64


def test_what_is_missing_is_never_seen_and_weighs_nothing(rng):
    known = rng.random((N, 4)) < 0.6
    known[:3] = [[0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]]
    seen, weights = drawn(known)
    assert not (seen & ~known).any() and not weights[~known].any()
    assert not weights[0].any() and not seen[0].any()
    assert_array_equal(weights[1], [0, 1, 0, 0])
    n, k = known.sum(axis=1), seen.sum(axis=1)
    assert_array_equal((weights > 0).sum(axis=1), n - k)
    for size in (2, 3):
        counts = np.bincount(k[n == size], minlength=size)
        assert len(counts) == size and chisquare(counts).pvalue > 1e-4


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
