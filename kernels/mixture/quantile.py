"""The mixture's distribution function and its inverse, a row each, for compiled callers; float64.

The outputs lie in s[m, o : o + n]. w: 3 K float64 of working memory, for μ, σ and π.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.mixture import (
    DENOMINATOR,
    GAUSSIAN,
    LEAST_U,
    MOST_STEPS,
    MOST_U,
    NUMERATOR,
    SIGMA_MIN,
    SLACK,
    T_MAX,
    Z_MAX,
)
from chainrule.kernels.mixture.batch import scale_of
from chainrule.kernels.types import Array

ROOT_HALF = math.sqrt(0.5)
CONSTANT = (1 / math.sqrt(2 * math.pi), 0.5)  # 1/c of the families


@njit(**JIT, **BORROWS)
def cdf(s: Array, m: int, o: int, K: int, x: Any, family: int, learned: bool, w: Array) -> float:
    """Return F(x), within [LEAST_U, MOST_U]."""
    _read(s, m, o, K, learned, w)
    at = np.float64(x)
    u = _mass_below(at, K, family, 1.0, w)  # C1
    if u > 0.5:
        u = 1 - _mass_below(at, K, family, -1.0, w)  # C2
    return float(min(max(u, LEAST_U), MOST_U))


@njit(**JIT, **BORROWS)
def draw(s: Array, m: int, o: int, K: int, u: float, family: int, learned: bool, w: Array) -> float:
    """Return F^{-1}(u) for u ≥ 0."""
    _read(s, m, o, K, learned, w)
    u = min(max(np.float64(u), LEAST_U), MOST_U)
    quantile = _standard_quantile(u, family)
    low, high, x, narrowest = np.inf, -np.inf, 0.0, np.inf
    for j in range(K):
        mu, sigma = w[j], w[K + j]
        low = min(low, mu + sigma * (quantile - SLACK))  # D1
        high = max(high, mu + sigma * (quantile + SLACK))  # D1
        x += w[2 * K + j] * (mu + sigma * quantile)  # D1
        narrowest = min(narrowest, sigma)
    before = last = high - low
    side = -1.0 if u > 0.5 else 1.0
    target = 1 - u if u > 0.5 else u
    for _ in range(MOST_STEPS):
        miss = side * (_mass_below(x, K, family, side, w) - target)  # D2
        if miss == 0:
            break
        if miss < 0:  # D3
            low = x
        else:
            high = x
        step = -miss / _density(x, K, family, w)
        if not (low < x + step < high and 2 * abs(step) < before):  # D4
            step = low + (high - low) / 2 - x
        x += step
        before, last = last, abs(step)
        if not last > 2.0**-52 * (abs(x) + narrowest):  # D5
            break
    return float(x)


@njit(**JIT, **BORROWS)
def _read(s: Array, m: int, o: int, K: int, learned: bool, w: Array) -> None:
    """Write μ, σ (F1) and π (F4) into w."""
    for j in range(K):
        w[j] = s[m, o + j]
        w[K + j] = scale_of(np.float64(s[m, o + K + j]), SIGMA_MIN, T_MAX)
        w[2 * K + j] = 1 / K
    if learned:
        largest = np.float64(s[m, o + 2 * K])
        for j in range(1, K):
            largest = max(largest, np.float64(s[m, o + 2 * K + j]))
        A = 0.0
        for j in range(K):
            w[2 * K + j] = np.exp(np.float64(s[m, o + 2 * K + j]) - largest)
            A += w[2 * K + j]
        for j in range(K):
            w[2 * K + j] /= A


@njit(**JIT, **BORROWS)
def _mass_below(x: float, K: int, family: int, side: float, w: Array) -> float:
    """Return Σ_j π_j Φ(side · z_j): the mass below x, or for side -1 above it."""
    total = 0.0
    for j in range(K):
        z = side * min(max((x - w[j]) / w[K + j], -Z_MAX), Z_MAX)  # F2
        if family == GAUSSIAN:
            total += w[2 * K + j] * (math.erfc(-z * ROOT_HALF) * 0.5)
        else:
            half = 0.5 * np.exp(-abs(z))
            total += w[2 * K + j] * (half if z <= 0 else 1 - half)
    return total


@njit(**JIT, **BORROWS)
def _density(x: float, K: int, family: int, w: Array) -> float:
    total = 0.0
    for j in range(K):
        z = min(max((x - w[j]) / w[K + j], -Z_MAX), Z_MAX)
        q = 0.5 * z * z if family == GAUSSIAN else abs(z)
        total += w[2 * K + j] * np.exp(-q) / w[K + j]
    return total * (CONSTANT[0] if family == GAUSSIAN else CONSTANT[1])


@njit(**JIT, **BORROWS)
def _standard_quantile(u: float, family: int) -> float:
    """Return Φ^{-1}(u), a Gaussian's within less than SLACK."""
    tail = min(u, 1 - u)
    if family == GAUSSIAN:
        t = math.sqrt(-2 * math.log(tail))
        above = NUMERATOR[0] + t * (NUMERATOR[1] + t * NUMERATOR[2])
        below = t * (DENOMINATOR[1] + t * (DENOMINATOR[2] + t * DENOMINATOR[3]))
        far = t - above / (DENOMINATOR[0] + below)
    else:
        far = -math.log(2 * tail)
    return -far if u < 0.5 else far
