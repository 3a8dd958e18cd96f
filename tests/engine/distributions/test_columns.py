"""Rows of any kinds of variables: each is its own kind's, and uniforms and rows are one thing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from chainrule.engine.distributions import bernoulli, categorical, columns, mixture
from chainrule.engine.event import Columns
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.params import Params
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import use_backend
from chainrule.kernels.columns import layout
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE

VALUES = (2, 0, 1, 5, 2, 0, 3)
tables = pytest.mark.parametrize(
    "values", [VALUES, (2, 2, 2), (4, 1, 2), (0,), (0, 0)], ids=lambda values: str(values)
)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def rows(rng, values, N=6, dtype=np.float64, family=GAUSSIAN, learned=True):
    """Return a layout of mixtures of 2, outputs and rows."""
    table = layout(values, 2, family, learned)
    s = rng.normal(0, 2, (N, table.first[-1])).astype(dtype)
    x = np.stack([rng.integers(0, K, N) if K else rng.normal(size=N) for K in values], axis=1)
    return table, s, x.astype(Columns(values).dtype_with(dtype))


def own(table, s, i):
    """Return the outputs of variable i, (N, n_i)."""
    return np.ascontiguousarray(s[:, table.first[i] : table.first[i + 1]])


def test_outputs_of_each_kind():
    assert [columns.n_outputs(K, 3) for K in VALUES] == [1, 6, 1, 5, 1, 6, 3]
    assert columns.n_outputs(0, 3, True) == 9
    assert_array_equal(layout((2, 0, 4), 3).first, [0, 1, 7, 11])


@tables
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_and_conditionals_are_those_of_each_kind(values, dtype, rng):
    table, s, x = rows(rng, values, dtype=dtype)
    terms, p = columns.log_prob_terms(table, s, x), columns.conditionals(table, s)
    assert terms.dtype == p.dtype == dtype and terms.shape == x.shape
    assert p.shape == (*x.shape, max(6 if K == 0 else K for K in values))
    for i, K in enumerate(values):
        of_i, x_i = own(table, s, i), np.ascontiguousarray(x[:, i])
        if K == 2:
            expected = bernoulli.log_prob_terms(of_i, x_i[:, None].astype(np.uint8))[:, 0]
            assert_allclose(p[:, i, 1], bernoulli.conditionals(of_i[:, 0]), rtol=1e-6)
            assert_allclose(p[:, i, 0], 1 - p[:, i, 1], atol=1e-6)
        elif K == 0:
            expected = mixture.log_prob_terms(of_i, x_i, table.family, table.learned)
            assert_array_equal(p[:, i, :6], mixture.conditionals(of_i, table.learned))
        else:
            expected = categorical.log_prob_terms(of_i, x_i.astype(np.int32))
            assert_array_equal(p[:, i, :K], categorical.conditionals(of_i))
        assert_allclose(terms[:, i], expected, rtol=1e-5, atol=1e-6)
        assert not p[:, i, K or 6 :].any()


@tables
@pytest.mark.parametrize("family", [GAUSSIAN, LAPLACE])
def test_loss_and_gradient(values, family, rng):
    table, s, x = rows(rng, values, family=family)
    ds = np.full_like(s, np.nan)
    loss = columns.loss_and_grad(table, s, x, 9, ds)
    assert isinstance(loss, float)

    def by_terms():
        return -float(columns.log_prob_terms(table, s, x).sum()) / 9

    assert_allclose(loss, by_terms(), rtol=1e-12)
    numeric = numeric_grad(by_terms, s)
    assert np.abs(numeric).max() > 1e-3
    assert_allclose(ds, numeric, rtol=1e-6, atol=1e-8)
    assert columns.loss_and_grad(table, s, x, 9, s) == loss
    assert_array_equal(s, ds)


@tables
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_drawing_from_the_uniforms_of_x_returns_x(values, dtype, rng):
    table, s, x = rows(rng, values, 500, dtype)
    for v in (rng.random(x.shape), np.zeros(x.shape), np.full(x.shape, np.nextafter(1, 0))):
        u = columns.uniforms(table, s, x, v)
        assert u.dtype == np.float64 and (u >= 0).all() and (u < 1).all()
        for i, K in enumerate(values):
            again = np.full_like(x[:, i], 7)
            columns.sample(table, i, own(table, s, i), u[:, i], again)
            if K:
                assert_array_equal(again, x[:, i])
            else:
                p = np.exp(mixture.log_prob_terms(own(table, s, i), x[:, i], GAUSSIAN, True))
                dense = p > 1e-2  # elsewhere several x have one u, and any of them comes back
                assert dense.mean() > 0.5
                off = np.abs(again - x[:, i])[dense]  # nothing at all in float32
                assert off.max() <= (1e-13 if dtype == np.float64 else 0)
                u_again = mixture.cdf(own(table, s, i), again, GAUSSIAN, True)
                assert_allclose(u_again[~dense], u[~dense, i], rtol=1e-3, atol=1e-14)


def test_the_uniforms_of_draws_are_uniform(rng):
    N = 5000
    table, s, x = rows(rng, VALUES, 1)
    s, x = np.repeat(s, N, axis=0), np.repeat(x, N, axis=0)
    for i in range(len(VALUES)):
        columns.sample(table, i, own(table, s, i), rng.random(N), x[:, i])
    u = columns.uniforms(table, s, x, rng.random(x.shape))
    for i in range(len(VALUES)):
        assert kstest(u[:, i], "uniform").pvalue > 1e-3, VALUES[i]


def test_a_value_far_less_likely_than_rounding_keeps_its_interval():
    table = layout((3, 2))
    s = np.array([[0.0, -60.0, 0.0, 0.0], [-60.0, 0.0, 0.0, 60.0]])
    x = np.array([[1, 1], [0, 0]], np.int32)
    u = columns.uniforms(table, s, x, np.full((2, 2), 0.5))
    assert (u[1, 0] > 0) and u[1, 0] < 1e-25  # the lower tail has all the digits
    drawn = np.full(2, 7, np.int32)
    columns.sample(table, 0, s[:, :3], u[:, 0], drawn)
    assert drawn[1] == 0


class Chain:
    """Units whose outputs for x_i depend on x_{i-1}."""

    def __init__(self, table, s, x0):
        self.table, self.s, self.last = table, s, x0

    def outputs(self, i):
        return own(self.table, self.s + np.tanh(self.last)[:, None].astype(self.s.dtype), i)

    def move(self, i, x):
        self.last = x.astype(float)


@tables
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_stepper_draws_and_takes_columns_of_any_kind(values, dtype, rng):
    N, event = 40, Columns(values)
    table, s, x = rows(rng, values, N, dtype)
    params = Params({"b": (3,)}, dtype=dtype)

    def stepper():
        return Stepper(Chain(table, s, np.zeros(N)), columns.variables(table), event, params, N)

    u = rng.random(x.shape)
    drawn = stepper().extend(u)
    assert drawn.dtype == event.dtype_with(dtype)
    in_pieces, by_hand = stepper(), stepper()
    for i, K in enumerate(values):
        assert_array_equal(in_pieces.extend(u[:, [i]])[:, 0], drawn[:, i])
        p = by_hand.peek()
        assert p.shape == ((N,) if K == 2 else (N, K or 6))
        by_hand.put(drawn[:, i])
    with pytest.raises(ValueError, match=f"a row has {len(values)} variables"):
        by_hand.peek()
    kept = u.copy()
    kept[::2] = -1
    mixed = stepper().extend(kept, x)
    assert_array_equal(mixed[::2], x[::2])
    assert_array_equal(mixed[1::2], drawn[1::2])


def test_real_columns_are_of_the_parameters_dtype():
    event = Columns((0, 3))
    u = np.zeros((2, 2))
    assert started(u, None, event).dtype == np.float32
    assert started(u, None, event, event.dtype_with(np.float64)).dtype == np.float64
    assert started(u, u + 0.1, event, np.float64)[0, 0] == 0.1
    assert Columns((2, 3)).dtype_with(np.float64) == np.int32
