"""Any-order NADE: a distribution in every order, of any variables given any others."""

from itertools import permutations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness, quadrature

from chainrule.engine import density, gradcheck, labels, ordering
from chainrule.engine.event import Columns
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import any_order, any_order_walk
from chainrule.engine.models import orderless_nade as model
from chainrule.engine.noise import Noise
from chainrule.engine.training import scoring
from chainrule.kernels import use_backend, use_threads
from chainrule.kernels.dispatch import HOST_BACKENDS

CODES = (2, 3, 2, 4)  # values of a table that can be enumerated
MIXED = (2, 0, 3, 0, 2)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def made(values=CODES, seed=1, scale=0.7, **options):
    """Return a config of few units and generic parameters."""
    options = {"hidden": (6, 5), "activation": "tanh", "n_components": 2} | options
    config = model.Config(values, **options)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = scale * np.random.default_rng(seed).normal(size=params.size)
    return config, params


def rows(rng, values, N, missing=0.0):
    """Return random rows, some of whose values are missing."""
    dtype, none = Columns(values).dtype_with(np.float64), Columns(values).missing
    x = np.stack([rng.integers(0, K, N) if K else rng.normal(size=N) for K in values], axis=1)
    return np.where(rng.random(x.shape) < missing, none, x).astype(dtype)


def every_row(values):
    return np.array(list(product(*map(range, values))), Columns(values).dtype)


def in_order(config, params, x, order, y=None):
    """Return log p(x_i | x_o) of codes, (N, D), each from a pass of its own: the chain rule."""
    log_p, seen = np.empty(x.shape), np.zeros(x.shape, bool)
    for i in order:
        p = model.marginals(config, params, x, seen, y)[:, i]
        log_p[:, i] = np.log(np.take_along_axis(p, x[:, i, None].astype(int), 1)[:, 0])
        seen[:, i] = True
    return log_p


