"""A batch of mixtures: their losses, and gradients in place of the outputs, for compiled callers.

Working memory as `chainrule.kernels.batches` has it, of `working_memory(K)` numbers of s's dtype.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels.batches import AREAS, BATCH, NLL, RATE, X, gather, lanes_of, scatter
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, exp, log, smallest_normal
from chainrule.kernels.mixture import GAUSSIAN, SIGMA_MIN, T_MAX, Z_MAX, steps
from chainrule.kernels.types import Array

LOG_C = (math.log(2 * math.pi) / 2, math.log(2))  # of the families
NOTHING = -87.0  # e to it is where the float32 exponential ends
LEAST = -3e38  # below every exponent
TOP, SUM, WEIGHTS = AREAS, AREAS + BATCH, AREAS + 2 * BATCH  # m, Z and A; a row each
# Areas of K columns: μ, slope/σ; t, curve e^t / σ; a, e^b; g; b, b - q, Z_j.
OF_EACH = AREAS + 3 * BATCH
_U = np.uintp


def working_memory(K: int) -> int:
    """Return how many numbers a batch of mixtures of K components needs."""
    return OF_EACH + 5 * K * BATCH


@njit(**INLINE, **BORROWS)
def scale_of(t: Any, least: Any, most: Any) -> Any:
    """Return σ of a raw scale (F1); least, most: SIGMA_MIN and T_MAX in t's type."""
    return least + exp(min(t, most))


@njit(**JIT, **BORROWS)
def losses(
    s: Array,
    m: int,
    rows: int,
    o: int,
    K: int,
    half: float,
    family: int,
    learned: bool,
    gradient: bool,
    work: Array,
) -> None:
    """Write -log p of rows m, m + 1, …, whose outputs start in column o, into work.

    half: of a lattice's step, else 0. gradient: whether the outputs become RATE times its gradient.
    """
    n, lanes = (3 if learned else 2) * K, lanes_of(rows)
    gather(s, m, rows, o, n, work, OF_EACH)
    weigh(K, lanes, learned, work)
    if half == 0:
        _measure(K, lanes, family, work)
        share(K, lanes, LOG_C[0] if family == GAUSSIAN else LOG_C[1], work)
    else:
        _measure_steps(K, lanes, half, family, work)
        share(K, lanes, 0.0, work)
    if gradient:
        turn_round(K, lanes, learned, work)
        scatter(work, OF_EACH, s, m, rows, o, n)


@njit(**INLINE, **BORROWS)
def weigh(K: int, lanes: int, learned: bool, work: Array) -> None:
    """Make b, e^b and A (F4)."""
    a, b = OF_EACH + 2 * K * BATCH, OF_EACH + 4 * K * BATCH
    zero, nothing = work.dtype.type(0), work.dtype.type(NOTHING)
    for k in range(lanes):
        work[_U(WEIGHTS + k)] = zero if learned else work.dtype.type(K)
        work[_U(TOP + k)] = work[_U(a + k)] if learned else zero
    for j in range(K if learned else 0):
        for k in range(lanes):
            work[_U(TOP + k)] = max(work[_U(TOP + k)], work[_U(a + j * BATCH + k)])
    for j in range(K):
        of_a, of_b = a + j * BATCH, b + j * BATCH
        if not learned:
            for k in range(lanes):
                work[_U(of_b + k)] = zero
            continue
        for k in range(lanes):
            shifted = work[_U(of_a + k)] - work[_U(TOP + k)]  # F4: b
            weight = zero if shifted < nothing else exp(shifted)
            work[_U(of_b + k)], work[_U(of_a + k)] = shifted, weight  # F4: b, e^b
            work[_U(WEIGHTS + k)] += weight  # F4: A


