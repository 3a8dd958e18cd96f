"""The Bernoulli likelihood's Numba kernels against NumPy and finite differences."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_threads
from chainrule.kernels.bernoulli import cpu, reference

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


@pytest.mark.parametrize("spread", [0, 3, 40])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cpu_rounds_no_worse_than_numpy(
    dtype, size, density, spread, rng, assert_rounds_like_numpy
):
    s, x, dnll = draw(rng, size, density, dtype, spread)
    exact_s, exact_dnll = s.astype(np.longdouble), dnll.astype(np.longdouble)
    nll, ds = cpu.forward(s, x), cpu.backward(dnll, s, x)
    numpys, truth = reference.forward(s, x), reference.forward(exact_s, x)
    factors = size[1] * np.finfo(np.float64).eps  # each 1 + e^-|s| is rounded, however small e is
    assert_rounds_like_numpy(nll, numpys, truth, "nll", atol=factors)
    truth = reference.backward(exact_dnll, exact_s, x)
    assert_rounds_like_numpy(ds, reference.backward(dnll, s, x), truth, "ds")


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("size", [(1, 1), (4, 5), (2, 17)])
def test_backward_matches_finite_differences(size, twin, rng):
    s, x, dnll = draw(rng, size, 0.5, spread=1)
    numeric = numeric_grad(lambda: float(twin.forward(s, x) @ dnll), s)
    assert np.abs(numeric).max() > 1e-4
    assert_allclose(twin.backward(dnll, s, x), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(dtype, twin):
    """At ±10,000 a right prediction costs nothing and a wrong one its logit, with no overflow."""
    s = np.array([[1e4, -1e4, 1e4, -1e4, 0.0, -0.0, 0.0, -0.0]], dtype)
    x = np.array([[1, 0, 0, 1, 1, 1, 0, 0]], np.uint8)
    costs = [0, 0, 1e4, 1e4, *4 * [math.log(2)]]
    for i, cost in enumerate(costs):  # each alone: a sum would hide a small error
        one = twin.forward(s[:, i : i + 1].copy(), x[:, i : i + 1].copy())
        assert_allclose(one, [cost], rtol=2 * np.finfo(dtype).eps, atol=1e-37)
    ds = twin.backward(np.ones(1, dtype), s, x)
    assert_allclose(ds[0], [0, 0, 1, -1, -0.5, -0.5, 0.5, 0.5], atol=1e-37)


def test_products_of_many_factors_of_two_do_not_overflow():
    """All logits 0: each factor is 2, the largest there is."""
    D = 5000
    for dtype in (np.float32, np.float64):
        nll = cpu.forward(np.zeros((1, D), dtype), np.zeros((1, D), np.uint8))
        assert_allclose(nll, D * math.log(2), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_zero_and_one_add_up(dtype, rng):
    s = (5 * rng.normal(size=(200, 1))).astype(dtype)
    zero, one = np.zeros(s.shape, np.uint8), np.ones(s.shape, np.uint8)
    total = np.exp(-cpu.forward(s, zero)) + np.exp(-cpu.forward(s, one))
    assert_allclose(total, 1, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("twin", [cpu, reference])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_not_swallowed(dtype, twin, rng):
    s, x, dnll = draw(rng, (3, 40), 0.5, dtype)
    s[1, 17] = np.nan
    assert_array_equal(np.isnan(twin.forward(s, x)), [False, True, False])
    ds = twin.backward(dnll, s, x)
    assert_array_equal(np.argwhere(np.isnan(ds)), [[1, 17]])


@pytest.mark.parametrize("size", [(1, 1), (50, 33)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(dtype, size, rng):
    s, x, dnll = draw(rng, size, dtype=dtype)
    with use_threads(1):
        nll, ds = cpu.forward(s, x), cpu.backward(dnll, s, x)
    for n in (2, 3, 70):
        with use_threads(n):
            assert_array_equal(cpu.forward(s, x), nll)
            assert_array_equal(cpu.backward(dnll, s, x), ds)


def test_inputs_are_left_alone(rng):
    inputs = draw(rng, (6, 9))
    kept = [a.copy() for a in inputs]
    s, x, dnll = inputs
    cpu.forward(s, x)
    cpu.backward(dnll, s, x)
    for a, before in zip(inputs, kept, strict=True):
        assert_array_equal(a, before)
