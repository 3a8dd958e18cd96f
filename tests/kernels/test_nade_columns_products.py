"""The products of NADE over columns against NumPy, beside memory that must not be touched."""

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.kernels.nade_columns import products
from chainrule.kernels.tiles import panel_width

GUARD = 7.0
every_float = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


@njit
def run_dots(m, q, A, n, B, bias, C, c):
    a_row, b_row, c_row = A.shape[1], B.shape[1], C.shape[1]
    products.dots(m, q, A, 0, a_row, n, B, 0, b_row, bias, 1, C, c, c_row)


@njit
def run_outer(m, A, n, B, b, C, c, anew):
    products.outer(m, A, 1, A.shape[1], n, B, b, B.shape[1], C, c, C.shape[1], anew)


@njit
def run_into_sums(m, A, n, B, a, h, P, at, rate, rescaled, along):
    rows, b_row = h.shape[1], B.shape[1]
    products.into_sums(
        m, A, 0, A.shape[1], n, B, 0, b_row, a, h, P, at, rows, rate, rescaled, along
    )


@njit
def run_panels(n, A, B, C, anew):
    products.to_panel(n, A, 0, B, 0)
    products.from_panel(n, A, 0, C, 1, anew)


def close(found, expected, n):
    eps = np.finfo(found.dtype).eps
    assert_allclose(found, expected, rtol=0, atol=8 * (n + 1) * eps)


@every_float
@pytest.mark.parametrize("n", [1, 15, 16, 50])
def test_dots_are_a_product_of_rows(n, dtype, rng):
    """B's rows are read up to n: NaN stands behind them. Of A's rows whole vectors are."""
    for m in products.TALL:
        for q in products.FEW:
            A = rng.normal(size=(m, n + panel_width(np.empty(0, dtype)))).astype(dtype)
            B = np.full((q, n + 3), np.nan, dtype)
            B[:, :n] = rng.normal(size=(q, n))
            bias, C = rng.normal(size=q + 2).astype(dtype), np.full((m + 2, q + 2), GUARD, dtype)
            run_dots(m, q, A, n, B, bias, C, C.shape[1] + 1)
            inner = C[1:-1, 1:-1]
            close(inner, A[:, :n].astype(float) @ B[:, :n].T.astype(float) + bias[1:-1], n)
            alone = np.full((3, q + 2), GUARD, dtype)
            run_dots(1, q, A[-1:], n, B, bias, alone, q + 3)
            assert_array_equal(alone[1], C[-2], err_msg="a row depends on its neighbours")
            inner[...] = GUARD
            assert (C == GUARD).all()


@every_float
@pytest.mark.parametrize("n", [0, 1, 7])
def test_outer_is_a_product_that_may_be_added(n, dtype, rng):
    width = panel_width(np.empty(0, dtype))
    for m in products.HEIGHTS:
        A, B = rng.normal(size=(n, m + 2)).astype(dtype), rng.normal(size=(n, width + 5))
        B, C = B.astype(dtype), np.full((m + 2, width + 4), GUARD, dtype)
        expected = A[:, 1 : m + 1].T.astype(float) @ B[:, 3 : width + 3].astype(float)
        inner = C[1:-1, 2:-2]
        inner[...] = np.nan
        run_outer(m, A, n, B, 3, C, C.shape[1] + 2, True)
        close(inner, expected, n)
        run_outer(m, A, n, B, 3, C, C.shape[1] + 2, False)
        close(inner, 2 * expected, n)
        inner[...] = GUARD
        assert (C == GUARD).all()


@every_float
@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_into_sums_adds_what_the_units_pass_on(n, rescaled, dtype, rng):
    width = panel_width(np.empty(0, dtype))
    for m in products.MANY:
        A, B = rng.normal(size=(m, n + 1)).astype(dtype), rng.normal(size=(n, width)).astype(dtype)
        a, h, P = (np.full((m + 2, width + 4), GUARD, dtype) for _ in range(3))
        own, along = (slice(1, -1), slice(2, -2)), np.ones(width, dtype)
        a[own], h[own], P[own] = rng.normal(size=(3, m, width))
        dh = A[:, :n].astype(float) @ B.astype(float)
        t = dh * h[own].astype(float) * (1 - h[own].astype(float))
        expected = P[own] + 0.5 * t
        run_into_sums(m, A, n, B, a, h, P, P.shape[1] + 2, dtype(0.5), rescaled, along)
        close(P[own], expected, 8 * n)
        total = width + ((a[own] * t).sum() if rescaled else 0)
        assert_allclose(along.sum(), total, rtol=0, atol=1e3 * np.finfo(dtype).eps * (n + 1))
        P[own] = GUARD
        assert (P == GUARD).all()


@every_float
def test_what_fills_no_panel_is_copied_there_and_back(dtype, rng):
    width = panel_width(np.empty(0, dtype))
    for n in range(1, width):
        A = rng.normal(size=width).astype(dtype)
        B, C = np.full(width + 1, GUARD, dtype), np.full(n + 2, GUARD, dtype)
        run_panels(n, A, B, C, True)
        assert_array_equal(B, [*A[:n], *[0] * (width - n), GUARD])
        assert_array_equal(C, [GUARD, *A[:n], GUARD])
        run_panels(n, A, B, C, False)
        assert_array_equal(C, [GUARD, *(A + A)[:n], GUARD])
