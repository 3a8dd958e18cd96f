"""Tiles below each other against NumPy: any number of rows, cut columns, nothing beside them."""

import itertools

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError
from numpy.testing import assert_allclose

from chainrule.kernels import stacks, tiles
from chainrule.kernels.masked_conv.strips import OF_NUMBERS, OF_PIXELS

FLOATS = [np.float32, np.float64]
GUARD = 7.0
of_pixels = stacks.stack("of_pixels", OF_PIXELS, along=1)
of_numbers = stacks.stack("of_numbers", OF_NUMBERS, rows=1)
of_either = stacks.stack("of_either", OF_PIXELS)


@njit
def run_pixels(q, c, n, m, A, a_row, a_k, B, b, b_row, C, at, c_row, D, d):
    of_pixels(q, c, n, m, A, 0, a_row, a_k, B, b, b_row, C, at, c_row, D, d)


@njit
def run_numbers(q, c, n, m, A, a_row, a_k, B, b, b_row, C, at, c_row, D, d):
    of_numbers(q, c, n, m, A, 0, a_row, a_k, B, b, b_row, C, at, c_row, D, d)


@njit
def run_either(q, c, n, m, A, a_row, a_k, B, b, b_row, C, at, c_row, D, d):
    of_either(q, c, n, m, A, 0, a_row, a_k, B, b, b_row, C, at, c_row, D, d)


STACKS = {
    "pixels": (run_pixels, OF_PIXELS, False),
    "numbers": (run_numbers, OF_NUMBERS, True),
    "either": (run_either, OF_PIXELS, False),
    "either, turned": (run_either, OF_PIXELS, True),
}


@pytest.mark.parametrize("fresh", [True, False], ids=["from D", "added"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [0, 1, 5, 34])
@pytest.mark.parametrize("kind", STACKS)
def test_a_stack_is_a_product_and_touches_nothing_else(kind, n, dtype, fresh, rng):
    multiply, heights, turned = STACKS[kind]
    eps, across = np.finfo(dtype).eps, tiles.lanes(np.empty(0, dtype))
    for q, m in itertools.product(heights, (0, 1, 3, 6, 7, 11, 13, 29)):
        for c in {q * across, q * across - 1, (q - 1) * across + 1}:
            A = rng.normal(size=(n, m + 2) if turned else (m, n + 3)).astype(dtype)
            B = rng.normal(size=(n, q * across + 5)).astype(dtype)
            D = rng.normal(size=q * across + 3).astype(dtype)
            C = np.full((m + 2, q * across + 4), GUARD, dtype)
            inner = C[1 : m + 1, 2 : c + 2]
            inner[...] = rng.normal(size=inner.shape)
            a = A[:, :m].T if turned else A[:, :n]
            before = D[3 : c + 3] if fresh else inner.copy()
            expected = before + a.astype(np.float64) @ B[:, 3 : c + 3].astype(np.float64)
            steps = (1, A.shape[1]) if turned else (A.shape[1], 1)
            at, d = C.shape[1] + 2, 3 if fresh else -1
            multiply(q, c, n, m, A, *steps, B, 3, B.shape[1], C, at, C.shape[1], D, d)
            assert_allclose(inner, expected, rtol=0, atol=8 * (n + 2) * eps)
            inner[...] = GUARD
            assert (C == GUARD).all(), f"{m} rows of {c} columns were written beside their place"


def test_arrays_that_do_not_fit_are_refused():
    single, double = np.zeros((6, 16), np.float32), np.zeros((6, 16))
    with pytest.raises(TypingError, match="one dtype"):
        run_pixels(1, 1, 6, 1, single, 16, 1, double, 0, 16, single, 0, 16, single, -1)
    whole = np.zeros((6, 16), np.int64)
    with pytest.raises(TypingError, match="float32 or float64"):
        run_pixels(1, 1, 6, 1, whole, 16, 1, whole, 0, 16, whole, 0, 16, whole, -1)
