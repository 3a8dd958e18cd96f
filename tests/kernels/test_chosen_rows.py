"""Sums of chosen rows against NumPy, beside memory that must not be touched."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose

from chainrule.kernels import chosen_rows

GUARD = 7.0


@njit
def run_overwrite(count, rows, r, B, C, c):
    chosen_rows.overwrite(count, rows, r, B, C, c)


@njit
def run_add(count, rows, r, B, C, c):
    chosen_rows.add(count, rows, r, B, C, c)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 30])
@pytest.mark.parametrize("run", [run_overwrite, run_add])
def test_a_sum_of_rows_touches_nothing_else(run, count, dtype, rng):
    """Also of rows that are chosen twice, and with more chosen than are asked for."""
    width = chosen_rows.panel_width(np.empty(0, dtype))
    panel = rng.normal(size=(11, width)).astype(dtype)
    rows = rng.integers(0, 11, 40).astype(np.int32)
    C = np.full(width + 9, GUARD, dtype)
    inner = C[4 : width + 4]
    inner[...] = rng.normal(size=width)
    before = inner.astype(np.float64) if run is run_add else 0
    expected = before + panel[rows[3 : 3 + count]].astype(np.float64).sum(axis=0)
    run(count, rows, 3, panel, C, 4)
    assert_allclose(inner, expected, rtol=0, atol=8 * (count + 1) * np.finfo(dtype).eps)
    inner[...] = GUARD
    assert (C == GUARD).all()


def test_a_panel_is_as_wide_in_kernels_as_outside():
    width = njit(lambda x: chosen_rows.panel_width(x))
    for dtype in (np.float32, np.float64):
        x = np.empty(0, dtype)
        assert width(x) == chosen_rows.panel_width(x)
