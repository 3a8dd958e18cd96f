"""MADE alone: orders, masks in turn, the mean of densities, and what stays zero for ever."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness, quadrature

from chainrule.engine.event import Columns
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.models import made
from chainrule.engine.models.made import Config
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.engine.training import train
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels import use_backend, use_threads
from chainrule.kernels.dispatch import HOST_BACKENDS

MIXED = (3, 0, 2, 1, 4)
ORDERS = {"n_masks": 3, "order_agnostic": True, "activation": "tanh"}


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def make(config, scale=0.7, seed=0):
    """Return generic parameters, under masks too, where they mean nothing."""
    params = made.init(config, np.random.default_rng(seed), np.float64)
    params.flat[...] = scale * np.random.default_rng([seed, 1]).normal(size=params.size)
    return params


def every_row(values):
    return np.array(list(product(*map(range, values))), Columns(values).dtype)


def rows_of(values, rng, N):
    columns = [rng.integers(0, K, N) if K else rng.normal(size=N) for K in values]
    return np.stack(columns, axis=1).astype(Columns(values).dtype_with(np.float64))


def with_noise(config, params, x, step):
    """Return the loss and gradient of training's minibatch `step`."""
    grad = params.like()
    return made.loss_and_grad(config, params, x, grad, noise=Noise(0, step, 0)), grad


def test_it_is_the_network_of_masked_matrices(rng):
    """Written out in NumPy, with the masks as matrices."""
    config = Config((2,) * 6, (8, 9), "tanh", direct=True)
    params, x = make(config), rng.integers(0, 2, (7, 6), np.uint8)
    W, W2, V, A = (
        params[name] * mask
        for name, mask in zip(["W", "W2", "V", "A"], config.network.mask_arrays(0), strict=True)
    )
    h = np.tanh(np.tanh(x @ W + params["c"][:8]) @ W2 + params["c"][8:])
    s = h @ V + x @ A + params["b"]
    assert_allclose(made.conditionals(config, params, x), 1 / (1 + np.exp(-s)), rtol=1e-12)


@pytest.mark.parametrize("values", [(2,), (5,), (0,), (2, 2), (3, 0)])
@pytest.mark.parametrize("direct", [False, True])
def test_one_variable_and_two(values, direct, rng):
    config = Config(values, (6,), "tanh", direct, n_masks=2, n_components=2)
    params = make(config)
    total = quadrature.total(lambda x: made.log_prob(config, params, x), values)
    assert_allclose(total, 1, atol=1e-6)
    x = rows_of(values, rng, 4)
    for step in (0, 1):
        _, grad = with_noise(config, params, x, step)
        unused = params.like()
        numeric = numeric_grad(lambda: made.log_prob(config, params, x).mean(), params.flat)
        made.loss_and_grad(config, params, x, unused)
        assert_allclose(unused.flat, -numeric, rtol=1e-5, atol=1e-7)
        assert np.isfinite(grad.flat).all()


@pytest.mark.parametrize("values", [(2,) * 4, (3, 2, 1, 4)])
def test_the_mean_over_orders_is_a_density(values, rng):
    """Σ_x p(x) = 1, of each mask's density and of their mean, which is not the mean of logits."""
    config = Config(values, (30,), **ORDERS)
    params, x = make(config), every_row(values)
    each = config.network.each(params, x, np.empty(0, np.int32), lambda one: one.log_prob())
    assert_allclose(np.exp(each).sum(axis=1), 1, rtol=1e-12)
    assert (np.abs(each[0] - each[1]) > 1e-3).any()
    log_p = made.log_prob(config, params, x)
    assert_allclose(np.exp(log_p), np.exp(each).mean(axis=0), rtol=1e-12)
    assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-12)
    assert np.exp(each.mean(axis=0)).sum() < 0.999


def test_the_mean_of_the_networks_logits_is_no_density(rng):
    """What would be got by averaging outputs, as one might of any ensemble."""
    config = Config((2,) * 4, (30,), **ORDERS | {"n_masks": 2})
    params, x = make(config, 1.5), every_row((2,) * 4)
    none = np.empty(0, np.int32)
    s = config.network.each(params, x, none, lambda one: one.s[:, one.mask.order_back]).mean(axis=0)
    mean_of_logits = -(np.logaddexp(0, s) - x * s).sum(axis=1)
    assert abs(np.exp(mean_of_logits).sum() - 1) > 0.01