# --- the loss


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(
    ("values", "more"),
    [
        (MIXED, {"n_classes": 2}),
        (MIXED, {"family": "laplace", "mixture_weights": "equal", "hidden": (5,)}),
        ((2,) * 5, {"hidden": (4, 5, 3)}),
        ((1,), {"hidden": (2,)}),
    ],
    ids=["labels", "laplace", "bits", "one"],
)
def test_gradient_of_the_estimate_matches_central_differences(values, more, activation, rng):
    config, params = made(values, activation=activation, **more)
    x = rows(rng, values, 9, missing=0.2)
    y = rng.integers(0, 2, 9).astype(np.int32) if config.n_classes > 1 else None
    grad, unused, noise = params.like(), params.like(), Noise(3, 4, 5)
    grad.flat[...] = np.nan
    model.loss_and_grad(config, params, x, grad, 7, y, noise)
    numeric = numeric_grad(
        lambda: model.loss_and_grad(config, params, x, unused, 7, y, noise), params.flat
    )
    assert values == (1,) or np.abs(numeric).max() > 1e-3
    assert_allclose(grad.flat, numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("n_orderings", [1, 3])
def test_gradient_in_real_x_and_of_a_mean_over_orderings(n_orderings, rng):
    config, params = made(MIXED, n_orderings=n_orderings, n_classes=2, hidden=(3, 2))
    x, y = rows(rng, MIXED, 3, missing=0.1), np.array([0, 1, 1], np.int32)
    for noise in (None, Noise(1, 2, 3)):
        grad, unused, dx = params.like(), params.like(), np.full(x.shape, np.nan)
        value = model.loss_and_grad(config, params, x, grad, 5, y, noise, dx)

        def loss(noise=noise, unused=unused):
            return model.loss_and_grad(config, params, x, unused, 5, y, noise)

        assert_allclose(value, loss(), rtol=1e-12)
        if noise is None:
            assert_allclose(value, -model.log_prob(config, params, x, y).sum() / 5, rtol=1e-12)
        assert_allclose(grad.flat, numeric_grad(loss, params.flat), rtol=1e-5, atol=1e-8)
        real = np.array(MIXED) == 0
        there = ~np.isnan(x) & real
        assert_allclose(dx[there], numeric_grad(loss, x)[there], rtol=1e-5, atol=1e-8)
        assert not dx[np.isnan(x)].any() and not dx[:, np.array(MIXED) == 3].any()


def test_gradcheck_holds_the_estimate_to_one_noise(rng):
    config, params = made()
    errors = gradcheck.check(model, config, params, rows(rng, CODES, 6))
    assert set(errors) == set(params) and max(errors.values()) < 1e-6


def test_the_estimate_is_unbiased_for_all_orderings(rng):
    config, params = made()
    for x in (rows(rng, CODES, 1), np.array([[1, -1, 0, 3]], np.int32)):
        there = np.flatnonzero(x[0] >= 0)
        each = [
            in_order(config, params, np.maximum(x, 0), order)[:, there].sum()
            for order in permutations(there)
        ]
        many, grad = np.repeat(x, 200, axis=0), params.like()
        estimates = [
            model.nll_estimates(config, params, many, Noise(0, step, 0)).mean()
            for step in range(100)
        ]
        losses = [
            model.loss_and_grad(config, params, many, grad, noise=Noise(0, step, 0))
            for step in range(100)
        ]
        for found in (estimates, losses):
            error = np.std(found) / 10
            assert error > 0 and abs(np.mean(found) + np.mean(each)) < 4 * error


def test_a_minibatch_may_be_cut_anywhere(rng):
    config, params = made(MIXED)
    x, grad = rows(rng, MIXED, 8, missing=0.2), params.like()
    whole = model.loss_and_grad(config, params, x, grad, 8, None, Noise(1, 2, 0))
    total, summed = 0.0, np.zeros_like(grad.flat)
    for rows_ in (slice(0, 3), slice(3, 4), slice(4, 8)):
        part = params.like()
        noise = Noise(1, 2, rows_.start)
        total += model.loss_and_grad(config, params, x[rows_], part, 8, None, noise)
        summed += part.flat
    assert_allclose(total, whole, rtol=1e-12)
    assert_allclose(summed, grad.flat, rtol=1e-9, atol=1e-12)


def test_validation_is_an_estimate_that_is_always_the_same(rng, monkeypatch):
    monkeypatch.setattr(scoring, "ESTIMATES", 1 << 14)
    config, params = made((2,) * 4)
    x = rows(rng, (2,) * 4, 50, missing=0.1)
    each = []
    for threads in (1, 3):
        with use_threads(threads):
            each.append(scoring.mean_estimate(model, config, params, x, 0))
    assert_allclose(each[0], each[1], rtol=1e-12)
    assert scoring.mean_estimate(model, config, params, x, 1) != each[0]
    many = model.Config(config.values, config.hidden, "tanh", n_orderings=1)
    orders = list(permutations(range(4)))
    exact = np.mean([-any_order_log_p(many, params, x, order).mean() for order in orders])
    assert abs(each[0] - exact) < 0.03


def any_order_log_p(config, params, x, order):
    """Return log p(x), (N,), under one order, values that are missing left out."""
    net, y = model._setting(config, params, len(x), None)
    s = any_order_walk.outputs(net, params, x, None, y, order)
    return any_order.terms(net, s, x, Columns.known(x)).sum(axis=1)


# --- the density


@pytest.mark.parametrize("n_orderings", [1, 2, 5])
def test_probabilities_sum_to_one_and_are_the_mean_of_the_orderings(n_orderings):
    config, params = made(n_orderings=n_orderings)
    x = every_row(CODES)
    log_p = model.log_prob(config, params, x)
    assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-12)
    each = [
        in_order(config, params, x, order).sum(axis=1)
        for order in ordering.several(n_orderings, len(CODES))
    ]
    assert_allclose(np.exp(log_p), np.exp(each).mean(axis=0), rtol=1e-10)
    if n_orderings > 1:
        assert np.exp(np.mean(each, axis=0)).sum() < 0.999, "a mean of logarithms is no density"
        for of_one_order in (
            lambda: model.log_prob_terms(config, params, x),
            lambda: model.conditionals(config, params, x),
            lambda: model.uniforms(config, params, x, np.zeros(x.shape)),
            lambda: model.start(config, params, 3),
        ):
            with pytest.raises(ValueError, match="set n_orderings=1"):
                of_one_order()


