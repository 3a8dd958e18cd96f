"""What every model of the registry must be: a distribution, causal, differentiated right."""

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare

from chainrule.engine import models
from chainrule.engine.event import Columns
from chainrule.engine.gradcheck import check, numeric_grad
from chainrule.engine.models import fvsbn, nade, nade_untied
from chainrule.kernels import triangular, use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.triangular.reference import unpack

OF_ROWS = models.of(Columns)
every_model = pytest.mark.parametrize("model", OF_ROWS.values(), ids=OF_ROWS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
NOISE = {np.float32: 2e-5, np.float64: 1e-12}  # relative, for sums of tens of terms


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def every_row(D):
    return np.array(list(product([0, 1], repeat=D)), np.uint8)


def bits(rng, *shape):
    return rng.integers(0, 2, shape, np.uint8)


def frequencies(x):
    """Return how often each of the 2^D rows, in the order of `every_row`, is in x."""
    D = x.shape[1]
    codes = x.astype(int) @ (1 << np.arange(D)[::-1])
    return np.bincount(codes, minlength=2**D)


def p_value(counts, p):
    assert counts[p == 0].sum() == 0, "an impossible row was drawn"
    return chisquare(counts[p > 0], counts.sum() * p[p > 0] / p.sum()).pvalue


# --- the gradient


@every_model
@pytest.mark.parametrize(("N", "D", "H"), [(4, 5, 3), (1, 2, 1), (7, 9, 5)])
def test_gradient_matches_central_differences(model, N, D, H, small, rng):
    config, params = small(model, D, H)
    x = bits(rng, N, D) if N > 1 else np.ones((1, D), np.uint8)  # a lone zero moves no weight
    grad = params.like()
    loss = model.loss_and_grad(config, params, x, grad)
    rounding = 16 * np.finfo(float).eps * loss / 2e-6  # of two losses, by twice the nudge
    for name, error in check(model, config, params, x).items():
        if grad[name].size == 0:  # of what a model can have and this one has not
            continue
        largest = np.abs(grad[name]).max()
        assert largest > 1e-6, f"{name}: a zero gradient proves nothing"
        assert error < 1e-8 + rounding / largest, name


@every_model
@both_dtypes
def test_loss_is_the_mean_negative_log_likelihood(model, dtype, small, rng):
    config, params = small(model, 8, 4, dtype)
    x = bits(rng, 33, 8)
    loss = model.loss_and_grad(config, params, x, params.like())
    assert isinstance(loss, float)
    assert_allclose(loss, -model.log_prob(config, params, x).mean(), rtol=NOISE[dtype])


@every_model
def test_gradient_overwrites_what_the_buffer_held(model, small, rng):
    config, params = small(model)
    x, clean, dirty = bits(rng, 6, 5), params.like(), params.like()
    dirty.flat[...] = np.nan
    model.loss_and_grad(config, params, x, clean)
    model.loss_and_grad(config, params, x, dirty)
    assert_array_equal(dirty.flat, clean.flat)


@every_model
@pytest.mark.parametrize("edges", [(0, 5, 9), (0, 1, 2, 9), (0, 3, 6, 9)])
def test_slices_of_a_minibatch_add_up(model, edges, small, rng):
    config, params = small(model)
    x, whole, part = bits(rng, 9, 5), params.like(), params.like()
    loss = model.loss_and_grad(config, params, x, whole)
    total, sum_of_parts = np.zeros_like(whole.flat), 0.0
    for lo, hi in pairwise(edges):
        sum_of_parts += model.loss_and_grad(config, params, x[lo:hi], part, total=9)
        total += part.flat
    assert_allclose(sum_of_parts, loss, rtol=1e-13)
    assert_allclose(total, whole.flat, rtol=1e-10, atol=1e-14)


@every_model
@pytest.mark.parametrize(("N", "D", "H"), [(4, 5, 3), (1, 1, 1), (7, 9, 5)])
def test_gradient_in_x_matches_central_differences_in_real_x(model, N, D, H, small, rng, backend):
    config, params = small(model, D, H)
    x, grad, dx = bits(rng, N, D), params.like(), np.full((N, D), np.nan)
    loss = model.loss_and_grad(config, params, x, grad, total=N + 3, dx=dx)
    without = params.like()
    assert model.loss_and_grad(config, params, x, without, total=N + 3) == loss
    assert_array_equal(grad.flat, without.flat)
    real = x.astype(np.float64)
    with use_backend("reference"):  # which takes real x
        numeric = numeric_grad(
            lambda: model.loss_and_grad(config, params, real, without, total=N + 3), real
        )
    assert np.abs(numeric).max() > 1e-4
    assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)


