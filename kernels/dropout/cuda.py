"""CUDA twin of dropout: one sweep, 16-byte accesses, the masks drawn in registers.

On an H100 (3.35 TB/s), N=12 rows of T=64 positions and C=128 channels in float32 are read and
written, 0.8 MB, 0.2 µs. 5 products and 15 other integer operations a number are 2 M of them, at 64
a clock and multiprocessor 0.1 µs. So the launch, a few µs, is the floor, and a mask that were kept
would have to be written and read besides.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, aligned, blocks, launch, planner
from chainrule.kernels.dropout import WORD, key, threshold_and_scale
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("dropout.cu")
WARPS = 8  # of a block, each with a line of its own


@planner
def plan(shape: tuple[int, ...], time_major: bool, dtype: np.dtype[Any], wide: bool) -> Plan:
    """Return the launch of dropout_apply on x of a shape; wide: x, y start on 16-byte boundaries.

    Its other scalars change from step to step, so they are not of the plan that is kept.
    """
    A, B, C = shape
    sizes = (np.int32(A * B), np.int32(B), np.int32(C), np.int32(time_major))
    constants = (("VECTOR", int(wide and C % 4 == 0)),)
    return Plan("dropout_apply", dtype, (blocks(A * B, WARPS),), WARPS * 32, sizes, 0, constants)


def apply(
    x: Array,
    y: Array,
    time_major: bool,
    rate: float,
    seed: int,
    step: int,
    site: int,
    row: int,
) -> None:
    """See `chainrule.kernels.dropout.apply`."""
    tau, kappa = threshold_and_scale(rate)
    words = (np.uint32(word % WORD) for word in (*key(seed), step, site, row))
    drawn = (np.uint32(tau), x.dtype.type(kappa), *words)
    kept = plan(x.shape, time_major, x.dtype, aligned(x, y))
    launch(SOURCE, replace(kept, scalars=(*kept.scalars, *drawn)), x, y)
