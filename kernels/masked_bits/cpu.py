"""Numba twin of the network of bits: all threads in one kernel, from stage to stage."""

from typing import Any

import numpy as np

from chainrule.kernels import teams
from chainrule.kernels.activation import cpu as activation
from chainrule.kernels.bernoulli import cpu as bernoulli
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, sigmoid
from chainrule.kernels.masked_bits import Layers
from chainrule.kernels.masked_linear import Staircase, bits, events, panels
from chainrule.kernels.masked_linear import cpu as masked_linear
from chainrule.kernels.teams import finish, take, wait
from chainrule.kernels.threads import map_rows, n_threads
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array, Bits

THREAD_WORK = 4_000_000  # multiply-adds worth a thread: about 0.1 ms
STAGES = 7
TOGETHER = 8  # rows that are drawn side by side, and share a reading of V and W


def loss_and_grad(
    kind: int,
    x: Bits,
    rate: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    h: Array,
    s: Array,
    da: Array,
    nll: Array,
    grad: Layers,
) -> None:
    """See `chainrule.kernels.masked_bits.loss_and_grad`."""
    dense = bits.are_many(x)  # then dW is a product
    numbers = x.astype(theta.W.dtype) if dense else np.empty((0, 0), theta.W.dtype)
    h[...], s[...] = theta.c, theta.b
    parts = max(1, min(n_threads(), len(x) * theta.W.size // max(1, THREAD_WORK)))
    team = teams.new(STAGES)
    memory = h, s, da, nll

    def join(lo: int, hi: int) -> None:
        _join(team, parts, kind, dense, x, numbers, rate, theta, below, above, memory, grad)

    map_rows(join, parts)


def sample(kind: int, u: Array, theta: Layers, below: Staircase, above: Staircase, x: Bits) -> None:
    """See `chainrule.kernels.masked_bits.sample`."""

    def rows(lo: int, hi: int) -> None:
        _sample(kind, u[lo:hi], theta, below, above, x[lo:hi])

    map_rows(rows, len(x), max(TOGETHER, THREAD_WORK // max(1, theta.W.size)))


@njit(**JIT)
def _join(
    team: Array,
    parts: int,
    kind: int,
    dense: bool,
    x: Bits,
    numbers: Array,
    rate: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    memory: Any,
    grad: Layers,
) -> None:
    """Do what parts there are, stage after stage, until all is done."""
    for stage in range(STAGES):
        part = take(team, stage)
        while part < parts:
            if stage < 4:
                _forward(stage, part, parts, kind, x, rate, theta, below, above, memory)
            else:
                _backward(
                    stage, part, parts, kind, dense, x, numbers, theta, below, above, memory, grad
                )
            finish(team, stage)
            part = take(team, stage)
        wait(team, stage, parts)


@njit(**JIT)
def _forward(
    stage: int,
    part: int,
    parts: int,
    kind: int,
    x: Bits,
    rate: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    memory: Any,
) -> None:
    """Do a part of one of the stages 0 to 3."""
    h, s, _, nll = memory
    lo, hi = part * len(x) // parts, (part + 1) * len(x) // parts
    if stage == 0:
        bits.add_rows(x, theta.W, below, h, lo, hi)  # F1
    elif stage == 1:
        activation.forward_rows(kind, h[lo:hi])  # F1
    elif stage == 2:
        panels.multiply(h, theta.V, above, s, part, part + 1, parts)  # F2
    else:
        bernoulli.loss_of_rows(rate[lo:hi], s[lo:hi], x[lo:hi], nll[lo:hi], s[lo:hi])  # F3, B1


@njit(**JIT)
def _backward(
    stage: int,
    part: int,
    parts: int,
    kind: int,
    dense: bool,
    x: Bits,
    numbers: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    memory: Any,
    grad: Layers,
) -> None:
    """Do a part of one of the stages 4 to 6."""
    h, ds, da, _ = memory
    if stage == 4:
        first, last = panels.cut(above, part, part + 1, parts)
        panels.weight_gradient(ds, h, above, grad.V, first, last)  # B2
        masked_linear.sum_columns(ds, grad.b, part, part + 1, parts)  # B2
        panels.input_gradient(ds, theta.V, above, da, part, part + 1, parts)  # B2
    elif stage == 5:
        lo, hi = part * len(x) // parts, (part + 1) * len(x) // parts
        activation.backward_rows(kind, h[lo:hi], da[lo:hi])  # B3
    else:
        if dense:
            first, last = panels.cut(below, part, part + 1, parts)
            panels.weight_gradient(da, numbers, below, grad.W, first, last)  # B4
        else:
            first, last = bits.cut(below, part, part + 1, parts)
            bits.weight_gradient(da, x, below, grad.W, first, last)  # B4
        masked_linear.sum_columns(da, grad.c, part, part + 1, parts)  # B4


@njit(**JIT)
def _sample(
    kind: int, u: Array, theta: Layers, below: Staircase, above: Staircase, x: Bits
) -> None:
    """Draw rows, some of them side by side."""
    N, D = u.shape
    size = min(N, TOGETHER)
    a, s = np.empty((size, theta.c.size), theta.c.dtype), np.empty((size, D), theta.b.dtype)
    for first in range(0, N, TOGETHER):
        last = min(N, first + TOGETHER)
        _draw(kind, u[first:last], theta, below, above, x[first:last], a, s)


@njit(**JIT, **BORROWS)
def _draw(
    kind: int, u: Array, theta: Layers, below: Staircase, above: Staircase, x: Bits, a: Array,
    s: Array,
) -> None:  # fmt: skip
    """Draw the rows of x, variable by variable; a, s: (at least N, ·), memory."""
    N, D = u.shape
    for n in range(N):
        _copy(theta.c, row(a, n))
        _copy(theta.b, row(s, n))
    known, zero = 0, s.dtype.type(0)
    for i in range(D):
        whole = above.reach[i]
        for n in range(N if known < whole else 0):
            activation.activate(kind, row(a, n)[known:whole])  # S1
        for k in range(known, whole):
            V_k, start = row(theta.V, k), above.first[k]
            for n in range(N):
                if a[n, k] != zero:
                    events.add_scaled(row(s, n), V_k, a[n, k], start)  # S1
        known = max(known, whole)
        for n in range(N):
            if u[n, i] >= 0:
                x[n, i] = u[n, i] < sigmoid(s[n, i])  # S2
            if x[n, i]:
                events.add(row(a, n), row(theta.W, i), below.first[i])  # S3


@njit(**INLINE)
def _copy(x: Array, y: Array) -> None:
    for j in range(x.size):
        y[j] = x[j]
