"""Numba twin of the embedding: rows copied, rows added."""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

THREAD_WORK = 200_000  # entries worth a thread: about 0.1 ms


def forward(ids: Ids, W: Array, x: Array) -> None:
    """See `chainrule.kernels.embedding.forward`."""
    min_rows = 1 + THREAD_WORK // max(1, int(W.shape[1]))
    map_rows(lambda lo, hi: _forward(ids[lo:hi], W, x[lo:hi]), len(ids), min_rows)


def backward(dx: Array, ids: Ids, dW: Array) -> None:
    """See `chainrule.kernels.embedding.backward`. Serial: two rows of dx may meet in one of dW."""
    _backward(dx, ids, dW)


@njit(**JIT)
def _forward(ids: Ids, W: Array, x: Array) -> None:
    N, C = x.shape
    for n in range(N):
        for j in range(C):
            x[n, j] = W[ids[n], j]  # F1


@njit(**JIT)
def _backward(dx: Array, ids: Ids, dW: Array) -> None:
    N, C = dx.shape
    for n in range(N):
        for j in range(C):
            dW[ids[n], j] += dx[n, j]  # B1
