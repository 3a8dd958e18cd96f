"""CUDA twin of NADE over columns: units in shared memory going forward, in registers going back.

Forward     (nade_columns.cu) A block has GROUP rows of data. At N=100, D=784, K=16, H=500 in
            float32 V, 25 MB, comes from memory once, 8 µs at 3.35 TB/s, and from L2 for each of
            100 blocks: 2.5 GB, 0.5 ms at 5.5 TB/s, the floor. Groups of two halve that, and leave
            half of the multiprocessors idle. 1.3 GFLOP are 20 µs.

Backward    (nade_columns_backward.cu) Two sweeps, B1-B8, since units then do not mix: a block owns
            8 of them for all rows, and no partial gradients are kept. At H=500 63 blocks walk 784
            variables of 31 sums over rows: 4 barriers and about 2,500 instructions a warp each,
            some 2 ms. One sweep, S1-S4, would save ds and a_{D+1}, but each block would need
            gradients of its own.

In x        Each block of units has a part of it, (H / 8, N, D) numbers in all, added up by CuPy.
            Only attacks ask for it.

The bandwidth of L2 is a published figure, the times are estimates: not measured on a GPU.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.columns import BATCH, BIT, Layout
from chainrule.kernels.columns import cuda as columns
from chainrule.kernels.device import Plan, blocks, current_device, launch, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.mixture.cuda import team_of
from chainrule.kernels.nade_columns import Weights
from chainrule.kernels.signatures import value_of
from chainrule.kernels.types import Array, Ids, Table

SOURCE = Path(__file__).with_name("nade_columns.cu")
BACKWARD_SOURCE = Path(__file__).with_name("nade_columns_backward.cu")

THREADS, MOST_GROUP = 256, 8
UNITS, ROW_LANES, MOST_ROWS = 8, 32, 4  # of a block of the backward sweep; rows a thread


def _power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n."""
    return 1 << max(0, n - 1).bit_length()


@planner
def plan_sweep(
    kernel: str,
    sizes: tuple[int, int, int, int],
    team: int,
    dtype: np.dtype[Any],
    value: int,
    *scalars: Any,
) -> Plan:
    """Return the launch of nade_columns_forward, …_log_prob or …_sample.

    sizes: N, D, H and the most outputs that a variable has.
    """
    N, _, H, most = sizes
    device = current_device()
    of_row = (2 * H + most) * dtype.itemsize
    if of_row > device.shared_bytes:
        raise ValueError(
            f"on this GPU, 2 n_hidden and the outputs of one variable may be up to"
            f" {device.shared_bytes // dtype.itemsize} {dtype} numbers, got {2 * H + most}"
        )
    group = min(MOST_GROUP, _power_of_two(blocks(N, device.multiprocessors)))
    while group * of_row > device.shared_bytes:
        group //= 2
    numbers = (*map(np.int32, sizes), *scalars)
    constants = (("GROUP", group), ("TEAM", team), ("VALUE", value))
    grid = (blocks(N, group),)
    return Plan(kernel, dtype, grid, THREADS, numbers, group * of_row, constants)


@planner
def plan_backward(N: int, D: int, H: int, dtype: np.dtype[Any], value: int, *scalars: Any) -> Plan:
    """Return the launch of nade_columns_backward."""
    rows = min(MOST_ROWS, _power_of_two(blocks(N, ROW_LANES)))
    constants = (("ROWS", rows), ("TEAM", 1), ("VALUE", value))
    numbers = (*map(np.int32, (N, D, H)), *scalars)
    grid = (blocks(H, UNITS),)
    return Plan("nade_columns_backward", dtype, grid, THREADS, numbers, constants=constants)


def _sweep(
    kernel: str, layout: Layout, weights: Weights, x: Table, y: Ids, arrays: Any, *scalars: int
) -> None:
    """Launch a sweep; arrays: its arguments after the weights."""
    W, V, b, _, rho = weights
    sizes = (*x.shape, W.shape[1], layout.work // BATCH)
    given = len(rho) > 0, len(y) > 0, layout.n_components, layout.family, layout.learned, *scalars
    team, value = team_of(len(b) / x.shape[1]), value_of(x, V.dtype)
    plan = plan_sweep(f"nade_columns_{kernel}", sizes, team, V.dtype, value, *map(np.int32, given))
    launch(SOURCE, plan, *layout[:4], *weights, *arrays)


def forward(layout: Layout, weights: Weights, x: Table, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.nade_columns.forward`."""
    _sweep("forward", layout, weights, x, y, (x, y, s, s[:0]), s.shape[1], False)


def log_prob(layout: Layout, weights: Weights, x: Table, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade_columns.log_prob`."""
    _sweep("log_prob", layout, weights, x, y, (x, y, log_p))


def nll_and_grad(
    layout: Layout,
    weights: Weights,
    x: Table,
    y: Ids,
    scale: float,
    nll: Array,
    grad: Weights,
    dx: Array,
) -> None:
    """See `chainrule.kernels.nade_columns.nll_and_grad`."""
    (N, H), dtype, xp = (len(x), weights.V.shape[1]), weights.V.dtype, array_module(weights.V)
    s: Array = xp.empty((N, len(weights.b)), dtype)
    end: Array = xp.empty((N, H), dtype)
    _sweep("forward", layout, weights, x, y, (x, y, s, end), s.shape[1], True)
    logits = s[:, layout.first[:-1]] if len(dx) else s  # of the bits, and what else comes first
    columns.nll_and_grad(layout, s, x, scale, nll, s)
    if len(dx):
        columns.input_gradient(layout, s, dx)
        dx[...] = xp.where(layout.values == BIT, -dtype.type(scale) * logits, dx)  # B9
    _backward(layout, weights, x, y, s, end, grad, dx)


def _backward(
    layout: Layout,
    weights: Weights,
    x: Table,
    y: Ids,
    ds: Array,
    end: Array,
    grad: Weights,
    dx: Array,
) -> None:
    """Overwrite `grad` by B1-B8, given ds and a_{D+1}, and add B2 to dx, if it is wanted."""
    W, V, _, c, rho = weights
    (N, D), (R, H), xp = x.shape, W.shape, array_module(V)
    scalars = R, ds.shape[1], len(c), len(rho) > 0, len(y) > 0, len(dx) > 0
    plan = plan_backward(N, D, H, V.dtype, value_of(x, V.dtype), *map(np.int32, scalars))
    of_units: Array = xp.empty((len(rho), H), V.dtype)
    of_blocks: Array = xp.empty((plan.grid[0], *dx.shape), V.dtype)
    given = layout.values, layout.first, W, V, rho, x, y, ds, end
    launch(BACKWARD_SOURCE, plan, *given, grad.W, grad.V, grad.c, of_units, of_blocks)
    grad.b[...] = ds.sum(axis=0)  # B4
    if len(rho):
        grad.rho[...] = of_units.sum(axis=1)  # B6
    if len(dx):
        dx += of_blocks.sum(axis=0)  # B2


def sample(layout: Layout, weights: Weights, u: Array, y: Ids, x: Table) -> None:
    """See `chainrule.kernels.nade_columns.sample`."""
    _sweep("sample", layout, weights, x, y, (u, y, x))
