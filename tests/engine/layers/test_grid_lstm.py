"""PixelRNN's layers: who sees whom, pixel by pixel, and their gradients."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import agree

from chainrule.engine import arena
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import dropout, grid_lstm
from chainrule.engine.layers.grid_lstm import CELLS, Weights
from chainrule.engine.noise import Noise
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

every_cell = pytest.mark.parametrize("kind", CELLS)
NOBODY = np.zeros(0, np.int32)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def draw(rng, kind, H, groups, n_classes=1):
    """Return a layer's weights, 0 where they are hidden, and what there is to say of its cell."""
    of = grid_lstm.cell(kind, groups)
    D, T, n_taps = len(of.directions), of.window.n_taps, len(of.directions[0].taps)
    shapes = (D, T, 2 * H, 4 * H), (n_classes, D, 4 * H), (D, n_taps, H, 4 * H), (1, H, 2 * H)
    w = Weights(*(rng.normal(size=shape) * shape[-2] ** -0.5 for shape in shapes))
    w.W_i[:, ~of.window.mask(2 * H, 4 * H)] = 0
    w.W_o[~of.own.mask(H, 2 * H)] = 0
    return w, of


def run(x, w, y, of, site=None):
    """Return the layer's output, an array of its own."""
    with arena.borrow(x) as new:
        return np.array(grid_lstm.forward(x, w, y, of, site, new)[0])


def sees(kind, R, S):
    """Return which input pixels an output pixel depends on, (R S, R S), by the paper's figures."""
    places = [(i, j) for i in range(R) for j in range(S)]

    def one(i, j, u, v):
        if kind == "diagonal":  # up to its left; above and to its right, from the row above on
            return (u <= i and v <= j) or (u < i and v >= j)
        triangle = u <= i and abs(v - j) <= i - u
        left_of_it = u <= i and abs(v + 1 - j) <= i - u and v + 1 < S
        return triangle or left_of_it

    return np.array([[one(*to, *of) for of in places] for to in places])


@every_cell
@pytest.mark.parametrize("size", [(4, 5), (5, 3), (1, 4), (4, 1)], ids=str)
def test_which_pixels_a_pixel_depends_on(kind, size, rng):
    """At every pixel: all that it should see, and nothing that comes after it."""
    R, S = size
    w, of = draw(rng, kind, 3, 1)
    x = rng.normal(size=(2, R, S, 6))
    before, found = run(x, w, NOBODY, of), np.zeros((R * S, R * S), bool)
    for q in range(R * S):
        changed = x.copy()
        changed[:, q // S, q % S] += 1
        found[:, q] = (run(changed, w, NOBODY, of) != before).any(axis=(0, 3)).reshape(-1)
    assert_array_equal(found, sees(kind, R, S))
    assert not np.triu(found, 1).any()


@every_cell
def test_which_groups_a_group_depends_on(kind, rng):
    """Of its own pixel groups up to its own; of what came before all of them."""
    w, of = draw(rng, kind, 6, 3)
    x = rng.normal(size=(2, 3, 4, 12))
    before = run(x, w, NOBODY, of)
    for group in range(3):
        changed = x.copy()
        changed[:, 1, 1, 4 * group : 4 * group + 4] += 1
        moved = (run(changed, w, NOBODY, of) != before).any(axis=0).reshape(3, 4, 3, 4).any(axis=3)
        assert_array_equal(moved[1, 1], np.arange(3) >= group)
        assert moved[1, 2].all() and moved[2, 0].all() and moved[2, 2].all()
        assert not moved[0].any() and not moved[1, 0].any()


@every_cell
@pytest.mark.parametrize("rate", [0, 0.4])
@pytest.mark.parametrize(("groups", "n_classes"), [(1, 1), (3, 1), (1, 2)])
def test_gradient(kind, groups, n_classes, rate, rng):
    site = dropout.site(rate, Noise(seed=1, step=2, row=0), 3)
    w, of = draw(rng, kind, 3, groups, n_classes)
    x, dy = rng.normal(size=(2, 2, 3, 3, 6))
    y = np.array([1, 0], np.int32)[: 2 * (n_classes > 1)]

    def loss():
        return float((run(x, w, y, of, site) * dy).sum())

    dx, dw = dy.copy(), Weights(*(a * np.nan for a in w))
    with arena.borrow(x) as new:
        _, cache = grid_lstm.forward(x, w, y, of, site, new)
        grid_lstm.backward(dx, cache, w, dw, y, of)
    agree(dx, numeric_grad(loss, x), "dx")
    for name, a, da in zip(w._fields, w, dw, strict=True):
        agree(da, numeric_grad(loss, a), f"d{name}")


@every_cell
def test_dropout_is_of_what_the_stream_hears_alone(kind, rng):
    """Of dropped units it hears nothing, of others more; the recurrence goes on with all of h."""
    w, of = draw(rng, kind, 4, 1)
    x = rng.normal(size=(5, 3, 4, 8))
    site = dropout.site(0.4, Noise(seed=1, step=2, row=0), 3)
    with arena.borrow(x) as new:
        _, whole = grid_lstm.forward(x, w, NOBODY, of, None, new)
        _, cache = grid_lstm.forward(x, w, NOBODY, of, site, new)
        assert_array_equal(cache.h, whole.h)
        M = cache.m / whole.m
    assert_allclose(M, (M > 0) / 0.6, rtol=1e-9)
    assert 0.3 < (M == 0).mean() < 0.5
