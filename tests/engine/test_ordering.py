"""An ordering is a permutation at the door: nothing is lost, and any order is a distribution."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from chainrule.engine import models, ordering
from chainrule.engine.event import Columns

OF_ROWS = models.of(Columns)
every_model = pytest.mark.parametrize("model", OF_ROWS.values(), ids=OF_ROWS)


def test_names():
    assert_array_equal(ordering.make(None, 4, 0), [0, 1, 2, 3])
    assert_array_equal(ordering.make("raster", 4, 0), [0, 1, 2, 3])
    assert_array_equal(ordering.make("reverse", 4, 0), [3, 2, 1, 0])
    drawn = ordering.make("random", 50, 3)
    assert_array_equal(np.sort(drawn), np.arange(50))
    assert_array_equal(drawn, ordering.make("random", 50, 3))
    assert (drawn != ordering.make("random", 50, 4)).any()


@pytest.mark.parametrize("given", [[2, 0, 1], (2, 0, 1), np.array([2, 0, 1], np.uint8)])
def test_explicit_indices(given):
    order = ordering.make(given, 3, 0)
    assert order.dtype == np.intp
    assert_array_equal(order, [2, 0, 1])


@pytest.mark.parametrize(
    "wrong",
    ["zigzag", [0, 1], [0, 1, 1], [1, 2, 3], [[0, 1, 2]], [0, 1, np.nan], 3, [-1, 0, 1], "012"],
)
def test_what_is_no_permutation_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^ordering must "):
        ordering.make(wrong, 3, 0)


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_undo_undoes_apply(indices, seed):
    order = ordering.make(indices, 6, 0)
    x = np.random.default_rng(seed).integers(0, 2, (4, 6), np.uint8)
    seen = ordering.apply(order, x)
    assert_array_equal(seen, x[:, indices])
    assert_array_equal(ordering.undo(order, seen), x)
    assert_array_equal(ordering.undo(order, seen[0]), x[0])
    assert seen.flags.c_contiguous and seen.dtype == x.dtype


def test_raster_order_moves_nothing():
    x, order = np.zeros((3, 4), np.uint8), ordering.make(None, 4, 0)
    assert ordering.is_raster(order)
    assert ordering.apply(order, x) is x and ordering.undo(order, x) is x


@every_model
@pytest.mark.parametrize("name", ["raster", "reverse", "random"])
def test_every_order_is_a_distribution_that_its_samples_follow(model, name, small, rng):
    config, params = small(model, 4)
    order = ordering.make(name, 4, 1)
    rows = np.array(list(product([0, 1], repeat=4)), np.uint8)
    p = np.exp(model.log_prob(config, params, ordering.apply(order, rows)))
    assert_allclose(p.sum(), 1, rtol=1e-12)
    x = ordering.undo(order, model.sample(config, params, rng.random((20_000, 4))))
    counts = np.bincount(x @ np.array([8, 4, 2, 1]), minlength=16)
    assert chisquare(counts, 20_000 * p / p.sum()).pvalue > 1e-4


@every_model
def test_the_chain_rule_runs_in_the_order_asked_for(model, small, rng):
    config, params = small(model, 5)
    order = ordering.make([3, 1, 4, 0, 2], 5, 0)
    x = rng.integers(0, 2, (3, 5), np.uint8)

    def conditionals(x):
        seen = ordering.apply(order, x)
        return ordering.undo(order, model.conditionals(config, params, seen))

    for place, variable in enumerate(order):
        flipped = x.copy()
        flipped[:, variable] ^= 1
        moved = (conditionals(flipped) != conditionals(x)).all(axis=0)
        assert_array_equal(np.flatnonzero(moved), np.sort(order[place + 1 :]))


def test_a_uniform_chooses_and_what_is_left_of_it_is_uniform(rng):
    u = rng.random((4000, 3))
    u[:2000, 0] = -1  # kept: the next one chooses
    rest, chosen = ordering.choose(u, 4)
    assert (np.abs(np.bincount(chosen) - 1000) < 150).all()
    column = np.where(u[:, 0] < 0, 1, 0)
    rows = np.arange(len(u))
    word = rest[rows, column]
    assert ((word >= 0) & (word < 1)).all() and abs(word.mean() - 0.5) < 0.03
    assert_array_equal(rest[:2000, 0], u[:2000, 0])
    rest[rows, column] = u[rows, column]
    assert_array_equal(rest, u)
