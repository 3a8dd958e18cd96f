"""Scalar functions and compiler flags that the Numba twins share; they vectorise when inlined.

Flags. Every compiled function takes one of two sets, for a reason:

    JIT          exact floating point, except that a·b + c may become one fused multiply-add.
    JIT_SUMS     also lets the compiler reorder sums, without which Σ_j a_j b_j is a chain of
                 dependent additions that no vector unit can run.

Both use `error_model="numpy"`: Python's ZeroDivisionError is a branch in every division, and a
loop with a branch is not vectorised. Neither promises the compiler that there are no NaNs or
infinities: a diverged parameter shows in every result.

The float32 exponential must never be compiled with permission to reorder: it rounds t by adding
and subtracting 1.5·2²³, which reordering "simplifies" away, silently. The functions below
therefore carry their own flags, which hold wherever they are inlined.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

JIT: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
}
JIT_SUMS: dict[str, Any] = {**JIT, "fastmath": {"contract", "reassoc", "nsz"}}
# A call that passes five arrays takes as long as a loop over a few hundred numbers: inline such
# functions in the hot places.
INLINE: dict[str, Any] = {**JIT, "forceinline": True}
INLINE_SUMS: dict[str, Any] = {**JIT_SUMS, "forceinline": True}
# And a function that allocates no array need not count references: those it is given are the
# caller's all the while. A count is an atomic addition, and an event of NADE would make twenty.
BORROWS: dict[str, Any] = {"_nrt": False}
_OVERLOAD: Any = {"error_model": "numpy", "fastmath": {"contract"}}

# Float32 constants with their type: Numba makes `1 + float32` a float64.
_ONE, _HALF = np.float32(1), np.float32(0.5)
_EXP_MIN, _EXP_MAX = np.float32(-87), np.float32(88)  # e^x is a normal float32 between them
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # sum: ln 2
_ROUND = np.float32(1.5 * 2**23)  # adding it leaves no bit for a fraction
_C6, _C5 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3)
_C4, _C3 = np.float32(8.3334519073e-3), np.float32(4.1665795894e-2)
_C2 = np.float32(1.6666665459e-1)
_TANH_SMALL = np.float32(0.625)  # below it, a polynomial: 1 - 2 / (e²ˣ + 1) would cancel
_T5, _T4 = np.float32(-5.70498872745e-3), np.float32(2.06390887954e-2)
_T3, _T2 = np.float32(-5.37397155531e-2), np.float32(1.33314422036e-1)
_T1, _TWO = np.float32(-3.33332819422e-1), np.float32(2)
_ROOT_HALF = np.float32(0.707106781186547524)
_L8, _L7 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1)
_L6, _L5 = np.float32(1.1676998740e-1), np.float32(-1.2420140846e-1)
_L4, _L3 = np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
_L2, _L1 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1)
_L0 = np.float32(3.3333331174e-1)
# Σ 2 r^{2k+1} / (2k+1) is log((1 + r) / (1 - r)): of r ≤ 1/3 these many terms are a float32's.
_A15, _A13, _A11 = np.float32(2 / 15), np.float32(2 / 13), np.float32(2 / 11)
_A9, _A7, _A5, _A3 = np.float32(2 / 9), np.float32(2 / 7), np.float32(2 / 5), np.float32(2 / 3)
# Of 1 - e⁻ˣ = x - x²/2! + x³/3! - …
_E8, _E7 = np.float32(-1 / 40320), np.float32(1 / 5040)
_E6, _E5 = np.float32(-1 / 720), np.float32(1 / 120)
_E4, _E3 = np.float32(-1 / 24), np.float32(1 / 6)


def exp(x: Any) -> Any:
    """Return eˣ of one float32 or float64; usable inside compiled kernels.

    float32: relative error below 2e-7; saturates at e⁻⁸⁷ and e⁸⁸ instead of 0 and infinity.
    float64: the C library's exponential. NaN gives NaN.
    """
    return np.exp(x)


def sigmoid(x: Any) -> Any:
    """Return σ(x) = 1 / (1 + e⁻ˣ) of one float32 or float64; usable inside compiled kernels.

    Overflows for no x. float32: relative error below 4e-7.
    """
    return 1 / (1 + np.exp(-x))


def tanh(x: Any) -> Any:
    """Return tanh x of one float32 or float64; usable inside compiled kernels.

    float32: relative error below 4e-7, near 0 too. float64: the C library's.
    """
    return np.tanh(x)


def log(x: Any) -> Any:
    """Return log x of one normal float32 or float64 above 0; usable inside compiled kernels.

    float32: relative error below 2e-7. float64: the C library's. NaN gives NaN.
    """
    return np.log(x)


def one_less_exp(x: Any) -> Any:
    """Return 1 - e⁻ˣ of one float32 or float64 x ≥ 0; usable inside compiled kernels.

    float32: relative error below 4e-7, near 0 too. float64: the C library's. NaN gives NaN.
    """
    return -np.expm1(-x)


def log1p_of_share(x: Any) -> Any:
    """Return log(1 + x) of one float32 or float64 in [0, 1]; usable inside compiled kernels.

    float32: relative error below 2e-7. float64: the C library's. NaN gives NaN.
    """
    return np.log1p(x)


def _exp_float32(x: Any) -> Any:
    """e^x = 2^n e^r with n = round(x log₂ e) and |r| ≤ ln 2 / 2, where a polynomial serves."""
    x = _EXP_MIN if x < _EXP_MIN else x
    x = _EXP_MAX if x > _EXP_MAX else x
    shifted = x * _LOG2_E + _ROUND  # its low bits now hold the integer n
    n = shifted - _ROUND
    r = x - n * _LN2_HIGH - n * _LN2_LOW  # two parts, or n ln 2 would cost r its last bits
    p = ((((_C6 * r + _C5) * r + _C4) * r + _C3) * r + _C2) * r + _HALF
    e_r = p * r * r + r + _ONE
    # 2^n as a float32: the exponent field, bits 23 and up, holds n + 127.
    two_n = np.int32((np.float32(shifted).view(np.int32) << np.int32(23)) + np.int32(127 << 23))
    return e_r * two_n.view(np.float32)


def _log_float32(x: Any) -> Any:
    """log x = n log 2 + log m with √½ ≤ m < √2, where Cephes' logf has a polynomial in m - 1."""
    bits = np.float32(x).view(np.int32)
    n = np.float32(np.int32(bits >> np.int32(23)) - np.int32(126))
    # The fraction, with the exponent of ½; a NaN keeps its own.
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(126 << 23))
    m = mantissa.view(np.float32)
    small = m < _ROOT_HALF
    n = n - _ONE if small else n
    r = m + m - _ONE if small else m - _ONE
    z = r * r
    p = ((((_L8 * r + _L7) * r + _L6) * r + _L5) * r + _L4) * r + _L3
    y = (((p * r + _L2) * r + _L1) * r + _L0) * r * z
    y = y + n * _LN2_LOW - _HALF * z
    y = r + y + n * _LN2_HIGH
    return y if x == x else x


