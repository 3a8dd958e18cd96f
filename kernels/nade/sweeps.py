"""Serial, compiled sweeps of NADE: the mathematics of the contract, driven by events.

An event is a one. Between two events h does not move, so a run of variables

    x_i = 0, x_{i+1} = 0, …, x_{stop-2} = 0, x_{stop-1} = anything

shares it: the logits of i … stop-1 are one small matrix-vector product (F3), and only then, if
x_{stop-1} = 1, a takes a step and σ is computed anew (F4, F2). A row of digits with 13% of ones
computes σ for 13% of its variables.

The loops nest like this, in every sweep:

    for a block of BLOCK samples            their state (q, h, P) stays in the second-level cache
        for a panel of PANEL variables      and so do its rows of W, V, dW, dV
            for each sample of the block
                for each run in the panel

so that memory is read once for each block, not once for each sample. A run never leaves its
panel, hence a sample's results depend on no other sample.
"""

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT, JIT_SUMS, exp, sigmoid
from chainrule.kernels.nade import hidden, rows
from chainrule.kernels.nade.hidden import State
from chainrule.kernels.types import Array, Bits

BLOCK = 64
PANEL = 8
SPECULATE = 4  # logits that `sample` computes ahead


@njit(**JIT)
def run_end(x: Bits, n: int, i: int, stop: int) -> int:
    """Return one past the run of variables that share h with i: past the first one, or stop."""
    i += 1
    while i < stop and x[n, i - 1] == 0:
        i += 1
    return i


@njit(**JIT)
def forward(x: Bits, W: Array, V: Array, b: Array, c: Array, s: Array, a: Array) -> None:
    """Write the logits s, (N, D), and the last pre-activations a, (N, H)."""
    N = len(x)
    state = hidden.new_state(min(N, BLOCK), PANEL, c)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        forward_block(x[first:last], W, V, b, c, s[first:last], state)
    for n in range(N):
        hidden.preactivations(a, n, x, x.shape[1], W, c)  # F1, F4


@njit(**JIT)
def forward_block(x: Bits, W: Array, V: Array, b: Array, c: Array, s: Array, state: State) -> None:
    """F1-F4 for the samples of one block."""
    N, D = x.shape
    for n in range(N):
        hidden.start(state, n, x, W, c)  # F1, F2
    for panel in range(0, D, PANEL):
        panel_end = min(D, panel + PANEL)
        state.ready[:] = hidden.UNKNOWN
        for n in range(N):
            i = panel
            while i < panel_end:
                stop = run_end(x, n, i, panel_end)
                rows.logits(V, b, i, stop, state.h, n, s, n)  # F3
                if x[n, stop - 1] != 0:
                    hidden.step(state, n, x, stop - 1, stop - 1 - panel, W, c)  # F4, F2
                i = stop


@njit(**JIT)
def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array, log_p: Array) -> None:
    """Write log p(x) of each row, (N,), keeping the logits of one block at a time."""
    N, D = x.shape
    size = min(N, BLOCK)
    s = np.empty((size, D), c.dtype)
    state = hidden.new_state(size, PANEL, c)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        forward_block(x[first:last], W, V, b, c, s, state)
        for n in range(first, last):
            log_p[n] = -loss(s, n - first, x, n)


@njit(**JIT_SUMS)
def loss(s: Array, m: int, x: Bits, n: int) -> float:
    """Return -log p(x) = Σ_i softplus(t_i), in nats, with t_i = s_i where x_i = 0, else -s_i.

    softplus(t) = max(t, 0) + log(1 + e^-|t|), and a sum of logarithms is the logarithm of a
    product: 256 factors, each in [1, 2], cannot overflow a float64.
    """
    total = 0.0
    for lo in range(0, x.shape[1], 256):
        product = 1.0
        for i in range(lo, min(lo + 256, x.shape[1])):
            t = s[m, i] if x[n, i] == 0 else -s[m, i]
            total += np.float64(max(t, s.dtype.type(0)))
            product *= 1.0 + np.float64(exp(-abs(t)))
        total += np.log(product)
    return total


@njit(**JIT)
def logit_gradients(
    s: Array, m: int, x: Bits, n: int, i: int, stop: int, scale: float, g: Array
) -> None:
    """g_k = scale (σ(s_k) - x_k), written so that neither value of x loses digits."""
    for k in range(i, stop):
        if x[n, k] == 0:
            g[0, k] = scale * sigmoid(s[m, k])
        else:
            g[0, k] = -scale * sigmoid(-s[m, k])


