"""A batch of mixtures of logistics: their losses, and gradients in place of the outputs.

Working memory as `chainrule.kernels.mixture.batch` has it, whose functions make the shares: here
is what a step has of a logistic, where there it is a density's. The place X holds y of F2. Inner
levels and edges are both made and one is chosen: a branch would not vectorise.
"""

import numpy as np

from chainrule.kernels.batches import BATCH, X, gather, lanes_of, scatter
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT, exp, one_less_exp
from chainrule.kernels.logistics import T_MAX, Z_MAX
from chainrule.kernels.mixture.batch import LEAST, OF_EACH, TOP, share, turn_round, weigh
from chainrule.kernels.types import Array

_U = np.uintp


@njit(**JIT, **BORROWS)
def losses(
    s: Array, m: int, rows: int, K: int, levels: int, least: float, gradient: bool, work: Array
) -> None:
    """Write -log P of rows m, m + 1, … into work.

    least: of log scales. gradient: whether the outputs become RATE times its gradient.
    """
    lanes = lanes_of(rows)
    gather(s, m, rows, 0, 3 * K, work, OF_EACH)
    weigh(K, lanes, True, work)  # F5
    for k in range(lanes):
        work[_U(TOP + k)] = work.dtype.type(LEAST)
    for j in range(K):
        _place(K, j, lanes, levels, least, work)
        _measure(K, j, lanes, levels, work)
    share(K, lanes, 0.0, work)  # F6, F7
    if gradient:
        turn_round(K, lanes, True, work)  # B1, B4-B6
        scatter(work, OF_EACH, s, m, rows, 0, 3 * K)


@njit(**JIT, **BORROWS)
def _place(K: int, j: int, lanes: int, levels: int, least: float, work: Array) -> None:
    """Make z in the place of μ, k in that of g, and in that of t 0 where it is held, else 1."""
    zero, one, far = work.dtype.type(0), work.dtype.type(1), work.dtype.type(Z_MAX)
    lowest, highest = work.dtype.type(least), work.dtype.type(T_MAX)
    n = work.dtype.type(levels - 1)
    of_mu, of_t, of_g = (
        OF_EACH + j * BATCH,
        OF_EACH + (K + j) * BATCH,
        OF_EACH + (3 * K + j) * BATCH,
    )
    h = one / n
    for k in range(lanes):
        t = work[_U(of_t + k)]
        tau = lowest if t < lowest else t
        tau = highest if tau > highest else tau
        step = exp(-tau) * h  # F1
        z = (work[_U(X + k)] - n * work[_U(of_mu + k)]) * step
        z = -far if z < -far else z
        work[_U(of_mu + k)] = far if z > far else z  # F2
        work[_U(of_g + k)] = step
        work[_U(of_t + k)] = one if tau == t else zero


@njit(**JIT, **BORROWS)
def _measure(K: int, j: int, lanes: int, levels: int, work: Array) -> None:
    """Make g, both slopes and b - d of component j, and keep the largest b - d."""
    zero, one, two = work.dtype.type(0), work.dtype.type(1), work.dtype.type(2)
    n = work.dtype.type(levels - 1)
    of_mu, of_t = OF_EACH + j * BATCH, OF_EACH + (K + j) * BATCH
    of_g, of_b = OF_EACH + (3 * K + j) * BATCH, OF_EACH + (4 * K + j) * BATCH
    for k in range(lanes):
        y, z, step = work[_U(X + k)], work[_U(of_mu + k)], work[_U(of_g + k)]
        at, first = abs(z), y <= -n
        edge = first | (y >= n)
        c = step + z if first else step - z  # F4
        v = abs(c) if edge else at
        E, q, less_q = exp(-v), exp(-step), one_less_exp(step)
        less = less_q * (one + q)
        w = (one + E * q) * (E + q)  # F3
        over = one / (one + E if edge else w)
        part = over if edge else q * over
        # Of inner levels
        apart = part * (one_less_exp(v) * (one + E))  # B2
        both = part * (one + E * (E + two * q))  # B2
        curve_inner = step * (both + two * q * q / less) - at * apart
        # Of edges
        beyond = part if c < zero else E * part  # B3
        up = -apart if z < zero else apart
        up_edge = -beyond if first else beyond
        d_edge = -c if c < zero else zero  # F4
        curve_edge = c * beyond
        exponent = work[_U(of_b + k)] - (d_edge if edge else at)
        work[_U(of_g + k)] = over if edge else less * over  # F4, F3
        work[_U(of_mu + k)] = (up_edge if edge else up) * (n * step)
        work[_U(of_t + k)] *= curve_edge if edge else curve_inner
        work[_U(of_b + k)] = exponent
        work[_U(TOP + k)] = max(work[_U(TOP + k)], exponent)
