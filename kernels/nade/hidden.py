"""The hidden units of a block of samples, moved on at every event without an exponential.

F4 adds W_i to a, hence multiplies q = e^-a by e^-W_i, and F2 needs no more than q:

    q_1 = e^-c      q_{i+1} = q_i ∘ e^-W_i where x_i = 1      h_i = σ(a_i) = 1 / (1 + q_i)

e^-W_i is computed once for all samples of the block, so an event costs one product and one
division a unit, less than half of an exponential. Its rounding error is a relative error of q,
hence an absolute one of a: about √events units in the last place of 1, where the sum that makes
a commits as many units in the last place of a itself.

A product cannot come back from overflow. So a sample that meets a q or an e^-W_i outside
(1/LIMIT, LIMIT), or NaN, forgets q, computes a from its definition and goes on with F4 and F2 as
they are written. That is where |a| > 83: digits reach it seldom.
"""

from typing import NamedTuple

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, INLINE_SUMS, JIT, JIT_SUMS, exp, sigmoid
from chainrule.kernels.types import Array, Bits

LIMIT = 2.0**120  # inside float32's range, and `exp` saturates outside of it
UNKNOWN, READY, USELESS = 0, 1, 2  # a row of E: not computed, computed, out of range


class State(NamedTuple):
    """Working memory for `rows` samples and one panel of variables."""

    q: Array  # (rows, H): e^-a, or a itself for a sample that is `exact`
    h: Array  # (rows, H)
    exact: Bits  # (rows,)
    E: Array  # (panel, H): e^-W_i for the variables of the current panel
    ready: Bits  # (panel,): for each row of E UNKNOWN, READY or USELESS


@njit(**JIT)
def new_state(n_rows: int, n_panel: int, c: Array) -> State:
    """Return memory for n_rows samples and panels of n_panel variables."""
    return State(
        np.empty((n_rows, c.size), c.dtype),
        np.empty((n_rows, c.size), c.dtype),
        np.empty(n_rows, np.uint8),
        np.empty((n_panel, c.size), c.dtype),
        np.empty(n_panel, np.uint8),
    )


@njit(**JIT)
def start(state: State, n: int, x: Bits, W: Array, c: Array) -> None:
    """a_1 = c (F1), h_1 = σ(a_1) (F2)."""
    q, E = state.q, state.E  # row 0 of E is free until the first panel
    for j in range(c.size):
        q[n, j] = 1
        E[0, j] = exp(-c[j])
    state.exact[n] = 0
    if not multiply(q, state.h, n, E, 0):
        go_exact(state, n, x, 0, W, c)


@njit(**INLINE)
def step(state: State, n: int, x: Bits, i: int, k: int, W: Array, c: Array) -> None:
    """Move sample n past x_i = 1, where i is the k-th variable of its panel (F4, F2)."""
    if state.exact[n] != 0:
        add(state.q, n, W, i)
        sigmoids(state.q, state.h, n)
        return
    if state.ready[k] == UNKNOWN:
        state.ready[k] = READY if exponentials(state.E, k, W, i) else USELESS
    if state.ready[k] == USELESS or not multiply(state.q, state.h, n, state.E, k):
        go_exact(state, n, x, i + 1, W, c)


@njit(**JIT_SUMS)
def exponentials(E: Array, k: int, W: Array, i: int) -> bool:
    """E_k = e^-W_i; return whether all of it is in range."""
    one, zero = E.dtype.type(1), E.dtype.type(0)
    low, high = E.dtype.type(1 / LIMIT), E.dtype.type(LIMIT)
    outside = zero
    for j in range(E.shape[1]):
        E_j = exp(-W[i, j])
        E[k, j] = E_j
        outside += zero if (E_j > low) & (E_j < high) else one
    return bool(outside == zero)


@njit(**JIT)
def go_exact(state: State, n: int, x: Bits, stop: int, W: Array, c: Array) -> None:
    """Let a take the place of q, once for a sample."""
    preactivations(state.q, n, x, stop, W, c)
    sigmoids(state.q, state.h, n)
    state.exact[n] = 1


@njit(**JIT)
def preactivations(a: Array, n: int, x: Bits, stop: int, W: Array, c: Array) -> None:
    """a_n = c + Σ_{i<stop} x_i W_i."""
    for j in range(c.size):
        a[n, j] = c[j]
    for i in range(stop):
        if x[n, i] != 0:
            add(a, n, W, i)


@njit(**INLINE)
def add(total: Array, n: int, P: Array, i: int) -> None:
    """total_n += P_i."""
    for j in range(P.shape[1]):
        total[n, j] += P[i, j]


@njit(**INLINE)
def subtract(total: Array, n: int, P: Array, i: int) -> None:
    """total_n -= P_i."""
    for j in range(P.shape[1]):
        total[n, j] -= P[i, j]


@njit(**JIT)
def sigmoids(a: Array, h: Array, n: int) -> None:
    """h = σ(a)."""
    for j in range(a.shape[1]):
        h[n, j] = sigmoid(a[n, j])


@njit(**INLINE_SUMS)
def multiply(q: Array, h: Array, n: int, E: Array, k: int) -> bool:
    """q *= E_k, h = 1 / (1 + q); return whether all of q is in range."""
    one, zero = q.dtype.type(1), q.dtype.type(0)
    low, high = q.dtype.type(1 / LIMIT), q.dtype.type(LIMIT)
    outside = zero  # counted, not tested one by one: a branch would not vectorise
    for j in range(q.shape[1]):
        q_j = q[n, j] * E[k, j]
        q[n, j] = q_j
        h[n, j] = one / (one + q_j)
        outside += zero if (q_j > low) & (q_j < high) else one
    return bool(outside == zero)
