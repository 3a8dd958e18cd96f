"""CUDA twin of layer normalisation: a warp a row, then sums of columns in two launches.

On an H100 (3.35 TB/s), N=768 rows (12 windows of 64) of C=128 in float32: forward reads x and
writes y, 0.8 MB, 0.2 µs; backward reads dy, x and dx and writes dx, 1.6 MB, and reads dy and x once
more for dg and db, 0.8 MB: 0.7 µs. So launches, a few µs each, one forward and three backward, are
the real price, and a row's second and third reading come from L1. At N=16384, C=768, forward moves
100 MB, 30 µs, and backward 300 MB, 90 µs, where one sweep for dx, dg and db together would move
200 MB, 60 µs: it would hold 2C/32 sums a lane and so a limit on C. 8 and 14 FLOPs an element are
0.18 GFLOP at most, 3 µs at 67 TFLOP/s.

Measured on an H100 at N=768 (`python -m bench.device`): forward 2.4 µs, backward 7.8.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, aligned, blocks, launch, planner, row_groups
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.layer_norm import EPS
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("layer_norm.cu")
WARPS = 8  # of a block


@planner
def plan_rows(kernel: str, N: int, C: int, dtype: np.dtype[Any], wide: bool, *scalars: Any) -> Plan:
    """Return the launch of layer_norm_forward or layer_norm_backward: a warp a row.

    wide: the arrays start on 16-byte boundaries.
    """
    vector = wide and C % (16 // dtype.itemsize) == 0
    sizes, constants = (np.int32(N), np.int32(C)), (("VECTOR", int(vector)),)
    grid = (blocks(N, WARPS),)
    return Plan(kernel, dtype, grid, WARPS * 32, (*sizes, *scalars), constants=constants)


@planner
def plan_columns(rows: Plan) -> Plan:
    """Return the launch of layer_norm_columns for the sizes of `rows`: groups of rows along y."""
    N, C = rows.scalars
    width = 16 // rows.dtype.itemsize if dict(rows.constants)["VECTOR"] else 1
    column_blocks = blocks(int(C), 32 * width)
    grid = (column_blocks, row_groups(int(N), WARPS, column_blocks))
    return Plan(
        "layer_norm_columns", rows.dtype, grid, WARPS * 32, (N, C), constants=rows.constants
    )


@planner
def plan_sum(columns: Plan) -> Plan:
    """Return the launch of layer_norm_sum, which adds up the groups of `columns`."""
    _, C = columns.scalars
    scalars, grid = (np.int32(columns.grid[1]), C), (blocks(int(C), 256),)
    return Plan("layer_norm_sum", columns.dtype, grid, 256, scalars, constants=columns.constants)


def forward(x: Array, g: Array, b: Array, y: Array, mean: Array, rstd: Array) -> None:
    """See `chainrule.kernels.layer_norm.forward`."""
    wide, eps = aligned(x, g, b, y), x.dtype.type(EPS)
    plan = plan_rows("layer_norm_forward", *x.shape, x.dtype, wide, eps)
    launch(SOURCE, plan, x, g, b, y, mean, rstd)


def backward(
    dy: Array, x: Array, g: Array, mean: Array, rstd: Array, dx: Array, dg: Array, db: Array
) -> None:
    """See `chainrule.kernels.layer_norm.backward`."""
    rows = plan_rows("layer_norm_backward", *x.shape, x.dtype, aligned(dy, x, g, dx))
    columns = plan_columns(rows)
    partial: Array = array_module(x).empty((2, columns.grid[1], len(g)), x.dtype)
    launch(SOURCE, rows, dy, x, g, mean, rstd, dx)
    launch(SOURCE, columns, dy, x, mean, rstd, partial)
    launch(SOURCE, plan_sum(columns), partial, dg, db)