@njit(**INLINE, **BORROWS)
def _measure(K: int, lanes: int, family: int, work: Array) -> None:
    """Make g = 1/σ, slope/σ = q'/σ, curve e^t / σ = (1 - z q') e^t / σ, b - q, and its largest."""
    zero, one, half = work.dtype.type(0), work.dtype.type(1), work.dtype.type(0.5)
    least, most = work.dtype.type(SIGMA_MIN), work.dtype.type(T_MAX)
    far = work.dtype.type(Z_MAX)
    for k in range(lanes):
        work[_U(TOP + k)] = work.dtype.type(LEAST)
    for j in range(K):
        of_mu, of_t = OF_EACH + j * BATCH, OF_EACH + (K + j) * BATCH
        of_inverse, of_b = OF_EACH + (3 * K + j) * BATCH, OF_EACH + (4 * K + j) * BATCH
        for k in range(lanes):
            t = work[_U(of_t + k)]
            e = exp(min(t, most))
            inverse = one / (least + e)  # F1
            z = (work[_U(X + k)] - work[_U(of_mu + k)]) * inverse
            z = -far if z < -far else z
            z = far if z > far else z  # F2
            q = half * z * z if family == GAUSSIAN else abs(z)  # F3
            sign = (one if z > zero else zero) - (one if z < zero else zero)
            slope = z if family == GAUSSIAN else sign
            exponent = work[_U(of_b + k)] - q
            work[_U(of_inverse + k)], work[_U(of_mu + k)] = inverse, slope * inverse
            work[_U(of_t + k)] = (zero if t > most else e * inverse) * (one - z * slope)
            work[_U(of_b + k)] = exponent
            work[_U(TOP + k)] = max(work[_U(TOP + k)], exponent)


@njit(**JIT, **BORROWS)
def _measure_steps(K: int, lanes: int, half: float, family: int, work: Array) -> None:
    """The same of a lattice's steps, with g, slope and curve of W1-W6."""
    for k in range(lanes):
        work[_U(TOP + k)] = work.dtype.type(LEAST)
    for j in range(K):
        _place(K, j, lanes, half, work)
        if family == GAUSSIAN:  # a loop of its own for each: two in one are not vectorised
            _gaussian_steps(K, j, lanes, half, work)
        else:
            _laplace_steps(K, j, lanes, half, work)


@njit(**JIT, **BORROWS)
def _place(K: int, j: int, lanes: int, half: float, work: Array) -> None:
    """Make z, h / σ in the place of g, and e^t / σ of component j (F1, F2)."""
    zero, one, far = work.dtype.type(0), work.dtype.type(1), work.dtype.type(Z_MAX)
    least, most = work.dtype.type(SIGMA_MIN), work.dtype.type(T_MAX)
    h, of_mu, of_t = work.dtype.type(half), OF_EACH + j * BATCH, OF_EACH + (K + j) * BATCH
    of_g = OF_EACH + (3 * K + j) * BATCH
    for k in range(lanes):
        t = work[_U(of_t + k)]
        e = exp(min(t, most))
        inverse = one / (least + e)
        z = (work[_U(X + k)] - work[_U(of_mu + k)]) * inverse
        z = -far if z < -far else z
        work[_U(of_mu + k)] = far if z > far else z
        work[_U(of_g + k)] = min(h * inverse, far)
        work[_U(of_t + k)] = zero if t > most else e * inverse


@njit(**JIT, **BORROWS)
def _gaussian_steps(K: int, j: int, lanes: int, half: float, work: Array) -> None:
    """Make g, slope/σ, curve e^t / σ and b - q of component j, and keep the largest b - q (F5)."""
    over_h, of_mu, of_t = work.dtype.type(1 / half), OF_EACH + j * BATCH, OF_EACH + (K + j) * BATCH
    of_g, of_b = OF_EACH + (3 * K + j) * BATCH, OF_EACH + (4 * K + j) * BATCH
    for k in range(lanes):
        wide = work[_U(of_g + k)]
        q, g, slope, curve = steps.gaussian(work[_U(of_mu + k)], wide, work)
        exponent = work[_U(of_b + k)] - q
        work[_U(of_g + k)], work[_U(of_mu + k)] = g, slope * (wide * over_h)
        work[_U(of_t + k)] *= curve
        work[_U(of_b + k)] = exponent
        work[_U(TOP + k)] = max(work[_U(TOP + k)], exponent)


