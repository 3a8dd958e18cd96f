"""The gated activation: its gradient, its twins, its groups, and numbers at the ends."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import SIZES, Parity, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import gate


class TestGate(Parity):
    name = "gate"


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_gradient(size, groups, backend, rng):
    M, H = size[0], groups * size[1]
    a, dy, y = rng.normal(0, 2, (M, 2 * H)), rng.normal(size=(M, H)), np.empty((M, H))

    def loss():
        gate.forward(a, groups, y)
        return float((y * dy).sum())

    da = np.full_like(a, np.nan)
    gate.backward(dy, a, groups, da)
    agree(da, numeric_grad(loss, a), "da")


@both_dtypes
def test_the_gradient_may_take_the_place_of_its_input(dtype, backend, rng):
    """To the bit, whether or not the loop is one that needs them apart."""
    a, dy = rng.normal(size=(5, 2 * 66)).astype(dtype), rng.normal(size=(5, 66)).astype(dtype)
    da = np.empty_like(a)
    gate.backward(dy, a, 2, da)
    gate.backward(dy, a, 2, a)
    assert_array_equal(a, da)


def test_a_group_sees_only_its_own_halves(backend, rng):
    """Group g is what one group makes of its 2H / G columns."""
    groups, size = 3, 5
    a, y = rng.normal(size=(4, 2 * groups * size)), np.empty((4, groups * size))
    dy, da = rng.normal(size=y.shape), np.empty_like(a)
    gate.forward(a, groups, y)
    gate.backward(dy, a, groups, da)
    for g in range(groups):
        own, out = slice(2 * g * size, 2 * (g + 1) * size), slice(g * size, (g + 1) * size)
        alone, back = np.empty((4, size)), np.empty((4, 2 * size))
        gate.forward(a[:, own].copy(), 1, alone)
        gate.backward(dy[:, out].copy(), a[:, own].copy(), 1, back)
        assert_array_equal(y[:, out], alone)
        assert_array_equal(da[:, own], back)
        p, q = np.split(a[:, own], 2, axis=1)
        assert_allclose(alone, np.tanh(p) / (1 + np.exp(-q)), rtol=1e-14)


@both_dtypes
def test_large_numbers(dtype, backend):
    a = np.array([[-1e4, -60, 0, 60, 1e4, 1e4, 0, 60, -1e4, -60]], dtype)
    y, da = np.empty((1, 5), dtype), np.empty_like(a)
    gate.forward(a, 1, y)
    assert_allclose(y, [[-1, -0.5, 0, 0, 0]], atol=1e-20)
    gate.backward(np.ones_like(y), a, 1, da)
    assert_allclose(da, [[0, 0, 1, 0, 0, 0, -0.25, 0, 0, 0]], atol=1e-20)


def test_nan_is_not_swallowed(backend, rng):
    a, y = rng.normal(size=(3, 18)), np.empty((3, 9))
    a[1, 4] = a[2, 9 + 5] = np.nan
    gate.forward(a, 1, y)
    assert_array_equal(np.argwhere(np.isnan(y)), [[1, 4], [2, 5]])


def test_of_no_rows_nothing_is_made(backend):
    gate.forward(np.empty((0, 8)), 2, np.empty((0, 4)))
    gate.backward(np.empty((0, 4)), np.empty((0, 8)), 2, np.empty((0, 8)))
