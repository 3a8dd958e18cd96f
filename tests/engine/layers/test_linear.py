"""The linear map: its gradient, and that threads take parts of its products."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import linear
from chainrule.kernels.threads import map_rows, use_threads


def draw(rng, N=37, I=13, O=11):
    return [rng.normal(size=shape) for shape in ((N, I), (I, O), (O,), (N, O))]


def run(x, W, b, dy):
    y, dx, dW, db = (np.full(a.shape, np.nan) for a in (dy, x, W, b))
    linear.forward(x, W, b, y)
    linear.backward(dy, x, W, dx, dW, db)
    return y, dx, dW, db


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_threads_take_parts_of_the_products(n, rng, monkeypatch):
    monkeypatch.setattr(linear, "THREAD_WORK", 1)
    x, W, b, dy = draw(rng)
    with use_threads(n):
        got = run(x, W, b, dy)
    for a, expected in zip(got, (x @ W + b, dy @ W.T, x.T @ dy, dy.sum(axis=0)), strict=True):
        assert_allclose(a, expected, rtol=1e-12)


def test_two_threads_multiply(rng, monkeypatch):
    """A large product alone is split, and none within a slice of a minibatch."""
    seen = []
    matmul = np.matmul

    def watched(*args, **kwargs):
        seen.append(kwargs["out"].shape)
        return matmul(*args, **kwargs)

    monkeypatch.setattr(np, "matmul", watched)
    x, W, y = rng.random((4096, 64)), rng.random((64, 64)), np.empty((4096, 64))
    with use_threads(2):
        linear.product(x, W, y)
        map_rows(lambda lo, hi: linear.product(x[lo:hi], W, y[lo:hi]), len(x))
        linear.product(x[:8], W, y[:8])
    assert seen == [(2048, 64)] * 4 + [(8, 64)]


def test_gradient_is_the_finite_difference(rng):
    x, W, b, dy = draw(rng, 5, 3, 4)
    _, *gradients = run(x, W, b, dy)

    def loss():
        y = np.empty(dy.shape)
        linear.forward(x, W, b, y)
        return float((y * dy).sum())

    for a, gradient in zip((x, W, b), gradients, strict=True):
        assert_allclose(gradient, numeric_grad(loss, a), rtol=1e-6, atol=1e-8)
