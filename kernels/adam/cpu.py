"""Numba twin of the Adam kernel: one fused pass over the flat buffers, split over threads."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array

BLOCK = 4096  # entries whose squares make one partial sum of the norm
THREAD_WORK = 200_000  # entries worth a thread: about 0.1 ms


def step(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    l1: float,
    n_decay: int,
    max_norm: float,
) -> float:
    """See `chainrule.kernels.adam.step`. The result does not depend on the number of threads."""
    norm = _norm(g) if max_norm else 0.0
    r = max_norm / norm if norm > max_norm else 1.0  # A1
    # A5-A7 as θ = (1 - lr λ) θ - rate m / (root √v + ε): constants, so that an entry costs one
    # square root and one division. Each takes the arrays' dtype, or Numba would use float64.
    rate, root = lr / (1 - beta1**t), (1 - beta2**t) ** -0.5
    moments = (beta1, 1 - beta1, beta2, 1 - beta2)
    tiny = np.finfo(theta.dtype).tiny
    constants = [theta.dtype.type(c) for c in (r, *moments, rate, root, eps, tiny, 0)]
    shrink = [theta.dtype.type(c) for c in (1 - lr * weight_decay, lr * l1)]
    leave = [theta.dtype.type(c) for c in (1, 0)]

    def update(lo: int, hi: int) -> None:
        cut = min(max(n_decay, lo), hi)
        _step(theta[lo:cut], g[lo:cut], m[lo:cut], v[lo:cut], *shrink, *constants)
        _step(theta[cut:hi], g[cut:hi], m[cut:hi], v[cut:hi], *leave, *constants)

    map_rows(update, len(theta), THREAD_WORK)
    return norm


def _norm(g: Array) -> float:
    """Return ‖g‖₂ by partial sums over blocks, in an order that threads do not change."""
    n_blocks = -(-len(g) // BLOCK)
    sums = np.empty(n_blocks)
    map_rows(lambda lo, hi: _square_sums(g, lo, hi, sums), n_blocks, 1 + THREAD_WORK // BLOCK)
    return float(np.sqrt(sums.sum()))


@njit(**JIT)
def _square_sums(g: Array, lo: int, hi: int, sums: Array) -> None:
    for block in range(lo, hi):
        sums[block] = _square_sum(g[block * BLOCK : (block + 1) * BLOCK])


@njit(**JIT_SUMS)
def _square_sum(g: Array) -> float:
    total = 0.0  # float64, also for float32: its squares are exact there and cannot overflow
    for i in range(len(g)):
        total += np.float64(g[i]) * np.float64(g[i])
    return total


@njit(**JIT)
def _step(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    keep: float,
    threshold: float,
    r: float,
    beta1: float,
    rest1: float,
    beta2: float,
    rest2: float,
    rate: float,
    root: float,
    eps: float,
    tiny: float,
    zero: float,
) -> None:
    for i in range(len(theta)):
        g_i = r * g[i]  # A2
        m_i = beta1 * m[i] + rest1 * g_i  # A3
        v_i = beta2 * v[i] + rest2 * g_i * g_i  # A4
        theta_i = keep * theta[i] - rate * m_i / (root * np.sqrt(v_i) + eps)  # A5-A7
        m[i] = zero if abs(m_i) < tiny else m_i  # A9; keeps a NaN
        v[i] = zero if v_i < tiny else v_i  # A9
        theta[i] = theta_i - min(max(theta_i, -threshold), threshold)  # A8; keeps a NaN
