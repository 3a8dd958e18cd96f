"""The Transformer's sampler by itself: twins agree on logits and memory, and what costs nothing."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.kernels import use_backend
from chainrule.kernels.categorical import Options
from chainrule.kernels.samplers import products, transformer

SIZES = [(1, 1, 1, 1, 2, 3), (5, 3, 1, 2, 12, 9), (7, 33, 2, 3, 24, 5), (9, 70, 2, 1, 40, 31)]


def a_sampler(rng, N, V, L, n_heads, C, S, dtype, rotary=False):
    """Return weights, sizes and a fresh memory of N rows."""
    shapes = {
        "E": (V + 1, C),
        "E_pos": (0 if rotary else S, C),
        **{"W_qkv": (L, C, 3 * C), "W_o": (L, C, C), "W_1": (L, C, 4 * C), "W_2": (L, 4 * C, C)},
        "W_y": (C, V),
        **{"b_qkv": (L, 3 * C), "b_o": (L, C), "b_1": (L, 4 * C), "b_2": (L, C)},
        **{name: (L, C) for name in ("ln1_g", "ln1_b", "ln2_g", "ln2_b")},
        **{"ln_g": (C,), "ln_b": (C,)},
    }
    arrays = {name: rng.normal(size=s) / s[-1] ** 0.5 for name, s in shapes.items()}
    weights = transformer.Weights(**{name: a.astype(dtype) for name, a in arrays.items()})
    window = np.zeros((N, S), np.int32)
    window[:, 0] = V
    memory = transformer.Memory(
        window,
        np.ones(N, np.int32),
        np.zeros(N, np.int32),
        np.full((N, L, S, C), np.nan, dtype),
        np.full((N, L, S, C), np.nan, dtype),
    )
    return weights, transformer.Sizes(n_heads, max(1, S // 2)), memory


def copied(memory):
    return transformer.Memory(*(a.copy() for a in memory))


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("few", [1, 10**9], ids=["in tiles", "as they lie"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_cpu_is_the_reference(sizes, dtype, few, rotary, rng, monkeypatch):
    monkeypatch.setattr(products, "FEW_SYMBOLS", few)
    N, V, S = sizes[0], sizes[1], sizes[-1]
    weights, heads, memory = a_sampler(rng, *sizes, dtype, rotary)
    x = rng.integers(-1, V, (N, S + 3)).astype(np.int32)
    u, other, s = np.full(x.shape, -1.0), copied(memory), np.full((2, N, V), np.nan, dtype)
    for k, (name, mine) in enumerate((("reference", memory), ("cpu", other))):
        with use_backend(name):
            transformer.extend(u, weights, heads, Options(), mine, x)
            transformer.peek(weights, heads, mine, s[k])
    for name in ("window", "length", "cached"):
        assert_array_equal(getattr(other, name), getattr(memory, name), err_msg=name)
    assert np.abs(s[0] - s[1]).max() <= 200 * np.finfo(dtype).eps * max(1, np.abs(s[0]).max())


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_given_symbols_wait_for_the_next_draw(backend, rng):
    weights, sizes, memory = a_sampler(rng, 3, 5, 2, 2, 8, 7, np.float64)
    x = rng.integers(0, 5, (3, 4)).astype(np.int32)
    x[1, 2:] = -1
    with use_backend(backend):
        transformer.extend(np.full(x.shape, -1.0), weights, sizes, Options(), memory, x)
        assert_array_equal(memory.cached, 0)
        assert np.isnan(memory.keys).all()
        assert_array_equal(memory.length, [5, 3, 5])
        u, drawn = np.array([[0.5], [-1], [-1]]), np.full((3, 1), -1, np.int32)
        transformer.extend(u, weights, sizes, Options(), memory, drawn)
    assert drawn[0, 0] >= 0 and (drawn[1:] == -1).all()
    assert np.isnan(memory.keys[1:]).all(), "rows that wait were worked on"
    assert not np.isnan(memory.keys[0, :, :5]).any()