# --- the distribution


@every_model
@both_dtypes
@pytest.mark.parametrize("D", [1, 12])
def test_terms_sum_to_log_prob_and_are_the_conditionals(model, D, dtype, small, rng):
    config, params = small(model, D, 4, dtype)
    x = bits(rng, 20, D)
    terms = model.log_prob_terms(config, params, x)
    assert terms.shape == x.shape and terms.dtype == dtype
    p = model.conditionals(config, params, x)
    assert_allclose(terms, np.log(np.where(x, p, 1 - p)), rtol=20 * NOISE[dtype], atol=NOISE[dtype])
    assert_allclose(terms.sum(axis=1), model.log_prob(config, params, x), rtol=20 * NOISE[dtype])


@every_model
@both_dtypes
@pytest.mark.parametrize("D", [1, 2, 9])
def test_probabilities_sum_to_one(model, D, dtype, small):
    config, params = small(model, D, 4, dtype)
    log_p = model.log_prob(config, params, every_row(D))
    assert log_p.dtype == dtype
    assert_allclose(np.exp(log_p.astype(np.float64)).sum(), 1, rtol=NOISE[dtype])


@every_model
@both_dtypes
def test_log_prob_is_the_sum_over_the_conditionals(model, dtype, small, rng):
    config, params = small(model, 12, 4, dtype)
    x = bits(rng, 20, 12)
    p = model.conditionals(config, params, x)
    assert p.shape == x.shape and p.dtype == dtype
    by_chain_rule = np.log(np.where(x, p, 1 - p)).sum(axis=1)
    assert_allclose(model.log_prob(config, params, x), by_chain_rule, rtol=20 * NOISE[dtype])


@every_model
def test_conditional_i_sees_what_comes_before_it_and_nothing_else(model, small, rng):
    config, params = small(model, 7, 4)
    x = bits(rng, 3, 7)
    before = model.conditionals(config, params, x)
    for i in range(7):
        flipped = x.copy()
        flipped[:, i] ^= 1
        after = model.conditionals(config, params, flipped)
        assert_array_equal(after[:, : i + 1], before[:, : i + 1], err_msg=f"x_{i} is seen early")
        assert (after[:, i + 1 :] != before[:, i + 1 :]).all(), f"x_{i} is not seen later on"


# --- sampling


@every_model
@pytest.mark.parametrize(("N", "D"), [(1, 1), (1, 9), (70, 33)])
def test_sampling_step_by_step_is_recomputing_everything(model, N, D, small, rng):
    config, params = small(model, D, 4)
    u, x = rng.random((N, D)), np.zeros((N, D), np.uint8)
    for i in range(D):
        x[:, i] = u[:, i] < model.conditionals(config, params, x)[:, i]
    assert_array_equal(model.sample(config, params, u), x)


@every_model
@both_dtypes
def test_sampled_frequencies_are_the_probabilities(model, dtype, small, rng):
    config, params = small(model, 4, 3, dtype)
    u = rng.random((40_000, 4), dtype)
    x = model.sample(config, params, u)
    assert x.dtype == np.uint8
    p = np.exp(model.log_prob(config, params, every_row(4)).astype(np.float64))
    assert p_value(frequencies(x), p) > 1e-4


@every_model
@pytest.mark.parametrize("n_known", [1, 2, 3])
def test_a_given_prefix_is_completed_by_bayes(model, n_known, small, rng):
    config, params = small(model, 4, 3)
    prefix, N = np.array([1, 0, 1], np.uint8)[:n_known], 30_000
    given, u = np.zeros((N, 4), np.uint8), rng.random((N, 4))
    given[:, :n_known], u[:, :n_known] = prefix, -1
    x = model.sample(config, params, u, given)
    rows = every_row(4)
    joint = np.exp(model.log_prob(config, params, rows))
    joint[(rows[:, :n_known] != prefix).any(axis=1)] = 0  # p(x, prefix); /sum gives Bayes
    assert p_value(frequencies(x), joint) > 1e-4


def some_kept(rng, N, D):
    """Return bits, and uniforms of which each row keeps others: all, none, a share."""
    u = np.where(rng.random((N, D)) < rng.random((N, 1)), -0.5, rng.random((N, D)))
    u[0], u[-1] = -1, rng.random(D)
    return bits(rng, N, D), u


