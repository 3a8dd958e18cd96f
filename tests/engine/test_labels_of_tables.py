"""Tables without their labels: of a real column the mean of mixtures is a mixture of them all."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support import contract, quadrature

from chainrule.engine import density, labels, models

VALUES = (3, 0, 2, 0)  # the first real column has a neighbour on either side
LABELLED = {
    "table": ("table_nade", {"n_hidden": 3, "n_components": 2, "mixture_weights": "learned"}),
    "rnade": ("table_nade", {"values": (0, 0), "n_hidden": 3, "n_components": 3}),
    "laplace": ("table_nade", {"n_hidden": 3, "n_components": 2, "family": "laplace"}),
    "made": ("made", {**contract.MADE, **contract.MIXTURES}),
    "masks": ("made", {**contract.MADE, **contract.MIXTURES, "n_masks": 2}),
    "orderless": ("orderless_nade", {"hidden": (5, 4), "activation": "tanh", "n_components": 2}),
    "wide": ("table_nade", {"values": (0, 17), "n_hidden": 3, "n_components": 1}),
}
PRIOR = np.log([0.5, 0.2, 0.3])


@pytest.fixture(params=LABELLED)
def setting(request, rng):
    """Return a model of three classes, its config, generic parameters, and rows."""
    name, options = LABELLED[request.param]
    model = models.get(name)
    config = model.Config(**{"values": VALUES, **options}, n_classes=3)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.7 * np.random.default_rng(1).normal(size=params.size)
    return model, config, params, contract.random_x(config, rng, 6)


def mixture(config, p, x):
    """Return log p(x) of conditionals of a real column, p (…, P), whose components C are."""
    K = 3 * config.components
    weights, means, scales = p[..., :K], p[..., K : 2 * K], p[..., 2 * K : 3 * K]
    z = (x[..., None] - means) / scales
    if config.family == "laplace":
        p = weights / (2 * scales) * np.exp(-np.abs(z))
    else:
        p = weights / (np.sqrt(2 * np.pi) * scales) * np.exp(-z * z / 2)
    with np.errstate(divide="ignore"):
        return np.log(p.sum(axis=-1))


def test_conditionals_are_those_of_the_sum_over_labels(setting):
    model, config, params, x = setting
    p = density.conditionals(model, config, params, x, log_prior=PRIOR)
    terms = density.log_prob_terms(model, config, params, x, log_prior=PRIOR)
    each = [model.log_prob(config, params, x, np.full(len(x), c, np.int32)) for c in range(3)]
    whole = np.log(np.exp(PRIOR[:, None] + each).sum(axis=0))  # Σ_c p(c) p(x|c)
    assert_allclose(terms.sum(axis=1), whole, rtol=1e-10)
    widest = max(3 * 3 * config.components, *config.values)
    assert p.shape == (*x.shape, widest)
    for i, K in enumerate(config.values):
        if K:
            at = np.take_along_axis(p[:, i], x[:, i, None].astype(int), 1)[:, 0]
            assert_allclose(np.log(at), terms[:, i], rtol=1e-9)
            assert_allclose(p[:, i].sum(axis=1), 1, rtol=1e-9)
            assert not p[:, i, K:].any()
        else:
            assert_allclose(mixture(config, p[:, i], x[:, i]), terms[:, i], rtol=1e-9)
            assert_allclose(p[:, i, : 3 * config.components].sum(axis=1), 1, rtol=1e-9)


def test_of_a_real_column_they_integrate_to_one(setting):
    model, config, params, x = setting
    i = config.values.index(0)
    p = density.conditionals(model, config, params, x[:2], log_prior=PRIOR)[:, i]
    for row in p:
        found = quadrature.integral(lambda u, row=row: mixture(config, row, u[:, 0]))
        assert abs(found - 1) < 1e-6


def test_marginals_are_those_of_what_is_known_of_the_label(rng):
    model = models.get("orderless_nade")
    config = model.Config(VALUES, (5, 4), "tanh", 2, n_classes=3)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.7 * np.random.default_rng(1).normal(size=params.size)
    x = contract.random_x(config, rng, 4)
    for i in range(4):
        given = np.broadcast_to(np.arange(4) != i, x.shape)
        p = density.marginals(model, config, params, x, given, log_prior=PRIOR)
        log_p = density.log_prob_given(model, config, params, x, given, log_prior=PRIOR)
        if VALUES[i]:
            at = np.take_along_axis(p[:, i], x[:, i, None].astype(int), 1)[:, 0]
            assert_allclose(np.log(at), log_p, rtol=1e-9)
        else:
            assert_allclose(mixture(config, p[:, i], x[:, i]), log_p, rtol=1e-9)
        known = [k for k, K in enumerate(VALUES) if K == 0 and k != i]
        C = 3 * config.components
        for k in known:
            assert_allclose(p[:, k, C : 2 * C], np.repeat(x[:, k, None], C, 1))
            assert not p[:, k, 2 * C : 3 * C].any()
            assert_allclose(p[:, k, :C].sum(axis=1), 1)


def test_a_class_that_never_comes_weighs_nothing(setting):
    model, config, params, x = setting
    with np.errstate(divide="ignore"):
        prior = np.log([0.0, 1.0, 0.0])
    p = labels.conditionals(model, config, params, x, prior)
    alone = model.conditionals(config, params, x, np.ones(len(x), np.int32))
    i, C = config.values.index(0), config.components
    assert_allclose(p[:, i, C : 2 * C], alone[:, i, :C], rtol=1e-12)
    assert not p[:, i, :C].any() and not p[:, i, 2 * C : 3 * C].any()
