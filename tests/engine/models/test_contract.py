"""What every model of the registry must be, whatever its observations are, and a toy too."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness, quadrature, slopes, toy
from support.contract import (
    MODELS,
    below,
    drawn,
    every_x,
    given_somewhere,
    is_discrete,
    make,
    of_variable,
    probability,
    random_x,
    random_y,
    values,
)

from chainrule.engine import density, labels, models
from chainrule.engine.event import CONTINUOUS
from chainrule.engine.storage import checkpoint
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

every_model = pytest.mark.parametrize("name", MODELS)
every_discrete = pytest.mark.parametrize("name", [name for name in MODELS if is_discrete(name)])
every_real = pytest.mark.parametrize("name", [name for name in MODELS if not is_discrete(name)])
WITH_UNIFORMS = [
    name for name, (module, _) in MODELS.items() if hasattr(models.MODELS.get(module), "uniforms")
]
LABELLED = [name for name, (_, options) in MODELS.items() if options.get("n_classes", 1) > 1]


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The toy's line in the registry."""
    monkeypatch.setitem(models.HOMES, "toy", toy.__name__)


def test_the_table_covers_the_registry():
    assert {module for module, _ in MODELS.values()} == set(models.MODELS)


@every_model
def test_a_model_declares_what_it_is_for(name):
    model, config, params = make(name)
    assert isinstance(config.event, model.EVENT)
    assert params.leading(model.WEIGHTS) > 0
    if "b_p" in params.shapes:  # biases of pixels are as many as a matrix has, and decay as one
        assert "b_p" in model.WEIGHTS
        assert not model.init(config, np.random.default_rng(0))["b_p"].any()
    fields = model.Config.__dataclass_fields__
    assert ("n_classes" in fields) == model.ABILITIES.labels
    assert ("dropout" in fields) == model.ABILITIES.dropout
    assert ("context" in fields) == model.ABILITIES.context
    assert hasattr(model, "state_size") == model.ABILITIES.state
    assert hasattr(model, "attention_maps") == model.ABILITIES.attention
    for ability in ("log_prob_given", "marginals", "nll_estimates"):
        assert hasattr(model, ability) == model.ABILITIES.any_order


@every_model
def test_terms_sum_to_log_prob(name, rng):
    model, config, params = make(name)
    x = random_x(config, rng, 7)
    y = random_y(config, rng, 7)
    terms = model.log_prob_terms(config, params, x, y)
    discrete = np.array(values(config)[: x.shape[1]]) != CONTINUOUS
    assert terms.shape == x.shape and (terms[:, discrete] <= 0).all()
    assert_allclose(terms.sum(axis=1), model.log_prob(config, params, x, y), rtol=1e-12)
    front = density.log_prob_terms(model, config, params, x, y)
    assert_array_equal(front, terms)


@every_discrete
def test_probabilities_sum_to_one(name, rng):
    model, config, params = make(name)
    x = every_x(config)
    for y in [None] if config_has_no_labels(config) else range(config.n_classes):
        labels_ = None if y is None else np.full(len(x), y, np.int32)
        assert_allclose(np.exp(model.log_prob(config, params, x, labels_)).sum(), 1, rtol=1e-12)


@every_real
def test_densities_integrate_to_one(name):
    """Over one real variable and two, summed over the codes beside them."""
    model, config, params = make(name)
    for y in [None] if config_has_no_labels(config) else range(config.n_classes):

        def log_p(x, y=y):
            labels_ = None if y is None else np.full(len(x), y, np.int32)
            return model.log_prob(config, params, x, labels_)

        assert_allclose(quadrature.total(log_p, values(config)), 1, atol=1e-6)


@every_model
def test_terms_are_the_conditionals_of_what_is_there(name, rng):
    model, config, params = make(name)
    x, y = random_x(config, rng, 6), random_y(config, rng, 6)
    p = model.conditionals(config, params, x, y)
    at = [probability(config, i, of_variable(config, i, p), x[:, i]) for i in range(x.shape[1])]
    terms = model.log_prob_terms(config, params, x, y)
    assert_allclose(terms, np.log(at).T, rtol=1e-9, atol=1e-12)


@every_model
def test_gradient_matches_central_differences(name, rng):
    model, config, params = make(name)
    x, y = random_x(config, rng, 4), random_y(config, rng, 4)
    keywords = {} if y is None else {"y": y}
    grad, unused = params.like(), params.like()
    grad.flat[...] = np.nan
    model.loss_and_grad(config, params, x, grad, total=11, **keywords)

    def loss():
        return model.loss_and_grad(config, params, x, unused, total=11, **keywords)

    for key, p in params.items():
        ours, numeric = slopes.in_groups(loss, p, grad[key], rng)
        assert p.size == 0 or np.abs(numeric).max() > 1e-6, f"{key}: a zero proves nothing"
        assert_allclose(ours, numeric, rtol=1e-6, atol=1e-8, err_msg=key)


@every_model
def test_what_comes_later_is_not_seen_and_what_came_before_is(name, rng):
    model, config, params = make(name)
    x, y = random_x(config, rng, 3), random_y(config, rng, 3)
    before = model.conditionals(config, params, x, y).reshape(*x.shape, -1)
    open_ = np.array(values(config)) != 1  # of one value there is nothing to see
    for i in np.flatnonzero(open_):
        changed = x.copy()
        K = values(config)[i]
        changed[:, i] = x[:, i] + 1 if K == CONTINUOUS else (x[:, i] + 1) % K
        after = model.conditionals(config, params, changed, y).reshape(*x.shape, -1)
        assert_array_equal(after[:, : i + 1], before[:, : i + 1])
        assert (after != before)[:, i + 1 :][:, open_[i + 1 :]].any(axis=2).all()


