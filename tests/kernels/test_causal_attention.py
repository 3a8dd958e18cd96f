"""Causal attention on the host: gradients, causality both ways, twins side by side, extremes."""

import numpy as np
import pytest
from cuda_on_cpu.cases import HEADROOM
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import causal_attention, tiles, use_backend, use_threads
from chainrule.kernels.causal_attention import cpu, reference
from chainrule.kernels.dispatch import HOST_BACKENDS

FLOATS = [np.float32, np.float64]
# Around a tile's rows, a panel's columns and a block's queries, and over several chunks of keys;
# heads that are whole vectors and heads that are not.
SHAPES = [
    (1, 1, 1, 1),
    (2, 1, 3, 16),
    (2, 5, 2, 3),
    (1, tiles.HEIGHT, 1, 32),
    (2, tiles.HEIGHT + 1, 2, 16),
    (3, 17, 1, 40),
    (1, 33, 2, 128),
    (1, cpu.BLOCK, 1, 64),
    (1, cpu.BLOCK + 1, 2, 20),
    (1, 60, 1, 48),
    (2, 131, 1, 32),
    (1, cpu.CHUNK + 13, 2, 16),
]


@pytest.fixture(params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def fused(rng, N, T, n, d, dtype=np.float64, scale=1.0):
    """Return q, k, v as views of one projection, and an upstream gradient."""
    qkv = (scale * rng.normal(size=(N, T, 3, n, d))).astype(dtype)
    do = rng.normal(size=(N, T, n, d)).astype(dtype)
    return qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], do