def _log1p_of_share_float32(x: Any) -> Any:
    """log(1 + x) = 2 artanh(x / (2 + x)), a series of positive terms."""
    r = x / (_TWO + x)
    z = r * r
    p = (((((_A15 * z + _A13) * z + _A11) * z + _A9) * z + _A7) * z + _A5) * z + _A3
    return p * z * r + (r + r)


def _one_less_exp_float32(x: Any) -> Any:
    """A series where e⁻ˣ is near 1, else the difference; both are computed, one is chosen."""
    p = ((((_E8 * x + _E7) * x + _E6) * x + _E5) * x + _E4) * x + _E3
    near = (p * x - _HALF) * x * x + x
    far = _ONE - exp(-x)
    return near if x < _HALF else far


def _exp_float64(x: Any) -> Any:
    return np.exp(x)


def _sigmoid_float32(x: Any) -> Any:
    return _ONE / (_ONE + exp(-x))


def _log_float64(x: Any) -> Any:
    return np.log(x)


def _log1p_of_share_float64(x: Any) -> Any:
    return np.log1p(x)


def _sigmoid_float64(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _tanh_float32(x: Any) -> Any:
    """Both forms are computed and one is chosen: a branch would not vectorise."""
    a = abs(x)
    z = a * a
    small = ((((_T5 * z + _T4) * z + _T3) * z + _T2) * z + _T1) * z * a + a  # Cephes' tanhf
    y = _ONE - _TWO / (exp(a + a) + _ONE)
    y = small if a < _TANH_SMALL else y
    return -y if x < np.float32(0) else y


def _one_less_exp_float64(x: Any) -> Any:
    return -np.expm1(-x)


def _tanh_float64(x: Any) -> Any:
    return np.tanh(x)


@overload(exp, jit_options=_OVERLOAD)
def _compile_exp(x: Any) -> Callable[[Any], Any] | None:
    return {types.float32: _exp_float32, types.float64: _exp_float64}.get(x)


@overload(sigmoid, jit_options=_OVERLOAD)
def _compile_sigmoid(x: Any) -> Callable[[Any], Any] | None:
    return {types.float32: _sigmoid_float32, types.float64: _sigmoid_float64}.get(x)


@overload(tanh, jit_options=_OVERLOAD)
def _compile_tanh(x: Any) -> Callable[[Any], Any] | None:
    return {types.float32: _tanh_float32, types.float64: _tanh_float64}.get(x)


@overload(log, jit_options=_OVERLOAD)
def _compile_log(x: Any) -> Callable[[Any], Any] | None:
    return {types.float32: _log_float32, types.float64: _log_float64}.get(x)


@overload(log1p_of_share, jit_options=_OVERLOAD)
def _compile_log1p_of_share(x: Any) -> Callable[[Any], Any] | None:
    of_each = {types.float32: _log1p_of_share_float32, types.float64: _log1p_of_share_float64}
    return of_each.get(x)


@overload(one_less_exp, jit_options=_OVERLOAD)
def _compile_one_less_exp(x: Any) -> Callable[[Any], Any] | None:
    of_each = {types.float32: _one_less_exp_float32, types.float64: _one_less_exp_float64}
    return of_each.get(x)


def smallest_normal(x: Any) -> Any:
    """Return the smallest normal number of an array's dtype; compiled kernels have a constant."""
    return np.finfo(x.dtype).tiny


@overload(smallest_normal, jit_options=_OVERLOAD)
def _smallest_normal(x: Any) -> Callable[[Any], Any]:
    tiny = np.finfo(str(x.dtype)).tiny

    def constant(x: Any) -> Any:
        return tiny

    return constant
