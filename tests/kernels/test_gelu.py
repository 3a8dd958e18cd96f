"""GELU: its gradient, its twins, the exact form, and large numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import SIZES, Parity, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import gelu


class TestGelu(Parity):
    name = "gelu"


@pytest.mark.parametrize("size", SIZES)
def test_gelu_gradient(size, backend, rng):
    u, b, dy, y = rng.normal(0, 2, size), rng.normal(size=size[1]), rng.normal(size=size), None
    y = np.empty(size)

    def loss():
        gelu.forward(u, b, y)
        return float((y * dy).sum())

    du, db = np.empty(size), np.empty(size[1])
    gelu.backward(dy, u, b, du, db)
    agree(du, numeric_grad(loss, u), "du")
    agree(db, numeric_grad(loss, b), "db")


def test_gelu_is_close_to_the_exact_form(backend):
    from scipy.stats import norm

    u = np.linspace(-9, 9, 2001)[None]
    y = np.empty_like(u)
    gelu.forward(u, np.zeros(u.shape[1]), y)
    assert_allclose(y, u * norm.cdf(u), atol=5e-4)


@both_dtypes
def test_gelu_of_large_numbers(dtype, backend):
    u = np.array([[-1e4, -50, 0, 50, 1e4]], dtype)
    y, du, db = np.empty_like(u), np.empty_like(u), np.empty_like(u[0])
    gelu.forward(u, 0 * u[0], y)
    gelu.backward(np.ones_like(u), u, 0 * u[0], du, db)
    assert_allclose(y, [[0, 0, 0, 50, 1e4]], atol=1e-20)
    assert_allclose(du, [[0, 0, 0.5, 1, 1]], atol=1e-20)


def test_nan_is_not_swallowed(backend, rng):
    x, out = rng.normal(size=(3, 9)), np.empty((3, 9))
    x[1, 4] = np.nan
    gelu.forward(x, np.zeros(9), out)
    assert_array_equal(np.argwhere(np.isnan(out)), [[1, 4]])
