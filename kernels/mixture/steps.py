"""The mass that one component has in a step from z - k to z + k, in units of its scale.

W1-W6 of `chainrule.kernels.mixture`, for compiled loops over rows. All forms are computed and one
is chosen: a branch would not vectorise. z is of either sign, k > 0, and `like` has their dtype.
Returned are q, g, slope and curve, the curvature.
"""

import math
from typing import Any

from numba import types
from numba.extending import overload

from chainrule.kernels.compiled import njit
from chainrule.kernels.erfcx import erfcx
from chainrule.kernels.inline import BORROWS, INLINE, exp, one_less_exp
from chainrule.kernels.mixture import MOST_TERMS, NEAR_K, NEAR_Y
from chainrule.kernels.types import Array

ROOT_HALF, ONE_OVER_ROOT_2PI = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@njit(**INLINE, **BORROWS)
def gaussian(z: Any, k: Any, like: Array) -> Any:
    """Return q, g, slope and curve of a Gaussian (W2, W3)."""
    zero, one, half = like.dtype.type(0), like.dtype.type(1), like.dtype.type(0.5)
    over_c, root_half = like.dtype.type(ONE_OVER_ROOT_2PI), like.dtype.type(ROOT_HALF)
    at = abs(z)
    y = k * at
    z_lo, z_hi = at - k, at + k  # W1
    near = (y < like.dtype.type(NEAR_Y)) & (k < like.dtype.type(NEAR_K))
    inside = z_lo < zero
    Y, odd, even = _series(y, k, like)
    two_y = y + y
    e_y, e_lo = exp(-two_y), exp(-half * z_lo * z_lo)
    r_lo, r_hi = erfcx(root_half * abs(z_lo)), e_y * erfcx(root_half * z_hi)
    g_inside, g_beyond = one - half * e_lo * (r_lo + r_hi), half * (r_lo - r_hi)  # W2
    g_far = g_inside if inside else g_beyond
    front = over_c * (e_lo if inside else one) / g_far
    slope_far, curve_far = front * one_less_exp(two_y), front * (z_hi * e_y - z_lo)  # W6
    q_beyond, q_near = half * z_lo * z_lo, half * at * at
    q_far = zero if inside else q_beyond
    g_near = (k + k) * over_c * Y  # W3
    over_Y = one / Y
    slope_near, curve_near = at * odd * over_Y, (even - at * at * odd) * over_Y  # W6
    q = q_near if near else q_far
    g = g_near if near else g_far
    slope = slope_near if near else slope_far
    curve = curve_near if near else curve_far
    mirrored = -slope
    return q, g, mirrored if z < zero else slope, curve


@njit(**INLINE, **BORROWS)
def _series(y: Any, k: Any, like: Array) -> Any:
    """Return Y, odd and even (W3), with the terms that single precision can tell apart."""
    one, y2, k2 = like.dtype.type(1), y * y, k * k
    w2, o3 = _pair(one, one, y2, k2, 2, like)
    w4, o5 = _pair(w2, o3, y2, k2, 4, like)
    w6, o7 = _pair(w4, o5, y2, k2, 6, like)
    w8, o9 = _pair(w6, o7, y2, k2, 8, like)
    Y = one + w2 * like.dtype.type(1 / 3) + w4 * like.dtype.type(1 / 5)
    Y += w6 * like.dtype.type(1 / 7) + w8 * like.dtype.type(1 / 9)
    odd, even = one + (o3 + (o5 + (o7 + o9))), one + (w2 + (w4 + (w6 + w8)))
    return _further(Y, odd, even, w8, o9, y2, k2)


def _further(Y: Any, odd: Any, even: Any, w: Any, o: Any, y2: Any, k2: Any) -> Any:
    """Return Y, odd and even with the terms that double precision alone can tell apart."""
    raise NotImplementedError("compiled code calls it")


def _further_float32(Y: Any, odd: Any, even: Any, w: Any, o: Any, y2: Any, k2: Any) -> Any:
    return Y, odd, even


def _further_float64(Y: Any, odd: Any, even: Any, w: Any, o: Any, y2: Any, k2: Any) -> Any:
    for i in range(10, MOST_TERMS, 2):
        w = (y2 * o - k2 * w) / i
        o = (w - k2 * o) / (i + 1)
        Y, odd, even = Y + w / (i + 1), odd + o, even + w
    return Y, odd, even


@overload(_further, jit_options={"error_model": "numpy", "fastmath": {"contract"}})
def _compile_further(Y: Any, odd: Any, even: Any, w: Any, o: Any, y2: Any, k2: Any) -> Any:
    return {types.float32: _further_float32, types.float64: _further_float64}.get(Y)


@njit(**INLINE, **BORROWS)
def _pair(w: Any, o: Any, y2: Any, k2: Any, i: int, like: Array) -> Any:
    """Return w_i and o_{i+1}, given w_{i-2} and o_{i-1} (W3)."""
    w = (y2 * o - k2 * w) * like.dtype.type(1 / i)
    return w, (w - k2 * o) * like.dtype.type(1 / (i + 1))


@njit(**INLINE, **BORROWS)
def laplace(z: Any, k: Any, like: Array) -> Any:
    """Return q, g, slope and curve of a Laplacian (W4, W5)."""
    zero, one, half = like.dtype.type(0), like.dtype.type(1), like.dtype.type(0.5)
    at, two_k = abs(z), k + k
    z_lo, z_hi = at - k, at + k  # W1
    inside = z_lo < zero
    less_lo, less_hi, less_k = one_less_exp(abs(z_lo)), one_less_exp(z_hi), one_less_exp(two_k)
    e_lo, e_hi, e_k = exp(-abs(z_lo)), exp(-z_hi), exp(-two_k)
    g = half * (less_lo + less_hi if inside else less_k)  # W4, W5
    slope = half * e_lo * one_less_exp(at + at) / g if inside else one  # W6
    curve = half * (z_hi * e_hi - z_lo * e_lo) / g if inside else two_k * e_k / less_k - z_lo
    q = zero if inside else z_lo
    return q, g, -slope if z < zero else slope, curve
