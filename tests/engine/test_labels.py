"""The marginal over labels: a distribution like any other, by Bayes' rule and no other."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import density, labels
from chainrule.engine.models import rnn, transformer
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

V, C = 3, 3
CONFIG = transformer.Config(V, 3, 1, 2, 4, n_classes=C)  # a context that four symbols are beyond
PRIOR = np.log([0.5, 0.2, 0.3])


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


@pytest.fixture
def params():
    params = transformer.init(CONFIG, np.random.default_rng(0), np.float64)
    params.flat[...] = np.random.default_rng(1).normal(size=params.size)
    return params


def every_sequence(T):
    return np.array(list(product(range(V), repeat=T)), np.int32)


def given(params, x):
    """Return p(c) p(x | c), (C, N)."""
    of_class = [transformer.log_prob(CONFIG, params, x, np.full(len(x), c)) for c in range(C)]
    return np.exp(PRIOR[:, None] + np.array(of_class))


@pytest.mark.parametrize("T", [1, 2, 4])
def test_the_marginal_is_a_distribution(T, params):
    x = every_sequence(T)
    log_p = labels.log_prob(transformer, CONFIG, params, x, PRIOR)
    assert_allclose(np.exp(log_p), given(params, x).sum(axis=0), rtol=1e-12)
    assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("T", [1, 4])
def test_its_terms_are_its_conditionals_and_add_up(T, params):
    x = every_sequence(T)
    terms = labels.log_prob_terms(transformer, CONFIG, params, x, PRIOR)
    p = labels.conditionals(transformer, CONFIG, params, x, PRIOR)
    assert_allclose(p.sum(axis=2), 1, rtol=1e-12)
    at = np.take_along_axis(p, x[..., None].astype(int), 2)[..., 0]
    assert_allclose(terms, np.log(at), rtol=1e-10)
    whole = labels.log_prob(transformer, CONFIG, params, x, PRIOR)
    assert_allclose(terms.sum(axis=1), whole, rtol=1e-12)


def test_a_term_sees_nothing_that_comes_later(params):
    x, other = every_sequence(4)[[5, 5]].copy(), every_sequence(4)[[5, 5]].copy()
    other[:, 2:] = (other[:, 2:] + 1) % V
    terms, changed = (
        labels.log_prob_terms(transformer, CONFIG, params, rows, PRIOR) for rows in (x, other)
    )
    assert_array_equal(terms[:, :2], changed[:, :2])
    assert (terms[:, 2:] != changed[:, 2:]).all()


def test_padding_costs_nothing_and_says_nothing(params):
    x = every_sequence(4)
    short = x.copy()
    short[:, 2:] = -1
    for function in (labels.log_prob, labels.posterior):
        assert_allclose(
            function(transformer, CONFIG, params, short, PRIOR),
            function(transformer, CONFIG, params, np.ascontiguousarray(x[:, :2]), PRIOR),
            rtol=1e-12,
        )
    assert_array_equal(labels.log_prob_terms(transformer, CONFIG, params, short, PRIOR)[:, 2:], 0)


def test_the_posterior_is_bayes(params):
    x = every_sequence(3)
    joint = given(params, x)
    log_p = labels.posterior(transformer, CONFIG, params, x, PRIOR)
    assert_allclose(np.exp(log_p), (joint / joint.sum(axis=0)).T, rtol=1e-11)


def test_a_class_that_never_comes_is_as_if_it_were_not(params):
    x = every_sequence(3)
    with np.errstate(divide="ignore"):
        prior = np.log([0.0, 0.0, 1.0])
    alone = transformer.log_prob(CONFIG, params, x, np.full(len(x), 2))
    assert_allclose(labels.log_prob(transformer, CONFIG, params, x, prior), alone, rtol=1e-13)
    terms = labels.log_prob_terms(transformer, CONFIG, params, x, prior)
    assert_allclose(terms.sum(axis=1), alone, rtol=1e-12)
    assert_array_equal(labels.posterior(transformer, CONFIG, params, x, prior)[:, :2], -np.inf)
    assert set(labels.draw(np.linspace(0, 1, 50, endpoint=False), prior)) == {2}


def test_classes_are_drawn_as_often_as_the_prior_says(rng):
    y = labels.draw(rng.random(20_000), PRIOR)
    assert y.dtype == np.int32
    assert_allclose(np.bincount(y) / len(y), np.exp(PRIOR), atol=0.02)
    assert_array_equal(labels.draw(np.array([0.0, 1 - 2**-53]), PRIOR), [0, 2])
    assert_allclose(np.exp(labels.prior(y, C)), np.bincount(y) / len(y))
    assert_array_equal(labels.prior([1, 1], 3), [-np.inf, 0, -np.inf])


def test_the_front_takes_labels_where_they_are_and_the_marginal_where_not(params):
    x, y = every_sequence(3), np.arange(V**3) % C
    for name in ("log_prob", "log_prob_terms", "conditionals"):
        front, own = getattr(density, name), getattr(transformer, name)
        assert_array_equal(
            front(transformer, CONFIG, params, x, y), own(CONFIG, params, x, y), err_msg=name
        )
        alike = labels.uniform(CONFIG)
        marginal = getattr(labels, name)(transformer, CONFIG, params, x, alike)
        assert_array_equal(front(transformer, CONFIG, params, x), marginal, err_msg=name)
    plain = rnn.Config(V, 2)
    state = rnn.init(plain, np.random.default_rng(0), np.float64)
    assert_array_equal(density.log_prob(rnn, plain, state, x), rnn.log_prob(plain, state, x))
    with pytest.raises(ValueError, match="leave y out"):
        density.log_prob(rnn, plain, state, x, y)


def test_conditionals_are_those_of_the_table_of_all_sequences(params):
    """p(x_i | x_<i), by summing the probabilities of every x."""
    p = np.exp(labels.log_prob(transformer, CONFIG, params, every_sequence(4), PRIOR))
    p, table = (
        p.reshape((V,) * 4),
        labels.conditionals(transformer, CONFIG, params, every_sequence(4), PRIOR).reshape(
            *(V,) * 4, 4, V
        ),
    )
    for i in range(4):
        reached = p.sum(axis=tuple(range(i + 1, 4)))
        truth = reached / reached.sum(axis=-1, keepdims=True)
        assert_allclose(table[(slice(None),) * i + (0,) * (4 - i) + (i,)], truth, rtol=1e-10)


def test_a_long_sequence_is_mixed_piece_by_piece(rng):
    terms = np.log(rng.random((C, 5000)) / 1e3)
    whole, at_end = labels.mix(terms, PRIOR)
    assert np.isfinite(whole).all() and whole.sum() < -30_000
    pieces, weights = [], PRIOR
    for first, stop in ((0, 4), (4, 4), (4, 900), (900, 5000)):
        piece, weights = labels.mix(terms[:, first:stop], weights)
        pieces.append(piece)
    assert_allclose(np.concatenate(pieces), whole, rtol=1e-9)
    assert_allclose(weights, at_end, rtol=1e-9)
    assert_allclose(np.exp(weights).sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("prior", [PRIOR[:2], PRIOR - 1, np.full(C, np.nan)])
def test_a_prior_that_is_none_is_refused(params, prior):
    for function in (labels.log_prob, labels.log_prob_terms, labels.conditionals):
        with pytest.raises(ValueError, match="log_prior must hold log p"):
            function(transformer, CONFIG, params, every_sequence(2), prior)


def test_a_model_of_one_class_may_be_told_it(rng):
    config = transformer.Config(V, 3, 1, 1, 4)
    params = transformer.init(config, rng, np.float64)
    x = every_sequence(2)
    alone = density.log_prob(transformer, config, params, x)
    assert_array_equal(density.log_prob(transformer, config, params, x, np.zeros(9, int)), alone)
