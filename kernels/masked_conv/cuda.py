"""CUDA twin of masked convolution: products of tiles, of which one factor is seen, never stored.

Tiles       F1, B3 and B1 are each one product of matrices (masked_conv.cu, products.cuh); what a
            window shows is looked up in the images as it is needed. A block has 64 × 64 sums,
            pixels by outputs, pixels by inputs, or rows of W by outputs, and goes 16 deep at a
            time; each of its 128 threads has 8 × 4 of them. The depth is all taps' channels in a
            row, so one channel of 24 taps is two rounds and not 24. Hidden blocks of W are passed
            over.

Backward    dx needs one launch. For dW the pixels are cut into groups, until there are two blocks
            for each multiprocessor, and a second launch adds up what they found: in a fixed order,
            without atomics, so the same bits every time. db is an array program's sum.

Floor       H100: 67 TFLOP/s and 3.35 TB/s; float32 throughout, since tensor cores would round
            products to 11 bits. 16 images of 28 × 28, FLOPs and bytes of each array once, in µs,
            for the forward, and as many for dx and for dW:

                window          C → O       FLOPs   bytes
                3 × 3, kind B   64 → 64       7.7     1.9
                7 × 7, kind A    1 → 64       0.6     1.0

            Of the second one a launch takes longer, some 3 µs, and nobody asks for its dx.

How near    Never run on a GPU: compiled, and run on the CPU rig. Counted in instructions, of which
            a multiprocessor issues 4 a cycle at 1.75 GHz, for the first: a warp's round of 16
            depths takes 720 forward and for dx, 690 for dW (sm_90), 512 of them multiply-adds. All
            schedulers busy, that is 12 µs; but 196 blocks on 132 multiprocessors leave two to some,
            which take 16. A round has 48 reads of 16 bytes from shared memory, 48 to 192 cycles
            at 128 bytes a cycle, depending on how far lanes that read the same are served at once,
            where the instructions take 180: they may limit too. From L2 two such blocks read 330
            KB, 12 bytes a cycle of some 24. Of dW 4 MB of parts are written and read once more, by
            way of L2. The second has 24 depths of two rounds' 32, and no wide loads of x.
            Loads of the next round are on their way while one is computed; up to four blocks fit
            a multiprocessor, in float64 two. Images fewer than those leave most of them idle.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, aligned, blocks, launch, planner, row_groups
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_conv.windows import Window
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("masked_conv.cu")
TILE, DEPTH = 64, 16
THREADS = 128
Wide = tuple[bool, bool]  # whether rows of C and of O numbers may be read in 16-byte accesses


@planner
def plan_pixels(
    kernel: str,
    shape: tuple[int, ...],
    O: int,
    window: Window,
    dtype: np.dtype[Any],
    wide: Wide,
    *more: int,
) -> Plan:
    """Return the launch of conv_forward or conv_inputs, a block a tile of pixels and columns.

    shape: (N, R, S, C), of x. more: the kernel's last number, if it has one.
    """
    N, R, S, C = shape
    columns = O if kernel == "conv_forward" else C
    grid = (blocks(N * R * S, TILE), blocks(columns, TILE))
    return _plan(kernel, grid, shape, O, window, dtype, wide, *more)


@planner
def plan_weights(
    shape: tuple[int, ...], O: int, window: Window, dtype: np.dtype[Any], wide: Wide
) -> Plan:
    """Return the launch of conv_weights: tiles of dW, times groups of pixels, two a multiprocessor.

    shape: (N, R, S, C), of x.
    """
    N, R, S, C = shape
    tiles = (blocks(window.n_taps * C, TILE), blocks(O, TILE))
    groups = row_groups(N * R * S, DEPTH, 2 * tiles[0] * tiles[1])
    return _plan("conv_weights", (*tiles, groups), shape, O, window, dtype, wide)


@planner
def plan_sum(of: Plan, n: int) -> Plan:
    """Return the launch of conv_weights_sum over the groups of a plan by `plan_weights`."""
    sizes = np.int32(n), np.int32(of.grid[2])
    grid = (blocks(n, THREADS),)
    return Plan("conv_weights_sum", of.dtype, grid, THREADS, sizes, constants=of.constants)


def _plan(
    kernel: str,
    grid: tuple[int, ...],
    shape: tuple[int, ...],
    O: int,
    window: Window,
    dtype: np.dtype[Any],
    wide: Wide,
    *more: int,
) -> Plan:
    N, R, S, C = shape
    numbers = (N * R * S, R, S, C, O, *_numbers(window, C, O), *more)
    constants = (("WIDE_X", int(wide[0])), ("WIDE_Y", int(wide[1])))
    return Plan(kernel, dtype, grid, THREADS, tuple(map(np.int32, numbers)), constants=constants)


def _numbers(window: Window, C: int, O: int) -> tuple[int, ...]:
    """Return a window as the kernels take it: a rectangle, read row by row as far as the last tap.

    Raises:
        ValueError: another window; channels that cannot be cut into its groups.
    """
    u0, v0, width = window.runs[0]
    taps = [(u0 + t // width, v0 + t % width) for t in range(window.n_taps)]
    if taps != list(window.taps()):
        raise ValueError(
            "on a GPU, the rows of a window must begin in one column, follow each other and be of "
            f"one length, but for the last, which may be shorter; got {window.runs}"
        )
    if window.centre is None:
        return u0, v0, width, len(taps), -1, 1, 1
    window.seen(C, O)
    return u0, v0, width, len(taps), window.centre, window.groups, 0 if window.strict else 1


def _wide(*arrays: Array) -> bool:
    """Return whether the rows of all arrays, of one length, may be read in 16-byte accesses."""
    return aligned(*arrays) and all(a.shape[-1] * a.itemsize % 16 == 0 for a in arrays)


def forward(x: Array, W: Array, b: Array, window: Window, y: Array) -> None:
    """See `chainrule.kernels.masked_conv.forward`."""
    _forward(x, W, b, window, y, more=False)


def add(x: Array, W: Array, window: Window, y: Array) -> None:
    """See `chainrule.kernels.masked_conv.add`."""
    _forward(x, W, y, window, y, more=True)


def _forward(x: Array, W: Array, b: Array, window: Window, y: Array, more: bool) -> None:
    wide, O = (_wide(x), _wide(W, y)), y.shape[-1]
    plan = plan_pixels("conv_forward", x.shape, O, window, x.dtype, wide, int(more))
    launch(SOURCE, plan, x, W, b, y)


def backward(
    dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array, db: Array
) -> None:
    """See `chainrule.kernels.masked_conv.backward`."""
    weight_gradient(dy, x, window, dW, db)
    _input_gradient(dy, W, window, dx)


def weight_gradient(dy: Array, x: Array, window: Window, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_conv.weight_gradient`."""
    _weights(dy, x, window, dW)
    db[...] = dy.sum(axis=(0, 1, 2))  # B2


def add_backward(dy: Array, x: Array, W: Array, window: Window, dx: Array, dW: Array) -> None:
    """See `chainrule.kernels.masked_conv.add_backward`."""
    _weights(dy, x, window, dW)
    _input_gradient(dy, W, window, dx)


def _weights(dy: Array, x: Array, window: Window, dW: Array) -> None:
    wide = _wide(x), _wide(dy, dW)
    plan = plan_weights(x.shape, dy.shape[-1], window, x.dtype, wide)
    groups = plan.grid[2]
    if groups == 1:
        launch(SOURCE, plan, dy, x, dW)
    else:
        partial: Array = array_module(x).empty((groups, *dW.shape), dW.dtype)
        launch(SOURCE, plan, dy, x, partial)
        launch(SOURCE, plan_sum(plan, dW.size), partial, dW)


def _input_gradient(dy: Array, W: Array, window: Window, dx: Array) -> None:
    wide = _wide(dx), _wide(dy, W)
    plan = plan_pixels("conv_inputs", dx.shape, dy.shape[-1], window, dx.dtype, wide)
    launch(SOURCE, plan, dy, W, dx)
