"""What a Transformer is made of besides attention: gradients, host twins side by side, extremes."""

from importlib import import_module

import numpy as np
import pytest
from cuda_on_cpu.cases import SHAPES, Expected
from cuda_on_cpu.cases import TRANSFORMER_PARTS as CASES
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import (
    embedding,
    gelu,
    layer_norm,
    rotary,
    softmax_cross_entropy,
    use_backend,
    use_threads,
)
from chainrule.kernels.dispatch import HOST_BACKENDS

SIZES = [(1, 1), (1, 2), (4, 3), (3, 9), (2, 17)]
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


@pytest.fixture(params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def twin(name):
    return import_module(f"chainrule.kernels.{name}.cpu")


@pytest.mark.parametrize("threads", [1, 3])
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_cpu_rounds_no_worse_than_numpy(name, shape, dtype, threads, rng, monkeypatch):
    monkeypatch.setattr(twin(name), "THREAD_WORK", 0)
    case = CASES[name]
    inputs = case.inputs(rng, *shape)
    reference = import_module(f"chainrule.kernels.{name}.reference")
    expected = Expected(case, reference, inputs, dtype)
    given = {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in inputs.items()}
    kept = {k: a.copy() for k, a in given.items()}
    with use_threads(threads):
        expected.check(case.run(twin(name), **given))
    for key, before in kept.items():
        assert_array_equal(given[key], before, err_msg=f"{key} was changed")


# --- gradients, each with a random upstream


def agree(ours, numeric, name):
    assert_allclose(ours, numeric, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("size", SIZES)
def test_layer_norm_gradient(size, backend, rng):
    N, C = size
    x, g, b = rng.normal(1, 2, size), rng.normal(size=C), rng.normal(size=C)
    dy, y, mean, rstd = rng.normal(size=size), np.empty(size), np.empty(N), np.empty(N)

    def loss():
        layer_norm.forward(x, g, b, y, mean, rstd)
        return float((y * dy).sum())

    numeric = [numeric_grad(loss, p) for p in (x, g, b)]
    loss()
    upstream = rng.normal(size=size)  # of x's other uses: what is found must be added to it
    dx, dg, db = upstream.copy(), np.full(C, np.nan), np.full(C, np.nan)
    layer_norm.backward(dy, x, g, mean, rstd, dx, dg, db)
    for name, ours, theirs in zip("xgb", (dx - upstream, dg, db), numeric, strict=True):
        agree(ours, theirs, f"d{name}")


@pytest.mark.parametrize("size", SIZES)
def test_gelu_gradient(size, backend, rng):
    u, b, dy, y = rng.normal(0, 2, size), rng.normal(size=size[1]), rng.normal(size=size), None
    y = np.empty(size)

    def loss():
        gelu.forward(u, b, y)
        return float((y * dy).sum())

    du, db = np.empty(size), np.empty(size[1])
    gelu.backward(dy, u, b, du, db)
    agree(du, numeric_grad(loss, u), "du")
    agree(db, numeric_grad(loss, b), "db")


@pytest.mark.parametrize("size", SIZES)
def test_cross_entropy_gradient(size, backend, rng):
    N, V = size
    s, dnll = rng.normal(0, 2, size), rng.normal(size=N)
    y = rng.integers(0, V, N).astype(np.int32)
    y[N // 2 :: 3] = -1 if N > 1 else y[0]
    ds, both = np.empty(size), np.empty(size)
    softmax_cross_entropy.backward(dnll, s, y, ds)
    agree(ds, numeric_grad(lambda: float(softmax_cross_entropy.forward(s, y) @ dnll), s), "ds")
    softmax_cross_entropy.nll_and_grad(s, y, 0.7, both)
    numeric = numeric_grad(lambda: 0.7 * float(softmax_cross_entropy.forward(s, y).sum()), s)
    agree(both, numeric, "ds of both")


@pytest.mark.parametrize("size", SIZES)
def test_embedding_gradient(size, backend, rng):
    V, C = size
    W, ids, dx = rng.normal(size=size), rng.integers(0, V, 6).astype(np.int32), None
    dx, x = rng.normal(size=(6, C)), np.empty((6, C))

    def loss():
        embedding.forward(ids, W, x)
        return float((x * dx).sum())

    held = rng.normal(size=size)
    dW = held.copy()
    embedding.backward(dx, ids, dW)
    agree(dW - held, numeric_grad(loss, W), "dW")


@pytest.mark.parametrize("d", [2, 4, 6])
def test_rotary_gradient_is_the_rotation_back(d, backend, rng):
    x, dy = rng.normal(size=(2, 3, 2, d)), rng.normal(size=(2, 3, 2, d))

    def loss():
        y = x.copy()
        rotary.rotate(y, 4, 1)
        return float((y * dy).sum())

    dx = dy.copy()
    rotary.rotate(dx, 4, -1)
    agree(dx, numeric_grad(loss, x), "dx")


# --- what each is for, and its extremes


@both_dtypes
def test_layer_norm_makes_mean_0_and_variance_1(dtype, backend, rng):
    x = rng.normal(100, 3, (5, 64)).astype(dtype)
    y, one = np.empty_like(x), np.ones(64, dtype)
    layer_norm.forward(x, one, 0 * one, y, np.empty(5, dtype), np.empty(5, dtype))
    assert_allclose(y.mean(axis=1), 0, atol=1e-4)
    assert_allclose(y.std(axis=1), 1, rtol=1e-4)
    constant = np.full((1, 64), 7, dtype)
    y = np.full((1, 64), np.nan, dtype)
    layer_norm.forward(constant, one, one, y, np.empty(1, dtype), np.empty(1, dtype))
    assert_array_equal(y, 1)


def test_gelu_is_close_to_the_exact_form(backend):
    from scipy.stats import norm

    u = np.linspace(-9, 9, 2001)[None]
    y = np.empty_like(u)
    gelu.forward(u, np.zeros(u.shape[1]), y)
    assert_allclose(y, u * norm.cdf(u), atol=5e-4)


@both_dtypes
def test_gelu_of_large_numbers(dtype, backend):
    u = np.array([[-1e4, -50, 0, 50, 1e4]], dtype)
    y, du, db = np.empty_like(u), np.empty_like(u), np.empty_like(u[0])
    gelu.forward(u, 0 * u[0], y)
    gelu.backward(np.ones_like(u), u, 0 * u[0], du, db)
    assert_allclose(y, [[0, 0, 0, 50, 1e4]], atol=1e-20)
    assert_allclose(du, [[0, 0, 0.5, 1, 1]], atol=1e-20)


@both_dtypes
def test_cross_entropy_of_logits_of_ten_thousand(dtype, backend):
    s = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], dtype)
    y = np.array([0, 1, 2, 0], np.int32)
    ds = np.empty_like(s)
    nll = softmax_cross_entropy.nll_and_grad(s, y, 1.0, ds)
    third = 1 / 3
    assert_allclose(nll, [0, 2e4, np.log(3), np.log(3)], rtol=1e-6)
    expected = [[0, 0, 0], [1, -1, 0], [third, third, -2 * third], [-2 * third, third, third]]
    assert_allclose(ds, expected, atol=1e-6)
    assert_allclose(softmax_cross_entropy.forward(s, y), nll, rtol=1e-6)


@both_dtypes
def test_cross_entropy_ignores_padding_and_gradients_sum_to_zero(dtype, backend, rng):
    s, y = rng.normal(size=(40, 7)).astype(dtype), rng.integers(-1, 7, 40).astype(np.int32)
    ds = np.empty_like(s)
    nll = softmax_cross_entropy.nll_and_grad(s, y, 1.0, ds)
    assert_array_equal(nll[y < 0], 0)
    assert_array_equal(ds[y < 0], 0)
    assert_allclose(ds.sum(axis=1), 0, atol=4e-6)


def test_nan_is_not_swallowed(backend, rng):
    s, y = rng.normal(size=(3, 9)), np.zeros(3, np.int32)
    s[1, 4] = np.nan
    assert_array_equal(np.isnan(softmax_cross_entropy.forward(s, y)), [False, True, False])
    x, out = rng.normal(size=(3, 9)), np.empty((3, 9))
    x[1, 4] = np.nan
    layer_norm.forward(x, np.ones(9), np.ones(9), out, np.empty(3), np.empty(3))
    assert_array_equal(np.isnan(out).any(axis=1), [False, True, False])
    gelu.forward(x, np.zeros(9), out)
    assert_array_equal(np.argwhere(np.isnan(out)), [[1, 4]])


@both_dtypes
def test_rotary_products_depend_on_the_distance_alone(dtype, backend, rng):
    q, k = rng.normal(size=(2, 1, 1, 1, 8)).astype(dtype)

    def product(at, other):
        a, b = q.copy(), k.copy()
        rotary.rotate(a, at, 1)
        rotary.rotate(b, other, 1)
        return float((a * b).sum())

    assert_allclose(product(3, 1), product(1002, 1000), rtol=1e-3)
    assert abs(product(3, 1) - product(4, 1)) > 1e-3


def test_rotating_forth_and_back_is_nothing(backend, rng):
    x = rng.normal(size=(2, 5, 3, 6))
    y = x.copy()
    rotary.rotate(y, 7, 1)
    assert_allclose((y**2).sum(axis=-1), (x**2).sum(axis=-1))  # a rotation keeps lengths
    rotary.rotate(y, 7, -1)
    assert_allclose(y, x)
