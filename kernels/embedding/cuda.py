"""CUDA twin of the embedding: rows copied by a warp each; their gradients found by a search.

Forward     On an H100 (3.35 TB/s), N=768 (12 windows of 64), C=128 in float32 are 0.8 MB with what
            is read of the table: 0.2 µs, so the launch, a few µs, is the floor.

Backward    dW_i sums dx_n over the places n where symbol i stood, in a fixed order. So there is a
            block for each symbol (and each 128 columns in float32), which goes through the ids, 32
            a warp, and reads the rows of dx that are its own: every row once, 0.4 MB, 0.1 µs. The
            search is V·N/32 reads of 128 bytes and a vote: V=65, N=768 makes 24 votes for each of
            65 blocks. Few symbols, such as the 2 of binary pixels, would leave the device idle and
            one block N/2 rows to add; so then the ids are cut into groups, and a second launch adds
            the groups' sums. Sorting the ids first would spare the search for several launches, and
            pay where V·N is large: at V=50257, N=16384 the search is 26 M votes, 3.3 GB from L2,
            600 µs at 5.5 TB/s, for 50 MB of dx at C=768, 15 µs. Our alphabets are characters, bytes
            and pixels. Atomic additions need neither, and do not give the same bits every time.

The bandwidth of L2 is a published figure, not ours; the times are bounds and estimates. Measured on
an H100 at N=768, V=65, C=128 (`python -m bench.device`): forward 1.9 µs, backward 3.2.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, aligned, blocks, launch, planner, row_groups
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("embedding.cu")
WARPS = 8  # of a block
THREADS = WARPS * 32


def _width(C: int, dtype: np.dtype[Any], wide: bool) -> int:
    """Return how many columns a lane reads in one access."""
    pack = 16 // dtype.itemsize
    return pack if wide and C % pack == 0 else 1


@planner
def plan_forward(N: int, C: int, dtype: np.dtype[Any], wide: bool) -> Plan:
    """Return the launch of embedding_forward; wide: the arrays start on 16-byte boundaries."""
    sizes, constants = (np.int32(N), np.int32(C)), (("VECTOR", int(_width(C, dtype, wide) > 1)),)
    return Plan("embedding_forward", dtype, (blocks(N, WARPS),), THREADS, sizes, 0, constants)


@planner
def plan_backward(N: int, V: int, C: int, dtype: np.dtype[Any], wide: bool) -> Plan:
    """Return the launch of embedding_backward: symbols and columns along x, groups along y."""
    width = _width(C, dtype, wide)
    of_table = V * blocks(C, 32 * width)
    grid = (of_table, row_groups(N, THREADS, of_table))
    sizes, constants = (np.int32(N), np.int32(V), np.int32(C)), (("VECTOR", int(width > 1)),)
    return Plan("embedding_backward", dtype, grid, THREADS, sizes, 0, constants)


@planner
def plan_sum(found: Plan) -> Plan:
    """Return the launch of embedding_sum, which adds up the groups of `found`."""
    _, V, C = found.scalars
    scalars, grid = (np.int32(found.grid[1]), np.int32(V * C)), (blocks(int(V * C), THREADS),)
    return Plan("embedding_sum", found.dtype, grid, THREADS, scalars, 0, found.constants)


def forward(ids: Ids, W: Array, x: Array) -> None:
    """See `chainrule.kernels.embedding.forward`."""
    N, C = x.shape
    launch(SOURCE, plan_forward(N, C, W.dtype, aligned(W, x)), ids, W, x)


def backward(dx: Array, ids: Ids, dW: Array) -> None:
    """See `chainrule.kernels.embedding.backward`."""
    V, C = dW.shape
    found = plan_backward(len(ids), V, C, dW.dtype, aligned(dx, dW))
    groups = found.grid[1]
    partial: Array = array_module(dW).empty((groups if groups > 1 else 0, V, C), dW.dtype)
    launch(SOURCE, found, dx, ids, dW, partial)
    if groups > 1:
        launch(SOURCE, plan_sum(found), partial, dW)
