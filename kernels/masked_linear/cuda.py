"""CUDA twin of the masked linear map: tiles of 32 × 32, and of W the blocks that the mask shows.

On an H100 (67 TFLOP/s in float32, 3.35 TB/s) MADE's 784-500-784 at N = 100 is 39 MFLOP a product
with a triangle skipped, 0.6 µs at the peak; these tiles of plain multiply-adds reach a part of it.
W is 1.6 MB, of which half is read, by each of the four tiles of rows from L2: 1 µs. There are
16 · 4 tiles of 32 × 32 outputs for 132 multiprocessors, the deepest 784 deep: 25 rounds of 32
depths, of about 1 µs each with both barriers, are the floor, and cuBLAS with a masked copy of W
would be quicker at such sizes; at N = 1000 all multiprocessors work. Not measured on a GPU.

Codes are gathered, a thread an output, and their gradients added up by the thread that owns a
column of an input's rows: no atomics. `arrange` and the sums of dy are array programs.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.signatures import value_of
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("masked_linear.cu")
TILE = 32
THREADS = 256


@planner
def plan_tiles(kernel: str, shape: tuple[int, int], dtype: np.dtype[Any], *sizes: int) -> Plan:
    """Return the launch of masked_forward, masked_weights or masked_inputs.

    shape: of what it writes, a block a tile. sizes: the kernel's numbers.
    """
    rows, columns = shape
    grid = (blocks(columns, TILE), blocks(rows, TILE))
    return Plan(kernel, dtype, grid, THREADS, tuple(map(np.int32, sizes)))


@planner
def plan_columns(kernel: str, rows: int, O: int, dtype: np.dtype[Any], *sizes: int) -> Plan:
    """Return the launch of a kernel with a thread a column of O, and a row of blocks a row."""
    return Plan(kernel, dtype, (blocks(O, THREADS), rows), THREADS, tuple(map(np.int32, sizes)))


def forward(x: Array, W: Array, b: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.forward`."""
    if len(stairs.numbers):
        _numbers_forward(x, W, b, stairs, y, more=False)
    else:
        y[...] = b
    _codes_forward(x, W, stairs, y)


def add(x: Array, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add`."""
    if len(stairs.numbers):
        _numbers_forward(x, W, y, stairs, y, more=True)
    _codes_forward(x, W, stairs, y)


def _numbers_forward(x: Array, W: Array, b: Array, stairs: Staircase, y: Array, more: bool) -> None:
    (N, O), K = y.shape, len(stairs.numbers)
    plan = plan_tiles("masked_forward", (N, O), W.dtype, N, K, O, int(more))
    of_numbers = _numbers(x, stairs, W.dtype)
    places = stairs.rows, stairs.first, stairs.numbers, stairs.seen
    launch(SOURCE, plan, of_numbers, W, b, *places, y)


def _codes_forward(x: Array, W: Array, stairs: Staircase, y: Array) -> None:
    (N, D), O = x.shape, W.shape[1]
    if len(stairs.numbers) < D:
        plan = plan_columns("masked_codes", N, O, W.dtype, D, O)
        launch(SOURCE, plan, _read(x, W.dtype, np.int32), W, stairs.rows, stairs.first, y)


def backward(dy: Array, x: Array, stairs: Staircase, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_linear.backward`."""
    add_backward(dy, x, stairs, dW)
    db[...] = dy.sum(axis=0)  # B2


def add_backward(dy: Array, x: Array, stairs: Staircase, dW: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_backward`."""
    (N, D), K, O = x.shape, len(stairs.numbers), dW.shape[1]
    if K:
        plan = plan_tiles("masked_weights", (K, O), dW.dtype, N, K, O)
        places = stairs.rows, stairs.first, stairs.numbers
        launch(SOURCE, plan, dy, _numbers(x, stairs, dW.dtype), *places, dW)
    if K < D:
        plan = plan_columns("masked_code_weights", D, O, dW.dtype, N, D, O)
        launch(SOURCE, plan, dy, _read(x, dW.dtype, np.int32), stairs.rows, stairs.first, dW)


def backward_through(
    dy: Array, x: Array, W: Array, stairs: Staircase, dW: Array, db: Array, dx: Array
) -> None:
    """See `chainrule.kernels.masked_linear.backward_through`."""
    backward(dy, x, stairs, dW, db)
    input_gradient(dy, W, stairs, dx)


def input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array) -> None:
    """See `chainrule.kernels.masked_linear.input_gradient`."""
    (N, D), K, O = dx.shape, len(stairs.numbers), W.shape[1]
    if K < D:
        dx[...] = 0
    if K:
        plan = plan_tiles("masked_inputs", (N, K), W.dtype, N, D, K, O)
        launch(SOURCE, plan, dy, W, stairs.rows, stairs.first, stairs.numbers, dx)


def add_inputs(x: Array, lo: int, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_inputs`."""
    (N, m), O = x.shape, W.shape[1]
    plan = plan_columns("masked_add_inputs", N, O, W.dtype, m, lo, O)
    launch(SOURCE, plan, _read(x, W.dtype, W.dtype), W, stairs.rows, stairs.first, y)


def arrange(W: Array, rows: Ids, columns: Ids, out: Array) -> None:
    """See `chainrule.kernels.masked_linear.arrange`."""
    out[...] = W[rows[:, None], columns]


def _numbers(x: Array, stairs: Staircase, dtype: Any) -> Array:
    """Return the inputs that enter as numbers, (N, K), of the weights' dtype."""
    some = x if len(stairs.numbers) == x.shape[1] else x[:, stairs.numbers]
    whole: Array = array_module(x).ascontiguousarray(_read(some, dtype, dtype))
    return whole


def _read(x: Array, real: Any, dtype: Any) -> Array:
    """Return a table x as the kernels read it, in dtype, if it is bits, codes or `real`."""
    value_of(x, real)
    read: Array = x.astype(dtype, copy=False)
    return read
