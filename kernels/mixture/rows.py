"""A mixture's loss of one row, and its gradient in place of the outputs, for compiled callers.

The outputs lie in s[m, o : o + n]. work: 4 K numbers of s's dtype, for 1/σ, z, e and e^b.
Inlined; no array is allocated or sliced.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, INLINE_SUMS, exp
from chainrule.kernels.mixture import GAUSSIAN, SIGMA_MIN, T_MAX, Z_MAX
from chainrule.kernels.types import Array

LOG_C = (math.log(2 * math.pi) / 2, math.log(2))  # of the families
NOTHING = -87.0  # e to it is where the float32 exponential ends
_U = np.uintp  # indices are unsigned, or loops are not vectorised: see softmax_cross_entropy.rows


@njit(**INLINE, **BORROWS)
def scale_of(t: Any, least: Any, most: Any) -> Any:
    """Return σ of a raw scale (F1); least, most: SIGMA_MIN and T_MAX in t's type."""
    return least + exp(min(t, most))


@njit(**INLINE, **BORROWS)
def loss(
    s: Array, m: int, o: int, K: int, x: Any, family: int, learned: bool, work: Array
) -> float:
    """Return -log p(x), in nats; 1/σ, z, e and e^b stay in work, and the sums of the last two."""
    top, Z, A = _shares(s, m, o, K, x, family, learned, work)
    return float(_nll(top, Z, A, family))


@njit(**INLINE, **BORROWS)
def loss_gradient(
    s: Array,
    m: int,
    o: int,
    K: int,
    x: Any,
    dL: Any,
    family: int,
    learned: bool,
    work: Array,
) -> float:
    """Return -log p(x), in nats, and turn the outputs into dL times its gradient.

    x, dL: of s's dtype.
    """
    top, Z, A = _shares(s, m, o, K, x, family, learned, work)
    row, mu, t, a = _U(m), _U(o), _U(o + K), _U(o + 2 * K)
    of_z, of_e, of_b = _U(K), _U(2 * K), _U(3 * K)
    zero, one, most = s.dtype.type(0), s.dtype.type(1), s.dtype.type(T_MAX)
    for j in range(K):
        work[of_e + _U(j)] *= dL / Z  # B1
    if learned:
        weight = dL / A
        for j in range(K):
            s[row, a + _U(j)] = work[of_b + _U(j)] * weight - work[of_e + _U(j)]  # B5
    for j in range(K):
        inverse, z, share = work[_U(j)], work[of_z + _U(j)], work[of_e + _U(j)]
        sign = (one if z > zero else zero) - (one if z < zero else zero)
        slope = z if family == GAUSSIAN else sign
        raw = s[row, t + _U(j)]
        rate = (exp(raw) if raw <= most else zero) * inverse
        s[row, t + _U(j)] = share * (one - z * slope) * rate  # B3, B4
        s[row, mu + _U(j)] = -share * (slope * inverse)  # B2
    return float(_nll(top, Z, A, family))


@njit(**INLINE, **BORROWS)
def input_gradient(g: Array, m: int, o: int, K: int) -> Any:
    """Return dL/dx from the gradient in the outputs."""
    total = g.dtype.type(0)
    for j in range(K):
        total -= g[_U(m), _U(o) + _U(j)]  # B6
    return total


@njit(**INLINE, **BORROWS)
def _nll(top: Any, Z: Any, A: Any, family: int) -> float:
    """Return -log p: F6."""
    constant = LOG_C[0] if family == GAUSSIAN else LOG_C[1]
    return np.float64(np.log(A) - np.log(Z)) - np.float64(top) + constant


@njit(**INLINE, **BORROWS)
def _shares(
    s: Array, m: int, o: int, K: int, x: Any, family: int, learned: bool, work: Array
) -> tuple[Any, Any, Any]:
    """Fill work; return the largest exponent, Z and A."""
    row, mu, t, of_z, of_e = _U(m), _U(o), _U(o + K), _U(K), _U(2 * K)
    zero, one, half = s.dtype.type(0), s.dtype.type(1), s.dtype.type(0.5)
    least, most = s.dtype.type(SIGMA_MIN), s.dtype.type(T_MAX)
    far, nothing = s.dtype.type(Z_MAX), s.dtype.type(NOTHING)
    A = s.dtype.type(K)
    if learned:
        A = _weights(s, m, o + 2 * K, K, work)
    else:
        for j in range(K):
            work[of_e + _U(j)] = zero
    for j in range(K):
        inverse = one / scale_of(s[row, t + _U(j)], least, most)  # F1
        z = min(max((x - s[row, mu + _U(j)]) * inverse, -far), far)  # F2
        q = half * z * z if family == GAUSSIAN else abs(z)  # F3
        work[_U(j)], work[of_z + _U(j)] = inverse, z
        work[of_e + _U(j)] -= q
    top = work[of_e]
    for j in range(K):
        top = max(top, work[of_e + _U(j)])
    for j in range(K):
        d = work[of_e + _U(j)] - top
        work[of_e + _U(j)] = (zero if d < nothing else exp(d)) * work[_U(j)]  # F5
    return top, _sum(work, 2 * K, K), A


@njit(**INLINE, **BORROWS)
def _weights(s: Array, m: int, a: int, K: int, work: Array) -> Any:
    """Write b behind 2 K and e^b behind 3 K numbers of work; return A: F4."""
    row, first, of_e, of_b = _U(m), _U(a), _U(2 * K), _U(3 * K)
    nothing, zero = s.dtype.type(NOTHING), s.dtype.type(0)
    largest = s[row, first]
    for j in range(K):
        largest = max(largest, s[row, first + _U(j)])
    for j in range(K):
        b = s[row, first + _U(j)] - largest
        work[of_e + _U(j)], work[of_b + _U(j)] = b, zero if b < nothing else exp(b)
    return _sum(work, 3 * K, K)


@njit(**INLINE_SUMS, **BORROWS)
def _sum(work: Array, first: int, K: int) -> Any:
    total = work.dtype.type(0)
    for j in range(K):
        total += work[_U(first) + _U(j)]
    return total
