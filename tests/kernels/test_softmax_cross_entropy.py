"""Softmax cross-entropy: its gradient, its twins, padding, and logits of ten thousand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import SIZES, Parity, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import softmax_cross_entropy
from chainrule.kernels.columns import cpu as of_columns
from chainrule.kernels.columns import layout
from chainrule.kernels.softmax_cross_entropy import batch, cpu


class TestSoftmaxCrossEntropy(Parity):
    name = "softmax_cross_entropy"


def forward(s, y):
    """Return nll."""
    nll = np.full(len(s), np.nan, s.dtype)
    softmax_cross_entropy.forward(s, y, nll)
    return nll


def nll_and_grad(s, y, scale):
    """Return nll and ds."""
    nll, ds = np.full(len(s), np.nan, s.dtype), np.full_like(s, np.nan)
    softmax_cross_entropy.nll_and_grad(s, y, scale, nll, ds)
    return nll, ds


@pytest.mark.parametrize("size", SIZES)
def test_gradient(size, backend, rng):
    N, V = size
    s, dnll = rng.normal(0, 2, size), rng.normal(size=N)
    y = rng.integers(0, V, N).astype(np.int32)
    y[N // 2 :: 3] = -1 if N > 1 else y[0]
    ds = np.full(size, np.nan)
    softmax_cross_entropy.backward(dnll, s, y, ds)
    agree(ds, numeric_grad(lambda: float(forward(s, y) @ dnll), s), "ds")
    numeric = numeric_grad(lambda: 0.7 * float(forward(s, y).sum()), s)
    agree(nll_and_grad(s, y, 0.7)[1], numeric, "ds of both")


@both_dtypes
def test_cross_entropy_of_logits_of_ten_thousand(dtype, backend):
    s = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], dtype)
    y = np.array([0, 1, 2, 0], np.int32)
    nll, ds = nll_and_grad(s, y, 1.0)
    third = 1 / 3
    assert_allclose(nll, [0, 2e4, np.log(3), np.log(3)], rtol=1e-6)
    expected = [[0, 0, 0], [1, -1, 0], [third, third, -2 * third], [-2 * third, third, third]]
    assert_allclose(ds, expected, atol=1e-6)
    assert_allclose(forward(s, y), nll, rtol=1e-6)


@both_dtypes
@pytest.mark.parametrize("V", [1, 2, 15, 16, 17, 33, 65, 128, 257])
def test_the_loss_has_the_same_bits_with_its_gradient_and_without(V, dtype, rng):
    s, y = rng.normal(0, 3, (20, V)).astype(dtype), rng.integers(0, V, 20).astype(np.int32)
    assert_array_equal(forward(s, y), nll_and_grad(s, y, 1.0)[0])


@both_dtypes
def test_cross_entropy_ignores_padding_and_gradients_sum_to_zero(dtype, backend, rng):
    s, y = rng.normal(size=(40, 7)).astype(dtype), rng.integers(-1, 7, 40).astype(np.int32)
    nll, ds = nll_and_grad(s, y, 1.0)
    assert_array_equal(nll[y < 0], 0)
    assert_array_equal(ds[y < 0], 0)
    assert_allclose(ds.sum(axis=1), 0, atol=4e-6)


def test_nan_is_not_swallowed(backend, rng):
    s, y = rng.normal(size=(3, 9)), np.zeros(3, np.int32)
    s[1, 4] = np.nan
    assert_array_equal(np.isnan(forward(s, y)), [False, True, False])


@pytest.mark.parametrize("V", [batch.SMALL, 50])
def test_slopes_are_never_subnormal(V):
    """Whether symbols are worked on side by side or a row at a time."""
    s = -np.linspace(0, 110, V, dtype=np.float32).repeat(3).reshape(V, 3).T.copy()
    x, scale, nll = np.zeros((3, 1), np.int32), 0.01, np.empty(3, np.float32)
    alone, of_column = np.empty_like(s), s.copy()
    cpu.nll_and_grad(s, x[:, 0], scale, nll, alone)
    of_columns.nll_and_grad(layout((V,)), s, x, scale, nll, of_column)
    for slopes in (alone, of_column):
        assert (slopes[:, 1] > 0).all() and (slopes[:, -1] == 0).all()
        assert (np.abs(slopes[slopes != 0]) >= np.finfo(np.float32).tiny).all()
