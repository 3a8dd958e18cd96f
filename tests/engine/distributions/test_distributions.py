"""What every distribution must be: five functions over raw outputs that agree with each other."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from chainrule.engine.distributions import bernoulli, categorical
from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

FIVE = ("n_outputs", "log_prob_terms", "loss_and_grad", "conditionals", "sample")
KINDS = {"bernoulli": bernoulli, "categorical": categorical}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def draw(rng, kind, N=6, D=5, K=4, dtype=np.float64):
    """Return outputs and values."""
    if kind == "bernoulli":
        return rng.normal(0, 2, (N, D)).astype(dtype), rng.integers(0, 2, (N, D), np.uint8)
    s = rng.normal(0, 2, (N, D, K)).astype(dtype)
    return s, rng.integers(0, K, (N, D)).astype(np.int32)


@every_kind
def test_five_functions_of_the_same_arguments(kind):
    for name in FIVE:
        ours = list(inspect.signature(getattr(KINDS[kind], name)).parameters)
        assert (
            ours[: 3 if name == "sample" else None]
            == {
                "n_outputs": ["K"],
                "log_prob_terms": ["s", "x"],
                "loss_and_grad": ["s", "x", "total", "ds"],
                "conditionals": ["s"],
                "sample": ["s", "u", "x"],
            }[name]
        )
    assert (bernoulli.n_outputs(2), categorical.n_outputs(7)) == (1, 7)


@every_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_are_the_logarithms_of_the_conditionals(kind, dtype, rng):
    s, x = draw(rng, kind, dtype=dtype)
    p, terms = KINDS[kind].conditionals(s), KINDS[kind].log_prob_terms(s, x)
    assert terms.dtype == p.dtype == dtype and terms.shape == x.shape and p.shape == s.shape
    if kind == "bernoulli":
        of_x = np.where(x, p, 1 - p)
    else:
        assert_allclose(p.sum(axis=-1), 1, rtol=1e-6)
        of_x = np.take_along_axis(p, x[..., None], axis=-1)[..., 0]
    assert_allclose(terms, np.log(of_x), rtol=1e-4 if dtype == np.float32 else 1e-11)


@every_kind
def test_loss_and_gradient(kind, rng):
    s, x = draw(rng, kind)
    of, ds = KINDS[kind], np.full_like(s, np.nan)
    loss = of.loss_and_grad(s, x, 9, ds)
    assert isinstance(loss, float)
    assert_allclose(loss, -of.log_prob_terms(s, x).sum() / 9, rtol=1e-12)
    numeric = numeric_grad(lambda: -float(of.log_prob_terms(s, x).sum()) / 9, s)
    assert np.abs(numeric).max() > 1e-3
    assert_allclose(ds, numeric, rtol=1e-6, atol=1e-8)
    assert of.loss_and_grad(s, x, 9, s) == loss
    assert_array_equal(s, ds)


@every_kind
def test_draws_keep_what_is_given_and_follow_the_conditionals(kind, rng):
    s, x = draw(rng, kind, 1, 3)
    N = 20_000
    s, given = np.repeat(s, N, axis=0), np.repeat(x, N, axis=0)
    u = rng.random(given.shape)
    u[:, 1], u[::2, 2] = -0.5, -1
    drawn = given.copy()
    assert KINDS[kind].sample(s, u, drawn) is None
    assert_array_equal(drawn[u < 0], given[u < 0])
    p = KINDS[kind].conditionals(s[0])[0]
    p = np.array([1 - p, p]) if kind == "bernoulli" else p
    assert chisquare(np.bincount(drawn[:, 0], minlength=len(p)), N * p).pvalue > 1e-4


def test_no_value_contributes_nothing(rng):
    s, x = draw(rng, "categorical")
    x[2:, 3] = -1
    ds = np.full_like(s, np.nan)
    loss = categorical.loss_and_grad(s, x, 1, ds)
    terms = categorical.log_prob_terms(s, x)
    assert not terms[x < 0].any() and not ds[x < 0].any() and terms[x >= 0].all()
    assert_allclose(loss, -terms.sum(), rtol=1e-12)


def test_categorical_takes_rows_of_logits_too(rng):
    s, x = draw(rng, "categorical")
    flat = categorical.log_prob_terms(s.reshape(-1, 4), x.reshape(-1))
    assert_array_equal(flat, categorical.log_prob_terms(s, x).reshape(-1))


def test_large_outputs_overflow_nowhere():
    s = np.array([[1e4, -1e4, 0.0]])
    assert_array_equal(bernoulli.conditionals(s), [[1, 0, 0.5]])
    assert_array_equal(categorical.conditionals(s), [[1, 0, 0]])