@every_model
def test_what_is_given_is_kept_row_by_row_and_the_rest_heeds_it(model, small, rng):
    config, params = small(model, 9, 4)
    given, u = some_kept(rng, 50, 9)
    before = given.copy()
    x = model.sample(config, params, u, given)
    assert_array_equal(given, before)
    if model.ABILITIES.any_order:  # heeds all that is kept, wherever it stands
        for i in range(9):
            p = model.marginals(config, params, x, (u < 0) | (np.arange(9) < i))[:, i]
            assert_array_equal(x[:, i], np.where(u[:, i] < 0, given[:, i], u[:, i] < p))
    else:
        assert_array_equal(x, np.where(u < 0, given, u < model.conditionals(config, params, x)))
    assert_array_equal(x[-1:], model.sample(config, params, u[-1:]))
    assert_array_equal(model.sample(config, params, u[1:2], given[1:2]), x[1:2])  # a row by itself
    with pytest.raises(
        ValueError, match=r"x must have the uniforms' shape, \(50, 9\), got \(1, 9\)"
    ):
        model.sample(config, params, u, given[:1])


@every_model
@both_dtypes
def test_a_sampler_goes_on_by_draws_and_by_given_values(model, dtype, small, rng):
    """In pieces of any size, `extend` draws what `sample` does; `put` of the same goes as far."""
    config, params = small(model, 9, 4, dtype)
    given, u = some_kept(rng, 20, 9)
    u = u.astype(dtype)
    if model.ABILITIES.any_order:  # `sample` heeds what a sampler is told only later
        u = np.abs(u) / 2
    whole = model.sample(config, params, u, given)
    p = model.conditionals(config, params, whole)
    drawing, told = (model.start(config, params, 20) for _ in range(2))
    for lo, hi in pairwise((0, 1, 1, 4, 9)):
        piece = drawing.extend(u[:, lo:hi], given[:, lo:hi])
        assert piece.dtype == np.uint8
        assert_array_equal(piece, whole[:, lo:hi])
        for i in range(lo, hi):
            for _ in range(2):  # looking moves nothing
                assert_allclose(told.peek(), p[:, i], rtol=20 * NOISE[dtype])
            assert told.peek().dtype == dtype
            told.put(whole[:, i])
        if hi < 9:
            assert_array_equal(told.peek(), drawing.peek())
    assert_array_equal(model.start(config, params, 20).extend(np.abs(u))[-1:], whole[-1:])


@every_model
def test_a_sampler_says_when_it_is_done_and_what_it_wants(model, small, rng):
    config, params = small(model, 3, 2)
    sampler = model.start(config, params, 2)
    with pytest.raises(ValueError, match=r"x must have shape \(2,\), got \(3,\)"):
        sampler.put(np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="a row has 3 variables, and 0 of them are known"):
        sampler.extend(rng.random((2, 4)))
    sampler.extend(rng.random((2, 3)))
    done = "a row has 3 variables, and 3 of them are known"
    with pytest.raises(ValueError, match=done):
        sampler.peek()
    with pytest.raises(ValueError, match=done):
        sampler.put(np.zeros(2, np.uint8))


@every_model
def test_a_model_without_labels_refuses_them(model, small, rng):
    config, params = small(model)
    x, y = bits(rng, 3, 5), np.arange(3, dtype=np.int32)
    calls = [
        lambda: model.log_prob(config, params, x, y),
        lambda: model.log_prob_terms(config, params, x, y),
        lambda: model.conditionals(config, params, x, y),
        lambda: model.sample(config, params, rng.random((3, 5)), x, y),
        lambda: model.start(config, params, 3, y),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="no labels but the class 0; leave y out"):
            call()


# --- sizes and backends


@every_model
@both_dtypes
@pytest.mark.parametrize(("N", "D", "H"), [(1, 1, 1), (1, 5, 3), (3, 1, 2), (2, 784, 2)])
def test_every_size_works(model, N, D, H, dtype, small, rng):
    config, params = small(model, D, H, dtype, scale=0.1)
    x, grad = bits(rng, N, D), params.like()
    p = model.conditionals(config, params, x).astype(np.float64)
    log_p = model.log_prob(config, params, x)
    assert_allclose(log_p, np.log(np.where(x, p, 1 - p)).sum(axis=1), rtol=1e-4)
    loss = model.loss_and_grad(config, params, x, grad)
    assert_allclose(loss, -log_p.mean(), rtol=1e-5)
    assert np.isfinite(grad.flat).all()
    assert model.sample(config, params, rng.random((N, D), dtype)).shape == (N, D)


