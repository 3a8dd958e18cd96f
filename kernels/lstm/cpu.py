"""Numba twin of the LSTM pass: one matrix product a step, then fused sweeps over the gates."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT, sigmoid, tanh
from chainrule.kernels.linear import cpu as linear
from chainrule.kernels.linear.packed import packed, product
from chainrule.kernels.recurrence import map_batch, over_all_steps
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array, c: Array) -> None:
    """See `chainrule.kernels.lstm.forward`."""
    W = packed(W)
    map_batch(lambda lo, hi: _forward(z, W, h, c, lo, hi), z, W)


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    h: Array,
    c: Array,
    dz: Array,
    dW: Array,
    dh0: Array,
    dc0: Array,
) -> None:
    """See `chainrule.kernels.lstm.backward`."""
    W_T = packed(W, transpose=True)
    map_batch(lambda lo, hi: _backward(dh, gates, W_T, c, dz, dh0, dc0, lo, hi), dz, W)
    linear.product(over_all_steps(h[:-1]).T, over_all_steps(dz), dW)  # B5


@njit(**JIT)
def _forward(z: Array, W: Array, h: Array, c: Array, lo: int, hi: int) -> None:
    """F1-F4 of every step for rows lo … hi - 1; W by `packed`."""
    p = np.empty((hi - lo, W.shape[0] * W.shape[2]), W.dtype)
    for t in range(z.shape[0]):
        product(h[t, lo:hi], W, p)  # F1: h W
        _step(p, z[t, lo:hi], c[t, lo:hi], c[t + 1, lo:hi], h[t + 1, lo:hi])


@njit(**JIT)
def _backward(
    dh: Array,
    gates: Array,
    W_T: Array,
    c: Array,
    dz: Array,
    dh0: Array,
    dc0: Array,
    lo: int,
    hi: int,
) -> None:
    """B1-B4, B6 of every step for rows lo … hi - 1; W_T: Wᵀ by `packed`."""
    from_next, dc = np.zeros((hi - lo, W_T.shape[0] * W_T.shape[2]), W_T.dtype), dc0[lo:hi]
    dc[:] = 0
    for t in range(dh.shape[0] - 1, -1, -1):
        cells = c[t, lo:hi], c[t + 1, lo:hi]
        _step_back(dh[t, lo:hi], from_next, gates[t, lo:hi], cells[0], cells[1], dc, dz[t, lo:hi])
        product(dz[t, lo:hi], W_T, from_next)  # B1: dz Wᵀ, for step t - 1
    dh0[lo:hi] = from_next[:, : dh.shape[2]]  # B6; dc is dc0's own


@njit(**INLINE)
def cell(p: Array, z: Array, c_before: Array, c: Array, h: Array) -> None:
    """F1-F4 of one row and step, p = h W; loops over few arrays each, which LLVM can tell apart.

    Shared with the samplers, where c is c_before itself.
    """
    H = len(h)
    i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
    p_g, p_o = p[2 * H : 3 * H], p[3 * H :]
    for j in range(2 * H):
        z[j] = sigmoid(z[j] + p[j])  # F1, F2: i and f
    for j in range(H):
        g[j] = tanh(g[j] + p_g[j])  # F1, F2: g
    for j in range(H):
        o[j] = sigmoid(o[j] + p_o[j])  # F1, F2: o
    for j in range(H):
        c[j] = f[j] * c_before[j] + i[j] * g[j]  # F3
    for j in range(H):
        h[j] = o[j] * tanh(c[j])  # F4


@njit(**JIT)
def _step(p: Array, z: Array, c_before: Array, c: Array, h: Array) -> None:
    for n in range(len(h)):
        cell(row(p, n), row(z, n), row(c_before, n), row(c, n), row(h, n))


@njit(**INLINE)
def cell_back(
    dh: Array, delta: Array, gates: Array, c_before: Array, c: Array, dc: Array, dz: Array,
    tanh_c: Array,
) -> None:  # fmt: skip
    """B1-B4 of one row and step; delta = dz_{t+1} Wᵀ, used up; dc = f_{t+1} ε_{t+1}, then f_t ε_t.

    dz must not be gates: a loop whose arrays overlap, or that writes more than a few, is not
    vectorised. tanh_c: memory for H numbers. Shared with `grid_lstm`.
    """
    H, one = len(dh), dh.dtype.type(1)
    i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
    for j in range(H):
        tanh_c[j] = tanh(c[j])
    for j in range(H):
        delta[j] += dh[j]  # B1
    for j in range(H):
        dc[j] += delta[j] * o[j] * (one - tanh_c[j] * tanh_c[j])  # B2: ε
    for j in range(H):
        dz[j] = dc[j] * g[j] * i[j] * (one - i[j])  # B3, B4: i
    for j in range(H):
        dz[H + j] = dc[j] * c_before[j] * f[j] * (one - f[j])  # B3, B4: f
    for j in range(H):
        dz[2 * H + j] = dc[j] * i[j] * (one - g[j] * g[j])  # B3, B4: g
    for j in range(H):
        dz[3 * H + j] = delta[j] * tanh_c[j] * o[j] * (one - o[j])  # B2: do; B4: o
    for j in range(H):
        dc[j] *= f[j]  # B2: f ∘ ε, for step t - 1


@njit(**JIT)
def _step_back(
    dh: Array, from_next: Array, gates: Array, c_before: Array, c: Array, dc: Array, dz: Array
) -> None:
    """`cell_back` of one step of all rows; dz may be gates: into a row of its own first."""
    H = dh.shape[1]
    tanh_c, new = np.empty(H, dh.dtype), np.empty(4 * H, dh.dtype)
    for n in range(len(dh)):
        before, now = row(c_before, n), row(c, n)
        cell_back(
            row(dh, n), row(from_next, n), row(gates, n), before, now, row(dc, n), new, tanh_c
        )
        dz_n = row(dz, n)
        for j in range(4 * H):
            dz_n[j] = new[j]
