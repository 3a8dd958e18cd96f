"""The mass of one component in a step: how exact it is, near and far, of steps narrow and wide."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose
from scipy import special
from support.parity import both_dtypes

from chainrule.kernels.erfcx import erfcx
from chainrule.kernels.inline import JIT, one_less_exp
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE, NEAR_K, NEAR_Y, reference, steps

EXACT = {np.float32: 6e-7, np.float64: 4e-14}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(80)


@njit(**JIT)
def _compiled(z, k, family, out):
    for i in range(z.size):
        if family == GAUSSIAN:
            q, g, slope, curve = steps.gaussian(z[i], k[i], z)
        else:
            q, g, slope, curve = steps.laplace(z[i], k[i], z)
        out[0, i], out[1, i], out[2, i], out[3, i] = q, g, slope, curve


def by_numba(z, k, family):
    out = np.empty((4, z.size), z.dtype)
    _compiled(z, k, family, out)
    return out


def by_numpy(z, k, family):
    of = reference._gaussian_step if family == GAUSSIAN else reference._laplace_step
    with np.errstate(over="ignore", under="ignore"):
        return np.stack(of(z, k))


def of_gaussian(z, k):
    """Return log M, S and V: the mass over φ(a) by quadrature, or where it is near 1 by erf."""
    a, b = z - k, z + k
    far = np.minimum(2 * k, 40 / (np.maximum(a, 0) + 4))  # e^{-at - t²/2} is nothing beyond
    t = far[:, None] * (1 + NODES) / 2
    over = (np.exp(-a[:, None] * t - t * t / 2) * WEIGHTS).sum(axis=1) * far / 2
    log_phi = -a * a / 2 - np.log(2 * np.pi) / 2
    middle, mass = a < -2, (special.erf(b / np.sqrt(2)) - special.erf(a / np.sqrt(2))) / 2
    over = np.where(middle, np.exp(-log_phi) * mass, over)
    log_m = np.where(middle, np.log(np.where(middle, mass, 1)), np.log(over) + log_phi)
    return log_m, -np.expm1(-2 * z * k) / over, (b * np.exp(-2 * z * k) - a) / over


def of_laplace(z, k):
    """Return log M, S and V, in the machine's finest numbers."""
    z, k = z.astype(np.longdouble), k.astype(np.longdouble)
    a, b = z - k, z + k
    inside = -(np.expm1(np.minimum(a, 0)) + np.expm1(-b)) / 2
    outside = -np.expm1(-2 * k) / 2  # over e^{-a}
    mass = np.where(a < 0, inside, outside)
    at_a, at_b = (np.exp(np.where(a < 0, -np.abs(v), a - v)) / 2 / mass for v in (a, b))
    log_m = np.log(mass) - np.maximum(a, 0)
    return log_m, np.where(a < 0, at_a * -np.expm1(-2 * z), 1), b * at_b - a * at_a


def grid(dtype, least=-7):
    """Return distances and half widths: everywhere, and densely where one form meets another."""
    rng = np.random.default_rng(0)
    z, k = 10 ** rng.uniform(-3, 4, 8000), 10 ** rng.uniform(least, 3, 8000)
    z[:2000], k[:2000] = rng.uniform(0, 4, 2000), rng.uniform(0.02, 2, 2000)
    near = NEAR_K + rng.uniform(-1e-3, 1e-3, 500)
    z[2000:2500], k[2000:2500] = rng.uniform(0, 3, 500), near
    z[2500:3000] = (NEAR_Y + rng.uniform(-1e-3, 1e-3, 500)) / k[2500:3000]
    z[3000:3500] = k[3000:3500] * (1 + rng.uniform(-1e-3, 1e-3, 500))
    return z.astype(dtype), k.astype(dtype)


