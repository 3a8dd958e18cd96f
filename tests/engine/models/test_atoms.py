"""Atoms in every model of tables: probabilities, gradients, draws, uniforms and conditionals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from support import goodness, quadrature

from chainrule.engine import labels, models
from chainrule.engine.event import Columns
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.training import divergence
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

VALUES, ATOMS, HALF = (0, 3, 0), (0.75, None, -0.25), (0.375, 0.0, 0.0)
MIXTURES = {"values": VALUES, "atoms": ATOMS, "n_components": 2}
SMOOTH = {**MIXTURES, "activation": "tanh"}
MODELS = {
    "table": ("table_nade", {**MIXTURES, "n_hidden": 3, "mixture_weights": "learned"}),
    "table of Laplacians": ("table_nade", {**MIXTURES, "n_hidden": 3, "family": "laplace"}),
    "table on a lattice": ("table_nade", {**MIXTURES, "n_hidden": 3, "half_steps": HALF}),
    "made": ("made", {**SMOOTH, "hidden": (9,), "direct": True, "half_steps": HALF}),
    "made of masks": ("made", {**SMOOTH, "hidden": (9,), "n_masks": 2, "half_steps": HALF}),
    "made of labels": ("made", {**SMOOTH, "hidden": (9,), "n_classes": 2}),
    "orderless": ("orderless_nade", {**SMOOTH, "hidden": (5,), "half_steps": HALF}),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def make(name, **more):
    home, options = MODELS[name]
    model = models.get(home)
    config = model.Config(**{**options, **more})
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] += 0.3 * np.random.default_rng(1).normal(size=params.size)
    return model, config, params


def some(rng, N, config):
    """Return rows of which half have each atom, and labels, if the model has them."""
    half = (config.half_steps or (0.0,))[0]
    first = 2 * half * rng.integers(-3, 4, N) if half else rng.normal(size=N)
    x = np.stack([first, rng.integers(0, 3, N), rng.normal(size=N)], axis=1)
    for i in (0, 2):
        x[rng.random(N) < 0.5, i] = ATOMS[i]
    return x, classes(rng, N, config)


def classes(rng, N, config):
    return rng.integers(0, 2, N).astype(np.int32) if config.n_classes > 1 else None


@every_model
def test_all_that_can_be_has_probability_one(name):
    """Categories, and a number given them: one on a lattice, or a real one."""
    whole = "half_steps" in MODELS[name][1]
    halves, atom = ((0.0, 0.375), 0.75) if whole else ((), -0.25)
    model, config, params = make(name, values=(3, 0), atoms=(None, atom), half_steps=halves)

    def p(numbers):
        rows = np.array([(v, x) for x in numbers[:, 0] for v in range(3)])
        y = np.ones(len(rows), np.int32) if config.n_classes > 1 else None
        return np.exp(model.log_prob(config, params, rows, y)).reshape(-1, 3).sum(axis=1)

    mass = float(p(np.array([[atom]]))[0])
    assert 0.1 < mass < 0.9
    if whole:
        assert p(np.arange(-60, 61)[:, None] * 0.75).sum() == pytest.approx(1, abs=1e-9)
        return
    with np.errstate(divide="ignore"):
        density = quadrature.integral(lambda x: np.log(p(x)))
    assert mass + density == pytest.approx(1, abs=1e-6)


@every_model
def test_the_gradient(name, rng):
    model, config, params = make(name)
    x, y = some(rng, 7, config)
    grad, dx = params.like(), np.full(x.shape, np.nan)
    model.loss_and_grad(config, params, x, grad, y=y, dx=dx)
    numeric = numeric_grad(lambda: -model.log_prob(config, params, x, y).mean(), params.flat)
    assert_allclose(grad.flat, numeric, rtol=1e-5, atol=1e-8)
    numbers = np.ascontiguousarray(x[:, ::2])

    def of_numbers():
        rows = x.copy()
        rows[:, ::2] = numbers
        return -float(model.log_prob(config, params, rows, y).mean())

    free = x[:, ::2] != np.array(ATOMS)[::2]  # beside an atom there is no way along which it goes
    numeric = numeric_grad(of_numbers, numbers)
    assert free.sum() > 3 and np.isfinite(dx).all()
    assert_allclose(dx[:, ::2][free], numeric[free], rtol=1e-5, atol=1e-8)


@every_model
def test_no_output_sees_its_own_variable_or_a_later_one(name, rng):
    model, config, params = make(name)
    x, y = some(rng, 6, config)
    p = model.conditionals(config, params, x, y)
    for i in range(3):
        moved = x.copy()
        moved[:, i:] = [(0.0, 2, 0.0), (ATOMS[0], 1, ATOMS[2])][i % 2][i:]
        assert_array_equal(model.conditionals(config, params, moved, y)[:, : i + 1], p[:, : i + 1])


@every_model
def test_conditionals_are_what_the_terms_are_of(name, rng):
    model, config, params = make(name)
    x, y = some(rng, 40, config)
    p, terms = model.conditionals(config, params, x, y), model.log_prob_terms(config, params, x, y)
    for i in (0, 2):
        assert_allclose(np.exp(terms[:, i]), of_number(config, i, p[:, i], x[:, i]), rtol=1e-9)


def of_number(config, i, p, x):
    """Return p(x_i | x_<i), (N,), by its conditionals, (N, P)."""
    C, family = config.components, {"gaussian": stats.norm, "laplace": stats.laplace}
    w, mu, sigma = np.split(p[:, : 3 * C], 3, axis=1)
    component, half = family[config.family](mu, sigma), (config.half_steps or (0, 0, 0))[i]
    pi, at, x = p[:, 3 * C], x == ATOMS[i], x[:, None]
    assert_allclose(w.sum(axis=1), 1)
    if half:
        mass = (w * (component.cdf(x + half) - component.cdf(x - half))).sum(axis=1)
        return pi * at + (1 - pi) * mass
    return np.where(at, pi, (1 - pi) * (w * component.pdf(x)).sum(axis=1))


@every_model
def test_samples_have_the_atoms_as_often_as_they_should(name, rng):
    model, config, params = make(name)
    y = classes(rng, 4000, config)
    x = model.sample(config, params, rng.random((4000, 3)), y=y)
    p = model.conditionals(config, params, x, y)
    for i in (0, 2):
        at = x[:, i] == ATOMS[i]
        share = of_number(config, i, p[:, i], np.full(len(x), ATOMS[i]))
        counts, expected = [at.sum(), (~at).sum()], [share.sum(), (1 - share).sum()]
        assert min(expected) > 200
        assert goodness.chisquare(np.array(counts), np.array(expected)) > goodness.RARE


@every_model
def test_uniforms_give_the_rows_again_and_are_uniform(name, rng):
    model, config, params = make(name)
    y = classes(rng, 3000, config)
    x = model.sample(config, params, rng.random((3000, 3)), y=y)
    u = model.uniforms(config, params, x, rng.random(x.shape), y)
    again = model.sample(config, params, u, y=y)
    for i in (0, 2):
        assert_array_equal(again[:, i] == ATOMS[i], x[:, i] == ATOMS[i])
    assert_allclose(again, x, rtol=1e-7, atol=1e-7)
    goodness.assert_uniform(u)


@every_model
def test_a_stepper_draws_the_same_and_says_how_likely_it_was(name, rng):
    model, config, params = make(name)
    u, y = rng.random((50, 3)), classes(rng, 50, config)
    sampler = model.start(config, params, 50, y)
    drawn = sampler.extend(u)
    whole = model.sample(config, params, u, y=y)
    assert_allclose(drawn, whole, rtol=1e-10, atol=1e-10)
    assert_array_equal(drawn == ATOMS[0], whole == ATOMS[0])


def test_a_label_that_nobody_gives(rng):
    model, config, params = make("made of labels")
    x, _ = some(rng, 30, config)
    prior = np.log([0.3, 0.7])
    p = labels.conditionals(model, config, params, x, prior)
    terms = labels.log_prob_terms(model, config, params, x, prior)
    both = type("Config", (), {**vars(config), "components": 2 * config.components})
    for i in (0, 2):
        assert_allclose(np.exp(terms[:, i]), of_number(both, i, p[:, i], x[:, i]), rtol=1e-9)


def test_missing_values_are_no_atoms(rng):
    model, config, params = make("orderless")
    x, _ = some(rng, 20, config)
    lacking = x.copy()
    lacking[:, 0] = np.nan
    assert not np.isnan(model.log_prob(config, params, lacking)).any()
    given = np.zeros(x.shape, bool)
    given[:, 2] = True
    p = model.marginals(config, params, x, given)
    C = config.components
    assert_array_equal(p[:, 2, C : 2 * C], np.repeat(x[:, 2:], C, axis=1))
    assert not p[:, 2, 3 * C].any() and (p[:, 0, 3 * C] > 0).all()


def test_where_training_begins(rng):
    """The atom is as likely as not, and guessing costs ln 2 more for it."""
    for name in MODELS:
        home, options = MODELS[name]
        model = models.get(home)
        config = model.Config(**{**options, "n_classes": 1})
        params = model.init(config, np.random.default_rng(0))
        p = model.conditionals(config, params, some(rng, 5, config)[0].astype(np.float32))
        assert_allclose(p[:, [0, 2], 3 * config.components], 0.5, atol=0.1)
    plain, mixed = Columns((0, 2)), Columns((0, 2), (), (1.5, None))
    more = divergence.guessing(mixed) - divergence.guessing(plain)
    assert more == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("values", "atoms", "said"),
    [
        ((0, 0), (0.5,), "one a variable"),
        ((0,), (np.nan,), "numbers or None"),
        ((0, 2), (None, 1.0), "of real variables alone"),
    ],
)
def test_atoms_that_cannot_be(values, atoms, said):
    with pytest.raises(ValueError, match=said):
        Columns(values, atoms=atoms)
    for home, options in (("table_nade", {"n_hidden": 2}), ("made", {}), ("orderless_nade", {})):
        with pytest.raises(ValueError, match=said):
            models.get(home).Config(values, **options, atoms=atoms)