def test_the_first_ordering_is_the_models_own():
    assert_array_equal(ordering.several(1, 5), [range(5)])
    many = ordering.several(9, 5)
    assert_array_equal(many[:3], ordering.several(3, 5))
    assert_array_equal(np.sort(many, axis=1), np.tile(np.arange(5), (9, 1)))
    assert len(np.unique(many, axis=0)) > 5


@pytest.mark.parametrize("family", ["gaussian", "laplace"])
def test_densities_of_mixed_columns_integrate_to_one(family):
    config, params = made((2, 0, 3), n_orderings=2, family=family, scale=0.5)
    total = quadrature.total(lambda x: model.log_prob(config, params, x), config.values, tol=1e-5)
    assert abs(total - 1) < 1e-4


def test_conditionals_are_those_of_the_joint_with_the_given_first(rng):
    """p(x_f | x_g) = p(x_f, x_g) / Σ_f p(x_f, x_g), by all the rows there are."""
    config, params = made()
    x = every_row(CODES)
    for pattern in product([False, True], repeat=4):
        given = np.array(pattern)
        order = [*rng.permutation(np.flatnonzero(given)), *np.flatnonzero(~given)]
        p = np.exp(in_order(config, params, x, order).sum(axis=1)).reshape(CODES)
        free = tuple(np.flatnonzero(~given))
        expected = p / p.sum(axis=free, keepdims=True) if free else np.ones(CODES)
        mask = np.broadcast_to(given, x.shape)
        found = np.exp(model.log_prob_given(config, params, x, mask))
        assert_allclose(found, expected.ravel(), rtol=1e-10)
        if free:
            alone = p.sum(axis=free[1:], keepdims=True) / p.sum(axis=free, keepdims=True)
            ahead = model.marginals(config, params, x, mask)[:, free[0]]
            at = np.take_along_axis(ahead, x[:, free[:1]].astype(int), 1)[:, 0]
            assert_allclose(at, np.broadcast_to(alone, CODES).ravel(), rtol=1e-10)


def test_each_row_has_a_pattern_of_its_own(rng):
    config, params = made(MIXED, n_orderings=3, n_classes=2)
    x, y = rows(rng, MIXED, 20), rng.integers(0, 2, 20).astype(np.int32)
    given = rng.random(x.shape) < 0.5
    together = model.log_prob_given(config, params, x, given, y)
    alone = [
        model.log_prob_given(config, params, x[n : n + 1], given[n : n + 1], y[n : n + 1])[0]
        for n in range(20)
    ]
    assert_allclose(together, alone, rtol=1e-10)
    nothing = np.zeros(x.shape, bool)
    log_p = model.log_prob_given(config, params, x, nothing, y)
    assert_array_equal(log_p, model.log_prob(config, params, x, y))


@pytest.mark.parametrize("values", [CODES, MIXED])
def test_what_comes_later_in_an_order_is_not_seen_and_what_came_before_is(values, rng):
    config, params = made(values)
    net, y = model._setting(config, params, 3, None)
    x = rows(rng, values, 3)
    ends = net.ends
    for _ in range(3):
        order = rng.permutation(len(values))
        before = any_order_walk.outputs(net, params, x, None, y, order)
        for place, i in enumerate(order):
            changed = x.copy()
            changed[:, i] = (x[:, i] + 1) % values[i] if values[i] else x[:, i] + 1
            moved = any_order_walk.outputs(net, params, changed, None, y, order) != before
            for at, j in enumerate(order):
                own = moved[:, ends[j] : ends[j + 1]]
                assert own.all() if at > place else not own.any()


