"""Numba twin of the NADE kernels: splits the rows over threads; `sweeps`, `reverse` compute.

Each function has the signature of its reference. What it returns depends on the number of
threads only where it is a sum over rows, that is, in the gradients.
"""

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.nade import reverse, sweeps
from chainrule.kernels.types import Array, Bits

# A thread costs about 50 µs to start, hence should have 200 µs of work: this many (row, i, j).
_WORK_A_THREAD = 500_000


def forward(x: Bits, W: Array, V: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """See `chainrule.kernels.nade.forward`."""
    s, a_end = np.empty(x.shape, W.dtype), np.empty((len(x), len(c)), W.dtype)

    def rows(lo: int, hi: int) -> None:
        sweeps.forward(x[lo:hi], W, V, b, c, s[lo:hi], a_end[lo:hi])

    threads.map_rows(rows, len(x), _min_rows(W))
    return s, a_end


def backward(
    ds: Array, x: Bits, W: Array, V: Array, a_end: Array
) -> tuple[Array, Array, Array, Array]:
    """See `chainrule.kernels.nade.backward`."""
    D, H = W.shape
    grads = (np.empty_like(W), np.empty_like(V), np.empty(D, W.dtype), np.empty(H, W.dtype))

    def rows(lo: int, hi: int, dW: Array, dV: Array, db: Array, dc: Array) -> None:
        reverse.backward(ds[lo:hi], x[lo:hi], W, V, a_end[lo:hi], dW, dV, db, dc)

    threads.sum_rows(rows, len(x), _shares(grads, len(x)), _min_rows(W))
    return grads


def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array) -> Array:
    """See `chainrule.kernels.nade.log_prob`."""
    log_p = np.empty(len(x), W.dtype)

    def rows(lo: int, hi: int) -> None:
        sweeps.log_prob(x[lo:hi], W, V, b, c, log_p[lo:hi])

    threads.map_rows(rows, len(x), _min_rows(W))
    return log_p


def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    scale: float,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> Array:
    """See `chainrule.kernels.nade.nll_and_grad`."""
    nll = np.empty(len(x), W.dtype)
    scale_typed = W.dtype.type(scale)

    def rows(lo: int, hi: int, dW: Array, dV: Array, db: Array, dc: Array) -> None:
        sweeps.nll_and_grad(x[lo:hi], W, V, b, c, scale_typed, nll[lo:hi], dW, dV, db, dc)

    threads.sum_rows(rows, len(x), _shares((dW, dV, db, dc), len(x)), _min_rows(W))
    return nll


def sample(u: Array, W: Array, V: Array, b: Array, c: Array) -> Bits:
    """See `chainrule.kernels.nade.sample`."""
    x = np.empty(u.shape, np.uint8)

    def rows(lo: int, hi: int) -> None:
        sweeps.sample(u[lo:hi], W, V, b, c, x[lo:hi])

    threads.map_rows(rows, len(u), _min_rows(W))
    return x


def _min_rows(W: Array) -> int:
    """Return the fewest rows worth a thread."""
    return 1 + _WORK_A_THREAD // max(1, W.size)


def _shares(grads: tuple[Array, ...], n_rows: int) -> list[tuple[Array, ...]]:
    """Return the caller's gradients as the first thread's share, and scratch for the others."""
    others = min(threads.n_threads(), n_rows // _min_rows(grads[0])) - 1
    return [grads, *(tuple(np.empty_like(g) for g in grads) for _ in range(others))]
