"""Pooling: by its definition, its gradient, and who has it where several are the largest."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import agree

from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import pooling

SIZES = [(1, 1), (1, 4), (2, 2), (3, 5), (4, 7), (5, 6)]
every_size = pytest.mark.parametrize("size", SIZES, ids=str)
both_kinds = pytest.mark.parametrize("kind", pooling.KINDS)


def problem(rng, size, N=2, C=3):
    x = rng.normal(size=(N, *size, C))
    return x, rng.normal(size=(N, *pooling.pooled(size), C))


@every_size
@both_kinds
def test_by_definition(size, kind, rng):
    x, y = problem(rng, size)
    pooling.forward(kind, x, y)
    for i, j in np.ndindex(y.shape[1:3]):
        block = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        expected = block.max(axis=(1, 2)) if kind == "max" else block.mean(axis=(1, 2))
        assert_allclose(y[:, i, j], expected, rtol=1e-14)


@every_size
@both_kinds
def test_gradient(size, kind, rng):
    x, dy = problem(rng, size)
    y, dx = np.empty_like(dy), np.full_like(x, np.nan)

    def loss():
        pooling.forward(kind, x, y)
        return float((y * dy).sum())

    numeric = numeric_grad(loss, x)
    pooling.forward(kind, x, y)
    pooling.backward(kind, x, y, dy, dx)
    agree(dx, numeric, "dx")


def test_of_several_that_are_the_largest_the_first_has_the_gradient():
    x = np.array([[2.0, 2.0, 1.0], [2.0, 0.0, 1.0]])[None, :, :, None]
    y, dx = np.empty((1, 1, 2, 1)), np.empty_like(x)
    pooling.forward("max", x, y)
    pooling.backward("max", x, y, np.array([3.0, 5.0]).reshape(y.shape), dx)
    assert_array_equal(dx[0, ..., 0], [[3, 0, 5], [0, 0, 0]])


@both_kinds
def test_it_keeps_the_dtype(kind, rng):
    x = rng.normal(size=(1, 3, 3, 2)).astype(np.float32)
    y, dx = np.empty((1, 2, 2, 2), np.float32), np.empty_like(x)
    pooling.forward(kind, x, y)
    pooling.backward(kind, x, y, y, dx)
    assert dx.dtype == y.dtype == np.float32