@njit(**JIT)
def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    scale: float,
    nll: Array,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """Write -log p(x) of each row, (N,), and the gradient of scale times their sum."""
    N, D = x.shape
    dW[:], dV[:], db[:], dc[:] = 0, 0, 0, 0
    size = min(N, BLOCK)
    s = np.empty((size, D), c.dtype)
    state = hidden.new_state(size, PANEL, c)
    P = np.empty((size, c.size), c.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        x_block = x[first:last]
        gradient_block(x_block, W, V, b, c, scale, s, state, P, dW, dV, db)
        add_totals(x_block, P, dW, dc)
        for n in range(first, last):
            nll[n] = loss(s, n - first, x, n)


@njit(**JIT)
def gradient_block(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    scale: float,
    s: Array,
    state: State,
    P: Array,
    dW: Array,
    dV: Array,
    db: Array,
) -> None:
    """S1 and the first half of S2 beside F1-F4, for the samples of one block."""
    N, D = x.shape
    g = np.empty((1, D), c.dtype)
    P[:] = 0  # S1
    for n in range(N):
        hidden.start(state, n, x, W, c)  # F1, F2
    for panel in range(0, D, PANEL):
        panel_end = min(D, panel + PANEL)
        state.ready[:] = hidden.UNKNOWN
        for n in range(N):
            i = panel
            while i < panel_end:
                stop = run_end(x, n, i, panel_end)
                rows.logits(V, b, i, stop, state.h, n, s, n)  # F3
                logit_gradients(s, n, x, n, i, stop, scale, g)
                rows.gradients(g, 0, V, i, stop, state.h, P, n, dV)  # S1, B3
                if x[n, stop - 1] != 0 and stop < D:  # W_D is seen by nobody: dW_D stays 0
                    hidden.subtract(dW, stop - 1, P, n)  # S2
                    hidden.step(state, n, x, stop - 1, stop - 1 - panel, W, c)  # F4, F2
                i = stop
            for k in range(panel, panel_end):
                db[k] += g[0, k]  # B3


@njit(**JIT)
def add_totals(x: Bits, P: Array, dW: Array, dc: Array) -> None:
    """The second half of S2, dW_i += x_i P_{D+1}, and S3, dc = Σ_n P_{D+1}."""
    N, D = x.shape
    for n in range(N):
        for j in range(dc.size):
            dc[j] += P[n, j]  # S3
    for panel in range(0, D, PANEL):
        for n in range(N):
            for i in range(panel, min(D - 1, panel + PANEL)):
                if x[n, i] != 0:
                    hidden.add(dW, i, P, n)  # S2


@njit(**JIT)
def sample(u: Array, W: Array, V: Array, b: Array, c: Array, x: Bits) -> None:
    """Write x, (N, D), drawn by comparing u with σ(s)."""
    N = len(u)
    state = hidden.new_state(min(N, BLOCK), PANEL, c)
    s = np.empty((1, u.shape[1]), c.dtype)
    for first in range(0, N, BLOCK):
        last = min(N, first + BLOCK)
        sample_block(u[first:last], W, V, b, c, x[first:last], state, s)


@njit(**JIT)
def sample_block(
    u: Array, W: Array, V: Array, b: Array, c: Array, x: Bits, state: State, s: Array
) -> None:
    """Speculate that the next few variables are zero; after the first one, start again."""
    N, D = u.shape
    for n in range(N):
        hidden.start(state, n, x, W, c)  # F1, F2
    for panel in range(0, D, PANEL):
        panel_end = min(D, panel + PANEL)
        state.ready[:] = hidden.UNKNOWN
        for n in range(N):
            i = panel
            while i < panel_end:
                stop = min(i + SPECULATE, panel_end)
                rows.logits(V, b, i, stop, state.h, n, s, 0)  # F3, right until a one is drawn
                i = draw_run(u, s, x, n, i, stop)
                if x[n, i - 1] != 0:
                    hidden.step(state, n, x, i - 1, i - 1 - panel, W, c)  # F4, F2


@njit(**JIT)
def draw_run(u: Array, s: Array, x: Bits, n: int, i: int, stop: int) -> int:
    """Draw x_i … up to the first one, or to stop; return one past the last variable drawn."""
    while i < stop:
        one = u[n, i] < sigmoid(s[0, i])
        x[n, i] = one
        i += 1
        if one:
            break
    return i
