"""The Bernoulli likelihood's Numba kernels against NumPy and finite differences."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_threads
from chainrule.kernels.bernoulli import cpu, reference
from chainrule.kernels.columns import cpu as of_columns
from chainrule.kernels.columns import layout

# An empty batch; single entries; just past 8 lanes; a product of 512 factors and just past one.
SIZES = [(0, 5), (1, 1), (3, 1), (2, 9), (5, 512), (3, 513), (2, 1030), (400, 7)]
DENSITIES = [0, 0.13, 0.5, 1]


@pytest.fixture(autouse=True)
def many_threads(monkeypatch):
    """Let three threads share even the smallest work."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    with use_threads(3):
        yield


def draw(rng, size, density=0.3, dtype=np.float64, spread=3):
    """Return s, x and dnll."""
    x = (rng.random(size) < density).astype(np.uint8)
    s, dnll = spread * rng.normal(size=size), rng.normal(size=size[0])
    return s.astype(dtype), x, dnll.astype(dtype)


def forward(twin, s, x):
    """Return nll."""
    nll = np.full(len(s), np.nan, s.dtype)
    assert twin.forward(s, x, nll) is None
    return nll


def terms(twin, s, x):
    """Return log_p."""
    log_p = np.full_like(s, np.nan)
    assert twin.terms(s, x, log_p) is None
    return log_p


def backward(twin, dnll, s, x):
    """Return ds."""
    ds = np.full_like(s, np.nan)
    assert twin.backward(dnll, s, x, ds) is None
    return ds


def loss(twin, rate, s, x):
    """Return nll and ds, ds once in place of s and once beside it, which must agree."""
    found = []
    for ds in (np.full_like(s, np.nan), s.copy()):
        nll = np.full(len(s), np.nan, s.dtype)
        assert twin.loss(rate, s if len(found) == 0 else ds, x, nll, ds) is None
        found.append((nll, ds))
    for one, other in zip(*found, strict=True):
        assert_array_equal(one, other)
    return found[0]


