"""CUDA twin of the triangular kernels: sums over the ones of x, coalesced along the logits.

At D=784 in float32, α has 306,936 entries, 1.2 MB: 0.4 µs from an H100's memory (3.35 TB/s).

Forward     A block takes 128 logits of GROUP samples, and loads a column of α where one of them has
            a one: with 13% ones and GROUP=4, 43% of α a group. N=100: 25 groups read 13 MB from
            L2, 2.4 µs at 5.5 TB/s; η N D²/2 = 4 M additions, nothing. The last tile of logits walks
            some 340 columns, four loads in flight: 85 · 300 cycles / 1.75 GHz = 15 µs. That
            latency is the floor; at N=1000 the multiprocessors hide it behind each other's.

Backward    A block takes 128 rows and 8 columns of dα, or a class's row of db instead of columns,
            and walks over the samples: N D²/2 predicated additions, 31 M at N=100, under 2 µs; the
            390 blocks below the diagonal read 20 MB of ds from L2, 4 µs. A walk of N/4 dependent
            rounds of about 400 cycles is 6 µs at N=100 and 57 µs at N=1000, where it is the floor.

Sampling    One launch, one warp a sample. Its floor is latency: a one must be known before the
            logits after it. A round draws up to the next one, so D=784 with 13% ones takes some
            110 rounds of a draw (about 150 cycles) and a column of α from L2 (up to 25 loads a
            lane, 400 cycles): 110 · 550 / 1.75 GHz = 35 µs for up to 132 samples and more.

In x        An array program, not a kernel: α is unpacked into a (D, D) matrix, and one product with
            it is B3. Only attacks ask for it, and cuBLAS does the work.

The latencies and the bandwidth of L2 are published figures, not ours; the times are estimates.
Measured on an H100 at N=100 (`python -m bench.device`): forward 39 µs, backward 19, a sample of 50%
ones 485, ten times the rounds of one of 13%.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, current_device, launch, planner
from chainrule.kernels.triangular.reference import unpack
from chainrule.kernels.types import Array, Bits, Ids

SOURCE = Path(__file__).with_name("triangular.cu")
THREADS = 128
COLUMNS = 8  # of dα a block of triangular_backward


@planner
def plan_forward(N: int, D: int, dtype: np.dtype[Any], n_classes: int = 1) -> Plan:
    """Return the launch of triangular_forward: groups of samples along x, logits along y."""
    group = 4 if blocks(D, THREADS) * N >= 2 * current_device().multiprocessors else 1
    grid = (blocks(N, group), blocks(D, THREADS))
    sizes = (np.int32(N), np.int32(D), np.int32(n_classes))
    return Plan("triangular_forward", dtype, grid, THREADS, sizes, constants=(("GROUP", group),))


@planner
def plan_backward(N: int, D: int, dtype: np.dtype[Any], n_classes: int = 1) -> Plan:
    """Return the launch of triangular_backward: rows of dα along x, columns and classes along y."""
    grid = (blocks(D, THREADS), blocks(D, COLUMNS) + n_classes)
    sizes = (np.int32(N), np.int32(D), np.int32(n_classes))
    return Plan("triangular_backward", dtype, grid, THREADS, sizes, constants=(("GROUP", 1),))


@planner
def plan_sample(N: int, D: int, dtype: np.dtype[Any], n_classes: int = 1) -> Plan:
    """Return the launch of triangular_sample: a warp a sample, its logits in shared memory."""
    shared_bytes, limit = D * dtype.itemsize, current_device().shared_bytes
    if shared_bytes > limit:
        most = limit // dtype.itemsize
        raise ValueError(f"on this GPU, {dtype} FVSBN samples up to {most} variables, got {D}")
    sizes, constants = (np.int32(D), np.int32(n_classes)), (("GROUP", 1),)
    return Plan("triangular_sample", dtype, (N,), 32, sizes, shared_bytes, constants)


def forward(x: Bits, alpha: Array, b: Array, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.triangular.forward`."""
    N, D = x.shape
    launch(SOURCE, plan_forward(N, D, b.dtype, len(b)), x, alpha, b, y, s)


def backward(ds: Array, x: Bits, y: Ids, dalpha: Array, db: Array) -> None:
    """See `chainrule.kernels.triangular.backward`."""
    N, D = x.shape
    launch(SOURCE, plan_backward(N, D, db.dtype, len(db)), ds, x, y, dalpha, db)


def input_gradient(ds: Array, alpha: Array, dx: Array) -> None:
    """See `chainrule.kernels.triangular.input_gradient`."""
    dx[...] = ds @ unpack(alpha, ds.shape[1])  # B3


def sample(u: Array, alpha: Array, b: Array, y: Ids, x: Bits) -> None:
    """See `chainrule.kernels.triangular.sample`."""
    N, D = u.shape
    launch(SOURCE, plan_sample(N, D, b.dtype, len(b)), u, alpha, b, y, x)
