"""The mean of densities is one, in all its forms; the mean of logits, or of logarithms, is none."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.engine import averages
from chainrule.engine.distributions import columns
from chainrule.kernels.columns import layout

VALUES = (2, 3, 0, 2)
K, N = 3, 6


@pytest.fixture(params=[False, True], ids=["equal", "learned"])
def parts(request, rng):
    """Return a layout, the outputs of K models, rows, and each model's terms."""
    of_one = layout(VALUES, 2, learned=request.param)
    s = rng.normal(size=(K, N, of_one.first[-1]))
    x = np.stack([rng.integers(0, V, N) if V else rng.normal(size=N) for V in VALUES], axis=1)
    terms = np.stack([columns.log_prob_terms(of_one, s_k, x) for s_k in s])
    return of_one, s, x, terms


def test_the_mean_is_that_of_densities_not_of_logarithms(parts):
    terms = parts[3]
    log_p = terms.sum(axis=2)
    mean = averages.log_mean(log_p)
    assert_allclose(mean, np.log(np.exp(log_p).mean(axis=0)), rtol=1e-12)
    assert (mean > log_p.mean(axis=0)).all()  # Jensen
    shares = np.exp(log_p) / np.exp(log_p).sum(axis=0)
    assert_allclose(averages.shares(log_p), shares, rtol=1e-12)


def test_far_below_zero_and_far_apart():
    log_p = np.array([[-1e4], [-1e4 - 3], [-9e4]])
    assert_allclose(averages.log_mean(log_p), [-1e4 + np.log(1 + np.exp(-3)) - np.log(3)])


def test_factors_are_those_of_the_mean(parts):
    log_p, log_w = averages.factors(parts[3])
    assert_allclose(log_p.sum(axis=1), averages.log_mean(parts[3].sum(axis=2)), rtol=1e-12)
    assert_allclose(np.exp(log_w).sum(axis=0), 1, rtol=1e-12)
    assert_allclose(log_w[:, :, 0], -np.log(K), rtol=1e-12)


def test_outputs_of_the_mean_are_of_the_same_kinds_and_give_its_factors(parts):
    of_one, s, x, terms = parts
    log_p, log_w = averages.factors(terms)
    mean = averages.layout(of_one, K)
    out = averages.outputs(of_one, mean, s, log_w)
    assert out.shape == (N, mean.first[-1])
    assert_allclose(columns.log_prob_terms(mean, out, x), log_p, rtol=1e-10)


class Fixed:
    """Units whose outputs nothing changes."""

    def __init__(self, of_one, s):
        self.first, self.s = of_one.first, s

    def outputs(self, i):
        return self.s[:, self.first[i] : self.first[i + 1]]

    def move(self, i, x):
        pass


def test_step_by_step_is_all_at_once(parts):
    of_one, s, x, terms = parts
    mean = averages.layout(of_one, K)
    out = averages.outputs(of_one, mean, s, averages.factors(terms)[1])
    units = averages.MeanUnits([Fixed(of_one, s_k) for s_k in s], of_one)
    for i in range(len(VALUES)):
        one = layout((VALUES[i],), 2 * K, learned=True)
        given = out[:, mean.first[i] : mean.first[i + 1]]
        for got in (units.outputs(i), given):  # alike but for a constant in logits
            log_p = columns.log_prob_terms(one, np.ascontiguousarray(got), x[:, i : i + 1])
            assert_allclose(log_p[:, 0], averages.factors(terms)[0][:, i], rtol=1e-9)
        units.move(i, x[:, i])


def test_the_mean_of_logits_is_no_density(rng):
    """Of two orders of two bits: each sums to one, their mean too; of averaged logits it does not.

    With (b_1, b_2, w) the logits are b_1, b_2 + w x_1 in the one order, b_2, b_1 + w x_2 in the
    other; a network of both gives each variable the mean of its two.
    """
    x = np.array(list(product((0, 1), repeat=2)))

    def log_p(s):
        return -(np.logaddexp(0, s) - x * s).sum(axis=1)

    one = np.stack([np.full(4, 0.3), -0.5 + 2.0 * x[:, 0]], axis=1)
    two = np.stack([0.8 - 3.0 * x[:, 1], np.full(4, 0.1)], axis=1)
    each = np.stack([log_p(one), log_p(two)])
    assert_allclose(np.exp(each).sum(axis=1), 1)
    assert_allclose(np.exp(averages.log_mean(each)).sum(), 1)
    assert abs(np.exp(log_p((one + two) / 2)).sum() - 1) > 0.01
    assert np.exp(each.mean(axis=0)).sum() < 0.99
