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
    a, b = at - k, at + k  # W1
    near = (y < like.dtype.type(NEAR_Y)) & (k < like.dtype.type(NEAR_K))
    inside = a < zero
    Y, odd, even = _series(y, k, like)
    two_y = y + y
    e_y, e_a = exp(-two_y), exp(-half * a * a)
    r_a, r_b = erfcx(root_half * abs(a)), e_y * erfcx(root_half * b)
    g_inside, g_beyond = one - half * e_a * (r_a + r_b), half * (r_a - r_b)  # W2
    g_far = g_inside if inside else g_beyond
    front = over_c * (e_a if inside else one) / g_far
    slope_far, curve_far = front * one_less_exp(two_y), front * (b * e_y - a)  # W6
    q_beyond, q_near = half * a * a, half * at * at
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
    u2, o3 = _pair(one, one, y2, k2, 2, like)
    u4, o5 = _pair(u2, o3, y2, k2, 4, like)
    u6, o7 = _pair(u4, o5, y2, k2, 6, like)
    u8, o9 = _pair(u6, o7, y2, k2, 8, like)
    Y = one + u2 * like.dtype.type(1 / 3) + u4 * like.dtype.type(1 / 5)
    Y += u6 * like.dtype.type(1 / 7) + u8 * like.dtype.type(1 / 9)
    odd, even = one + (o3 + (o5 + (o7 + o9))), one + (u2 + (u4 + (u6 + u8)))
    return _further(Y, odd, even, u8, o9, y2, k2)


def _further(Y: Any, odd: Any, even: Any, u: Any, o: Any, y2: Any, k2: Any) -> Any:
    """Return Y, odd and even with the terms that double precision alone can tell apart."""
    raise NotImplementedError("compiled code calls it")


def _further_float32(Y: Any, odd: Any, even: Any, u: Any, o: Any, y2: Any, k2: Any) -> Any:
    return Y, odd, even


def _further_float64(Y: Any, odd: Any, even: Any, u: Any, o: Any, y2: Any, k2: Any) -> Any:
    for m in range(10, MOST_TERMS, 2):
        u = (y2 * o - k2 * u) / m
        o = (u - k2 * o) / (m + 1)
        Y, odd, even = Y + u / (m + 1), odd + o, even + u
    return Y, odd, even


@overload(_further, jit_options={"error_model": "numpy", "fastmath": {"contract"}})
def _compile_further(Y: Any, odd: Any, even: Any, u: Any, o: Any, y2: Any, k2: Any) -> Any:
    return {types.float32: _further_float32, types.float64: _further_float64}.get(Y)


@njit(**INLINE, **BORROWS)
def _pair(u: Any, o: Any, y2: Any, k2: Any, m: int, like: Array) -> Any:
    """Return u_m and o_{m+1}, given u_{m-2} and o_{m-1} (W3)."""
    u = (y2 * o - k2 * u) * like.dtype.type(1 / m)
    return u, (u - k2 * o) * like.dtype.type(1 / (m + 1))


@njit(**INLINE, **BORROWS)
def laplace(z: Any, k: Any, like: Array) -> Any:
    """Return q, g, slope and curve of a Laplacian (W4, W5)."""
    zero, one, half = like.dtype.type(0), like.dtype.type(1), like.dtype.type(0.5)
    at, two_k = abs(z), k + k
    a, b = at - k, at + k  # W1
    inside = a < zero
    less_a, less_b, less_k = one_less_exp(abs(a)), one_less_exp(b), one_less_exp(two_k)
    e_a, e_b, e_k = exp(-abs(a)), exp(-b), exp(-two_k)
    g = half * (less_a + less_b if inside else less_k)  # W4, W5
    slope = half * e_a * one_less_exp(at + at) / g if inside else one  # W6
    curve = half * (b * e_b - a * e_a) / g if inside else two_k * e_k / less_k - a
    q = zero if inside else a
    return q, g, -slope if z < zero else slope, curve
