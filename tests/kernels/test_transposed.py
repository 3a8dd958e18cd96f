"""Blocks turned over in the registers against NumPy, beside memory that must not be touched."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_array_equal

from chainrule.kernels import transposed

GUARD = 7


@njit
def run(A, a, a_row, C, c, c_row):
    transposed.turn(A, a, a_row, C, c, c_row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_block_is_turned_over(dtype, rng):
    side = transposed.block_width(np.empty(0, dtype))
    A, C = (
        rng.normal(size=(side + 3, side + 5)).astype(dtype),
        np.full((side + 2, 40), GUARD, dtype),
    )
    run(A, 2 * A.shape[1] + 3, A.shape[1], C, 40 + 7, 40)
    inner = C[1 : side + 1, 7 : side + 7]
    assert_array_equal(inner, A[2 : side + 2, 3 : side + 3].T)
    inner[...] = GUARD
    assert (C == GUARD).all()


def test_a_block_is_as_wide_in_kernels_as_outside():
    width = njit(lambda x: transposed.block_width(x))
    for dtype in (np.float32, np.float64):
        x = np.empty(0, dtype)
        assert width(x) == transposed.block_width(x)
