"""Levels as mixtures of logistics: what `test_distributions` asks of kinds without a layout."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from chainrule.engine.distributions import logistics
from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

every_count = pytest.mark.parametrize("levels", [2, 5, 256])


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def draw(rng, levels, shape=(2, 3, 4, 3), K=3, dtype=np.float64):
    """Return outputs and levels of images."""
    s = rng.normal(size=(*shape, 3 * K))
    s[..., K : 2 * K] -= np.log(levels) / 2
    return s.astype(dtype), rng.integers(0, levels, shape).astype(np.uint8)


def test_functions_and_arguments_are_those_of_the_others():
    arguments = {
        "n_outputs": ["n_components"],
        "log_prob_terms": ["s", "x", "levels"],
        "loss_and_grad": ["s", "x", "total", "ds", "levels"],
        "conditionals": ["s", "levels"],
        "sample": ["s", "u", "x", "levels"],
    }
    for name, expected in arguments.items():
        assert list(inspect.signature(getattr(logistics, name)).parameters) == expected
    assert logistics.n_outputs(10) == 30


@every_count
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_are_the_logarithms_of_the_conditionals(levels, dtype, rng):
    s, x = draw(rng, levels, dtype=dtype)
    p, terms = logistics.conditionals(s, levels), logistics.log_prob_terms(s, x, levels)
    assert terms.dtype == p.dtype == dtype
    assert terms.shape == x.shape and p.shape == (*x.shape, levels)
    assert_allclose(p.sum(axis=-1), 1, rtol=3e-6 if dtype == np.float32 else 1e-13)
    of_x = np.take_along_axis(p, x[..., None].astype(int), axis=-1)[..., 0]
    assert_allclose(
        terms, np.log(of_x), rtol=1e-4 if dtype == np.float32 else 1e-11, atol=np.finfo(dtype).eps
    )


@every_count
def test_loss_and_gradient(levels, rng):
    s, x = draw(rng, levels, (2, 2, 2, 3))
    ds = np.full_like(s, np.nan)
    loss = logistics.loss_and_grad(s, x, 9, ds, levels)
    assert isinstance(loss, float)
    assert_allclose(loss, -logistics.log_prob_terms(s, x, levels).sum() / 9, rtol=1e-12)
    numeric = numeric_grad(lambda: -float(logistics.log_prob_terms(s, x, levels).sum()) / 9, s)
    assert np.abs(numeric).max() > 1e-3
    assert_allclose(ds, numeric, rtol=1e-6, atol=1e-8)
    assert logistics.loss_and_grad(s, x, 9, s, levels) == loss
    assert_array_equal(s, ds)


def test_no_value_contributes_nothing(rng):
    s, x = draw(rng, 256)
    x = x.astype(np.int32)
    x[0, 1:] = -1
    ds = np.full_like(s, np.nan)
    loss = logistics.loss_and_grad(s, x, 1, ds, 256)
    terms = logistics.log_prob_terms(s, x, 256)
    assert not terms[x < 0].any() and not ds[x < 0].any() and terms[x >= 0].all()
    assert_allclose(loss, -terms.sum(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_draws_keep_what_is_given_and_follow_the_conditionals(dtype, rng):
    s, x = draw(rng, 12, (1, 3))
    N = 20_000
    s, given = np.repeat(s, N, axis=0), np.repeat(x, N, axis=0).astype(dtype)
    u = rng.random(given.shape)
    u[:, 1], u[::2, 2] = -0.5, -1
    x = given.copy()
    assert logistics.sample(s, u, x, 12) is None
    assert_array_equal(x[u < 0], given[u < 0])
    p = logistics.conditionals(s[0], 12)[0]
    assert chisquare(np.bincount(x[:, 0], minlength=12), N * p).pvalue > 1e-4


def test_draws_go_into_a_part_of_an_array(rng):
    s, x = draw(rng, 256, (6, 3))
    table = np.full((6, 3), 77, np.uint8)
    u = rng.random((6, 3))
    logistics.sample(s, u, x, 256)
    logistics.sample(s[:, 1], u[:, 1], table[:, 1], 256)
    assert_array_equal(table[:, 1], x[:, 1])
    assert (table[:, ::2] == 77).all()


@pytest.mark.parametrize(("K", "most"), [(1, 0.28), (2, 0.13), (5, 0.05), (10, 0.02)])
def test_training_begins_near_the_uniform_distribution(K, most):
    p = logistics.conditionals(logistics.first_biases(K), 256)
    assert 0 < -np.log(p).mean() - np.log(256) < most
