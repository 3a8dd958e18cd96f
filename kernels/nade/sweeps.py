"""Serial, compiled sweeps of NADE: the mathematics of the contract, driven by events.

An event is an x_i that adds a row of W: of bits, a one. Between two events h does not move, so a
run of variables

    x_i = 0, x_{i+1} = 0, …, x_{stop-2} = 0, x_{stop-1} = anything

shares it: the outputs of i … stop-1 are one small matrix-vector product (F3), and only then, if
x_{stop-1} = 1, a takes a step and σ is computed anew (F4, F2), and with it the first output of the
next run: where ones follow each other, each takes one loop over the units. A row of digits with 13%
of ones computes σ for 13% of its variables.

The loops nest like this, in every sweep:

    for a block of BLOCK samples            their state (q, h, Q) stays in the second-level cache
        for a panel of PANEL variables      and so do its rows of W, V, dW, dV
            for each sample of the block
                for each run in the panel

so that memory is read once for each block, not once for each sample. A run never leaves its
panel, hence a sample's results depend on no other sample.

What an event is, and what the outputs say of x_i, is the head's (`nade.heads`).
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT
from chainrule.kernels.nade import heads, hidden
from chainrule.kernels.nade.hidden import Hidden, Start
from chainrule.kernels.types import Array

BLOCK = 64
PANEL = 8


@njit(**INLINE, **BORROWS)
def run_end(head: Any, x: Any, n: int, i: int, stop: int) -> int:
    """Return one past the run of variables that share h with i: past the first event, or stop."""
    i += 1
    while i < stop and heads.row(head, x, n, i - 1) < 0:
        i += 1
    return i


@njit(**JIT)
def forward(x: Any, W: Array, start: Start, head: Any, s: Array, a: Array) -> None:
    """Write the outputs s, (N, n_outputs), and the last pre-activations a, (N, H)."""
    N, D = x.shape
    units = hidden.new(min(N, BLOCK), D, PANEL, head, W)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        mine = Start(start.c, start.y[first:last])
        forward_block(x[first:last], W, mine, head, s[first:last], units)
    for n in range(N):
        hidden.preactivations(a, n, x, n, D, head, W, start)  # F1, F4


@njit(**JIT, **BORROWS)
def forward_block(x: Any, W: Array, start: Start, head: Any, s: Array, units: Hidden) -> None:
    """F1-F4 for the samples of one block."""
    N, D = x.shape
    for n in range(N):
        hidden.start(units, n, x, head, W, start)  # F1, F2
    for panel in range(0, D, PANEL):
        panel_end = min(D, panel + PANEL)
        units.ready[:] = hidden.UNKNOWN
        for n in range(N):
            i, known = panel, False  # are x_i's outputs?
            while i < panel_end:
                stop = run_end(head, x, n, i, panel_end)
                heads.outputs(head, units.h, n, i + known, stop, s, n)  # F3
                row = heads.row(head, x, n, stop - 1)
                known = row >= 0 and hidden.step(
                    units, n, x, stop - 1, row, panel, panel_end, head, W, start, s, n
                )  # F4, F2, F3
                i = stop


@njit(**JIT)
def log_prob(x: Any, W: Array, start: Start, head: Any, log_p: Array) -> None:
    """Write log p(x) of each row, (N,), keeping the outputs of one block at a time."""
    N, D = x.shape
    size = min(N, BLOCK)
    s = np.empty((size, heads.first_output(head, D)), W.dtype)
    units = hidden.new(size, D, PANEL, head, W)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        forward_block(x[first:last], W, Start(start.c, start.y[first:last]), head, s, units)
        for n in range(first, last):
            log_p[n] = -heads.loss(head, s, n - first, x, n)


@njit(**JIT)
def nll_and_grad(
    x: Any,
    W: Array,
    start: Start,
    head: Any,
    scale: float,
    nll: Array,
    dW: Array,
    dc: Array,
    grad: Any,
) -> None:
    """Write -log p(x) of each row, (N,), and the gradient of scale times their sum."""
    N, D = x.shape
    dW[:], dc[:] = 0, 0
    heads.clear(grad)
    size = min(N, BLOCK)
    s = np.empty((size, heads.first_output(head, D)), W.dtype)
    units = hidden.new(size, D, PANEL, head, W)
    Q, g = np.empty((size, W.shape[1]), W.dtype), np.empty((1, s.shape[1]), W.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        x_block, y = x[first:last], start.y[first:last]
        mine = Start(start.c, y)
        gradient_block(x_block, W, mine, head, scale, s, g, units, Q, dW, grad)
        add_totals(x_block, head, Q, dW, Start(dc, y))
        for n in range(first, last):
            nll[n] = heads.loss(head, s, n - first, x, n)


@njit(**JIT, **BORROWS)
def gradient_block(
    x: Any,
    W: Array,
    start: Start,
    head: Any,
    scale: float,
    s: Array,
    g: Array,
    units: Hidden,
    Q: Array,
    dW: Array,
    grad: Any,
) -> None:
    """S1 and the first half of S2 beside F1-F4, for the samples of one block."""
    N, D = x.shape
    Q[:] = 0  # S1
    for n in range(N):
        hidden.start(units, n, x, head, W, start)  # F1, F2
    for panel in range(0, D, PANEL):
        panel_end = min(D, panel + PANEL)
        units.ready[:] = hidden.UNKNOWN
        for n in range(N):
            i, known = panel, False  # are x_i's outputs?
            while i < panel_end:
                stop = run_end(head, x, n, i, panel_end)
                heads.outputs(head, units.h, n, i + known, stop, s, n)  # F3
                heads.loss_gradient(head, s, n, x, n, i, stop, scale, g)
                heads.output_gradients(head, g, 0, i, stop, units.h, n, grad)  # B3
                heads.state_gradient(head, g, 0, i, stop, units.h, Q, n)  # S1
                row, known = heads.row(head, x, n, stop - 1), False
                if row >= 0 and stop < D:  # x_D's rows are seen by nobody: their dW stays 0
                    hidden.subtract(dW, row, Q, n, heads.factor(head, x, n, stop - 1))  # S2
                    known = hidden.step(
                        units, n, x, stop - 1, row, panel, panel_end, head, W, start, s, n
                    )  # F4, F2, F3
                i = stop


@njit(**JIT, **BORROWS)
def add_totals(x: Any, head: Any, Q: Array, dW: Array, grad: Start) -> None:
    """The second half of S2, dW_i += x_i Q_{D+1}, and S3, dc_y += Q_{D+1}."""
    N, D = x.shape
    add_starts(Q, N, grad)  # S3
    for panel in range(0, D, PANEL):
        for n in range(N):
            for i in range(panel, min(D - 1, panel + PANEL)):
                row = heads.row(head, x, n, i)
                if row >= 0:
                    hidden.add(dW, row, Q, n, heads.factor(head, x, n, i))  # S2


@njit(**INLINE, **BORROWS)
def add_starts(Q: Array, N: int, grad: Start) -> None:
    """dc_y += Q for each of N rows."""
    dc = grad.c
    for n in range(N):
        k = hidden.label(grad, n)
        for j in range(dc.shape[1]):
            dc[k, j] += Q[n, j]


@njit(**JIT)
def sample(u: Array, W: Array, start: Start, head: Any, x: Any) -> None:
    """Draw x, (N, D), where u ≥ 0; keep it where u < 0."""
    N, D = u.shape
    units = hidden.new(min(N, BLOCK), D, PANEL, head, W)
    s = np.empty((1, heads.first_output(head, D)), W.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        mine = Start(start.c, start.y[first:last])
        sample_block(u[first:last], W, mine, head, x[first:last], units, s)


@njit(**JIT, **BORROWS)
def sample_block(
    u: Array, W: Array, start: Start, head: Any, x: Any, units: Hidden, s: Array
) -> None:
    """Speculate that the next few variables are no events; after the first one, start again.

    What is kept needs no outputs, only a step where it is an event.
    """
    N, D = u.shape
    for n in range(N):
        hidden.start(units, n, x, head, W, start)  # F1, F2
    for panel in range(0, D, PANEL):
        panel_end = min(D, panel + PANEL)
        units.ready[:] = hidden.UNKNOWN
        for n in range(N):
            i, known = panel, False  # are x_i's outputs?
            while i < panel_end:
                if u[n, i] < 0:
                    i += 1
                elif known:
                    i = heads.draw(head, u, s, x, n, i, i + 1)
                else:
                    stop = min(i + heads.ahead(head), panel_end)
                    heads.outputs(head, units.h, n, i, stop, s, 0)  # F3, right until an event
                    i = heads.draw(head, u, s, x, n, i, stop)
                row = heads.row(head, x, n, i - 1)
                known = row >= 0 and hidden.step(
                    units, n, x, i - 1, row, panel, panel_end, head, W, start, s, 0
                )  # F4, F2, F3