@pytest.mark.parametrize("values", [(2,) * 4, CODES, MIXED])
def test_what_is_observed_is_certain(values, rng):
    config, params = made(values)
    x, given = rows(rng, values, 8), rng.random((8, len(values))) < 0.5
    p, free = model.marginals(config, params, x, given), model.marginals(config, params, x, ~given)
    if p.ndim == 2:
        assert_array_equal(p[given], x[given])
        assert ((p[~given] > 0) & (p[~given] < 1)).all()
        return
    for i, K in enumerate(values):
        own, seen = p[:, i], given[:, i]
        if K:
            assert_array_equal(own[seen], np.eye(p.shape[2])[x[seen, i].astype(int)])
            assert_allclose(p[:, i].sum(axis=1), 1, rtol=1e-12)
        else:
            assert_array_equal(own[seen], [[1, 0, a, a, 0, 0] for a in x[seen, i]])
            assert (own[~seen, 4:] > 0).all()
        assert (free[seen, i] != own[seen]).any()


# --- missing values


def test_without_missing_values_it_is_the_marginal(rng):
    """Of the order in which they are last, whatever the others' values are."""
    config, params = made()
    x = every_row(CODES)
    for lacking in ([2], [1, 3], [0, 1, 2, 3]):
        there = [i for i in range(4) if i not in lacking]
        p = np.exp(in_order(config, params, x, [*there, *lacking]).sum(axis=1))
        sums = p.reshape(CODES).sum(axis=tuple(lacking), keepdims=True)
        less = x.copy()
        less[:, lacking] = -1
        found = np.exp(model.log_prob(config, params, less))
        assert_allclose(found, np.broadcast_to(sums, CODES).ravel(), rtol=1e-10)
        terms = model.log_prob_terms(config, params, less)
        assert not terms[:, lacking].any()


@pytest.mark.parametrize("values", [(2,) * 5, CODES, MIXED])
def test_what_a_missing_values_place_holds_is_never_read(values, rng):
    """Of rows that are told apart only by what is marked as neither given nor scored."""
    config, params = made(values)
    x, given = rows(rng, values, 6), rng.random((6, len(values))) < 0.5
    other = np.where(given, x, rows(rng, values, 6))
    p = model.marginals(config, params, x, given)
    assert_array_equal(model.marginals(config, params, other, given), p)
    none = np.full_like(x, config.event.missing)
    assert_array_equal(model.log_prob(config, params, none), 0)
    grad = params.like()
    assert model.loss_and_grad(config, params, none, grad, noise=Noise(0, 0, 0)) == 0
    assert not grad.flat.any()


def test_missing_means_as_the_event_has_it():
    for values, none in [((2, 2), 255), ((2, 3), -1), ((2, 0), np.nan)]:
        event = Columns(values)
        x = np.array([[0, 1], [none, 1]], event.dtype)
        assert_array_equal(Columns.known(x), [[True, True], [False, True]])
        assert_array_equal(x[1, 0], event.missing)


# --- draws


def test_draws_follow_the_conditionals_given_any_pattern(rng):
    config, params = made()
    x = np.array([1, 2, 0, 3], np.int32)
    for given in ([False, True, False, True], [True, False, False, False]):
        mask, N = np.array(given), 20_000
        u = np.where(mask, -1, rng.random((N, 4)))
        drawn = model.sample(config, params, u, np.tile(x, (N, 1)))
        assert (drawn[:, mask] == x[mask]).all()

        def log_p(free, mask=mask):
            full = np.tile(x, (len(free), 1))
            full[:, ~mask] = free
            return model.log_prob_given(config, params, full, np.tile(mask, (len(free), 1)))

        free_values = tuple(np.array(CODES)[~mask])
        goodness.assert_frequencies(drawn[:, ~mask], log_p, free_values)


