"""Serial, compiled sweeps of NADE over columns, variable by variable over a block of rows.

for a block of rows                 a, h and Q of the block stay in the second-level cache
    for each variable               V_i and dV_i too: read from and written to memory once
        outputs                     F3          (`chainrule.kernels.nade_columns.block`)
        loss and its gradient       ds_i in the place of s_i  (`chainrule.kernels.columns`)
        gradients of V_i, b_i, Q    B4, B5, S1  (`chainrule.kernels.nade_columns.sums`)
        step                        S2's first half; F4, and F2 of the next variable
"""

from typing import Any

from chainrule.kernels.columns import BIT, Layout, bodies
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.nade_columns import Weights, block, sums
from chainrule.kernels.nade_columns.block import Block
from chainrule.kernels.tiles import row
from chainrule.kernels.types import Array, Ids


@njit(**JIT, **BORROWS)
def forward(layout: Layout, weights: Weights, x: Any, y: Ids, s: Array, units: Block) -> None:
    """F1-F4 for one block."""
    W, V, b, c, rho = weights
    block.start(units, len(x), c, y)
    block.activate(units, len(x), rho, 0)
    first_row = 0
    for i in range(x.shape[1]):
        K, o, end = layout.values[i], layout.first[i], layout.first[i + 1]
        block.outputs(units, len(x), V, b, o, end - o)
        for n in range(len(x)):
            s_n, of_i = row(s, n), row(units.s, n)
            for k in range(end - o):
                s_n[o + k] = of_i[k]
        if i < x.shape[1] - 1:
            block.step(units, len(x), x, i, K, W, first_row, rho)
        first_row += block.rows_of(K)


@njit(**JIT, **BORROWS)
def loss(
    layout: Layout, weights: Weights, x: Any, y: Ids, nll: Array, units: Block, work: Array
) -> None:
    """Add -log p(x | y) of one block's rows to nll."""
    W, V, b, c, rho = weights
    block.start(units, len(x), c, y)
    block.activate(units, len(x), rho, 0)
    first_row = 0
    for i in range(x.shape[1]):
        K, o, end = layout.values[i], layout.first[i], layout.first[i + 1]
        block.outputs(units, len(x), V, b, o, end - o)
        bodies.block_loss(layout, i, units.s, 0, x, 0, len(x), nll, work)
        if i < x.shape[1] - 1:
            block.step(units, len(x), x, i, K, W, first_row, rho)
        first_row += block.rows_of(K)


@njit(**JIT, **BORROWS)
def gradient(
    layout: Layout,
    weights: Weights,
    x: Any,
    y: Ids,
    scale: float,
    nll: Array,
    grad: Weights,
    dx: Array,
    units: Block,
    total: sums.Sums,
    work: Array,
    anew: bool,
    lo: int,
    hi: int,
) -> None:
    """S1, and the first halves of S2 and S3, beside F1-F4, for variables lo … hi - 1 of one block.

    Q begins at 0 with variable lo. anew: no block came before, and the gradients of W and V are
    written, not added to.
    """
    W, V, b, c, rho = weights
    N, D = x.shape
    block.start(units, N, c, y)
    total.Q[:] = 0  # S1
    first_row = 0
    for i in range(lo):
        block.move(units, N, x, i, layout.values[i], W, first_row)
        first_row += block.rows_of(layout.values[i])
    block.activate(units, N, rho, lo)
    for i in range(lo, hi):
        K, o, end = layout.values[i], layout.first[i], layout.first[i + 1]
        block.outputs(units, N, V, b, o, end - o)
        if K == BIT:
            for n in range(len(dx)):
                dx[n, i] = -scale * units.s[n, 0]  # B9
        bodies.block_loss_gradient(layout, i, units.s, 0, x, 0, N, scale, nll, work)
        if K != BIT:
            for n in range(len(dx)):
                dx[n, i] = bodies.input_gradient(layout, i, units.s, n, 0)
        sums.of_biases(units.s, N, o, end - o, grad.b)
        sums.of_units(units, total, N, V, o, end - o, rho, i, grad, anew)
        if anew:
            sums.clear_rows(grad.W, first_row, block.rows_of(K))
        if i < D - 1:  # what x_D would move is seen by nobody
            sums.of_input(total.Q, N, x, i, K, -1, W, grad.W, first_row, dx)  # S2, S3
        if i < hi - 1:
            block.step(units, N, x, i, K, W, first_row, rho)
        first_row += block.rows_of(K)


@njit(**JIT, **BORROWS)
def add_totals(
    layout: Layout,
    weights: Weights,
    x: Any,
    y: Ids,
    grad: Weights,
    dx: Array,
    total: sums.Sums,
    lo: int,
    hi: int,
) -> None:
    """S4, and the second halves of S2 and S3, of variables lo … hi - 1: what Q_{D+1} adds.

    total.Q: Q_{D+1} less P_lo, with which the first half of the sweep over them began.
    """
    for n in range(len(x) if lo == 0 else 0):
        sums.subtract_or_add(
            row(grad.c, block.class_of(y, n)), grad.c.dtype.type(1), row(total.Q, n)
        )  # S4: as far as c goes, where Q has room beyond it
    first_row = 0
    for i in range(min(hi, x.shape[1] - 1)):
        K = layout.values[i]
        if i >= lo:
            sums.of_input(total.Q, len(x), x, i, K, 1, weights.W, grad.W, first_row, dx)  # S2, S3
        first_row += block.rows_of(K)


@njit(**JIT, **BORROWS)
def sample(
    layout: Layout, weights: Weights, u: Array, y: Ids, x: Any, units: Block, work: Array
) -> None:
    """Draw x, (N, D), where u ≥ 0; keep it where u < 0. What all rows keep, needs no outputs."""
    W, V, b, c, rho = weights
    block.start(units, len(x), c, y)
    first_row = 0
    for i in range(x.shape[1]):
        K, o, end = layout.values[i], layout.first[i], layout.first[i + 1]
        wanted = False
        for n in range(len(x)):
            wanted |= not u[n, i] < 0
        if wanted:
            block.activate(units, len(x), rho, i)
            block.outputs(units, len(x), V, b, o, end - o)
            bodies.block_draw(layout, i, units.s, 0, u, x, 0, len(x), work)
        block.move(units, len(x), x, i, K, W, first_row)
        first_row += block.rows_of(K)
