"""The reverse sweep of NADE, B1-B6: the gradient for any upstream gradient ds.

Driven by events like the forward sweeps (see `sweeps`), in the opposite order: undo the event
that follows a run (B1, B2), then take the gradients of the run, which shares one h (B3-B5).
"""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.nade import hidden, rows
from chainrule.kernels.nade.sweeps import BLOCK, PANEL
from chainrule.kernels.types import Array, Bits


@njit(**JIT)
def run_start(x: Bits, n: int, i: int, start: int) -> int:
    """Return the first variable, at least `start`, that shares h with i."""
    while i > start and x[n, i - 1] == 0:
        i -= 1
    return i


@njit(**JIT)
def backward(
    ds: Array,
    x: Bits,
    W: Array,
    V: Array,
    a_end: Array,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """Write the gradients for the upstream gradient ds, (N, D), by the reverse sweep."""
    N, H = a_end.shape
    dW[:], dV[:], db[:], dc[:] = 0, 0, 0, 0
    h, delta = np.empty((min(N, BLOCK), H), W.dtype), np.empty((min(N, BLOCK), H), W.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        a = a_end[first:last].copy()
        backward_block(ds[first:last], x[first:last], W, V, a, h, delta, dW, dV, db)
        for n in range(last - first):
            for j in range(H):
                dc[j] += delta[n, j]  # B6


@njit(**JIT)
def backward_block(
    ds: Array,
    x: Bits,
    W: Array,
    V: Array,
    a: Array,
    h: Array,
    delta: Array,
    dW: Array,
    dV: Array,
    db: Array,
) -> None:
    """B1-B5 for the samples of one block; a comes in as a_{D+1} and leaves as a_1."""
    N, D = x.shape
    delta[:] = 0
    for n in range(N):
        hidden.sigmoids(a, h, n)
    for panel in range((D - 1) // PANEL * PANEL, -1, -PANEL):
        panel_end = min(D, panel + PANEL)
        for n in range(N):
            stop = panel_end
            while stop > panel:
                if x[n, stop - 1] != 0:
                    hidden.add(dW, stop - 1, delta, n)  # B1
                    hidden.subtract(a, n, W, stop - 1)  # B2
                    hidden.sigmoids(a, h, n)
                i = run_start(x, n, stop - 1, panel)
                rows.gradients(ds, n, V, i, stop, h, delta, n, dV)  # B3, B4, B5
                stop = i
            for k in range(panel, panel_end):
                db[k] += ds[n, k]  # B3
