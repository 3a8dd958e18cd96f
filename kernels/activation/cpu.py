"""Numba twin of the activations: one vectorised sweep each."""

from chainrule.kernels.activation import RELU, TANH
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT, sigmoid, tanh
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array

THREAD_WORK = 100_000  # numbers worth a thread: about 0.1 ms of exponentials


def forward(kind: int, h: Array) -> None:
    """See `chainrule.kernels.activation.forward`."""
    map_rows(lambda lo, hi: forward_rows(kind, h[lo:hi]), len(h), _min_rows(h))


def backward(kind: int, h: Array, dh: Array) -> None:
    """See `chainrule.kernels.activation.backward`."""
    map_rows(lambda lo, hi: backward_rows(kind, h[lo:hi], dh[lo:hi]), len(h), _min_rows(h))


def _min_rows(h: Array) -> int:
    return 1 + THREAD_WORK // max(1, int(h.shape[1]))


@njit(**INLINE)
def activate(kind: int, h: Array) -> None:
    """F1-F3 of some units, in a contiguous array. Shared with the samplers."""
    zero = h.dtype.type(0)
    if kind == RELU:
        for j in range(h.size):
            h[j] = zero if h[j] < zero else h[j]  # F1; not a number stays
    elif kind == TANH:
        for j in range(h.size):
            h[j] = tanh(h[j])  # F2
    else:
        for j in range(h.size):
            h[j] = sigmoid(h[j])  # F3


@njit(**JIT)
def forward_rows(kind: int, h: Array) -> None:
    """Update h by F1, F2 or F3. Shared with the network of bits."""
    for n in range(len(h)):
        activate(kind, h[n])


@njit(**INLINE)
def descend(kind: int, h: Array, dh: Array) -> None:
    """B1-B3 of some units, in contiguous arrays."""
    zero, one = h.dtype.type(0), h.dtype.type(1)
    if kind == RELU:
        for j in range(h.size):
            dh[j] = zero if h[j] <= zero else dh[j]  # B1
    elif kind == TANH:
        for j in range(h.size):
            dh[j] *= one - h[j] * h[j]  # B2
    else:
        for j in range(h.size):
            dh[j] *= h[j] * (one - h[j])  # B3


@njit(**JIT)
def backward_rows(kind: int, h: Array, dh: Array) -> None:
    """Update dh by B1, B2 or B3. Shared with the network of bits."""
    for n in range(len(h)):
        descend(kind, h[n], dh[n])
