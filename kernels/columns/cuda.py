"""CUDA twin of rows of columns: teams of lanes, sized by the mean variable, go along a row.

On an H100 (3.35 TB/s, 132 multiprocessors) nll_and_grad of N = 100 rows of D = 784 variables of 16
categories reads and writes 5 MB of outputs each in float32, 3 µs, and makes 2 exponentials an
output, 2.5 M, 0.7 µs at 16 a clock on each multiprocessor. A block's eight warps share such a row,
so that there are enough of them. Of 100 rows of 64 mixtures of 10 the launch, a few µs, is the
floor. Draws and intervals are in float64, which is slow on cards made for pictures. Not measured on
a GPU.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.columns import Layout
from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.mixture.cuda import team_of
from chainrule.kernels.signatures import value_of
from chainrule.kernels.types import Array, Table

SOURCE = Path(__file__).with_name("columns.cu")
WARPS = 8  # of a block
MOST_OF_A_WARP = 256  # outputs; a row of more gets all the warps of a block


@planner
def plan(
    kernel: str, sizes: tuple[int, int, int], dtype: np.dtype[Any], value: int, *scalars: Any
) -> Plan:
    """Return the launch of a kernel over whole rows, named after the contract's functions.

    sizes: N, D, S. value: what x is in.
    """
    N, D, S = sizes
    row_warps = 1 if S <= MOST_OF_A_WARP else WARPS
    constants = _constants(team_of(S / D), row_warps, value)
    numbers, grid = tuple(map(np.int32, sizes)), (blocks(N, WARPS // row_warps),)
    name = f"columns_{kernel}"
    return Plan(name, dtype, grid, WARPS * 32, (*numbers, *scalars), constants=constants)


@planner
def plan_draw(
    i: int, sizes: tuple[int, int], dtype: np.dtype[Any], value: int, *scalars: Any
) -> Plan:
    """Return the launch that draws variable i; sizes: N, n_i."""
    team = team_of(sizes[1])
    grid = (blocks(sizes[0] * team, WARPS * 32),)
    numbers = tuple(map(np.int32, (i, *sizes)))
    constants = _constants(team, 1, value)
    return Plan("columns_draw", dtype, grid, WARPS * 32, (*numbers, *scalars), constants=constants)


def _constants(team: int, row_warps: int, value: int) -> tuple[tuple[str, int], ...]:
    return (("TEAM", team), ("ROW_WARPS", row_warps), ("VALUE", value))


def _mixture(layout: Layout) -> tuple[np.int32, ...]:
    return tuple(map(np.int32, (layout.n_components, layout.family, layout.learned)))


def _launch(
    kernel: str, layout: Layout, s: Array, x: Table, *arrays: Array, scale: Any = ()
) -> None:
    """Launch a kernel over whole rows; arrays: those that it takes after x."""
    sizes = (*x.shape, s.shape[1])
    of_rows = plan(kernel, sizes, s.dtype, value_of(x, s.dtype), *_mixture(layout), *scale)
    launch(SOURCE, of_rows, *layout[:4], s, x, *arrays)


def terms(layout: Layout, s: Array, x: Table, log_p: Array) -> None:
    """See `chainrule.kernels.columns.terms`."""
    _launch("terms", layout, s, x, log_p)


def nll_and_grad(layout: Layout, s: Array, x: Table, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.columns.nll_and_grad`."""
    _launch("nll_and_grad", layout, s, x, nll, ds, scale=(s.dtype.type(scale),))


def weighted_nll_and_grad(
    layout: Layout, s: Array, x: Table, weights: Array, nll: Array, ds: Array
) -> None:
    """See `chainrule.kernels.columns.weighted_nll_and_grad`."""
    _launch("weighted_nll_and_grad", layout, s, x, weights, nll, ds)


def input_gradient(layout: Layout, ds: Array, dx: Array) -> None:
    """See `chainrule.kernels.columns.input_gradient`."""
    sizes, K = (*dx.shape, ds.shape[1]), np.int32(layout.n_components)
    of_rows = plan("input_gradient", sizes, ds.dtype, value_of(dx, ds.dtype), K)
    launch(SOURCE, of_rows, *layout[:4], ds, dx)


def draw(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    """See `chainrule.kernels.columns.draw`."""
    xp = array_module(s)
    s, u, drawn = xp.ascontiguousarray(s), xp.ascontiguousarray(u), xp.ascontiguousarray(x)
    of_rows = plan_draw(i, s.shape, s.dtype, value_of(x, s.dtype), *_mixture(layout))
    launch(SOURCE, of_rows, *layout[:4], s, u, drawn)
    if drawn is not x:
        x[...] = drawn


def cdf_interval(layout: Layout, s: Array, x: Table, lo: Array, hi: Array) -> None:
    """See `chainrule.kernels.columns.cdf_interval`."""
    _launch("cdf_interval", layout, s, x, lo, hi)