def run(op, q, k, v, do):
    """Return o, lse and the gradients, which lie between each other in one fused array."""
    (N, T, n, d), dtype = q.shape, q.dtype
    o, lse = np.full(q.shape, np.nan, dtype), np.full((N, n, T), np.nan, dtype)
    op.forward(q, k, v, o, lse)
    space = np.full((N, T, 4, n, d), np.nan, dtype)
    dq, dk, dv = (space[:, :, i] for i in range(3))
    op.backward(do, q, k, v, o, lse, dq, dk, dv)
    assert np.isnan(space[:, :, 3]).all(), "wrote beside the gradients"
    return {"o": o, "lse": lse, "dq": dq, "dk": dk, "dv": dv}


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 4, 2, 3), (1, 9, 1, 2), (2, 7, 1, 8)])
def test_gradient(shape, backend, rng):
    q, k, v, do = fused(rng, *shape)
    o, lse = np.empty(shape), np.empty((shape[0], shape[2], shape[1]))

    def loss():
        causal_attention.forward(q, k, v, o, lse)
        return float((o * do).sum())

    ours = run(causal_attention, q, k, v, do)
    for name, p in {"dq": q, "dk": k, "dv": v}.items():
        numeric = numeric_grad(loss, p)
        assert_allclose(ours[name], numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert shape[1] == 1 or np.abs(numeric).max() > 1e-3, "a zero gradient proves nothing"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cpu_rounds_no_worse_than_numpy(shape, dtype, threads, rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    if threads > 1:  # several chunks of keys, in the larger shapes
        monkeypatch.setattr(cpu, "BACKWARD_BLOCK", cpu.BLOCK)
        monkeypatch.setattr(cpu, "CHUNK", cpu.BLOCK)
    inputs = fused(rng, *shape, dtype)
    truth = run(reference, *(a.astype(np.float64) for a in inputs))
    numpys = run(reference, *inputs)
    kept = [a.copy() for a in inputs]
    with use_threads(threads):
        ours = run(cpu, *inputs)
    largest = max(np.abs(a).max() for a in truth.values())  # at T = 1, dq and dk are exactly 0
    for name, true in truth.items():
        floor = 16 * np.finfo(dtype).eps * largest
        allowed = HEADROOM * np.abs(numpys[name] - true).max() + floor
        assert np.abs(ours[name] - true).max() <= allowed, name
    for before, after in zip(kept, inputs, strict=True):
        assert_array_equal(before, after)


def test_a_position_sees_itself_and_the_past_and_nothing_else(backend, rng):
    q, k, v, _ = fused(rng, 1, cpu.BLOCK + 12, 1, 4)
    o, lse = np.empty(q.shape), np.empty((1, 1, cpu.BLOCK + 12))

    def outputs():
        causal_attention.forward(q, k, v, o, lse)
        return o.copy(), lse.copy()

    before, lse_before = outputs()
    for j in (0, 5, 31, cpu.BLOCK - 1, cpu.BLOCK, cpu.BLOCK + 11):
        for of, moves_itself in ((k, j > 0), (v, True)):  # one key alone has all the weight
            old = of[0, j].copy()
            of[0, j] += 1
            after, lse_after = outputs()
            of[0, j] = old
            moved = (after != before).any(axis=(0, 2, 3))
            assert not moved[:j].any(), f"position {j} was seen too early"
            assert moved[j + 1 :].all() and moved[j] == moves_itself, f"{j} was not seen"
            if of is k:
                assert (lse_after != lse_before)[0, 0, j:].all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_scores_of_ten_thousand(backend, dtype, rng):
    """Differences of scores beyond any exponential's range: attention is a hard choice."""
    N, T, n, d = 1, 70, 2, 16
    q, k, v, do = fused(rng, N, T, n, d, dtype)
    k *= dtype(1e4) / np.abs(np.einsum("nihd,njhd->nhij", q, k)).max() * dtype(d**0.5)
    found = run(causal_attention, q, k, v, do)
    assert all(np.isfinite(a).all() for a in found.values())
    s = np.einsum("nihd,njhd->nhij", q.astype(np.float64), k.astype(np.float64)) / d**0.5
    assert 9e3 < np.abs(s).max() < 1.1e4
    s[..., np.triu(np.ones((T, T), bool), 1)] = -np.inf
    p = np.exp(s - s.max(axis=3, keepdims=True))
    exact = np.einsum("nhij,njhd->nihd", p / p.sum(axis=3, keepdims=True), v)
    assert_allclose(found["o"], exact, atol=5e-3 if dtype == np.float32 else 1e-9)


def test_four_thousand_positions(rng):
    """Long rows: no T×T in memory, and the last position's sums are those of 4096 terms."""
    N, T, n, d = 1, 4096, 1, 32
    q, k, v, do = fused(rng, N, T, n, d, np.float32)
    found = run(causal_attention, q, k, v, do)
    rows = [0, 1, 2047, 2048, 4095]
    s = np.einsum("ihd,jhd->hij", q[0, rows].astype(np.float64), k[0].astype(np.float64)) / d**0.5
    s[:, np.arange(T) > np.array(rows)[:, None]] = -np.inf
    p = np.exp(s - s.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    assert_allclose(found["o"][0, rows], np.einsum("hij,jhd->ihd", p, v[0]), atol=1e-5)
    # Rows of P sum to one, so Σ_j dv_j = Σ_i do_i; all keys moved by one vector move a row's scores
    # alike, which changes nothing, so Σ_j dk_j = 0.
    assert_allclose(found["dv"].sum(axis=1), do.sum(axis=1), atol=2e-3)
    assert_allclose(found["dk"].sum(axis=1), 0, atol=2e-3)
    assert cpu._block(q) <= tiles.HEIGHT


@pytest.mark.parametrize("empty", [(0, 5, 2, 16), (2, 0, 1, 16), (2, 5, 0, 16)], ids=str)
def test_nothing_to_do(backend, empty, rng):
    run(causal_attention, *fused(rng, *empty))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 5, 9), (4, 3, 16, 70)], ids=str)
def test_decoding_is_the_last_row_of_attention(shape, dtype, backend, rng):
    N, n, d, S = shape
    q, keys, values, _ = fused(rng, N, S, n, d, dtype)
    length = rng.integers(0, S + 1, N).astype(np.int32)
    length[0] = S
    o = np.full((N, n, d), np.nan, dtype)
    for r in range(N):  # what lies beyond a row's length is not read
        keys[r, length[r] :], values[r, length[r] :] = np.nan, np.nan
    causal_attention.decode(q[:, 0], keys, values, length, o)
    for r in range(N):
        t = length[r]
        if t == 0:
            assert (o[r] == 0).all()
            continue
        query = np.repeat(q[r : r + 1, :1], t, axis=1)  # the last position asks the same
        full, lse = np.empty((1, t, n, d), dtype), np.empty((1, n, t), dtype)
        causal_attention.forward(query, keys[r : r + 1, :t], values[r : r + 1, :t], full, lse)
        assert_allclose(o[r], full[0, -1], atol=32 * np.finfo(dtype).eps)


def test_a_nan_shows(backend, rng):
    q, k, v, _ = fused(rng, 1, 40, 1, 16, np.float32)
    k[0, 20, 0, 3] = np.nan
    o, lse = np.empty(q.shape, np.float32), np.empty((1, 1, 40), np.float32)
    causal_attention.forward(q, k, v, o, lse)
    assert np.isfinite(o[0, :20]).all() and np.isnan(o[0, 20:]).all()
