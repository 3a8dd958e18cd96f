"""CUDA twin of softmax cross-entropy: a warp a row, or a block a row where the alphabet is large.

On an H100 (3.35 TB/s, 67 TFLOP/s), N=768 rows (12 windows of 64) of V=65 in float32 are 0.2 MB:
forward reads them, nll_and_grad reads and writes them, 0.1 µs, so the launch, a few µs, is the
floor. At N=2048, V=50257 the logits are 412 MB: 123 µs forward; nll_and_grad reads them, reads them
again and writes: 1.2 GB, 370 µs, as a row (0.2 MB, eight blocks at once on a multiprocessor) comes
from L2 the second time at best. Its 2.25 exponentials an element are 0.23 G, 60 µs at 16 a clock on
132 multiprocessors: the bytes are the limit.

Measured on an H100 (`python -m bench.device`): nll_and_grad of 768 rows 2.6 µs at V=65, 244 µs at
V=50257, where the bytes would take 138.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, aligned, blocks, launch, planner
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("softmax_cross_entropy.cu")
WARPS = 8  # of a block
MOST_OF_A_WARP = 1024  # symbols; a row of more gets all the warps of a block


@planner
def plan(kernel: str, N: int, V: int, dtype: np.dtype[Any], wide: bool, *scalars: Any) -> Plan:
    """Return the launch of one of the three kernels, named after the contract's functions.

    wide: the arrays start on 16-byte boundaries.
    """
    team = 1 if V <= MOST_OF_A_WARP else WARPS
    vector = wide and V % (16 // dtype.itemsize) == 0
    constants = (("TEAM", team), ("VECTOR", int(vector)))
    sizes, grid = (np.int32(N), np.int32(V)), (blocks(N, WARPS // team),)
    name = f"cross_entropy_{kernel}"
    return Plan(name, dtype, grid, WARPS * 32, (*sizes, *scalars), constants=constants)


def forward(s: Array, y: Ids, nll: Array) -> None:
    """See `chainrule.kernels.softmax_cross_entropy.forward`."""
    launch(SOURCE, plan("forward", *s.shape, s.dtype, aligned(s)), s, y, nll)


def backward(dnll: Array, s: Array, y: Ids, ds: Array) -> None:
    """See `chainrule.kernels.softmax_cross_entropy.backward`."""
    launch(SOURCE, plan("backward", *s.shape, s.dtype, aligned(s, ds)), dnll, s, y, ds)


def nll_and_grad(s: Array, y: Ids, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.softmax_cross_entropy.nll_and_grad`."""
    wide, rate = aligned(s, ds), s.dtype.type(scale)
    launch(SOURCE, plan("nll_and_grad", *s.shape, s.dtype, wide, rate), s, y, nll, ds)