@pytest.mark.parametrize("given", [[False] * 4, [False, True, False, False]])
def test_draws_of_several_orderings_follow_their_mean(given, rng):
    config, params = made(n_orderings=4, n_classes=2)
    x, mask, N = np.array([1, 2, 0, 3], np.int32), np.array(given), 40_000
    u = np.where(mask, -1, rng.random((N, 4)))
    y = np.ones(N, np.int32)
    drawn = model.sample(config, params, u, np.tile(x, (N, 1)), y)
    assert (drawn[:, mask] == x[mask]).all()
    assert_array_equal(model.sample(config, params, u[7:9], np.tile(x, (2, 1)), y[:2]), drawn[7:9])

    def log_p(free):
        full = np.tile(x, (len(free), 1))
        full[:, ~mask] = free
        of_all = np.tile(mask, (len(free), 1))
        return model.log_prob_given(config, params, full, of_all, y[: len(free)])

    goodness.assert_frequencies(drawn[:, ~mask], log_p, tuple(np.array(CODES)[~mask]))


def test_a_mean_over_orders_behind_what_is_given_is_a_conditional(rng):
    """Of the mean over the orders that begin with it, by all the rows there are: E3."""
    config, params = made(n_orderings=4)
    x, given = every_row(CODES), np.array([False, True, False, True])
    orders = [
        [*np.flatnonzero(given), *(i for i in order if not given[i])]
        for order in ordering.several(4, 4)
    ]
    each = [in_order(config, params, x, order).sum(axis=1) for order in orders]
    p = np.exp(each).mean(axis=0).reshape(CODES)
    expected = p / p.sum(axis=(0, 2), keepdims=True)
    found = np.exp(model.log_prob_given(config, params, x, np.tile(given, (len(x), 1))))
    assert_allclose(found, expected.ravel(), rtol=1e-10)


@pytest.mark.parametrize("values", [(2,) * 6, MIXED])
def test_draws_are_the_same_in_any_company_and_a_kept_value_may_be_missing(values, rng):
    config, params = made(values, n_classes=2)
    x, y = rows(rng, values, 40, missing=0.3), rng.integers(0, 2, 40).astype(np.int32)
    u = np.where(rng.random(x.shape) < 0.5, -1, rng.random(x.shape))
    with use_threads(2):
        drawn = model.sample(config, params, u, x, y)
    assert_array_equal(drawn[u < 0], x[u < 0])
    assert Columns.known(drawn)[u >= 0].all()
    some = [3, 17, 30]
    assert_array_equal(model.sample(config, params, u[some], x[some], y[some]), drawn[some])
    lacking = (u < 0) & ~Columns.known(x)
    elsewhere = model.sample(config, params, np.where(lacking, 0.5, u), x, y)
    assert (elsewhere != drawn)[~lacking].any(), "what is missing is not as if it were drawn"


def test_real_draws_are_where_the_uniforms_say(rng):
    """F(x_i | what is kept, what was drawn before) is the uniform."""
    config, params = made(MIXED)
    x, u = rows(rng, MIXED, 30), rng.random((30, len(MIXED)))
    u[rng.random(u.shape) < 0.4] = -1
    drawn = model.sample(config, params, u, x)
    net, y = model._setting(config, params, 30, None)
    s = any_order_walk.outputs(net, params, drawn, u < 0, y, range(len(MIXED)))
    lo, hi = (np.empty(u.shape) for _ in range(2))
    any_order.kernel.cdf_interval(net.layout, s, drawn, lo, hi)
    free = u >= 0
    assert (u[free] > lo[free] - 1e-9).all() and (u[free] < hi[free] + 1e-9).all()


@pytest.mark.parametrize("values", [(2,) * 4, CODES, MIXED])
def test_uniforms_draw_the_very_rows_again(values, rng):
    config, params = made(values)
    x = rows(rng, values, 30)
    u = model.uniforms(config, params, x, rng.random(x.shape))
    drawn = model.sample(config, params, u)
    assert_allclose(drawn, x, rtol=1e-9, atol=1e-9)
    x[3, 1] = config.event.missing
    assert_array_equal(np.argwhere(np.isnan(model.uniforms(config, params, x, u))), [[3, 1]])


# --- labels