def test_each_mask_is_causal_in_its_own_order(rng):
    config = Config(MIXED, (40, 40), direct=True, n_components=2, **ORDERS)
    params, x = make(config), rows_of(MIXED, rng, 3)
    none, network = np.empty(0, np.int32), config.network

    def terms(rows, k):
        return network.each(params, rows, none, lambda one: one.terms())[k]

    for k in range(3):
        order, before = network.mask(params, k).order, terms(x, k)
        assert (k == 0) == (order == np.arange(5)).all()
        for place, i in enumerate(order):
            if MIXED[i] == 1:
                continue
            other = x.copy()
            other[:, i] = x[:, i] + 1 if MIXED[i] == 0 else (x[:, i] + 1) % MIXED[i]
            moved = terms(other, k) != before
            open_ = np.array(MIXED)[order] != 1
            assert not moved[:, :place].any()
            assert moved[:, place + 1 :][:, open_[place + 1 :]].all()


def test_a_mean_over_orders_has_no_conditionals_but_samples(rng):
    config = Config((2, 3, 2), (20,), **ORDERS)
    params, x = make(config), every_row((2, 3, 2))
    for call in (
        lambda: made.conditionals(config, params, x),
        lambda: made.log_prob_terms(config, params, x),
        lambda: made.uniforms(config, params, x, np.full(x.shape, 0.5)),
        lambda: made.start(config, params, 1),
    ):
        with pytest.raises(ValueError, match="a mean over several orders"):
            call()
    u = rng.random((20_000, 3))
    drawn = made.sample(config, params, u)
    goodness.assert_frequencies(drawn, lambda x: made.log_prob(config, params, x), (2, 3, 2))
    given = rows_of((2, 3, 2), rng, 200)
    u = rng.random((200, 3))
    u[rng.random(u.shape) < 0.4] = -1
    got = made.sample(config, params, u, given)
    assert_array_equal(got[u < 0], given[u < 0])


def test_reals_of_a_mean_over_orders_are_drawn_from_it(rng):
    config = Config((0, 2), (9,), n_components=2, **ORDERS)
    params = make(config)
    drawn = made.sample(config, params, rng.random((3000, 2)))

    def below(high, bit):
        def log_p(x):
            rows = np.hstack([x, np.full((len(x), 1), bit)])
            return made.log_prob(config, params, rows)

        return quadrature.integral(log_p, high=high)

    edges = np.quantile(drawn[:, 0], [0.2, 0.5, 0.8])
    for bit in (0.0, 1.0):
        p = np.diff([0, *(below(edge, bit) for edge in edges), below(quadrature.FAR, bit)])
        counts = np.histogram(drawn[drawn[:, 1] == bit, 0], [-np.inf, *edges, np.inf])[0]
        assert (np.abs(counts / 3000 - p) < 4.5 * np.sqrt(p / 3000)).all()