@njit(**JIT, **BORROWS)
def _laplace_steps(K: int, j: int, lanes: int, half: float, work: Array) -> None:
    """The same of Laplacians."""
    over_h, of_mu, of_t = work.dtype.type(1 / half), OF_EACH + j * BATCH, OF_EACH + (K + j) * BATCH
    of_g, of_b = OF_EACH + (3 * K + j) * BATCH, OF_EACH + (4 * K + j) * BATCH
    for k in range(lanes):
        wide = work[_U(of_g + k)]
        q, g, slope, curve = steps.laplace(work[_U(of_mu + k)], wide, work)
        exponent = work[_U(of_b + k)] - q
        work[_U(of_g + k)], work[_U(of_mu + k)] = g, slope * (wide * over_h)
        work[_U(of_t + k)] *= curve
        work[_U(of_b + k)] = exponent
        work[_U(TOP + k)] = max(work[_U(TOP + k)], exponent)


@njit(**INLINE, **BORROWS)
def share(K: int, lanes: int, log_of_c: float, work: Array) -> None:
    """Make Z_j and Z of the exponents (F5), and -log p (F6)."""
    zero, nothing = work.dtype.type(0), work.dtype.type(NOTHING)
    log_c = work.dtype.type(log_of_c)
    for k in range(lanes):
        work[_U(SUM + k)] = zero
    for j in range(K):
        of_inverse, of_e = OF_EACH + (3 * K + j) * BATCH, OF_EACH + (4 * K + j) * BATCH
        for k in range(lanes):
            d = work[_U(of_e + k)] - work[_U(TOP + k)]
            e = (zero if d < nothing else exp(d)) * work[_U(of_inverse + k)]  # F5
            work[_U(of_e + k)] = e
            work[_U(SUM + k)] += e
    for k in range(lanes):
        ratio = log(work[_U(WEIGHTS + k)]) - log(work[_U(SUM + k)])
        work[_U(NLL + k)] = ratio - work[_U(TOP + k)] + log_c  # F6


@njit(**INLINE, **BORROWS)
def turn_round(K: int, lanes: int, learned: bool, work: Array) -> None:
    """Turn slope/σ, curve e^t / σ and e^b into the gradients of μ, t and a, times RATE.

    One below the smallest normal number becomes 0, as in `chainrule.kernels.bernoulli.cpu`.
    """
    tiny, zero = smallest_normal(work), work.dtype.type(0)
    for k in range(lanes):
        work[_U(SUM + k)] = work[_U(RATE + k)] / work[_U(SUM + k)]
        work[_U(WEIGHTS + k)] = work[_U(RATE + k)] / work[_U(WEIGHTS + k)]
    for j in range(K):
        of_mu, of_t = OF_EACH + j * BATCH, OF_EACH + (K + j) * BATCH
        of_a, of_e = of_t + K * BATCH, OF_EACH + (4 * K + j) * BATCH
        for k in range(lanes):
            share = work[_U(of_e + k)] * work[_U(SUM + k)]  # B1
            # B2, B3, B4
            of_mean, of_scale = -share * work[_U(of_mu + k)], share * work[_U(of_t + k)]
            work[_U(of_mu + k)] = zero if abs(of_mean) < tiny else of_mean  # B2
            work[_U(of_t + k)] = zero if abs(of_scale) < tiny else of_scale  # B3, B4
            work[_U(of_e + k)] = share
        for k in range(lanes if learned else 0):
            of_weight = work[_U(of_a + k)] * work[_U(WEIGHTS + k)] - work[_U(of_e + k)]  # B5
            work[_U(of_a + k)] = zero if abs(of_weight) < tiny else of_weight  # B5


@njit(**INLINE, **BORROWS)
def input_gradient(g: Array, m: int, o: int, K: int) -> Any:
    """Return dL/dx from the gradient in the outputs."""
    total = g.dtype.type(0)
    for j in range(K):
        total -= g[_U(m), _U(o + j)]  # B6
    return total
