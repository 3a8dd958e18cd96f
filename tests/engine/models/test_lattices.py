"""Whole numbers in every model of tables: their probabilities, gradients, draws and uniforms."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness

from chainrule.engine import models
from chainrule.engine.event import Columns
from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

VALUES, HALF = (0, 3, 0), (0.4, 0.0, 0.25)  # a lattice, categories, another lattice
MIXTURES = {"values": VALUES, "half_steps": HALF, "n_components": 2}
SMOOTH = {**MIXTURES, "activation": "tanh"}
MODELS = {
    "table": ("table_nade", {**MIXTURES, "n_hidden": 3, "mixture_weights": "learned"}),
    "table of Laplacians": ("table_nade", {**MIXTURES, "n_hidden": 3, "family": "laplace"}),
    "made": ("made", {**SMOOTH, "hidden": (9,), "direct": True}),
    "made of masks": ("made", {**SMOOTH, "hidden": (9,), "n_masks": 2}),
    "orderless": ("orderless_nade", {**SMOOTH, "hidden": (5,)}),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def make(name):
    home, options = MODELS[name]
    model = models.get(home)
    config = model.Config(**options)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] += 0.3 * np.random.default_rng(1).normal(size=params.size)
    return model, config, params


def grid(far=40):
    """Return all rows with lattice numbers from -far to far."""
    n = np.arange(-far, far + 1)
    rows = np.array(list(product(2 * HALF[0] * n, range(3), 2 * HALF[2] * n)))
    return rows.astype(np.float64)


def some(rng, N):
    k = rng.integers(-3, 4, (N, 2))
    return np.stack([2 * HALF[0] * k[:, 0], rng.integers(0, 3, N), 2 * HALF[2] * k[:, 1]], axis=1)


@every_model
def test_probabilities_of_all_rows_sum_to_one(name):
    model, config, params = make(name)
    log_p = model.log_prob(config, params, grid())
    assert (log_p <= 0).all()
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-9)


@every_model
def test_the_gradient(name, rng):
    model, config, params = make(name)
    x, grad, dx = some(rng, 5), params.like(), np.full((5, 3), np.nan)
    model.loss_and_grad(config, params, x, grad, dx=dx)
    numeric = numeric_grad(lambda: -model.log_prob(config, params, x).mean(), params.flat)
    assert_allclose(grad.flat, numeric, rtol=1e-5, atol=1e-8)
    numbers = np.ascontiguousarray(x[:, ::2])

    def of_numbers():
        rows = x.copy()
        rows[:, ::2] = numbers
        return -float(model.log_prob(config, params, rows).mean())

    assert_allclose(dx[:, ::2], numeric_grad(of_numbers, numbers), rtol=1e-5, atol=1e-8)


@every_model
def test_draws_follow_the_probabilities(name, rng):
    model, config, params = make(name)
    drawn, unit = model.sample(config, params, rng.random((20_000, 3))), [2 * h or 1 for h in HALF]
    k = np.rint(drawn / unit).astype(int)
    assert_array_equal(drawn, k * unit)
    rows, shift = grid(), np.array([40, 0, 40])
    p, counts = np.zeros((81, 3, 81)), np.zeros((81, 3, 81))
    p[tuple((np.rint(rows / unit).astype(int) + shift).T)] = np.exp(
        model.log_prob(config, params, rows)
    )
    np.add.at(counts, tuple((k + shift).T), 1)
    assert goodness.chisquare(counts, p / p.sum() * len(drawn)) > goodness.RARE


@every_model
def test_uniforms_give_the_rows_again_and_are_uniform(name, rng):
    model, config, params = make(name)
    x = model.sample(config, params, rng.random((5000, 3)))
    u = model.uniforms(config, params, x, rng.random(x.shape))
    assert_array_equal(model.sample(config, params, u), x)
    goodness.assert_uniform(u)


@every_model
def test_a_stepper_draws_the_same(name, rng):
    model, config, params = make(name)
    u = rng.random((50, 3))
    drawn = model.start(config, params, 50).extend(u)
    assert_allclose(drawn, model.sample(config, params, u), rtol=1e-12, atol=1e-12)


def test_single_precision_sums_to_one_and_is_learnt(rng):
    """Of steps from a tenth of a deviation to a hundredth of one, after some training."""
    for half in (0.1, 0.005):
        model = models.get("table_nade")
        config = model.Config((0,), 4, n_components=3, half_steps=(half,))
        n = np.arange(-round(9 / half), round(9 / half) + 1)
        x = np.where(rng.random((400, 1)) < 0.5, 0, np.rint(rng.normal(size=(400, 1)) / half / 2))
        x = (x * 2 * half).astype(np.float32)
        params = model.init(config, np.random.default_rng(0))
        grad = params.like()
        for _ in range(200):
            model.loss_and_grad(config, params, x, grad)
            params.flat[...] -= np.float32(0.05) * np.sign(grad.flat)
        log_p = model.log_prob(config, params, (n[:, None] * 2 * half).astype(np.float32))
        assert log_p.max() <= 1e-6
        assert np.exp(log_p.astype(np.float64)).sum() == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize(
    ("values", "halves", "said"),
    [
        ((0, 0), (0.5,), "one a variable"),
        ((0,), (-1.0,), "numbers from 0 on"),
        ((0,), (np.nan,), "numbers from 0 on"),
        ((0, 2), (0.5, 0.5), "of real variables alone"),
    ],
)
def test_half_steps_that_cannot_be(values, halves, said):
    with pytest.raises(ValueError, match=said):
        Columns(values, halves)
    for home, options in (("table_nade", {"n_hidden": 2}), ("made", {}), ("orderless_nade", {})):
        with pytest.raises(ValueError, match=said):
            models.get(home).Config(values, **options, half_steps=halves)
