"""The gradients that a sweep of NADE over columns sums up: B4-B6 and S1-S3 for a block of rows."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE_SUMS, JIT, JIT_SUMS
from chainrule.kernels.nade_columns import Weights
from chainrule.kernels.nade_columns.block import (
    NO_ROW,
    Block,
    factor,
    most_outputs,
    room,
    row_of,
)
from chainrule.kernels.tiles import (
    ROWS,
    overwrite,
    overwrite_transposed,
    panel_width,
    row,
    row_distance,
)
from chainrule.kernels.types import Array


class Sums(NamedTuple):
    """What is summed up of a block of rows, and room for one variable's products."""

    P: Array  # (rows, room): S1
    dh: Array  # (ROWS, room): of a few rows
    dV: Array  # (most outputs, room)
    tail: Array  # (most outputs, width): V_i's columns that fill no panel, then zeros


def new(n_rows: int, layout: Layout, V: Array) -> Sums:
    """Return room for so many rows."""
    most, units = most_outputs(layout), room(V.shape[1], V)
    return Sums(
        np.zeros((n_rows, units), V.dtype),
        np.zeros((ROWS, units), V.dtype),
        np.zeros((most, units), V.dtype),
        np.zeros((most, panel_width(V)), V.dtype),
    )


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
def of_outputs(
    block: Block, total: Sums, n_rows: int, o: int, n: int, dV: Array, db: Array, anew: bool
) -> None:
    """dV_i = ds_iᵀ h_i, db_i = Σ ds_i (B4), or added to what is there; ds_i in block.s."""
    s, h, width = block.s, block.h, panel_width(dV)
    H, s_row, h_row, to_row = dV.shape[1], row_distance(s), row_distance(h), row_distance(total.dV)
    dV_row = row_distance(dV)
    direct = H // width if anew else 0  # panels that go to where they belong
    for g in range(-(-H // width)):
        into, at, step = total.dV, g * width, to_row
        if g < direct:
            into, at, step = dV, o * dV_row + g * width, dV_row
        for k in range(0, n, ROWS):
            m, to = min(ROWS, n - k), at + k * step
            overwrite_transposed(m, s, k, s_row, n_rows, h, g * width, h_row, into, to, step)
    for k in range(n):
        dV_k, new_k = row(dV, o + k), row(total.dV, k)
        if anew:
            for j in range(direct * width, H):
                dV_k[j] = new_k[j]
        else:
            for j in range(H):
                dV_k[j] += new_k[j]
    for m in range(n_rows):
        s_m = row(s, m)
        for k in range(n):
            db[o + k] += s_m[k]


@njit(**JIT, **BORROWS)
def of_units(
    block: Block,
    total: Sums,
    n_rows: int,
    V: Array,
    o: int,
    n: int,
    rho: Array,
    drho: Array,
    i: int,
) -> None:
    """P += ρ_i t_i (S1), dρ_i = Σ a_i·t_i (B6) with t_i from ds_i in block.s (B5)."""
    s, dh, width = block.s, total.dh, panel_width(V)
    H, s_row, V_row, dh_row = V.shape[1], row_distance(s), row_distance(V), row_distance(dh)
    whole = H // width
    for k in range(n):
        V_k, tail_k = row(V, o + k), row(total.tail, k)
        for j in range(whole * width, H):
            tail_k[j - whole * width] = V_k[j]
    for first in range(0, n_rows, ROWS):
        m = min(ROWS, n_rows - first)
        for g in range(-(-H // width)):
            to = g * width
            of_V, at, step = V, o * V_row + to, V_row
            if g == whole:
                of_V, at, step = total.tail, 0, width
            overwrite(m, s, first * s_row, s_row, n, of_V, at, step, dh, to, dh_row)
        for r in range(m):
            h_n, P_n = row(block.h, first + r), row(total.P, first + r)
            if rho.size > 0:
                drho[i] += rescaled(row(dh, r), h_n, row(block.a, first + r), rho[i], P_n)
            else:
                plain(row(dh, r), h_n, P_n)


@njit(**INLINE_SUMS, **BORROWS)
def plain(dh: Array, h: Array, P: Array) -> None:
    """P += dh ∘ h ∘ (1 - h)."""
    one = P.dtype.type(1)
    for j in range(P.size):
        P[j] += dh[j] * (h[j] * (one - h[j]))


@njit(**INLINE_SUMS, **BORROWS)
def rescaled(dh: Array, h: Array, a: Array, rho: float, P: Array) -> Any:
    """P += ρ dh ∘ h ∘ (1 - h); return a·(dh ∘ h ∘ (1 - h))."""
    one, total = P.dtype.type(1), P.dtype.type(0)
    for j in range(P.size):
        t = dh[j] * (h[j] * (one - h[j]))
        P[j] += rho * t
        total += a[j] * t
    return total


@njit(**JIT, **BORROWS)
def of_input(
    P: Array,
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
    """dW_r += ± Σ f P (S2), dx_i += ± W_i·P (S3), of the rows of W from first_row on."""
    for n in range(n_rows):
        r = row_of(K, x[n, i])
        if r != NO_ROW:
            times = factor(K, x[n, i], W) * W.dtype.type(sign)
            subtract_or_add(row(dW, first_row + r), times, row(P, n))
        if (K == REAL or K == BIT) and len(dx) > 0:
            dx[n, i] += W.dtype.type(sign) * dot(row(W, first_row), row(P, n))


@njit(**JIT, **BORROWS)
def subtract_or_add(total: Array, times: float, term: Array) -> None:
    """total += times · term, as far as total goes."""
    for j in range(total.size):
        total[j] += times * term[j]


@njit(**JIT_SUMS, **BORROWS)
def dot(w: Array, P: Array) -> Any:
    """Return w·P, as far as w goes."""
    total = w.dtype.type(0)
    for j in range(w.size):
        total += w[j] * P[j]
    return total
