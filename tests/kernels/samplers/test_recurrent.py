"""The recurrent samplers by themselves: twins agree on states, history and logits."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.kernels import use_backend
from chainrule.kernels.categorical import Options
from chainrule.kernels.samplers import products, recurrent

SIZES = [(1, 1, 1), (5, 3, 31), (7, 70, 33), (100, 5, 8)]  # N, V, H; the last: two groups of rows
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_layout = pytest.mark.parametrize("few", [1, 10**9], ids=["in tiles", "as they lie"])


def parameters(rng, V, H, L, gates, dtype, attention):
    def draw(*shape):
        return (rng.normal(size=shape) / H**0.5).astype(dtype)

    width = gates * H
    U, W_hh, b_n = draw(L - 1, H, width), draw(L, H, width), draw(L, H if gates == 3 else 0)
    weights = recurrent.Weights(draw(V, width), U, W_hh, draw(L, width), b_n)
    return weights, recurrent.Output(draw(H, V), draw(H if attention else 0, V), draw(V))


def some_symbols(rng, N, V, T):
    """Return uniforms and x, most of it given, some of it waiting."""
    x = rng.integers(-1, V, (N, T)).astype(np.int32)
    return np.full((N, T), -1.0), x


def near(a, b):
    largest = max(1, np.abs(b).max(initial=0))
    return np.abs(a - b).max(initial=0) <= 200 * np.finfo(a.dtype).eps * largest


@every_size
@both_dtypes
@each_layout
@pytest.mark.parametrize("gates", [1, 3, 4])
@pytest.mark.parametrize("L", [1, 2])
def test_cpu_is_the_reference(L, gates, sizes, dtype, few, rng, monkeypatch):
    monkeypatch.setattr(products, "FEW_SYMBOLS", few)
    N, V, H = sizes
    weights, output = parameters(rng, V, H, L, gates, dtype, False)
    u, x = some_symbols(rng, N, V, 6)
    h, c = (rng.normal(size=(N, L, n)).astype(dtype) for n in (H, H if gates == 4 else 0))
    memories, s = [], np.full((2, N, V), np.nan, dtype)
    for k, name in enumerate(("reference", "cpu")):
        memories.append(recurrent.Memory(h.copy(), c.copy()))
        with use_backend(name):
            recurrent.extend(u, weights, output, Options(), memories[k], x)
            recurrent.peek(output, memories[k], s[k])
    assert all(near(mine, theirs) for mine, theirs in zip(*memories, strict=True))
    assert near(s[1], s[0])
    waits = (x == -1).all(axis=1)
    assert_array_equal(memories[1].h[waits], h[waits])


@every_size
@both_dtypes
@each_layout
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_attention_on_cpu_is_the_reference(gates, sizes, dtype, few, rng, monkeypatch):
    monkeypatch.setattr(products, "FEW_SYMBOLS", few)
    (N, V, H), S = sizes, 7
    weights, output = parameters(rng, V, H, 1, gates, dtype, True)
    cells = H if gates == 4 else 0
    first = recurrent.First(*(rng.normal(size=(2, n)).astype(dtype) for n in (H, cells)))
    y = np.arange(N, dtype=np.int32) % 2
    heads = recurrent.Sizes(next(n for n in (4, 3, 1) if H % n == 0), 3)
    u, x = some_symbols(rng, N, V, 12)
    memories, s = [], np.full((2, N, V), np.nan, dtype)
    for k, name in enumerate(("reference", "cpu")):
        memory = recurrent.AttentionMemory(
            np.zeros((N, S), np.int32),
            np.zeros(N, np.int32),
            np.full(N, -1, np.int32),
            np.full((N, S, H), np.nan, dtype),
            np.full((N, 1, cells), np.nan, dtype),
            y,
        )
        with use_backend(name):
            recurrent.extend_attention(u, weights, output, first, heads, Options(), memory, x)
            assert (memory.seen == -1).all() and np.isnan(memory.history).all(), "too early"
            recurrent.peek_attention(weights, output, first, heads, memory, s[k])
        memories.append(memory)
    for name in ("length", "seen"):
        assert_array_equal(getattr(memories[1], name), getattr(memories[0], name), err_msg=name)
    there = np.arange(S) < memories[0].length[:, None]
    assert_array_equal(memories[1].window[there], memories[0].window[there])
    assert near(s[1], s[0])
