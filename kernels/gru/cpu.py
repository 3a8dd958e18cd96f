"""Numba twin of the GRU pass: one matrix product a step, then fused sweeps over the gates."""

import numpy as np
from numba import njit

from chainrule.kernels.inline import JIT, sigmoid, tanh
from chainrule.kernels.recurrence import map_batch, over_all_steps
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, b: Array, h: Array, m: Array) -> None:
    """See `chainrule.kernels.gru.forward`."""

    def rows(lo: int, hi: int) -> None:
        p = np.empty((hi - lo, W.shape[1]), W.dtype)
        for t in range(len(z)):
            np.matmul(h[t, lo:hi], W, out=p)
            _step(p, b, z[t, lo:hi], m[t, lo:hi], h[t, lo:hi], h[t + 1, lo:hi])

    map_batch(rows, z, W)


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    b: Array,
    h: Array,
    m: Array,
    dz: Array,
    dW: Array,
    db: Array,
    dh0: Array,
) -> None:
    """See `chainrule.kernels.gru.backward`."""
    H, W_T = len(W), np.ascontiguousarray(W.T)  # once: BLAS is faster along rows

    def rows(lo: int, hi: int) -> None:
        from_next = dh0[lo:hi]
        q, kept = np.empty((hi - lo, 3 * H), W.dtype), np.zeros((hi - lo, H), W.dtype)
        from_next[...] = 0
        for t in reversed(range(len(dh))):
            upstream = dh[t, lo:hi], from_next, kept
            _step_back(*upstream, gates[t, lo:hi], h[t, lo:hi], m[t, lo:hi], dz[t, lo:hi], q)
            np.matmul(q, W_T, out=from_next)
        from_next += kept  # B6

    map_batch(rows, dz, W)
    states, dm = over_all_steps(h[:-1]).T, over_all_steps(m)
    np.matmul(states, over_all_steps(dz)[:, : 2 * H], out=dW[:, : 2 * H])  # B5
    np.matmul(states, dm, out=dW[:, 2 * H :])
    np.sum(dm, axis=0, out=db)


@njit(**JIT)
def _step(p: Array, b: Array, z: Array, m: Array, h_before: Array, h: Array) -> None:
    """F1-F4 of one step, p = h W; loops over few arrays each, which LLVM can tell apart."""
    H, one = h.shape[1], h.dtype.type(1)
    for n in range(len(h)):
        p_n, z_n, m_n, before_n, h_n = p[n], z[n], m[n], h_before[n], h[n]
        r, u, new, p_new = z_n[:H], z_n[H : 2 * H], z_n[2 * H :], p_n[2 * H :]
        for j in range(2 * H):
            z_n[j] = sigmoid(z_n[j] + p_n[j])  # F2: r and u
        for j in range(H):
            m_n[j] = p_new[j] + b[j]  # F1
        for j in range(H):
            new[j] = tanh(new[j] + r[j] * m_n[j])  # F3
        for j in range(H):
            h_n[j] = (one - u[j]) * new[j] + u[j] * before_n[j]  # F4


@njit(**JIT)
def _step_back(
    dh: Array,
    from_next: Array,
    kept: Array,
    gates: Array,
    h_before: Array,
    m: Array,
    dz: Array,
    q: Array,
) -> None:
    """B1-B4 of one step; from_next = q_{t+1} Wᵀ, used up; kept = u_{t+1} δ_{t+1}, then u_t δ_t."""
    H, one = dh.shape[1], dh.dtype.type(1)
    for n in range(len(dh)):
        dh_n, from_n, kept_n, gates_n, dz_n = dh[n], from_next[n], kept[n], gates[n], dz[n]
        before_n, m_n, q_n = h_before[n], m[n], q[n]
        r, u, new = gates_n[:H], gates_n[H : 2 * H], gates_n[2 * H :]
        for j in range(H):
            from_n[j] += dh_n[j] + kept_n[j]  # B1: δ
        for j in range(H):
            kept_n[j] = from_n[j] * u[j]
        for j in range(H):
            q_n[2 * H + j] = from_n[j] * (one - u[j]) * (one - new[j] * new[j])  # B2, B3
        for j in range(H):
            q_n[j] = q_n[2 * H + j] * m_n[j] * r[j] * (one - r[j])  # B4
        for j in range(H):
            q_n[H + j] = from_n[j] * (before_n[j] - new[j]) * u[j] * (one - u[j])
        for j in range(H):
            m_n[j] = q_n[2 * H + j] * r[j]
        for j in range(3 * H):  # last: dz may be gates, and overlapping arrays do not vectorise
            dz_n[j] = q_n[j]
        for j in range(H):
            q_n[2 * H + j] = m_n[j]