@pytest.mark.parametrize("spread", [0, 3, 40])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cpu_rounds_no_worse_than_numpy(
    dtype, size, density, spread, rng, assert_rounds_like_numpy
):
    s, x, dnll = draw(rng, size, density, dtype, spread)
    exact_s, exact_dnll = s.astype(np.longdouble), dnll.astype(np.longdouble)
    nll, ds = forward(cpu, s, x), backward(cpu, dnll, s, x)
    numpys, truth = forward(reference, s, x), forward(reference, exact_s, x)
    factors = size[1] * np.finfo(np.float64).eps  # each 1 + e^-|s| is rounded, however small e is
    assert_rounds_like_numpy(nll, numpys, truth, "nll", atol=factors)
    truth = backward(reference, exact_dnll, exact_s, x)
    assert_rounds_like_numpy(ds, backward(reference, dnll, s, x), truth, "ds")
    nll, ds = loss(cpu, dnll, s, x)
    assert_rounds_like_numpy(ds, backward(reference, dnll, s, x), truth, "ds of both")
    truth = forward(reference, exact_s, x)
    assert_rounds_like_numpy(nll, numpys, truth, "nll of both", atol=factors)
    truth = terms(reference, exact_s, x)
    assert_rounds_like_numpy(terms(cpu, s, x), terms(reference, s, x), truth, "log_p")


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("size", [(1, 1), (4, 5), (2, 17)])
def test_backward_matches_finite_differences(size, twin, rng):
    s, x, dnll = draw(rng, size, 0.5, spread=1)
    numeric = numeric_grad(lambda: float(forward(twin, s, x) @ dnll), s)
    assert np.abs(numeric).max() > 1e-4
    assert_allclose(backward(twin, dnll, s, x), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_sum_to_the_likelihood_and_keep_the_digits_of_a_right_guess(dtype, twin, rng):
    s, x, _ = draw(rng, (9, 40), 0.5, dtype)
    assert_allclose(terms(twin, s, x).sum(axis=1), -forward(twin, s, x), rtol=1e-5)
    sure = np.array([[30, -30]], dtype)
    right = terms(twin, sure, np.array([[1, 0]], np.uint8))
    assert_allclose(right, -math.exp(-30), rtol=1e-5)  # not 30 - 30
    in_place = s.copy()
    twin.terms(in_place, x, in_place)
    assert_array_equal(in_place, terms(twin, s, x))


@pytest.mark.parametrize("twin", [cpu, reference])
def test_ds_may_be_s(twin, rng):
    s, x, dnll = draw(rng, (9, 40), 0.5)
    expected = backward(twin, dnll, s, x)
    twin.backward(dnll, s, x, s)
    assert_array_equal(s, expected)


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(dtype, twin):
    """At ±10,000 a right prediction costs nothing and a wrong one its logit, with no overflow."""
    s = np.array([[1e4, -1e4, 1e4, -1e4, 0.0, -0.0, 0.0, -0.0]], dtype)
    x = np.array([[1, 0, 0, 1, 1, 1, 0, 0]], np.uint8)
    costs = [0, 0, 1e4, 1e4, *4 * [math.log(2)]]
    for i, cost in enumerate(costs):  # each alone: a sum would hide a small error
        one = forward(twin, s[:, i : i + 1].copy(), x[:, i : i + 1].copy())
        assert_allclose(one, [cost], rtol=2 * np.finfo(dtype).eps, atol=1e-37)
    ds = backward(twin, np.ones(1, dtype), s, x)
    assert_allclose(ds[0], [0, 0, 1, -1, -0.5, -0.5, 0.5, 0.5], atol=1e-37)


def test_products_of_many_factors_of_two_do_not_overflow():
    """All logits 0: each factor is 2, the largest there is."""
    D = 5000
    for dtype in (np.float32, np.float64):
        nll = forward(cpu, np.zeros((1, D), dtype), np.zeros((1, D), np.uint8))
        assert_allclose(nll, D * math.log(2), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_zero_and_one_add_up(dtype, rng):
    s = (5 * rng.normal(size=(200, 1))).astype(dtype)
    zero, one = np.zeros(s.shape, np.uint8), np.ones(s.shape, np.uint8)
    total = np.exp(-forward(cpu, s, zero)) + np.exp(-forward(cpu, s, one))
    assert_allclose(total, 1, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_not_swallowed(dtype, twin, rng):
    s, x, dnll = draw(rng, (3, 40), 0.5, dtype)
    s[1, 17] = np.nan
    assert_array_equal(np.isnan(forward(twin, s, x)), [False, True, False])
    for a in (backward(twin, dnll, s, x), terms(twin, s, x)):
        assert_array_equal(np.argwhere(np.isnan(a)), [[1, 17]])


@pytest.mark.parametrize("size", [(1, 1), (50, 33)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(dtype, size, rng):
    s, x, dnll = draw(rng, size, dtype=dtype)
    with use_threads(1):
        nll, ds, log_p = forward(cpu, s, x), backward(cpu, dnll, s, x), terms(cpu, s, x)
    for n in (2, 3, 70):
        with use_threads(n):
            assert_array_equal(terms(cpu, s, x), log_p)
            assert_array_equal(forward(cpu, s, x), nll)
            assert_array_equal(backward(cpu, dnll, s, x), ds)


def test_inputs_are_left_alone(rng):
    inputs = draw(rng, (6, 9))
    kept = [a.copy() for a in inputs]
    s, x, dnll = inputs
    forward(cpu, s, x)
    backward(cpu, dnll, s, x)
    for a, before in zip(inputs, kept, strict=True):
        assert_array_equal(a, before)


def test_slopes_are_never_subnormal():
    """What multiplies them would take a hundred times as long."""
    s = -np.arange(60, 110, dtype=np.float32)[None]
    x, rate = np.zeros(s.shape, np.uint8), np.full(1, 0.01, np.float32)
    weights, nll, weighted = np.full_like(s, 0.01), np.empty(1, np.float32), s.copy()
    bits = layout((2,) * s.size)
    of_columns.weighted_nll_and_grad(bits, s, x, weights, nll, weighted)
    for slopes in (backward(cpu, rate, s, x), loss(cpu, rate, s, x)[1], weighted):
        assert slopes[0, 0] > 0 and slopes[0, -1] == 0
        assert (slopes[slopes != 0] >= np.finfo(np.float32).tiny).all()