def test_training_walks_through_the_masks():
    config = Config((2,) * 4, (9,), **ORDERS)
    params, x = make(config), every_row((2,) * 4)
    each = config.network.each(params, x, np.empty(0, np.int32), lambda one: one.log_prob())
    for step in range(5):
        loss, grad = with_noise(config, params, x, step)
        assert_allclose(loss, -each[step % 3].mean(), rtol=1e-12)
        numeric = numeric_grad(
            lambda step=step: with_noise(config, params, x, step)[0], params["V"]
        )
        assert_allclose(grad["V"], numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("options", [{}, ORDERS])
def test_what_every_mask_hides_is_zero_and_stays_so(options):
    """Through minibatches, Adam, weight decay: not a bit of it is ever written to."""
    config = Config((2,) * 5, (6, 7), direct=True, **options)
    X = np.random.default_rng(0).integers(0, 2, (64, 5), np.uint8)
    recipe = Recipe(epochs=2, batch_size=16, weight_decay=0.1)
    state = train.start(made, config, recipe)
    network = config.network

    def hidden(params):
        arrays = network.arrays(params)
        masks_ = network.visible()
        matrices = (*arrays.weights, arrays.direct)
        return np.concatenate([W[~m] for W, m in zip(matrices, masks_, strict=True)])

    assert not hidden(state.params).any() and hidden(state.params).size >= 20
    before = state.params.copy()
    for _ in train.run(made, config, recipe, state, X):
        pass
    assert (state.params.flat != before.flat).any()
    assert not hidden(state.params).any()
    assert not np.signbit(hidden(state.params)).any()
    for moments in (state.m, state.v):
        assert not hidden(Params(state.params.shapes, moments)).any()


def test_gradients_in_real_numbers_and_bits(rng, backend):
    config = Config(MIXED, (12,), "tanh", True, n_masks=2, n_components=2, n_classes=2)
    params, x = make(config), rows_of(MIXED, rng, 4)
    y = np.array([0, 1, 1, 0], np.int32)
    grad, dx = params.like(), np.full(x.shape, np.nan)
    made.loss_and_grad(config, params, x, grad, 7, y, dx=dx)
    numeric = np.zeros_like(x)
    for n, i in product(range(4), (1,)):
        ends = []
        for nudge in (1e-6, -1e-6):
            moved = x.copy()
            moved[n, i] += nudge
            ends.append(made.loss_and_grad(config, params, moved, params.like(), 7, y))
        numeric[n, i] = (ends[0] - ends[1]) / 2e-6
    assert np.abs(numeric[:, 1]).min() > 1e-4
    assert_allclose(dx[:, 1], numeric[:, 1], rtol=1e-5)
    assert not dx[:, [0, 3, 4]].any()
    assert (dx[:, 2] != 0).all()


def test_labels_move_the_first_variable_too():
    config = Config((2, 2), (8,), n_classes=3)
    params, x = make(config), np.zeros((3, 2), np.uint8)
    p = made.conditionals(config, params, x, np.arange(3, dtype=np.int32))
    assert len(np.unique(p[:, 0])) == 3


def test_real_columns_begin_near_the_standard_normal(rng):
    for options in ({}, {"family": "laplace", "mixture_weights": "equal"}, {"n_components": 1}):
        config = Config((0, 0), (30,), **options)
        params = made.init(config, np.random.default_rng(0), np.float64)
        p = made.conditionals(config, params, rng.normal(size=(50, 2)))
        weights, means, scales = np.split(p, 3, axis=2)
        spread = scales**2 * (2 if config.family == "laplace" else 1) + means**2
        assert np.abs((weights * means).sum(axis=2)).max() < 0.2
        assert np.abs((weights * spread).sum(axis=2) - 1).max() < 0.2


@pytest.mark.parametrize("threads", [1, 2])
def test_results_do_not_depend_on_threads(threads, rng):
    config = Config((2,) * 40, (33,), n_masks=2)
    params, x = make(config, 0.2), rng.integers(0, 2, (50, 40), np.uint8)
    with use_threads(threads):
        loss, grad = with_noise(config, params, x, 1)
    with use_threads(1):
        again, same = with_noise(config, params, x, 1)
    assert loss == again
    assert_array_equal(grad.flat, same.flat)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": ()}, "hidden needs a layer where there are no direct connections"),
        ({"hidden": (3, 0)}, "must be 1 or more"),
        ({"n_masks": 0}, "must be 1 or more"),
        ({"activation": "gelu"}, "activation must be one of relu, tanh, sigmoid, got 'gelu'"),
        ({"family": "cauchy"}, "family must be one of gaussian, laplace, got 'cauchy'"),
        ({"mixture_weights": "no"}, "mixture_weights must be one of equal, learned, got 'no'"),
    ],
)
def test_what_no_network_can_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Config((2, 2), **options)


def test_direct_connections_alone_are_logistic_regressions(rng):
    config = Config((2,) * 4, (), direct=True)
    params, x = make(config), rng.integers(0, 2, (5, 4), np.uint8)
    s = params["b"] + x @ np.triu(params["A"], 1)
    assert_allclose(made.conditionals(config, params, x), 1 / (1 + np.exp(-s)), rtol=1e-12)
    assert_array_equal(made.sample(config, params, np.full((2, 4), -1.0), x[:2]), x[:2])
