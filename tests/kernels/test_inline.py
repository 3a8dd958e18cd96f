"""The float32 exponential and sigmoid inside compiled loops, whatever flags the loop has."""

import numpy as np
import pytest
from numba import njit

from chainrule.kernels.inline import JIT, JIT_SUMS, exp, log, log1p_of_share, sigmoid

FLAGS = {"JIT": JIT, "JIT_SUMS": JIT_SUMS, "all fastmath": {"fastmath": True}}
RELATIVE_ERROR = {"exp": 2e-7, "sigmoid": 4e-7}  # as promised in their docstrings


def true_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def compiled(function, flags):
    @njit(**flags)
    def each(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def call(x):
        out = np.empty_like(x)
        each(x, out)
        return out

    return call


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize(("function", "truth"), [(exp, np.exp), (sigmoid, true_sigmoid)])
def test_float32_error_is_below_its_promise(function, truth, flags):
    x = np.linspace(-87, 88, 1_000_003, dtype=np.float32)
    true = truth(x.astype(np.float64))
    error = np.abs(compiled(function, FLAGS[flags])(x) / true - 1).max()
    assert error < RELATIVE_ERROR[function.__name__]


@pytest.mark.parametrize(("function", "truth"), [(exp, np.exp), (sigmoid, true_sigmoid)])
def test_float64_is_the_librarys(function, truth):
    x = np.linspace(-700, 700, 10_001)
    np.testing.assert_allclose(compiled(function, JIT)(x), truth(x), rtol=4e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("flags", [JIT, JIT_SUMS], ids=["JIT", "JIT_SUMS"])
def test_no_overflow_and_nan_stays_nan(flags, dtype):
    x = np.array([-np.inf, -1e30, -1000, 1000, 1e30, np.inf, np.nan, 0], dtype)
    got = compiled(sigmoid, flags)(x)
    np.testing.assert_allclose(got, [0, 0, 0, 1, 1, 1, np.nan, 0.5], atol=1e-37)
    assert np.isnan(compiled(exp, flags)(x)[6])


@pytest.mark.parametrize("flags", FLAGS)
def test_float32_logarithms(flags):
    for function, truth, x in (
        (log, np.log, np.exp(np.linspace(-87, 88, 300_007))),
        (log, np.log, np.linspace(0.5, 2, 300_007)),
        (log1p_of_share, np.log1p, np.linspace(0, 1, 300_007)),
        (log1p_of_share, np.log1p, np.exp(np.linspace(-87, 0, 300_007))),
    ):
        x = x.astype(np.float32)
        true = truth(x.astype(np.float64))
        error = np.abs(compiled(function, FLAGS[flags])(x) - true)
        assert (error <= 2e-7 * np.abs(true)).all()


def test_logarithms_of_nan_and_in_float64():
    for function, truth in ((log, np.log), (log1p_of_share, np.log1p)):
        x = np.linspace(1e-9, 1, 1001)
        np.testing.assert_allclose(compiled(function, JIT)(x), truth(x), rtol=4e-16, atol=1e-16)
        assert np.isnan(compiled(function, JIT)(np.array([np.nan], np.float32))[0])
