"""Rotary positions: the gradient is the rotation back, products see distances."""

import pytest
from numpy.testing import assert_allclose
from support.parity import Parity, agree, both_dtypes

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import rotary


class TestRotary(Parity):
    name = "rotary"


@pytest.mark.parametrize("d", [2, 4, 6])
def test_rotary_gradient_is_the_rotation_back(d, backend, rng):
    x, dy = rng.normal(size=(2, 3, 2, d)), rng.normal(size=(2, 3, 2, d))

    def loss():
        y = x.copy()
        rotary.rotate(y, 4, 1)
        return float((y * dy).sum())

    dx = dy.copy()
    rotary.rotate(dx, 4, -1)
    agree(dx, numeric_grad(loss, x), "dx")


@both_dtypes
def test_rotary_products_depend_on_the_distance_alone(dtype, backend, rng):
    q, k = rng.normal(size=(2, 1, 1, 1, 8)).astype(dtype)

    def product(at, other):
        a, b = q.copy(), k.copy()
        rotary.rotate(a, at, 1)
        rotary.rotate(b, other, 1)
        return float((a * b).sum())

    assert_allclose(product(3, 1), product(1002, 1000), rtol=1e-3)
    assert abs(product(3, 1) - product(4, 1)) > 1e-3


def test_rotating_forth_and_back_is_nothing(backend, rng):
    x = rng.normal(size=(2, 5, 3, 6))
    y = x.copy()
    rotary.rotate(y, 7, 1)
    assert_allclose((y**2).sum(axis=-1), (x**2).sum(axis=-1))  # a rotation keeps lengths
    rotary.rotate(y, 7, -1)
    assert_allclose(y, x)
