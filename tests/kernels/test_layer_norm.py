"""Layer normalisation: its gradient, its twins, and what it is for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import SIZES, Parity, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import layer_norm


class TestLayerNorm(Parity):
    name = "layer_norm"


@pytest.mark.parametrize("size", SIZES)
def test_layer_norm_gradient(size, backend, rng):
    N, C = size
    x, g, b = rng.normal(1, 2, size), rng.normal(size=C), rng.normal(size=C)
    dy, y, mean, rstd = rng.normal(size=size), np.empty(size), np.empty(N), np.empty(N)

    def loss():
        layer_norm.forward(x, g, b, y, mean, rstd)
        return float((y * dy).sum())

    numeric = [numeric_grad(loss, p) for p in (x, g, b)]
    loss()
    upstream = rng.normal(size=size)  # of x's other uses: what is found must be added to it
    dx, dg, db = upstream.copy(), np.full(C, np.nan), np.full(C, np.nan)
    layer_norm.backward(dy, x, g, mean, rstd, dx, dg, db)
    for name, ours, theirs in zip("xgb", (dx - upstream, dg, db), numeric, strict=True):
        agree(ours, theirs, f"d{name}")


@both_dtypes
def test_layer_norm_makes_mean_0_and_variance_1(dtype, backend, rng):
    x = rng.normal(100, 3, (5, 64)).astype(dtype)
    y, one = np.empty_like(x), np.ones(64, dtype)
    layer_norm.forward(x, one, 0 * one, y, np.empty(5, dtype), np.empty(5, dtype))
    assert_allclose(y.mean(axis=1), 0, atol=1e-4)
    assert_allclose(y.std(axis=1), 1, rtol=1e-4)
    constant = np.full((1, 64), 7, dtype)
    y = np.full((1, 64), np.nan, dtype)
    layer_norm.forward(constant, one, one, y, np.empty(1, dtype), np.empty(1, dtype))
    assert_array_equal(y, 1)


def test_nan_is_not_swallowed(backend, rng):
    x, out = rng.normal(size=(3, 9)), np.empty((3, 9))
    x[1, 4] = np.nan
    layer_norm.forward(x, np.ones(9), np.ones(9), out, np.empty(3), np.empty(3))
    assert_array_equal(np.isnan(out).any(axis=1), [False, True, False])