@every_model
def test_sampling_is_recomputing_everything(name, rng):
    """Value by value, each from its conditional given all before it; what is given stays.

    In any order, given all that is kept, wherever it stands.
    """
    model, config, params = make(name)
    N = 40
    y = random_y(config, rng, N)
    u, given = given_somewhere(config, rng, N)
    got = model.sample(config, params, u, given, y)
    assert got is not given and got.dtype == given.dtype
    assert_array_equal(got[u < 0], given[u < 0])
    p = model.conditionals(config, params, got, y)
    for i, K in enumerate(values(config)):
        new = u[:, i] >= 0
        if model.ABILITIES.any_order:
            p = model.marginals(config, params, got, (u < 0) | (np.arange(u.shape[1]) < i), y)
        if K == CONTINUOUS:
            found = below(config, p[new, i], got[new, i])
            assert_allclose(found, u[new, i], rtol=1e-9, atol=1e-12)
        else:
            assert_array_equal(got[new, i], drawn(of_variable(config, i, p), u[:, i])[new])


@every_discrete
def test_frequencies_are_probabilities(name, rng):
    model, config, params = make(name)
    x = every_x(config)
    N = 20_000
    y = None if config_has_no_labels(config) else np.ones(N, np.int32)
    x_drawn = model.sample(config, params, rng.random((N, x.shape[1])), None, y)
    p = np.exp(model.log_prob(config, params, x, None if y is None else y[: len(x)]))
    counts = np.array([(x_drawn == row).all(axis=1).sum() for row in x])
    assert counts.sum() == N
    assert goodness.chisquare(counts, N * p / p.sum()) > 1e-4


@pytest.mark.parametrize("name", WITH_UNIFORMS)
def test_uniforms_are_what_a_sample_is_drawn_from(name, rng):
    """And are uniform, where x is of the model; whole, and variable by variable."""
    model, config, params = make(name)
    N, D = 5000, len(values(config))
    y = random_y(config, rng, N)
    x = model.sample(config, params, rng.random((N, D)), None, y)
    u = model.uniforms(config, params, x, rng.random((N, D)), y)
    goodness.assert_uniform(u)
    half, other = np.full((N, D), 0.5), random_x(config, rng, N)
    middle = [model.uniforms(config, params, of_x, half, y) for of_x in (x, other)]
    for given, of_x in ((u, x), (middle[0], x), (middle[1], other)):
        again = model.sample(config, params, given, None, y)
        dense = model.log_prob_terms(config, params, of_x, y) > -14  # where u tells x from others
        for i, K in enumerate(values(config)):
            if K == CONTINUOUS:
                alike = dense[:, : i + 1].all(axis=1)
                assert alike.mean() > 0.1
                assert_allclose(again[alike, i], of_x[alike, i], rtol=1e-6, atol=1e-7)
            else:
                assert_array_equal(again[:, i], of_x[:, i])


@every_model
def test_looking_and_putting_are_drawing(name, rng):
    model, config, params = make(name)
    N = 5
    x, y = random_x(config, rng, N), random_y(config, rng, N)
    p = model.conditionals(config, params, x, y)
    sampler = model.start(config, params, N, y)
    for i in range(x.shape[1]):
        seen = sampler.peek()
        expected = of_variable(config, i, p)
        expected = expected if seen.ndim == 1 else expected[:, : seen.shape[1]]
        assert_allclose(seen, expected, rtol=1e-9)
        assert_array_equal(sampler.peek(), seen)  # looking moves nothing
        if i % 2:
            sampler.put(x[:, i])
        else:
            kept = sampler.extend(np.full((N, 1), -1.0), x[:, i : i + 1])
            assert_array_equal(kept[:, 0], x[:, i])
    u = rng.random((N, x.shape[1]))
    sampler = model.start(config, params, N, y)
    pieces = [sampler.extend(u[:, :1]), sampler.extend(u[:, 1:])]
    whole = model.sample(config, params, u, None, y)
    rounding = 0 if is_discrete(name) else 1e-9  # of outputs, which a real number shows
    assert_allclose(np.hstack(pieces), whole, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("name", LABELLED)
def test_without_a_label_a_model_is_its_marginal(name, rng):
    model, config, params = make(name)
    prior = np.log([0.5, 0.3, 0.2][: config.n_classes])
    prior -= np.log(np.exp(prior).sum())
    x = every_x(config) if is_discrete(name) else random_x(config, rng, 9)
    log_p = density.log_prob(model, config, params, x, log_prior=prior)
    if is_discrete(name):
        assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-12)
    given = [
        np.exp(c + model.log_prob(config, params, x, np.full(len(x), k, np.int32)))
        for k, c in enumerate(prior)
    ]
    assert_allclose(np.exp(log_p), sum(given), rtol=1e-12)
    terms = density.log_prob_terms(model, config, params, x, log_prior=prior)
    assert_allclose(terms.sum(axis=1), log_p, rtol=1e-11)
    bayes = labels.posterior(model, config, params, x, prior)
    assert_allclose(np.exp(bayes), np.transpose(given) / np.exp(log_p)[:, None], rtol=1e-9)
    with pytest.raises(ValueError, match="label"):
        model.log_prob(config, params, x)


@every_model
def test_a_checkpoint_gives_back_the_config_and_every_bit(name, rng, tmp_path):
    _, config, params = make(name)
    checkpoint.save(tmp_path / "m.safetensors", MODELS[name][0], config, params)
    again = checkpoint.load(tmp_path / "m.safetensors")
    assert again.config == config and again.model == MODELS[name][0]
    assert_array_equal(again.params.flat, params.flat)


def config_has_no_labels(config):
    return getattr(config, "n_classes", 1) == 1
