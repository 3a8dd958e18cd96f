"""The referees of other tests: they know what is right, and see what is wrong."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import laplace, multivariate_normal, norm

from support import goodness, quadrature, slopes


def two_peaks(x, width=1e-3):
    return np.logaddexp(norm.logpdf(x[:, 0], -3), norm.logpdf(x[:, 0], 5, width)) - np.log(2)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("kind", [norm, laplace])
def test_a_density_in_any_unit_integrates_to_one(kind, scale):
    def log_p(x):
        return kind.logpdf(x[:, 0], 2 * scale, scale)

    near = [2 * scale]
    assert abs(quadrature.integral(log_p, near=near) - 1) < 1e-7
    assert abs(quadrature.integral(lambda x: log_p(x) + np.log(1.001), near=near) - 1.001) < 1e-7
    at = 2.7 * scale
    below = quadrature.integral(log_p, high=at, near=near)
    assert abs(below - kind.cdf(at, 2 * scale, scale)) < 1e-7


def test_a_peak_between_the_points_is_found_beside_a_place_that_is_named():
    assert abs(quadrature.integral(two_peaks, near=[5.0]) - 1) < 1e-7
    assert abs(quadrature.integral(lambda x: two_peaks(x, 0.3)) - 1) < 1e-7


def test_two_variables(rng):
    A = rng.normal(size=(2, 2))
    bell = multivariate_normal([1.0, -2.0], A @ A.T)
    assert abs(quadrature.integral(bell.logpdf, 2) - 1) < 1e-6

    def ring(x):  # a radius of 2 ± 0.2, all angles alike
        r = np.hypot(*x.T)
        return norm.logpdf(r, 2, 0.2) - np.log(2 * np.pi * np.maximum(r, 1e-300))

    assert abs(quadrature.integral(ring, 2, tol=1e-6) - 1) < 1e-6


def test_codes_are_summed_and_reals_integrated(rng):
    p = softmax(rng.normal(size=(2, 3)).ravel()).reshape(2, 3)

    def log_prob(x):
        a, b = x[:, 0].astype(int), x[:, 2].astype(int)
        return np.log(p[a, b]) + norm.logpdf(x[:, 1], a - b, 1 + b)

    assert abs(quadrature.total(log_prob, (2, 0, 3)) - 1) < 1e-6
    assert abs(quadrature.total(lambda x: np.log(p[tuple(x.astype(int).T)]), (2, 3)) - 1) < 1e-12


def test_conditionals_of_each_row(rng):
    x = rng.normal(size=(3, 2))

    def terms(x):
        return np.stack([norm.logpdf(x[:, 0]), norm.logpdf(x[:, 1], x[:, 0], 0.5)], axis=1)

    np.testing.assert_allclose(quadrature.conditional(terms, x, 1), 1, atol=1e-7)
    below = quadrature.conditional(terms, x, 1, high=x[:, 1])
    np.testing.assert_allclose(below, norm.cdf(x[:, 1], x[:, 0], 0.5), atol=1e-7)


def test_what_is_no_number_is_no_density():
    with pytest.raises(AssertionError, match="no number"):
        quadrature.integral(lambda x: np.full(len(x), np.nan))
    assert quadrature.integral(lambda x: np.where(x[:, 0] > 0, -x[:, 0], -np.inf)) == pytest.approx(
        1, abs=1e-7
    )


def test_frequencies_are_told_from_others(rng):
    log_p = np.log(softmax(rng.normal(size=6)))

    def log_prob(x):
        return log_p[x[:, 0] * 3 + x[:, 1]]

    x = np.stack(np.divmod(rng.choice(6, 20_000, p=np.exp(log_p)), 3), axis=1)
    goodness.assert_frequencies(x, log_prob, (2, 3))
    with pytest.raises(AssertionError, match="frequencies"):
        goodness.assert_frequencies(x[:, ::-1] % (2, 3), log_prob, (2, 3))
    with pytest.raises(AssertionError, match="sum to"):
        goodness.assert_frequencies(x, lambda x: log_prob(x) + 0.1, (2, 3))


def test_chisquare_pools_rare_cells_and_refuses_what_cannot_be(rng):
    p = np.array([0.6, 0.3998, 1e-4, 1e-4])
    counts = rng.multinomial(10_000, p)
    assert goodness.chisquare(counts, 10_000 * p) > 1e-4
    assert goodness.chisquare([5000, 4999, 1], [5000, 5000, 0]) == 0
    assert goodness.chisquare([50, 30, 20], [50, 25, 25]) == pytest.approx(
        np.exp(-(1.0 + 1.0) / 2)  # χ² of two degrees
    )


def test_uniforms_are_told_from_others(rng):
    u = rng.random((4000, 3))
    goodness.assert_uniform(u)
    with pytest.raises(AssertionError, match="column 1"):
        goodness.assert_uniform(u ** [1, 1.2, 1])
    dependent = u.copy()
    dependent[:, 2] = (u[:, 0] + 0.2 * u[:, 2]) % 1  # uniform, but not by itself
    with pytest.raises(AssertionError, match="0 and 2 depend"):
        goodness.assert_uniform(dependent)
    with pytest.raises(AssertionError, match="outside"):
        goodness.assert_uniform(u * 2)
    bell = rng.normal(size=3000)
    goodness.assert_follows(bell, norm.cdf)
    goodness.assert_same(bell, rng.normal(size=2000))
    with pytest.raises(AssertionError, match="two distributions"):
        goodness.assert_same(bell, rng.normal(0.2, size=2000))


def test_mixtures_far_out(rng):
    """As models have them: K peaks of many widths, in float64."""
    mu, sigma = 3 * rng.normal(size=5), np.exp(rng.normal(size=5))
    w = np.log(softmax(rng.normal(size=5)))

    def log_p(x):
        return logsumexp(w + norm.logpdf(x[:, :1], mu, sigma), axis=1)

    assert abs(quadrature.integral(log_p) - 1) < 1e-7


@pytest.mark.parametrize("size", [1, 5, 32, 300])
def test_slopes_of_groups_find_every_entry_that_is_wrong(size, rng):
    """Wherever it is, and the parameters are what they were."""
    A, p = rng.normal(size=(size, size)), rng.normal(size=(1, size))
    kept, g = p.copy(), p @ (A + A.T)

    def wrong(grad):
        ours, numeric = slopes.in_groups(lambda: float((p @ A @ p.T)[0, 0]), p, grad, rng)
        assert len(ours) == min(size, slopes.GROUPS)
        return ~np.isclose(ours, numeric, rtol=1e-5, atol=1e-6)

    assert not wrong(g).any()
    for i in range(size):
        one_off = g.copy()
        one_off[0, i] += 0.01
        assert wrong(one_off).sum() == 1
    assert wrong(np.full_like(g, np.nan)).all()
    np.testing.assert_array_equal(p, kept)
    empty = np.empty((2, 0))
    assert all(len(a) == 0 for a in slopes.in_groups(lambda: 0.0, empty, empty, rng))
