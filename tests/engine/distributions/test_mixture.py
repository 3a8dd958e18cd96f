"""Mixtures as a distribution: five functions that agree, and uniforms that draws invert."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, laplace, norm

from chainrule.engine.distributions import mixture
from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE

OF = {GAUSSIAN: norm, LAPLACE: laplace}
every_mixture = pytest.mark.parametrize(
    ("family", "learned"), [(f, w) for f in OF for w in (False, True)]
)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def outputs(rng, learned, N=6, D=5, K=4, dtype=np.float64):
    n = mixture.n_outputs(K, learned)
    assert n == (12 if learned else 8)
    return rng.normal(size=(N, D, n)).astype(dtype), rng.normal(size=(N, D)).astype(dtype)


@every_mixture
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_are_the_density_that_the_conditionals_say(family, learned, dtype, rng):
    s, x = outputs(rng, learned, dtype=dtype)
    p = mixture.conditionals(s, learned)
    assert p.shape == (*x.shape, 12) and p.dtype == dtype
    weights, means, scales = np.split(p, 3, axis=-1)
    assert_allclose(weights.sum(axis=-1), 1, rtol=1e-6)
    assert learned or np.ptp(weights) == 0
    density = (weights * OF[family].pdf(x[..., None], means, scales)).sum(axis=-1)
    terms = mixture.log_prob_terms(s, x, family, learned)
    assert terms.shape == x.shape and terms.dtype == dtype
    assert_allclose(terms, np.log(density), rtol=1e-12 if dtype == np.float64 else 2e-5, atol=1e-5)


@every_mixture
def test_loss_and_gradient(family, learned, rng):
    s, x = outputs(rng, learned)
    ds = np.full_like(s, np.nan)
    loss = mixture.loss_and_grad(s, x, 9, ds, family, learned)
    assert isinstance(loss, float)

    def by_terms():
        return -float(mixture.log_prob_terms(s, x, family, learned).sum()) / 9

    assert_allclose(loss, by_terms(), rtol=1e-12)
    numeric = numeric_grad(by_terms, s)
    assert np.abs(numeric).max() > 1e-3
    assert_allclose(ds, numeric, rtol=1e-6, atol=1e-8)
    assert mixture.loss_and_grad(s, x, 9, s, family, learned) == loss
    assert_array_equal(s, ds)


@every_mixture
def test_draws_keep_what_is_given_and_follow_the_density(family, learned, rng):
    s, given = outputs(rng, learned, 1, 3)
    N = 20_000
    s, given = np.repeat(s, N, axis=0), np.repeat(given, N, axis=0)
    u = rng.random(given.shape)
    u[:, 1], u[::2, 2] = -0.5, -1
    x = given.copy()
    assert mixture.sample(s, u, x, family, learned) is None
    assert_array_equal(x[u < 0], given[u < 0])
    weights, means, scales = np.split(mixture.conditionals(s[0, 0], learned), 3)
    of = OF[family]

    def cdf(values):
        return (weights * of.cdf(np.asarray(values)[..., None], means, scales)).sum(axis=-1)

    assert kstest(x[:, 0], cdf).pvalue > 1e-4
    assert_allclose(mixture.cdf(s, x, family, learned)[u >= 0], u[u >= 0], atol=1e-13)
