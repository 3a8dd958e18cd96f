"""The gradients that a sweep of NADE over columns sums up: B4-B6 and S1-S3 for a block of rows."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT, JIT_SUMS
from chainrule.kernels.memory import LINE
from chainrule.kernels.nade_columns import Weights
from chainrule.kernels.nade_columns.block import (
    NO_ROW,
    Block,
    factor,
    most_outputs,
    row_of,
    rows_of_zeros,
)
from chainrule.kernels.nade_columns.products import (
    MANY,
    from_panel,
    into_sums,
    outer,
    prefetch,
    to_panel,
)
from chainrule.kernels.tiles import HEIGHTS, at_once, panel_width, row, row_distance
from chainrule.kernels.types import Array


class Sums(NamedTuple):
    """What is summed up of a block of rows, and room for one variable's products."""

    Q: Array  # (rows, room): the gradient so far
    along: Array  # (lanes,): dρ of one variable
    dV: Array  # (most outputs, width): of V_i's columns that fill no panel
    tail: Array  # (most outputs, width): these, then zeros


def new(n_rows: int, layout: Layout, V: Array) -> Sums:
    """Return room for so many rows."""
    most, width = most_outputs(layout), panel_width(V)
    edges = np.zeros((2, most, width), V.dtype)
    return Sums(rows_of_zeros(n_rows, V.shape[1], V), np.zeros(width, V.dtype), *edges)


def clear(grad: Weights) -> None:
    """Set to 0 what the first block adds to; W and V it writes."""
    for array in (grad.b, grad.c, grad.rho):
        array.fill(0)


@njit(**JIT, **BORROWS)
def clear_rows(dW: Array, first: int, n: int) -> None:
    """Set n rows of dW to 0."""
    for r in range(first, first + n):
        dW_r = row(dW, r)
        for j in range(dW_r.size):
            dW_r[j] = 0


@njit(**JIT, **BORROWS)
def of_biases(s: Array, n_rows: int, o: int, n: int, db: Array) -> None:
    """db_i += Σ ds_i (B4); ds_i in s."""
    db_i, m = db[o : o + n], 0
    while m + 4 <= n_rows:  # four at once: each addition to memory waits for the one before
        s_0, s_1, s_2, s_3 = row(s, m), row(s, m + 1), row(s, m + 2), row(s, m + 3)
        for k in range(n):
            db_i[k] += (s_0[k] + s_1[k]) + (s_2[k] + s_3[k])  # B4
        m += 4
    while m < n_rows:
        s_m = row(s, m)
        for k in range(n):
            db_i[k] += s_m[k]
        m += 1


@njit(**JIT, **BORROWS)
def of_units(
    block: Block,
    total: Sums,
    n_rows: int,
    V: Array,
    o: int,
    n: int,
    rho: Array,
    i: int,
    grad: Weights,
    anew: bool,
) -> None:
    """dV_i += ds_iᵀ h_i (B4), Q += ρ_i t_i (S1), dρ_i += Σ a_i·t_i (B6), t_i from ds_i (B5).

    ds_i in block.s. anew: of dV_i nothing is there to be added to. Meanwhile the next variable's
    rows of V are fetched from memory.
    """
    H, V_row, width = V.shape[1], row_distance(V), panel_width(V)
    rescaled, rate = rho.size > 0, V.dtype.type(1)
    if rescaled:
        rate = rho[i]
    total.along[:] = 0
    for g in range(H // width):
        into_V(block, n_rows, g * width, n, grad.V, o, g * width, anew)
    for g in range(H // width):
        fetch(V, o + n, n * width, g)
        into_Q(block, total, n_rows, g * width, n, V, o, g * width, rate, rescaled)
    edge = H // width * width
    if edge < H:
        for k in range(n):
            to_panel(H - edge, V, (o + k) * V_row + edge, total.tail, k * width)
        into_V(block, n_rows, edge, n, total.dV, 0, 0, True)
        into_Q(block, total, n_rows, edge, n, total.tail, 0, 0, rate, rescaled)
        for k in range(n):
            from_panel(H - edge, total.dV, k * width, grad.V, (o + k) * V_row + edge, anew)
    if rescaled:
        for j in range(total.along.size):
            grad.rho[i] += total.along[j]


@njit(**JIT, **BORROWS)
def fetch(V: Array, o: int, n: int, part: int) -> None:
    """Ask for n numbers of V, a part of them among others, from row o on."""
    first = o * row_distance(V) + part * n
    for k in range(first, first + n, LINE // V.itemsize):
        prefetch(V, k)


@njit(**JIT, **BORROWS)
def into_V(
    block: Block, n_rows: int, j: int, n: int, dV: Array, o: int, to: int, anew: bool
) -> None:
    """Add ds_iᵀ h_i, of a panel from unit j on, to dV's rows from o on, from column `to` on."""
    s, h = block.s, block.h
    s_row, h_row, dV_row, k = row_distance(s), row_distance(h), row_distance(dV), 0
    while k < n:
        m, into = at_once(n - k, HEIGHTS), (o + k) * dV_row + to
        outer(m, s, k, s_row, n_rows, h, j, h_row, dV, into, dV_row, anew)  # B4
        k += m


@njit(**JIT, **BORROWS)
def into_Q(
    block: Block,
    total: Sums,
    n_rows: int,
    j: int,
    n: int,
    V: Array,
    o: int,
    at: int,
    rate: float,
    rescaled: bool,
) -> None:
    """Q += ρ_i t_i of a panel from unit j on, which is V's from column `at` on."""
    s, a, h, Q, along = block.s, block.a, block.h, total.Q, total.along
    s_row, V_row, distance, m = row_distance(s), row_distance(V), row_distance(h), 0
    while m < n_rows:
        rows, of_V, own = at_once(n_rows - m, MANY), o * V_row + at, m * distance + j
        into_sums(
            rows, s, m * s_row, s_row, n, V, of_V, V_row,
            a, h, Q, own, distance, rate, rescaled, along,
        )  # fmt: skip  # B5, B6, S1
        m += rows


@njit(**JIT, **BORROWS)
def of_input(
    Q: Array,
    n_rows: int,
    x: Any,
    i: int,
    K: int,
    sign: int,
    W: Array,
    dW: Array,
    first_row: int,
    dx: Array,
) -> None:
    """dW_r += ± Σ f Q (S2), dx_i += ± W_i·Q (S3), of the rows of W from first_row on."""
    for n in range(n_rows):
        r = row_of(K, x[n, i])
        if r != NO_ROW:
            times = factor(K, x[n, i], W) * W.dtype.type(sign)
            subtract_or_add(row(dW, first_row + r), times, row(Q, n))
        if (K == REAL or K == BIT) and len(dx) > 0:
            dx[n, i] += W.dtype.type(sign) * dot(row(W, first_row), row(Q, n))


@njit(**JIT, **BORROWS)
def subtract_or_add(total: Array, times: float, term: Array) -> None:
    """total += times · term, as far as total goes."""
    for j in range(total.size):
        total[j] += times * term[j]


@njit(**JIT_SUMS, **BORROWS)
def dot(w: Array, Q: Array) -> Any:
    """Return w·Q, as far as w goes."""
    total = w.dtype.type(0)
    for j in range(w.size):
        total += w[j] * Q[j]
    return total
