"""Layers on top of each other: every gradient, any number of them, on any number of threads."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.parity import agree

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import activation, dense, matrices, use_threads
from chainrule.kernels.dense import NONE, cpu, reference

SIZES = [(3, 4), (5, 2, 6), (4, 3, 5, 2), (1, 1, 1, 1), (33, 70, 41, 12), (300, 50, 17)]
KINDS = (activation.SIGMOID, NONE, activation.RELU, activation.TANH)


@pytest.fixture(autouse=True)
def many_threads(monkeypatch):
    """Let three threads share even the smallest layer."""
    monkeypatch.setattr(cpu, "THREAD_WORK", 1)
    with use_threads(3):
        yield


def draw(rng, N, sizes, rows=1, turned=(), dtype=np.float64):
    """Return kinds, x, W and c; rows: of c_1; turned: which W are transposes."""
    pairs = list(enumerate(pairwise(sizes)))
    W = [rng.normal(size=pair).astype(dtype) for _, pair in pairs]
    W = [np.asfortranarray(W_l) if l in turned else W_l for l, W_l in enumerate(W)]
    c = [rng.normal(size=(1 if l else rows, H)).astype(dtype) for l, (_, H) in pairs]
    x = rng.normal(size=(N, sizes[0])).astype(dtype)
    return tuple(KINDS[l % len(KINDS)] for l, _ in pairs), x, tuple(W), tuple(c)


def forward(op, kinds, x, W, c):
    h = tuple(np.full((len(x), W_l.shape[1]), np.nan, x.dtype) for W_l in W)
    op.forward(kinds, x, W, c, h)
    return h


def backward(op, kinds, x, W, h, last, first_bias=True):
    dh = tuple(np.full_like(h_l, np.nan) for h_l in h)
    dh[-1][...] = last
    dW = tuple(np.full_like(W_l, np.nan) for W_l in W)
    rows = [1] * len(W) if first_bias else [0, *[1] * (len(W) - 1)]
    dc = tuple(np.full((n, h_l.shape[1]), np.nan, x.dtype) for n, h_l in zip(rows, h, strict=True))
    op.backward(kinds, x, W, h, dh, dW, dc)
    return dh, dW, dc


@pytest.mark.parametrize("sizes", SIZES[:3], ids=str)
def test_gradients(sizes, backend, rng):
    kinds, x, W, c = draw(rng, 4, sizes, turned=(0, 2))
    last = rng.normal(size=(4, sizes[-1]))

    def loss():
        return float((forward(dense, kinds, x, W, c)[-1] * last).sum())

    h = forward(dense, kinds, x, W, c)
    dh, dW, dc = backward(dense, kinds, x, W, h, last)
    for gradients, arrays in ((dW, W), (dc, c), ([dh[0] @ W[0].T], [x])):
        for gradient, a in zip(gradients, arrays, strict=True):
            agree(gradient, numeric_grad(loss, a), str(a.shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 2, 19, 130])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_cpu_rounds_no_worse_than_numpy(sizes, N, dtype, rng, assert_rounds_like_numpy):
    last = rng.normal(size=(N, sizes[-1]))
    given = draw(rng, N, sizes, N, (len(sizes) - 2,), dtype)

    def run(op, dtype):
        kinds, x, W, c = (
            given[0],
            given[1].astype(dtype),
            *(tuple(a.astype(dtype) for a in arrays) for arrays in given[2:]),
        )
        h = forward(op, kinds, x, W, c)
        dh, dW, dc = backward(op, kinds, x, W, h, last.astype(dtype), first_bias=False)
        return *h, *dh, *dW, *dc

    results = run(cpu, dtype), run(reference, dtype), run(reference, np.float64)
    if dtype == np.float64:
        for got, ref in zip(*results[:2], strict=True):
            assert_allclose(got, ref, rtol=1e-10, atol=1e-12)
        return
    for got, ref, true in zip(*results, strict=True):
        assert_rounds_like_numpy(got, ref, true)


def test_threads_change_no_bit(rng):
    given = draw(rng, 60, (70, 90, 33, 200), turned=(1,))
    last = rng.normal(size=(60, 200))

    def run(n):
        with use_threads(n):
            h = forward(cpu, *given)
            dh, dW, dc = backward(cpu, *given[:3], h, last)
            return *h, *dh, *dW, *dc

    alone = run(1)
    for n in (2, 3, 8):
        for one, several in zip(alone, run(n), strict=True):
            assert_array_equal(one, several)


def test_matrices_that_are_no_blocks_of_memory_are_refused():
    with pytest.raises(ValueError, match="contiguous and of one dtype"):
        matrices.places([np.zeros((4, 4))[:, :2]])
    with pytest.raises(ValueError, match="contiguous and of one dtype"):
        matrices.places([np.zeros((4, 4)), np.zeros((4, 4), np.float32)])


def test_gradients_that_lie_otherwise_than_their_weights_are_refused(rng):
    kinds, x, W, c = draw(rng, 4, (5, 6))
    h = forward(cpu, kinds, x, W, c)
    with pytest.raises(ValueError, match="dW must be transposes where W are"):
        cpu.backward(kinds, x, W, h, h, (np.asfortranarray(W[0]),), c)
