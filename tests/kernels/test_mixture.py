"""Mixtures: their gradient, twins, tails, and the inverse of their distribution function."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import laplace, norm
from support.parity import Parity, agree

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import mixture
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE, SIGMA_MIN, T_MAX

OF = {GAUSSIAN: norm, LAPLACE: laplace}
families = pytest.mark.parametrize("family", OF)
kinds = pytest.mark.parametrize(("family", "learned"), [(f, w) for f in OF for w in (False, True)])
JUST_BELOW_ONE = 1 - 2.0**-53


class TestMixture(Parity):
    name = "mixture"


def row(mu, sigma, weights=None):
    """Return the outputs of one mixture, (1, n)."""
    t = np.log(np.asarray(sigma) - SIGMA_MIN)
    parts = [mu, t] if weights is None else [mu, t, np.log(weights)]
    return np.concatenate(parts)[None]


def nll_of(s, x, family, learned, half=0.0):
    nll = np.full(len(x), np.nan, s.dtype)
    mixture.terms(s, x, half, family, learned, nll)
    return -nll


def cdf_of(s, x, family, learned):
    u = np.full(len(x), np.nan)
    mixture.cdf(s, x, family, learned, u)
    return u


def drawn(s, u, family, learned, dtype=np.float64):
    x = np.full(len(u), np.nan, dtype)
    mixture.draw(s, u, family, learned, x)
    return x


@kinds
@pytest.mark.parametrize(("M", "K"), [(1, 1), (3, 2), (70, 5)])
@pytest.mark.parametrize("half", [0.0, 0.05, 0.8])
def test_gradient(half, M, K, family, learned, backend, rng):
    s, x = rng.normal(size=(M, mixture.n_outputs(K, learned))), rng.normal(size=M)
    if half == 0 or M > 1:  # else all of P is in one step
        s[-1, K] = -9  # a scale at the floor
    dnll, ds, dx = rng.normal(size=M), s * np.nan, x * np.nan
    mixture.backward(dnll, s, x, half, family, learned, ds)
    mixture.input_gradient(ds, learned, dx)

    def loss():
        return float(nll_of(s, x, family, learned, half) @ dnll)

    agree(ds, numeric_grad(loss, s), "ds")
    agree(dx, numeric_grad(loss, x), "dx")


@pytest.mark.parametrize("half", [0.0, 0.3])
@kinds
def test_beyond_its_bound_a_scale_is_held_and_has_no_gradient(half, family, learned, backend, rng):
    s, x = rng.normal(size=(2, mixture.n_outputs(2, learned))), rng.normal(size=2)
    s[0, 2], s[1, 2] = T_MAX + 1, T_MAX
    held, nll, ds = s.copy(), x * np.nan, s * np.nan
    held[0, 2] = T_MAX
    mixture.nll_and_grad(s, x, half, 1.0, family, learned, nll, ds)
    assert_array_equal(nll, nll_of(held, x, family, learned, half))
    assert ds[0, 2] == 0 and ds[1, 2] != 0


@kinds
def test_density_integrates_to_one(family, learned, backend):
    weights = [0.7, 0.2, 0.1] if learned else None
    s = row([-1.0, 0.5, 3.0], [0.5, 0.05, 2.0], weights)
    x = np.linspace(-60, 60, 600_001)
    p = np.exp(-nll_of(np.repeat(s, len(x), axis=0), x, family, learned))
    assert np.trapezoid(p, x) == pytest.approx(1, abs=1e-6)


@families
def test_the_tails_are_scipys(family, backend):
    x = np.array([-1000.0, -40, -8, 0, 9, 40, 1000])
    s = np.repeat(row([0.0, 1.0], [1.0, 2.0], [0.25, 0.75]), len(x), axis=0)
    of = OF[family]
    log_p = np.logaddexp(np.log(0.25) + of.logpdf(x), np.log(0.75) + of.logpdf(x, 1, 2))
    assert_allclose(nll_of(s, x, family, True), -log_p, rtol=1e-13)
    u, below = cdf_of(s, x, family, True), 0.25 * of.cdf(x) + 0.75 * of.cdf(x, 1, 2)
    inside = slice(1, 5)  # of -1000 a Gaussian has less than the least u
    assert_allclose(u[inside], below[inside], rtol=1e-11)
    assert u[0] >= mixture.LEAST_U and u[-1] == mixture.MOST_U


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("half", [0.0, 1e-15, 1.0, 1e30])
@kinds
def test_nothing_finite_gives_what_is_not(half, family, learned, dtype, backend):
    ends = np.array([0, 1e30, -1e30, 3e38, -3e38], dtype)
    s = np.zeros((25, mixture.n_outputs(3, learned)), dtype)
    s[:, 0], x = np.repeat(ends, 5), np.tile(ends, 5)
    s[:, 3:6] = [-300, 0, 300]
    if learned:
        s[:, 6:] = [-1e30, 0, 1e30]
    nll, ds = x * np.nan, s * np.nan
    with np.errstate(over="ignore"):
        mixture.nll_and_grad(s, x, half, 1.0, family, learned, nll, ds)
        u = cdf_of(s, x, family, learned)
        again = drawn(s, u, family, learned, dtype)
    assert all(np.isfinite(a).all() for a in (nll, ds, u)) and not np.isnan(again).any()
    assert ((u >= 0) & (u < 1)).all()


@pytest.mark.parametrize("half", [0.0, 0.3])
@families
@pytest.mark.parametrize("where", [0, 2, 4])
def test_a_nan_shows(where, family, half, backend):
    s, x = np.zeros((2, 6)), np.zeros(2)
    s[1, where] = np.nan
    nll, ds = x * np.nan, s * np.nan
    mixture.nll_and_grad(s, x, half, 1.0, family, True, nll, ds)
    assert_array_equal(np.isnan(nll), [False, True])
    assert np.isnan(ds[1]).any() and not np.isnan(ds[0]).any()


HARD = {  # mixtures whose inverse Newton alone would not find
    "far apart": row([-1e3, 1e3], [0.01, 0.01]),
    "narrow in wide": row([0.0, 0.3], [100.0, 0.002], [0.5, 0.5]),
    "hardly any weight": row([0.0, 50.0], [1.0, 1.0], [1 - 1e-9, 1e-9]),
    "one": row([2.0], [3.0]),
}


@families
@pytest.mark.parametrize("name", HARD)
def test_draws_invert_the_distribution_function(name, family, backend, rng):
    """For any u: F(x) is u up to what a spacing of x is worth, and a larger u never draws less."""
    learned = HARD[name].shape[1] == 6
    edges = [0.0, 1e-300, 1e-30, 0.5, np.nextafter(0.5, 1), JUST_BELOW_ONE]
    u = np.sort(np.concatenate([rng.random(300), edges]))
    s = np.repeat(HARD[name], len(u), axis=0)
    x = drawn(s, u, family, learned)
    assert np.isfinite(x).all() and (np.diff(x) >= -1e-13 * np.abs(x[1:])).all()
    p = np.exp(-nll_of(s, x, family, learned))
    off = np.abs(cdf_of(s, x, family, learned) - u)
    assert (off <= 8 * np.finfo(float).eps * (u + p * (np.abs(x) + 1)) + 2.0**-1021).all()


@kinds
def test_float32_values_come_back_from_their_uniforms(family, learned, backend, rng):
    s = rng.normal(size=(400, mixture.n_outputs(4, learned))).astype(np.float32)
    x = rng.normal(size=400).astype(np.float32)
    dense = nll_of(s, x, family, learned) < 10
    again = drawn(s, cdf_of(s, x, family, learned), family, learned, np.float32)
    assert dense.mean() > 0.8
    assert_array_equal(again[dense], x[dense])


def test_a_negative_uniform_keeps_what_is_there(backend, rng):
    s, u = rng.normal(size=(9, 6)), rng.random(9)
    table = np.full((9, 2), 77.0)  # x is one column of it
    u[::2] = -1
    mixture.draw(s, u, GAUSSIAN, True, table[:, 1])
    assert (table[:, 0] == 77).all() and (table[::2, 1] == 77).all()
    assert (table[1::2, 1] != 77).all()