def test_unknown_labels_are_summed_over_by_what_is_given(rng):
    config, params = made(n_classes=3)
    x, log_prior = every_row(CODES), np.log([0.5, 0.3, 0.2])
    given = np.tile([True, False, True, False], (len(x), 1))
    joint = np.stack(
        [
            np.exp(c + in_order(config, params, x, [0, 2, 1, 3], np.full(len(x), k)).sum(axis=1))
            for k, c in enumerate(log_prior)
        ]
    ).reshape(3, *CODES)
    p = joint.sum(axis=0)
    expected = p / p.sum(axis=(1, 3), keepdims=True)
    found = density.log_prob_given(model, config, params, x, given, log_prior=log_prior)
    assert_allclose(np.exp(found), expected.ravel(), rtol=1e-9)
    alone = p.sum(axis=3, keepdims=True) / p.sum(axis=(1, 3), keepdims=True)
    ahead = density.marginals(model, config, params, x, given, log_prior=log_prior)[:, 1]
    at = np.take_along_axis(ahead, x[:, 1:2].astype(int), 1)[:, 0]
    assert_allclose(at, np.broadcast_to(alone, CODES).ravel(), rtol=1e-9)
    told = density.log_prob_given(model, config, params, x, given, np.ones(len(x), np.int32))
    one = model.log_prob_given(config, params, x, given, np.ones(len(x), np.int32))
    assert_array_equal(told, one)


def test_a_class_is_drawn_by_its_rows_distribution(rng):
    log_p = np.log([[0.2, 0.3, 0.5], [1.0, 1e-300, 1e-300]])
    y = labels.draw_given(np.array([0.0, 0.999]), log_p)
    assert_array_equal(y, [0, 0])
    u = rng.random(20_000)
    drawn = labels.draw_given(u, np.repeat(log_p[:1], len(u), axis=0))
    assert goodness.chisquare(np.bincount(drawn), len(u) * np.exp(log_p[0])) > 1e-4
    assert_array_equal(
        labels.draw_given(np.array([0.19, 0.21, 0.999]), log_p[[0, 0, 0]]), [0, 1, 2]
    )


# --- shapes


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"hidden": ()}, "hidden needs a layer"),
        ({"hidden": (3, 0)}, "sizes of 1 or more"),
        ({"activation": "relish"}, "activation must be one of"),
        ({"family": "cauchy"}, "family must be one of"),
        ({"n_orderings": 0}, "sizes of 1 or more"),
    ],
)
def test_a_config_refuses_what_no_network_can_be(options, match):
    with pytest.raises(ValueError, match=match):
        model.Config((2, 2), **options)


def test_shapes_and_first_parameters():
    config = model.Config((2, 4, 0), (7, 5), n_components=3, n_classes=2)
    shapes = model.shapes(config)
    expected = {
        "W": (6 + 3, 7),
        "W2": (7, 5),
        "V": (1 + 4 + 9, 5),
        "b": (14,),
        "c": (2, 7),
        "c2": (5,),
    }
    assert dict(shapes) == expected and list(shapes) == list(expected)
    params = model.init(config, np.random.default_rng(0), np.float32)
    for name, a in params.items():
        bound = (6 / sum(a.shape)) ** 0.5 if name.startswith(model.WEIGHTS) else 0
        own = a[:5] if name in "Vb" else a  # behind them a real variable's
        assert np.abs(own).max() <= bound and (bound == 0 or np.abs(own).max() > bound / 2)
    assert np.abs(params["V"][5:]).max() <= 0.1 * (6 / 19) ** 0.5
    config = model.Config((0,), (7,), n_components=3)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params["V"][...] = 0
    x = np.linspace(-6, 6, 2001)[:, None]
    p = np.exp(model.log_prob(config, params, x))
    mean, square = ((p * x[:, 0] ** k).sum() * 12 / 2000 for k in (1, 2))
    assert abs(mean) < 1e-6 and abs(square - 1) < 0.02, "it begins near mean 0 and variance 1"