@every_model
@both_dtypes
def test_backends_agree(model, dtype, small, rng, backend):
    config, params = small(model, 40, 17, dtype, scale=0.3)
    x, grad = bits(rng, 37, 40), params.like()
    truth, grads = {}, {}
    for name in HOST_BACKENDS:
        with use_backend(name):
            loss = model.loss_and_grad(config, params, x, grad)
            log_p, p = model.log_prob(config, params, x), model.conditionals(config, params, x)
            drawn = model.sample(config, params, np.full((2, 40), 0.5, dtype))
        truth[name], grads[name] = (loss, log_p, p, drawn), grad.copy()
    for ours, theirs in zip(*truth.values(), strict=True):
        assert_allclose(ours, theirs, rtol=NOISE[dtype], atol=NOISE[dtype])
    reference = grads["reference"]
    for name, ours in grads[backend].items():
        assert_allclose(
            ours, reference[name], atol=NOISE[dtype] * np.abs(reference[name]).max(initial=0)
        )


# --- one model at a time


def test_fvsbn_is_logistic_regression_on_a_strictly_lower_triangle(small, rng):
    config, params = small(fvsbn, 7)
    x, alpha = bits(rng, 9, 7), unpack(params["alpha"], 7)
    assert_array_equal(alpha, np.tril(alpha, -1))
    assert (alpha[np.tril_indices(7, -1)] != 0).all()
    for j in range(7):  # column by column, as the kernel's contract says
        start = triangular.offset(j, 7)
        assert_array_equal(params["alpha"][start : start + 6 - j], alpha[j + 1 :, j])
    expected = sigmoid(params["b"] + x @ alpha.T)
    assert_allclose(fvsbn.conditionals(config, params, x), expected, rtol=1e-14)


def test_tying_saves_parameters():
    D, H = 784, 500
    tied = nade.init(nade.Config(D, H), np.random.default_rng(0)).size
    untied = sum(np.prod(s) for s in nade_untied.shapes(nade_untied.Config(D, H)).values())
    assert tied == 2 * D * H + D + H
    assert untied == D * (D - 1) // 2 * H + 2 * D * H + D


def test_nade_is_untied_nade_with_its_weights_tied(small, rng):
    config, tied = small(nade, 6, 4)
    wide, untied = small(nade_untied, 6, 4)
    x, tied_grad, untied_grad = bits(rng, 11, 6), tied.like(), untied.like()
    untied["V"][...], untied["b"][...], untied["c"][...] = tied["V"], tied["b"], tied["c"]
    pairs = [(i, j) for i in range(6) for j in range(i)]  # row r of A holds A_ij
    for row, (_, j) in enumerate(pairs):
        untied["A"][row] = tied["W"][j]
    loss = nade.loss_and_grad(config, tied, x, tied_grad)
    assert_allclose(nade_untied.loss_and_grad(wide, untied, x, untied_grad), loss, rtol=1e-13)
    dW = np.zeros_like(tied["W"])  # what is shared gets the sum of its gradients
    for row, (_, j) in enumerate(pairs):
        dW[j] += untied_grad["A"][row]
    assert_allclose(tied_grad["W"], dW, rtol=1e-10, atol=1e-14)
    assert_allclose(tied_grad["c"], untied_grad["c"].sum(axis=0), rtol=1e-10)
    assert_allclose(tied_grad["V"], untied_grad["V"], rtol=1e-10, atol=1e-14)


@every_model
def test_init_follows_the_seed_and_puts_the_weights_first(model, small):
    config, _ = small(model)
    for dtype in (np.float32, np.float64):
        one, same, other = (model.init(config, np.random.default_rng(s), dtype) for s in (1, 1, 2))
        assert one.dtype == dtype and np.isfinite(one.flat).all()
        assert_array_equal(one.flat, same.flat)
        assert one.flat.any() == (one.flat != other.flat).any()  # all zero, or random
    assert 0 < one.leading(model.WEIGHTS) < one.size


def test_registry_knows_its_names():
    assert models.get("nade") is nade
    with pytest.raises(ValueError, match=r"unknown model 'nad'; there are fvsbn, nade"):
        models.get("nad")