@both_dtypes
@pytest.mark.parametrize("twin", [by_numba, by_numpy])
@pytest.mark.parametrize(("family", "truth"), [(GAUSSIAN, of_gaussian), (LAPLACE, of_laplace)])
def test_masses_and_slopes_are_exact(family, truth, twin, dtype):
    """Log M beside 1 and itself, and its derivatives where there is something left of them."""
    z, k = grid(dtype)
    q, g, slope, curve = twin(z, k, family).astype(np.float64)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        log_m, S, V = truth(z.astype(np.float64), k.astype(np.float64))
    exact = EXACT[dtype]
    assert_allclose(np.log(g) - q, log_m, rtol=exact, atol=exact)
    some = np.isfinite(S) & (np.abs(S) > 1e-6)
    assert some.mean() > 0.6
    wide = some & ((k > 1e-3) | (family == LAPLACE))  # the truth's own V cancels in narrow ones
    assert_allclose(slope[some], S[some], rtol=10 * exact, atol=0)
    scale = np.maximum(1, z.astype(np.float64) ** 2)
    assert (np.abs(curve - V)[wide] <= (10 * exact + 1e-11) * scale[wide]).all()


@both_dtypes
@pytest.mark.parametrize("twin", [by_numba, by_numpy])
@pytest.mark.parametrize("family", [GAUSSIAN, LAPLACE])
def test_far_away_narrow_and_wide(family, twin, dtype):
    """A million widths off, steps of no width and of a thousand: finite, and odd and even."""
    z = np.array([0, 1e-20, 1, 1e3, 1e6, 1e12, 1e18], dtype)
    k = np.array([1e-30, 1e-12, 1e-3, 0.3, 1, 1e3, 1e18], dtype)
    z, k = (a.ravel() for a in np.meshgrid(z, k))
    q, g, slope, curve = twin(z, k, family)
    assert all(np.isfinite(a).all() for a in (q, g, slope, curve))
    assert (g > 0).all() and (np.log(g) - q <= 2e-7).all()
    mirrored = twin(-z, k, family)
    np.testing.assert_array_equal(mirrored[[0, 1, 3]], np.stack([q, g, curve]))
    np.testing.assert_array_equal(mirrored[2], -slope)
    a = z - k  # far off, a Gaussian's log M is -a²/2 and little else, and falls by a a width
    tail = (a > 100) & (k > 1e-3) if family == GAUSSIAN else a > 100
    expected = a * a / 2 if family == GAUSSIAN else a
    assert_allclose(q[tail], expected[tail], rtol=1e-6)
    assert_allclose(slope[tail], a[tail] if family == GAUSSIAN else 1, rtol=2e-2)


@pytest.mark.parametrize("twin", [by_numba, by_numpy])
def test_of_no_width_it_is_the_density(twin):
    z = np.linspace(-30, 30, 601)
    q, g, slope, curve = twin(z, np.full(601, 1e-12), GAUSSIAN)
    assert_allclose(np.log(g / 2e-12) - q, -(z**2) / 2 - np.log(2 * np.pi) / 2, rtol=1e-12)
    assert_allclose(slope, z, rtol=1e-12)
    assert_allclose(curve, 1 - z**2, rtol=1e-12, atol=1e-12)


@both_dtypes
@pytest.mark.parametrize(
    ("function", "truth", "promise"),
    [
        (erfcx, special.erfcx, {np.float32: 4e-7, np.float64: 2e-15}),
        (one_less_exp, lambda x: -np.expm1(-x), {np.float32: 4e-7, np.float64: 4e-16}),
    ],
)
def test_what_it_is_made_of(function, truth, promise, dtype):
    @njit(**JIT)
    def each(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    x = np.concatenate([[0], 10 ** np.linspace(-8, 18, 40_001), np.linspace(0, 9, 40_001)])
    x = x.astype(dtype)
    out, true = np.empty_like(x), truth(x.astype(np.float64))
    each(x, out)
    assert_allclose(out, true, rtol=promise[dtype], atol=0)
    assert_allclose(function(x.astype(np.float64)), true, rtol=promise[np.float64], atol=0)
    each(np.array([np.nan], dtype), out[:1])
    assert np.isnan(out[0])
