"""Register tiles against NumPy, at every height and beside memory that must not be touched."""

import itertools

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.kernels import tiles
from chainrule.kernels.causal_attention import scores
from chainrule.kernels.linear import tile as linear

FLOATS = [np.float32, np.float64]
GUARD = 7.0


@njit
def run(m, q, n, A, a_row, a_k, B, b, b_row, C, c, c_row, anew):
    tiles.multiply(m, q, n, A, 0, a_row, a_k, B, b, b_row, C, c, c_row, anew)


@njit
def run_linear(m, q, n, A, a_row, a_k, B, b, b_row, C, c, c_row, anew):
    linear.multiply(m, q, n, A, 0, a_row, a_k, B, b, b_row, C, c, c_row, anew)


@njit
def run_rows(m, q, n, A, a_row, a_k, B, b, b_row, C, c, c_row, anew):
    tiles.multiply_rows(m, q, n, A, 0, a_row, a_k, B, b, b_row, C, c, c_row, anew)


TILES = {
    "multiply": (run, tiles.HEIGHTS, tiles.WIDTH),
    "of linear": (run_linear, linear.HEIGHTS, linear.WIDTH),
    "any rows": (run_rows, range(1, 2 * tiles.HEIGHT), tiles.WIDTH),
}


@pytest.mark.parametrize("anew", [True, False], ids=["anew", "added"])
@pytest.mark.parametrize("transposed", [False, True], ids=["A", "A turned"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [0, 1, 5, 33])
@pytest.mark.parametrize("kind", TILES)
def test_a_tile_is_a_product_and_touches_nothing_else(kind, n, dtype, transposed, anew, rng):
    multiply, heights, widest = TILES[kind]
    eps, across = np.finfo(dtype).eps, tiles.lanes(np.empty(0, dtype))
    for m, q in itertools.product(heights, range(1, widest + 1)):
        width = q * across
        shape = (n, m + 2) if transposed else (m, n + 3)  # rows longer than needed
        A, B = rng.normal(size=shape).astype(dtype), rng.normal(size=(n, width + 5)).astype(dtype)
        C = np.full((m + 2, width + 4), GUARD, dtype)
        inner = C[1 : m + 1, 2 : width + 2]
        inner[...] = rng.normal(size=inner.shape)
        a = A[:, :m].T if transposed else A[:, :n]
        before = 0 if anew else inner.astype(np.float64)
        expected = before + a.astype(np.float64) @ B[:, 3 : width + 3].astype(np.float64)
        steps = (1, A.shape[1]) if transposed else (A.shape[1], 1)
        at = C.shape[1] + 2
        multiply(m, q, n, A, *steps, B, 3, B.shape[1], C, at, C.shape[1], anew)
        assert_allclose(inner, expected, rtol=0, atol=8 * (n + 1) * eps)
        inner[...] = GUARD
        assert (C == GUARD).all(), f"a tile of {m} rows by {q} vectors wrote beside its place"


def test_arrays_of_different_dtypes_are_refused():
    single, double = np.zeros((6, 16), np.float32), np.zeros((6, 16))
    with pytest.raises(TypingError, match="one dtype"):
        run(1, 1, 6, single, 16, 1, double, 0, 16, single, 0, 16, True)


@njit
def run_mask(x, start, first, value):
    scores.mask(x, start, first, value)


@pytest.mark.parametrize("dtype", FLOATS)
def test_mask(dtype, rng):
    for start in (0, 3, 8):
        for first in range(start, start + scores.MASKED + 2):
            x = rng.normal(size=start + scores.MASKED + 5).astype(dtype)
            expected = x.copy()
            expected[first : start + scores.MASKED] = -2
            run_mask(x, start, first, dtype(-2))
            assert_array_equal(x, expected)


@njit
def largest(x):
    found = x[0]
    for j in range(x.size):
        found = scores.larger(found, x[j])
    return found


@njit
def sum_of_row(x, i):
    total = 0.0
    row = tiles.row(x, i)
    for j in range(row.size):
        total += row[j]
    return total


@pytest.mark.parametrize("dtype", FLOATS)
def test_larger_and_rows(dtype, rng):
    for n in (1, 2, 31, 100):
        x = rng.normal(size=n).astype(dtype)
        assert largest(x) == x.max()
    wide = rng.normal(size=(5, 3, 7)).astype(dtype)[:, 1, 2:6]  # rows with gaps between them
    for i in range(5):
        assert sum_of_row(wide, i) == pytest.approx(wide[i].sum(), rel=1e-6)
