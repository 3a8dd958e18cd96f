"""Numba twin of the NADE kernels: splits the rows over threads; `sweeps`, `reverse` compute.

Each function has the signature of its reference. What it writes depends on the number of
threads only where it is a sum over rows, that is, in the gradients.
"""

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.nade import reverse, sweeps
from chainrule.kernels.nade.heads.bernoulli import Bernoulli
from chainrule.kernels.nade.hidden import Start
from chainrule.kernels.types import Array, Bits, Ids

# A thread costs about 50 µs to start, hence should have 200 µs of work: this many (row, i, j).
_WORK_A_THREAD = 500_000


def forward(
    x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, s: Array, a_end: Array
) -> None:
    """See `chainrule.kernels.nade.forward`."""
    head, logits = _head(V, b, W), np.require(s, W.dtype, "C")

    def rows(lo: int, hi: int) -> None:
        sweeps.forward(x[lo:hi], W, Start(c, y[lo:hi]), head, logits[lo:hi], a_end[lo:hi])

    threads.map_rows(rows, len(x), _min_rows(W))
    if logits is not s:
        s[...] = logits


def backward(
    ds: Array,
    x: Bits,
    W: Array,
    V: Array,
    a_end: Array,
    y: Ids,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """See `chainrule.kernels.nade.backward`."""
    grads, head = (dW, dV, db, dc), Bernoulli(V, db)  # b has no part in it, but for its type

    def rows(lo: int, hi: int, dW: Array, dV: Array, db: Array, dc: Array) -> None:
        part = ds[lo:hi], x[lo:hi], W, head, a_end[lo:hi]
        reverse.backward(*part, dW, Start(dc, y[lo:hi]), Bernoulli(dV, db))

    threads.sum_rows(rows, len(x), _shares(grads, len(x)), _min_rows(W))


def input_gradient(ds: Array, x: Bits, W: Array, V: Array, a_end: Array, dx: Array) -> None:
    """See `chainrule.kernels.nade.input_gradient`."""
    head = Bernoulli(V, V.reshape(-1))  # what stands for b has no part in it

    def rows(lo: int, hi: int) -> None:
        reverse.input_gradient(ds[lo:hi], x[lo:hi], W, head, a_end[lo:hi], dx[lo:hi])

    threads.map_rows(rows, len(x), _min_rows(W))


def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade.log_prob`."""
    head = _head(V, b, W)

    def rows(lo: int, hi: int) -> None:
        sweeps.log_prob(x[lo:hi], W, Start(c, y[lo:hi]), head, log_p[lo:hi])

    threads.map_rows(rows, len(x), _min_rows(W))


def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    y: Ids,
    scale: float,
    nll: Array,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """See `chainrule.kernels.nade.nll_and_grad`."""
    head, scale_typed = _head(V, b, W), W.dtype.type(scale)

    def rows(lo: int, hi: int, dW: Array, dV: Array, db: Array, dc: Array) -> None:
        part = x[lo:hi], W, Start(c, y[lo:hi]), head, scale_typed, nll[lo:hi]
        sweeps.nll_and_grad(*part, dW, dc, Bernoulli(dV, db))

    threads.sum_rows(rows, len(x), _shares((dW, dV, db, dc), len(x)), _min_rows(W))


def sample(u: Array, W: Array, V: Array, b: Array, c: Array, y: Ids, x: Bits) -> None:
    """See `chainrule.kernels.nade.sample`."""
    head = _head(V, b, W)

    def rows(lo: int, hi: int) -> None:
        sweeps.sample(u[lo:hi], W, Start(c, y[lo:hi]), head, x[lo:hi])

    threads.map_rows(rows, len(u), _min_rows(W))


def _head(V: Array, b: Array, W: Array) -> Bernoulli:
    """Return the head, its arrays laid out for `products`: they are already, in a model."""
    return Bernoulli(np.require(V, W.dtype, "C"), np.require(b, W.dtype, "C"))


def _min_rows(W: Array) -> int:
    """Return the fewest rows worth a thread."""
    return 1 + _WORK_A_THREAD // max(1, W.size)


def _shares(grads: tuple[Array, ...], n_rows: int) -> list[tuple[Array, ...]]:
    """Return the caller's gradients as the first thread's share, and scratch for the others."""
    others = min(threads.n_threads(), n_rows // _min_rows(grads[0])) - 1
    return [grads, *(tuple(np.empty_like(g) for g in grads) for _ in range(others))]
