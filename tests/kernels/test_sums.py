"""The sum whose order is written down: its value, its bounds, and its bits in other company."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.parity import both_dtypes

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp
from chainrule.kernels.sums import total


@njit(**JIT)
def alone(A, a, n):
    return total(A, a, n)


@njit(**JIT_SUMS)
def of_exponentials(A, e, a, n):
    """As `alone`, of what was just computed, by a caller that may reorder its own sums."""
    for k in range(n):
        e[a + k] = exp(A[a + k])
    return total(e, a, n)


@both_dtypes
@pytest.mark.parametrize("n", [0, 1, 3, 8, 16, 17, 63, 64, 65, 200, 1000])
def test_a_sum_has_one_order_and_reads_nothing_else(n, dtype, rng):
    A = np.full(n + 10, np.nan, dtype)
    A[5 : 5 + n] = rng.normal(size=n)
    e = np.full_like(A, np.nan)
    found = of_exponentials(A, e, 5, n)
    assert_allclose(found, e[5 : 5 + n].sum(dtype=np.longdouble), rtol=30 * np.finfo(dtype).eps)
    assert found == alone(e, 5, n) == alone(np.append(e[5:], e[:5]), 0, n)
