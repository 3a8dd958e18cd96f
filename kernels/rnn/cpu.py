"""Numba twin of the recurrent pass: one matrix product a step, then one fused sweep over it."""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT, tanh
from chainrule.kernels.linear import cpu as linear
from chainrule.kernels.linear.packed import packed, product
from chainrule.kernels.recurrence import map_batch, over_all_steps
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array) -> None:
    """See `chainrule.kernels.rnn.forward`."""
    W = packed(W)
    map_batch(lambda lo, hi: _forward(z, W, h, lo, hi), z, W)


def backward(dh: Array, h: Array, W: Array, dz: Array, dW: Array, dh0: Array) -> None:
    """See `chainrule.kernels.rnn.backward`."""
    W_T = packed(W, transpose=True)
    map_batch(lambda lo, hi: _backward(dh, h, W_T, dz, dh0, lo, hi), dz, W)
    linear.product(over_all_steps(h[:-1]).T, over_all_steps(dz), dW)  # B3


@njit(**JIT)
def _forward(z: Array, W: Array, h: Array, lo: int, hi: int) -> None:
    """F1, F2 of every step for rows lo … hi - 1; W by `packed`."""
    p = np.empty((hi - lo, W.shape[0] * W.shape[2]), W.dtype)
    for t in range(z.shape[0]):
        product(h[t, lo:hi], W, p)  # F1: h W
        _step(p, z[t, lo:hi], h[t + 1, lo:hi])


@njit(**JIT)
def _backward(dh: Array, h: Array, W_T: Array, dz: Array, dh0: Array, lo: int, hi: int) -> None:
    """B1, B2, B4 of every step for rows lo … hi - 1; W_T: Wᵀ by `packed`."""
    from_next = np.zeros((hi - lo, W_T.shape[0] * W_T.shape[2]), W_T.dtype)
    for t in range(dh.shape[0] - 1, -1, -1):
        _step_back(dh[t, lo:hi], from_next, h[t + 1, lo:hi], dz[t, lo:hi])
        product(dz[t, lo:hi], W_T, from_next)  # B1: dz Wᵀ, for step t - 1
    dh0[lo:hi] = from_next[:, : dh.shape[2]]  # B4


@njit(**INLINE)
def cell(p: Array, z: Array, h: Array) -> None:
    """F1, F2 of one row and step, p = h W. Shared with the samplers."""
    for j in range(len(h)):
        h[j] = tanh(z[j] + p[j])  # F1, F2


@njit(**JIT)
def _step(p: Array, z: Array, h: Array) -> None:
    for n in range(len(h)):
        cell(row(p, n), row(z, n), row(h, n))


@njit(**JIT)
def _step_back(dh: Array, from_next: Array, h: Array, dz: Array) -> None:
    one = h.dtype.type(1)
    for n in range(len(h)):
        dh_n, from_n, h_n, dz_n = row(dh, n), row(from_next, n), row(h, n), row(dz, n)
        for j in range(len(h_n)):
            dz_n[j] = (dh_n[j] + from_n[j]) * (one - h_n[j] * h_n[j])  # B1, B2
