"""The mass that one component has in a step from z - k to z + k, in units of its scale.

W1-W6 of `chainrule.kernels.mixture`, for compiled loops over rows. All forms are computed and one
is chosen: a branch would not vectorise. z is of either sign, k > 0, and `like` has their dtype.
Returned are q, g, the slope S and the curvature V.
"""

import math
from typing import Any

from chainrule.kernels.compiled import njit
from chainrule.kernels.erfcx import erfcx
from chainrule.kernels.inline import BORROWS, INLINE, exp, one_less_exp
from chainrule.kernels.mixture import MOST_TERMS, NEAR_K, NEAR_Y
from chainrule.kernels.types import Array

ROOT_HALF, ONE_OVER_ROOT_2PI = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@njit(**INLINE, **BORROWS)
def gaussian(z: Any, k: Any, like: Array) -> Any:
    """Return q, g, S and V of a Gaussian (W2, W3)."""
    zero, one, half = like.dtype.type(0), like.dtype.type(1), like.dtype.type(0.5)
    over_c, root_half = like.dtype.type(ONE_OVER_ROOT_2PI), like.dtype.type(ROOT_HALF)
    at = abs(z)
    y = k * at
    a, b = at - k, at + k  # W1
    near = (y < like.dtype.type(NEAR_Y)) & (k < like.dtype.type(NEAR_K))
    inside = a < zero
    J, O, C = _series(y, k, like)
    two_y = y + y
    e_y, e_a = exp(-two_y), exp(-half * a * a)
    r_a, r_b = erfcx(root_half * abs(a)), e_y * erfcx(root_half * b)
    g = one - half * e_a * (r_a + r_b) if inside else half * (r_a - r_b)  # W2
    front = over_c * (e_a if inside else one) / g
    slope = front * one_less_exp(two_y)
    curve = front * (b * e_y - a)
    q = zero if inside else half * a * a
    q = half * at * at if near else q
    g = (k + k) * over_c * J if near else g  # W3
    slope = at * O / J if near else slope
    curve = (C - at * at * O) / J if near else curve
    return q, g, -slope if z < zero else slope, curve


@njit(**INLINE, **BORROWS)
def _series(y: Any, k: Any, like: Array) -> Any:
    """Return J, O and C (W3), with the terms that single precision can tell apart."""
    one, y2, k2 = like.dtype.type(1), y * y, k * k
    u2, o3 = _pair(one, one, y2, k2, 2, like)
    u4, o5 = _pair(u2, o3, y2, k2, 4, like)
    u6, o7 = _pair(u4, o5, y2, k2, 6, like)
    u8, o9 = _pair(u6, o7, y2, k2, 8, like)
    J = one + u2 * like.dtype.type(1 / 3) + u4 * like.dtype.type(1 / 5)
    J += u6 * like.dtype.type(1 / 7) + u8 * like.dtype.type(1 / 9)
    O, C = one + (o3 + (o5 + (o7 + o9))), one + (u2 + (u4 + (u6 + u8)))
    if like.itemsize == 8:
        u, o = u8, o9
        for m in range(10, MOST_TERMS, 2):
            u, o = _pair(u, o, y2, k2, m, like)
            J, O, C = J + u / (m + 1), O + o, C + u
    return J, O, C


@njit(**INLINE, **BORROWS)
def _pair(u: Any, o: Any, y2: Any, k2: Any, m: int, like: Array) -> Any:
    """Return u_m and o_{m+1}, given u_{m-2} and o_{m-1} (W3)."""
    u = (y2 * o - k2 * u) * like.dtype.type(1 / m)
    return u, (u - k2 * o) * like.dtype.type(1 / (m + 1))


@njit(**INLINE, **BORROWS)
def laplace(z: Any, k: Any, like: Array) -> Any:
    """Return q, g, S and V of a Laplacian (W4, W5)."""
    zero, one, half = like.dtype.type(0), like.dtype.type(1), like.dtype.type(0.5)
    at, two_k = abs(z), k + k
    a, b = at - k, at + k  # W1
    inside = a < zero
    less_a, less_b, less_k = one_less_exp(abs(a)), one_less_exp(b), one_less_exp(two_k)
    e_a, e_b, e_k = exp(-abs(a)), exp(-b), exp(-two_k)
    g = half * (less_a + less_b if inside else less_k)  # W4, W5
    slope = half * e_a * one_less_exp(at + at) / g if inside else one
    curve = half * (b * e_b - a * e_a) / g if inside else two_k * e_k / less_k - a
    q = zero if inside else a
    return q, g, -slope if z < zero else slope, curve
