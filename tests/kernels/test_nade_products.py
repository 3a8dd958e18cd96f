"""NADE's two loops by hand: every number of rows and of units, and a q that leaves its range."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.kernels.nade import cpu, reference
from chainrule.kernels.nade.hidden import LIMIT
from chainrule.kernels.nade.products import MOST, dots, move

UNITS = [1, 3, 8, 15, 16, 17, 40, 100]  # parts of a vector, of any width; some vectors; rounds
DTYPES = [np.float32, np.float64]


@njit
def logits(m, V, h, b, s):
    dots(m, h.shape[0], V, 0, V.shape[1], h, 0, b, 0, s, 0)


@njit
def moved(q, E, h, v, b, s):
    return move(q.shape[0], q, 0, E, 0, h, 0, v, 0, b, 0, s, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H", UNITS)
def test_logits_of_so_many_rows_and_no_more(H, dtype, rng):
    V, h, b = (rng.normal(size=size).astype(dtype) for size in ((MOST, H), H, MOST))
    for m in range(1, MOST + 1):
        s = np.full(MOST, np.nan, dtype)
        logits(m, V, h, b, s)
        assert_allclose(s[:m], V[:m] @ h + b[:m], rtol=1e-5, atol=1e-5)
        assert np.isnan(s[m:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H", UNITS)
def test_an_event_with_a_logit(H, dtype, rng):
    q, E = (np.exp(rng.normal(size=H)).astype(dtype) for _ in range(2))
    v, h, s = rng.normal(size=H).astype(dtype), np.full(H, np.nan, dtype), np.empty(1, dtype)
    want = q * E
    assert moved(q, E, h, v, np.ones(1, dtype), s)
    assert_array_equal(q, want)
    assert_array_equal(h, 1 / (1 + want))
    assert_allclose(s[0], 1 + v @ (1 / (1 + want)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H", UNITS)
@pytest.mark.parametrize("factor", [LIMIT, 2 * LIMIT, 1 / LIMIT, 0.5 / LIMIT])
def test_one_unit_out_of_range_is_seen_wherever_it_is(H, dtype, factor):
    for j in range(H):
        q, E = np.ones((2, H), dtype)
        E[j] = factor
        h, v, b, s = (np.ones(n, dtype) for n in (H, H, 1, 1))
        assert not moved(q, E, h, v, b, s)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("function", ["log_prob", "forward"])
def test_what_leaves_the_range_step_by_step_comes_back(function, sign, rng):
    """e^-a is beyond float32 after two steps and 1 again after four; no step is beyond it."""
    D, H = 6, 19
    x, y, c = np.ones((3, D), np.uint8), np.empty(0, np.int32), np.zeros((1, H), np.float32)
    W = np.repeat(np.float32([60, 60, -60, -60, 0, 0])[:, None] * sign, H, axis=1)
    V, b = rng.normal(size=(D, H)).astype(np.float32), np.zeros(D, np.float32)
    outs = []
    for twin in (cpu, reference):
        out = np.empty((3, D) if function == "forward" else 3, np.float32)
        more = (np.empty((3, H), np.float32),) if function == "forward" else ()
        getattr(twin, function)(x, W, V, b, c, y, out, *more)
        outs.append(out)
    assert_allclose(*outs, rtol=1e-5, atol=1e-5)
