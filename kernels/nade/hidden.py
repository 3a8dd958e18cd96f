"""The hidden units of a block of samples, moved on at every event without an exponential.

F4 adds W_i to a, hence multiplies q = e^-a by e^-W_i, and F2 needs no more than q:

    q_1 = e^-c_y    q_{i+1} = q_i ∘ e^-W_i where x_i = 1      h_i = σ(a_i) = 1 / (1 + q_i)

e^-W_i is computed once for all samples of the block, so an event costs one product and one
division a unit, less than half of an exponential. Its rounding error is a relative error of q,
hence an absolute one of a: about √events units in the last place of 1, where the sum that makes
a commits as many units in the last place of a itself.

A product cannot come back from overflow. So a sample that meets a q or an e^-W_i outside
(1/LIMIT, LIMIT), or NaN, forgets q, computes a from its definition and goes on with F4 and F2 as
they are written. That is where |a| > 83: digits reach it seldom. A row of W that is added several
times, or in part (the head's `factor`: real x), has no e^-W_i to share, and takes that way too.

What x_i adds is the head's to say (`nade.heads`): nothing, or one row of W.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, INLINE_SUMS, JIT, JIT_SUMS, exp, sigmoid
from chainrule.kernels.nade import heads
from chainrule.kernels.types import Array, Bits, Ids

LIMIT = 2.0**120  # inside float32's range, and `exp` saturates outside of it
UNKNOWN, READY, USELESS = 0, 1, 2  # a row of E: not computed, computed, out of range


class Start(NamedTuple):
    """Where the units of rows begin: c_y, or what becomes its gradient."""

    c: Array  # (n_classes, H)
    y: Ids  # (rows,), or (0,) where there is one class


class Hidden(NamedTuple):
    """The units of `rows` samples, and what one panel of variables shares."""

    q: Array  # (rows, H): e^-a, or a itself for a sample that is `exact`
    h: Array  # (rows, H)
    exact: Bits  # (rows,)
    E: Array  # (most, H): e^-W_r for the rows r of W that belong to the current panel
    ready: Bits  # (most,): for each row of E UNKNOWN, READY or USELESS


@njit(**JIT)
def new(n_rows: int, D: int, panel: int, head: Any, W: Array) -> Hidden:
    """Return the units of n_rows samples, for panels of so many variables."""
    most = 1
    for i in range(0, D, panel):
        most = max(most, heads.first_row(head, min(D, i + panel)) - heads.first_row(head, i))
    return Hidden(
        np.empty((n_rows, W.shape[1]), W.dtype),
        np.empty((n_rows, W.shape[1]), W.dtype),
        np.empty(n_rows, np.uint8),
        np.empty((most, W.shape[1]), W.dtype),
        np.empty(most, np.uint8),
    )


@njit(**JIT, **BORROWS)
def start(units: Hidden, n: int, x: Any, head: Any, W: Array, first: Start) -> None:
    """a_1 = c_y (F1), h_1 = σ(a_1) (F2)."""
    q, E, c, k = units.q, units.E, first.c, label(first, n)  # row 0 of E is free until then
    for j in range(c.shape[1]):
        q[n, j] = 1
        E[0, j] = exp(-c[k, j])
    units.exact[n] = 0
    if not multiply(q, units.h, n, E, 0):
        go_exact(units, n, x, 0, head, W, first)


@njit(**INLINE, **BORROWS)
def label(first: Start, n: int) -> int:
    """Return row n's class."""
    return first.y[n] if len(first.c) > 1 else 0


@njit(**INLINE, **BORROWS)
def step(
    units: Hidden,
    n: int,
    x: Any,
    i: int,
    r: int,
    panel: int,
    stop: int,
    head: Any,
    W: Array,
    first: Start,
    s: Array,
    m: int,
) -> bool:
    """Move sample n past x_i, which adds row r of W (F4, F2).

    panel, stop: where the variables of the panel begin and end. If x_{i+1} is one of them, its
    outputs may be computed on the way, into row m of s (F3): return whether they were.
    """
    times = heads.factor(head, x, n, i)
    if units.exact[n] != 0:
        add(units.q, n, W, r, times)
        sigmoids(units.q, units.h, n)
        return False
    k = r - heads.first_row(head, panel)
    if units.ready[k] == UNKNOWN:
        units.ready[k] = READY if exponentials(units.E, k, W, r) else USELESS
    usable = times == 1 and units.ready[k] == READY
    if usable and i + 1 < stop:
        usable = heads.step(head, units.q, units.h, n, units.E, k, i + 1, s, m)
        if usable:
            return True
    elif usable:
        usable = multiply(units.q, units.h, n, units.E, k)
    if not usable:
        go_exact(units, n, x, i + 1, head, W, first)
    return False


@njit(**JIT_SUMS, **BORROWS)
def exponentials(E: Array, k: int, W: Array, r: int) -> bool:
    """E_k = e^-W_r; return whether all of it is in range."""
    one, zero = E.dtype.type(1), E.dtype.type(0)
    low, high = E.dtype.type(1 / LIMIT), E.dtype.type(LIMIT)
    outside = zero
    for j in range(E.shape[1]):
        E_j = exp(-W[r, j])
        E[k, j] = E_j
        outside += zero if (E_j > low) & (E_j < high) else one
    return bool(outside == zero)


@njit(**JIT, **BORROWS)
def go_exact(units: Hidden, n: int, x: Any, stop: int, head: Any, W: Array, first: Start) -> None:
    """Let a take the place of q, once for a sample."""
    preactivations(units.q, n, x, n, stop, head, W, first)
    sigmoids(units.q, units.h, n)
    units.exact[n] = 1


@njit(**JIT, **BORROWS)
def preactivations(
    a: Array, m: int, x: Any, n: int, stop: int, head: Any, W: Array, first: Start
) -> None:
    """a_m = what c_y and the x_i of sample n make of it, i < stop (F1, F4)."""
    k = label(first, n)
    for j in range(a.shape[1]):
        a[m, j] = first.c[k, j]
    for i in range(stop):
        r = heads.row(head, x, n, i)
        if r >= 0:
            add(a, m, W, r, heads.factor(head, x, n, i))


@njit(**INLINE, **BORROWS)
def add(total: Array, m: int, Q: Array, n: int, times: float) -> None:
    """total_m += times Q_n."""
    for j in range(Q.shape[1]):
        total[m, j] += times * Q[n, j]


@njit(**INLINE, **BORROWS)
def subtract(total: Array, m: int, Q: Array, n: int, times: float) -> None:
    """total_m -= times Q_n."""
    for j in range(Q.shape[1]):
        total[m, j] -= times * Q[n, j]


@njit(**INLINE_SUMS, **BORROWS)
def dot(a: Array, m: int, b: Array, n: int) -> Any:
    """Return a_m·b_n."""
    total = a.dtype.type(0)
    for j in range(a.shape[1]):
        total += a[m, j] * b[n, j]
    return total


@njit(**JIT, **BORROWS)
def sigmoids(a: Array, h: Array, n: int) -> None:
    """h = σ(a)."""
    for j in range(a.shape[1]):
        h[n, j] = sigmoid(a[n, j])


@njit(**INLINE_SUMS, **BORROWS)
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
