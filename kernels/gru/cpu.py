"""Numba twin of the GRU pass: one matrix product a step, then fused sweeps over the gates."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT, sigmoid, tanh
from chainrule.kernels.linear import cpu as linear
from chainrule.kernels.linear.packed import packed, product
from chainrule.kernels.recurrence import map_batch, over_all_steps
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, b: Array, h: Array, m: Array) -> None:
    """See `chainrule.kernels.gru.forward`."""
    W = packed(W)
    map_batch(lambda lo, hi: _forward(z, W, b, h, m, lo, hi), z, W)


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
    H, W_T = len(W), packed(W, transpose=True)
    map_batch(lambda lo, hi: _backward(dh, gates, W_T, h, m, dz, dh0, lo, hi), dz, W)
    states, dm = over_all_steps(h[:-1]).T, over_all_steps(m)
    linear.product(states, over_all_steps(dz)[:, : 2 * H], dW[:, : 2 * H])  # B5
    linear.product(states, dm, dW[:, 2 * H :])  # B5: the third block
    np.sum(dm, axis=0, out=db)  # B5: db


@njit(**JIT)
def _forward(z: Array, W: Array, b: Array, h: Array, m: Array, lo: int, hi: int) -> None:
    """F1-F4 of every step for rows lo … hi - 1; W by `packed`."""
    p = np.empty((hi - lo, W.shape[0] * W.shape[2]), W.dtype)
    for t in range(z.shape[0]):
        product(h[t, lo:hi], W, p)  # F1: h W
        _step(p, b, z[t, lo:hi], m[t, lo:hi], h[t, lo:hi], h[t + 1, lo:hi])


@njit(**JIT)
def _backward(
    dh: Array, gates: Array, W_T: Array, h: Array, m: Array, dz: Array, dh0: Array, lo: int, hi: int
) -> None:
    """B1-B4, B6 of every step for rows lo … hi - 1; W_T: Wᵀ by `packed`."""
    H = dh.shape[2]
    from_next = np.zeros((hi - lo, W_T.shape[0] * W_T.shape[2]), W_T.dtype)
    q, kept = np.empty((hi - lo, 3 * H), dh.dtype), np.zeros((hi - lo, H), dh.dtype)
    for t in range(dh.shape[0] - 1, -1, -1):
        gates_t, h_t, m_t, dz_t = gates[t, lo:hi], h[t, lo:hi], m[t, lo:hi], dz[t, lo:hi]
        _step_back(dh[t, lo:hi], from_next, kept, gates_t, h_t, m_t, dz_t, q)
        product(q, W_T, from_next)  # B1: q Wᵀ, for step t - 1
    dh0[lo:hi] = from_next[:, :H] + kept  # B6


@njit(**INLINE)
def cell(p: Array, b: Array, z: Array, m: Array, h_before: Array, h: Array) -> None:
    """F1-F4 of one row and step, p = h W; loops over few arrays each, which LLVM can tell apart.

    Shared with the samplers, where m is p's last block and h is h_before itself.
    """
    H, one = len(h), h.dtype.type(1)
    r, u, new, p_new = z[:H], z[H : 2 * H], z[2 * H :], p[2 * H :]
    for j in range(2 * H):
        z[j] = sigmoid(z[j] + p[j])  # F2: r and u
    for j in range(H):
        m[j] = p_new[j] + b[j]  # F1
    for j in range(H):
        new[j] = tanh(new[j] + r[j] * m[j])  # F3
    for j in range(H):
        h[j] = (one - u[j]) * new[j] + u[j] * h_before[j]  # F4


@njit(**JIT)
def _step(p: Array, b: Array, z: Array, m: Array, h_before: Array, h: Array) -> None:
    for n in range(len(h)):
        cell(row(p, n), b, row(z, n), row(m, n), row(h_before, n), row(h, n))


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
        dh_n, from_n, kept_n, gates_n = row(dh, n), row(from_next, n), row(kept, n), row(gates, n)
        before_n, m_n, q_n, dz_n = row(h_before, n), row(m, n), row(q, n), row(dz, n)
        r, u, new = gates_n[:H], gates_n[H : 2 * H], gates_n[2 * H :]
        for j in range(H):
            from_n[j] += dh_n[j] + kept_n[j]  # B1: δ
        for j in range(H):
            kept_n[j] = from_n[j] * u[j]  # B1: u ∘ δ, for step t - 1
        for j in range(H):
            q_n[2 * H + j] = from_n[j] * (one - u[j]) * (one - new[j] * new[j])  # B2, B3: dz_n
        for j in range(H):
            q_n[j] = q_n[2 * H + j] * m_n[j] * r[j] * (one - r[j])  # B3, B4: dz_r
        for j in range(H):
            q_n[H + j] = from_n[j] * (before_n[j] - new[j]) * u[j] * (one - u[j])  # B2, B4: dz_u
        for j in range(H):
            m_n[j] = q_n[2 * H + j] * r[j]  # B3: dm
        for j in range(3 * H):  # last: dz may be gates, and overlapping arrays do not vectorise
            dz_n[j] = q_n[j]
        for j in range(H):
            q_n[2 * H + j] = m_n[j]
