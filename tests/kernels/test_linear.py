"""The linear map: its gradient, its products at every size and layout, and whose bits they are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import linear, use_threads
from chainrule.kernels.linear import cpu, panels, reference
from chainrule.kernels.linear.packed import packed, product
from chainrule.kernels.threads import map_rows

FLOATS = [np.float32, np.float64]
# Parts of a tile, of a panel and of a vector; more k and more rows than are laid out at once.
SIZES = [
    *((N, 3, 5) for N in range(1, 10)),
    *((0, 3, 2), (3, 0, 2), (2, 3, 0), (1, 1, 1), (37, 13, 11), (16, 16, 48), (17, 33, 49)),
    *((9, 257, 7), (8, 600, 97), (1, 300, 130), (1030, 5, 20), (50, 20, 200)),
]


@pytest.fixture
def many_threads(monkeypatch):
    """Let three threads share even the smallest product."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 1)
    with use_threads(3):
        yield


def draw(rng, N=37, I=13, O=11, dtype=np.float64):
    return [rng.normal(size=shape).astype(dtype) for shape in ((N, I), (I, O), (O,), (N, O))]


def run(op, x, W, b, dy):
    y, dx, dW, db = (np.full_like(a, np.nan) for a in (dy, x, W, b))
    op.forward(x, W, b, y)
    op.backward(dy, x, W, dx, dW, db)
    return y, dx, dW, db


def test_gradient_is_the_finite_difference(rng, backend):
    x, W, b, dy = draw(rng, 5, 3, 4)
    _, *gradients = run(linear, x, W, b, dy)

    def loss():
        y = np.empty(dy.shape)
        linear.forward(x, W, b, y)
        return float((y * dy).sum())

    for a, gradient in zip((x, W, b), gradients, strict=True):
        assert_allclose(gradient, numeric_grad(loss, a), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_cpu_rounds_no_worse_than_numpy(size, dtype, many_threads, rng, assert_rounds_like_numpy):
    given = draw(rng, *size, dtype)
    ours, numpys = run(cpu, *given), run(reference, *given)
    truths = run(reference, *(a.astype(np.longdouble) for a in given))
    for got, ref, true in zip(ours, numpys, truths, strict=True):
        assert_rounds_like_numpy(got, ref, true)


@pytest.mark.parametrize("transposed", range(8))
def test_any_of_the_three_may_be_a_transpose(transposed, many_threads, rng):
    x, W, _, y = draw(rng, 19, 21, 50)
    lying = [np.asfortranarray(a) if transposed >> k & 1 else a for k, a in enumerate((x, W, y))]
    cpu.product(*lying)
    assert_allclose(lying[2], x @ W, rtol=1e-12, atol=1e-12)
    b = rng.normal(size=50)
    cpu.forward(*lying[:2], b, lying[2])
    assert_allclose(lying[2], x @ W + b, rtol=1e-12, atol=1e-12)


def test_parts_of_larger_arrays(rng):
    """Rows that lie further apart than they are long, and neighbours that must stay as they are."""
    x, W, y = (np.full((60, 90), 7.0) for _ in range(3))
    inner = np.s_[5:30, 3:28], np.s_[10:35, 1:52], np.s_[4:29, 30:81]
    for a, part in zip((x, W), inner[:2], strict=True):
        a[part] = rng.normal(size=a[part].shape)
    cpu.product(x[inner[0]], W[inner[1]], y[inner[2]])
    assert_allclose(y[inner[2]], x[inner[0]] @ W[inner[1]], rtol=1e-12, atol=1e-12)
    b = rng.normal(size=51)
    cpu.forward(x[inner[0]], W[inner[1]], b, y[inner[2]])
    assert_allclose(y[inner[2]], x[inner[0]] @ W[inner[1]] + b, rtol=1e-12, atol=1e-12)
    y[inner[2]] = 7
    assert (y == 7).all()
    cpu.product(x[5:55:2, 3:53:2], W[10:35, 1:52], y[4:29, 30:81])  # no rows, no transpose
    assert_allclose(y[4:29, 30:81], x[5:55:2, 3:53:2] @ W[10:35, 1:52], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_row_is_the_same_alone_among_others_and_on_threads(dtype, rng, monkeypatch):
    x, W, _, dy = draw(rng, 101, 520, 77, dtype)
    for op_x, op_W in ((x, W), (dy, W.T)):  # F1, B3
        alone = np.concatenate([_product(row[None], op_W) for row in op_x])
        monkeypatch.setattr(cpu, "THREAD_WORK", 1)
        for n in (1, 2, 3, 7):
            with use_threads(n):
                assert_array_equal(_product(op_x, op_W), alone)
                assert_array_equal(_product(op_x[40:57], op_W), alone[40:57])


def _product(x, W):
    y = np.empty((len(x), W.shape[1]), x.dtype)
    cpu.product(x, W, y)
    return y


def test_two_threads_multiply(rng, monkeypatch):
    """A large product alone is split, and none within a slice of a minibatch."""
    seen = []
    multiply = panels.multiply_part

    def watched(*args):
        seen.append((args[4].shape, *args[-3:]))
        multiply(*args)

    monkeypatch.setattr(panels, "multiply_part", watched)
    x, W, y = rng.random((4096, 64)), rng.random((64, 64)), np.empty((4096, 64))
    with use_threads(2):
        linear.product(x, W, y)
        map_rows(lambda lo, hi: linear.product(x[lo:hi], W, y[lo:hi]), len(x))
        linear.product(x[:8], W, y[:8])
    whole = 0, cpu.PARTS, cpu.PARTS
    halves = [(0, cpu.PARTS // 2, cpu.PARTS), (cpu.PARTS // 2, cpu.PARTS, cpu.PARTS)]
    assert sorted(seen[:2]) == [((4096, 64), *half) for half in halves]
    assert seen[2:] == [((2048, 64), *whole)] * 2 + [((8, 64), *whole)]


def test_nan_and_infinity_show(rng):
    x, W, _, y = draw(rng, 9, 20, 60)
    x[3, 4], W[7, 50] = np.nan, np.inf
    cpu.product(x, W, y)
    with np.errstate(invalid="ignore"):
        assert_array_equal(np.isfinite(y), np.isfinite(x @ W))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 16), (5, 17), (16, 5), (300, 100)])
def test_product_with_a_matrix_that_is_laid_out_once(shape, dtype, transpose, rng):
    """To the bits of any other product; y wider than it, or as wide, its neighbours left alone."""
    K, N = shape
    W = rng.normal(size=shape[::-1] if transpose else shape).astype(dtype)
    panels_of_W, of_W = packed(W, transpose), W.T if transpose else W
    for M in (1, 2, 5, 8, 13):
        x = rng.normal(size=(M, K + 2)).astype(dtype)[:, :K]
        wide = np.full((M, panels_of_W.shape[0] * panels_of_W.shape[2]), np.nan, dtype)
        product(x, panels_of_W, wide)
        assert_array_equal(wide[:, :N], _product(x, of_W))
        assert (wide[:, N:] == 0).all()
        beside = np.full((M, N + 3), 7, dtype)
        product(x, panels_of_W, beside[:, :N])
        assert_array_equal(beside[:, :N], wide[:, :N])
        assert (beside[:, N:] == 7).all()
