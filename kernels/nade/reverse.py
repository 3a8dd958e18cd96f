"""The reverse sweeps of NADE: the gradient for any upstream gradient, B1-B6, and that in x, B7.

Driven by events like the forward sweeps (see `sweeps`), in the opposite order: undo the event
that follows a run (B1, B2), then take the gradients of the run, which shares one h (B3-B5).
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT
from chainrule.kernels.nade import heads, hidden
from chainrule.kernels.nade.hidden import Start
from chainrule.kernels.nade.sweeps import BLOCK, PANEL, add_starts
from chainrule.kernels.types import Array


@njit(**INLINE, **BORROWS)
def run_start(head: Any, x: Any, n: int, i: int, start: int) -> int:
    """Return the first variable, at least `start`, that shares h with i."""
    while i > start and heads.row(head, x, n, i - 1) < 0:
        i -= 1
    return i


@njit(**JIT)
def backward(
    ds: Array,
    x: Any,
    W: Array,
    head: Any,
    a_end: Array,
    dW: Array,
    start: Start,
    grad: Any,
) -> None:
    """Write the gradients for the upstream gradient ds, (N, n_outputs), by the reverse sweep.

    start: that of c, and the rows' classes.
    """
    N, H = a_end.shape
    dW[:], start.c[:] = 0, 0
    heads.clear(grad)
    h, delta = np.empty((min(N, BLOCK), H), W.dtype), np.empty((min(N, BLOCK), H), W.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        a = a_end[first:last].copy()
        backward_block(ds[first:last], x[first:last], W, head, a, h, delta, dW, grad)
        add_starts(delta, last - first, Start(start.c, start.y[first:last]))  # B6


@njit(**JIT, **BORROWS)
def backward_block(
    ds: Array,
    x: Any,
    W: Array,
    head: Any,
    a: Array,
    h: Array,
    delta: Array,
    dW: Array,
    grad: Any,
) -> None:
    """B1-B5 for the samples of one block; a comes in as a_{D+1} and leaves as a_1."""
    N, D = x.shape
    delta[:] = 0
    for n in range(N):
        hidden.sigmoids(a, h, n)
    for panel in range((D - 1) // PANEL * PANEL, -1, -PANEL):
        for n in range(N):
            stop = min(D, panel + PANEL)
            while stop > panel:
                row = heads.row(head, x, n, stop - 1)
                if row >= 0:
                    times = heads.factor(head, x, n, stop - 1)
                    hidden.add(dW, row, delta, n, times)  # B1
                    hidden.subtract(a, n, W, row, times)  # B2
                    hidden.sigmoids(a, h, n)
                i = run_start(head, x, n, stop - 1, panel)
                heads.output_gradients(head, ds, n, i, stop, h, n, grad)  # B3
                heads.state_gradient(head, ds, n, i, stop, h, delta, n)  # B4, B5
                stop = i


@njit(**JIT)
def input_gradient(ds: Array, x: Any, W: Array, head: Any, a_end: Array, dx: Array) -> None:
    """Write dx, (N, D), for the upstream gradient ds: of bits and real x, whose row of W is i."""
    N, H = a_end.shape
    h, delta = np.empty((min(N, BLOCK), H), W.dtype), np.empty((min(N, BLOCK), H), W.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        a = a_end[first:last].copy()
        input_block(ds[first:last], x[first:last], W, head, a, h, delta, dx[first:last])


@njit(**JIT, **BORROWS)
def input_block(
    ds: Array, x: Any, W: Array, head: Any, a: Array, h: Array, delta: Array, dx: Array
) -> None:
    """B2, B4, B5 and B7 for the samples of one block, variable by variable: δ moves at each."""
    N, D = x.shape
    delta[:] = 0
    for n in range(N):
        hidden.sigmoids(a, h, n)
    for panel in range((D - 1) // PANEL * PANEL, -1, -PANEL):
        for n in range(N):
            for i in range(min(D, panel + PANEL) - 1, panel - 1, -1):
                dx[n, i] = hidden.dot(W, heads.first_row(head, i), delta, n)  # B7
                row = heads.row(head, x, n, i)
                if row >= 0:
                    hidden.subtract(a, n, W, row, heads.factor(head, x, n, i))  # B2
                    hidden.sigmoids(a, h, n)
                heads.state_gradient(head, ds, n, i, i + 1, h, delta, n)  # B4, B5
