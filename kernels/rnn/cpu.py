"""Numba twin of the recurrent pass: one matrix product a step, then one fused sweep over it."""

import numpy as np
from numba import njit

from chainrule.kernels.inline import JIT, tanh
from chainrule.kernels.recurrence import map_batch, over_all_steps
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array) -> None:
    """See `chainrule.kernels.rnn.forward`."""

    def rows(lo: int, hi: int) -> None:
        for t in range(len(z)):
            np.matmul(h[t, lo:hi], W, out=h[t + 1, lo:hi])
            _activate(z[t, lo:hi], h[t + 1, lo:hi])

    map_batch(rows, z, W)


def backward(dh: Array, h: Array, W: Array, dz: Array, dW: Array, dh0: Array) -> None:
    """See `chainrule.kernels.rnn.backward`."""

    W_T = np.ascontiguousarray(W.T)  # once: BLAS is faster along rows

    def rows(lo: int, hi: int) -> None:
        from_next = dh0[lo:hi]
        from_next[...] = 0
        for t in reversed(range(len(dh))):
            _step_back(dh[t, lo:hi], from_next, h[t + 1, lo:hi], dz[t, lo:hi])
            np.matmul(dz[t, lo:hi], W_T, out=from_next)

    map_batch(rows, dz, W)
    np.matmul(over_all_steps(h[:-1]).T, over_all_steps(dz), out=dW)  # B3


@njit(**JIT)
def _activate(z: Array, h: Array) -> None:
    for n in range(len(z)):
        z_n, h_n = z[n], h[n]
        for j in range(len(h_n)):
            h_n[j] = tanh(z_n[j] + h_n[j])  # F1, F2


@njit(**JIT)
def _step_back(dh: Array, from_next: Array, h: Array, dz: Array) -> None:
    one = h.dtype.type(1)
    for n in range(len(h)):
        dh_n, from_n, h_n, dz_n = dh[n], from_next[n], h[n], dz[n]
        for j in range(len(h_n)):
            dz_n[j] = (dh_n[j] + from_n[j]) * (one - h_n[j] * h_n[j])  # B1, B2
