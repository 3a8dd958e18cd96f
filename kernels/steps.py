"""What the CUDA twins of rnn, lstm and gru share: a launch for every step of time.

`steps.cuh` is the kernels' side of it; kernels/lstm/cuda.py says what a step costs.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, current_device, launch, planner
from chainrule.kernels.types import Array

THREADS = 256  # of a block of the step kernels
UNITS = 8  # hidden units of a block


@planner
def plan_step(
    kernel: str, sizes: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]
) -> Plan:
    """Return the launch of one step's kernel: hidden units along x, rows of the batch along y.

    sizes: t first; N and H last. strides: two for each time-major array, in numbers.
    """
    N, H = sizes[-2:]
    few = blocks(H, UNITS) * blocks(N, 8) <= 2 * current_device().multiprocessors
    rows = 8 if few else 16  # of a block; more read W less often, fewer make more blocks
    scalars = (*map(np.int32, sizes), *map(np.int64, strides))
    grid, constants = (blocks(H, UNITS), blocks(N, rows)), (("ROWS", rows),)
    return Plan(kernel, dtype, grid, THREADS, scalars, 0, constants, strided=True)


def launch_steps(source: Path, plan: Plan, steps: range, *arrays: Array) -> None:
    """Launch the plan once for each t of steps; a stream's launches wait for each other."""
    for at_t in _at(plan, steps):
        launch(source, at_t, *arrays)


@lru_cache(maxsize=256)
def _at(plan: Plan, steps: range) -> list[Plan]:
    """Return the plan for each t of steps."""
    return [replace(plan, scalars=(np.int32(t), *plan.scalars[1:])) for t in steps]


def strides(name: str, *arrays: Array) -> tuple[int, ...]:
    """Return how many numbers lie from step to step, and from row to row, of (T, N, ·) arrays.

    Raises:
        ValueError: an array's last axis is not contiguous.
    """
    if any(a.strides[2] != a.itemsize and a.shape[2] > 1 for a in arrays):
        raise ValueError(f"{name}: the last axis must be contiguous; copy the arrays first")
    return tuple(a.strides[axis] // a.itemsize for a in arrays for axis in (0, 1))
