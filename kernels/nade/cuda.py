"""CUDA twin of the NADE kernels: hidden state in registers, one launch a sweep.

Forward     (sweep.cuh, hidden.cuh; nade.cu has the kernels of the Bernoulli head) A block holds
            GROUP samples, its threads their hidden units. Rows of V, and of W at an event, are
            loaded once a block, a few steps ahead, and one barrier comes with
            every 32 logits. At N=100, D=784, H=500 in float32 with 13% ones:
                78 MFLOP for F3 and 5 M sigmoids: under 3 µs at 67 TFLOP/s
                W and V, 3.1 MB, once from memory: 1 µs at 3.35 TB/s; then from L2, which each of
                the 100 blocks reads for itself: 177 MB, about 32 µs at 5.5 TB/s
            so L2 sets the floor. Larger groups read less but leave multiprocessors idle: GROUP is
            the smallest power of two that puts all blocks on the device at once. At N=1000 it is 8:
            125 blocks, 330 MB, 60 µs; 0.8 GFLOP, 12 µs.

Backward    (nade_backward.cu) Given ds, units never mix: a lane owns a unit, a warp 32 of them for
            SAMPLES samples. Blocks add up their samples' gradients in shared memory, groups of
            blocks in global memory and a second launch, in a fixed order. At N=100: 0.35 GFLOP,
            5 µs; 47 MB, most of it partial sums in L2 (4 groups of 3.1 MB), 14 µs even from
            memory; but D dependent steps of 90 or more cycles, 784 · 90 / 1.75 GHz = 40 µs, on 64
            blocks. So the chain sets the floor here. At N=1000, 256 blocks fill the device, and
            about 100 M warp instructions take 110 µs.

Loss        nll_and_grad runs one forward sweep, which writes ds as soon as it has a logit, and the
            backward one. The one-sweep form (S1-S3), the CPU's choice, would save ds and a_end
            (0.5 MB at N=100, both in L2) but needs each logit, a sum over all units, before its
            dV: a block would hold all units of a few samples, and every block a (2D+1)·H partial
            gradient of its own: 100 times 3.1 MB where backward writes 4.

Sampling    One launch. Its floor is latency: x_i must be known before a_{i+1}. A round of the
            sampler is a chain of loads of V (about 270 cycles from L2), 5 shuffles (125), a
            barrier and the sum over warps (80), σ and the draw (80), and after a one a row of W
            and σ (330): some 0.4 to 0.5 µs. D rounds would take 784 · 0.45 = 350 µs. Guessing that
            the next 8 x are zeros leaves D η / (1 - (1-η)⁸) = 152 rounds at η = 13%: about 70 µs
            for 100 images, and the same for up to 132, one a multiprocessor.

In x        An array program, not a kernel: some fifteen CuPy operations on arrays of (rows, D, H),
            as many rows at once as fit, with B2's and B5's sums as cumulative sums. At N=100 that
            is 15 · 2 · 157 MB through memory, 1.4 ms and more. Only attacks ask for it.

The latencies and the bandwidth of L2 are published figures, not ours; the times are estimates.
Measured on an H100 at N=100 (`python -m bench.device`): log_prob 126 µs, nll_and_grad 314; sampling
246 µs at 14% ones, 587 at 50%. So all three are three to four times their floors: chains of
dependent loads, not bytes, with one block a multiprocessor to hide them. Half as many blocks
(GROUP twice as large) took 185 µs in place of 126.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, aligned, blocks, current_device, launch, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits, Ids

SOURCE = Path(__file__).with_name("nade.cu")
BACKWARD_SOURCE = Path(__file__).with_name("nade_backward.cu")

MOST_THREADS, MOST_CHUNKS, MOST_GROUP = 256, 4, 8
LOGITS = {"nade_sample": 8}  # between two barriers, per warp in shared memory; else 32
BLOCKS_PER_MULTIPROCESSOR = {"nade_sample": 4}  # its short rounds leave room to overlap; else 1

WARPS = 8  # of a block of nade_backward
MOST_NUMBERS = 2**26  # of the gradient in x in one array: a row has D · H


def _power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n."""
    return 1 << max(0, n - 1).bit_length()


@planner
def plan_sweep(
    kernel: str,
    N: int,
    D: int,
    H: int,
    dtype: np.dtype[Any],
    wide: bool,
    n_classes: int = 1,
    *scalars: Any,
) -> Plan:
    """Return the launch of nade_forward, nade_log_prob, nade_loss or nade_sample.

    wide: the rows of W, V and c start on 16-byte boundaries.
    """
    pack = 16 // dtype.itemsize  # numbers in a wide access
    slots = blocks(H, pack)  # threads, if each owned `pack` units
    if slots > MOST_THREADS * MOST_CHUNKS:
        most = MOST_THREADS * MOST_CHUNKS * pack
        raise ValueError(f"on a GPU, {dtype} NADE takes up to {most} hidden units, got {H}")
    threads = min(MOST_THREADS, max(32, _power_of_two(slots)))
    chunks = _power_of_two(blocks(slots, threads))
    budget = BLOCKS_PER_MULTIPROCESSOR.get(kernel, 1) * current_device().multiprocessors
    group = min(MOST_GROUP // chunks, _power_of_two(blocks(N, budget)))
    constants = {
        "GROUP": group,
        "THREADS": threads,
        "CHUNKS": chunks,
        "AHEAD": max(1, min(4, 16 // group) // chunks),  # rows on their way, as registers allow
        "VECTOR": int(wide and H % pack == 0),
    }
    shared_bytes = 2 * threads // 32 * LOGITS.get(kernel, 32) * dtype.itemsize
    sizes = (np.int32(N), np.int32(D), np.int32(H), np.int32(n_classes))
    grid = (blocks(N, group),)
    return Plan(
        kernel, dtype, grid, threads, (*sizes, *scalars), shared_bytes, tuple(constants.items())
    )


@planner
def plan_backward(N: int, D: int, H: int, dtype: np.dtype[Any], n_classes: int = 1) -> Plan:
    """Return the launch of nade_backward: units along x, groups of samples along y."""
    samples = 4 if N <= 256 else 8  # a lane; fewer make more warps, more make fewer partial sums
    unit_blocks = blocks(H, 32)
    most_groups = max(1, 2 * current_device().multiprocessors // unit_blocks)
    groups = min(blocks(N, WARPS * samples), most_groups)
    sizes = (np.int32(N), np.int32(D), np.int32(H), np.int32(n_classes))
    constants = (("SAMPLES", samples),)
    grid = (unit_blocks, groups)
    return Plan("nade_backward", dtype, grid, WARPS * 32, sizes, constants=constants)


@planner
def plan_backward_sum(swept: Plan) -> Plan:
    """Return the launch of nade_backward_sum, which adds up the groups of `swept`."""
    _, D, H, n_classes = swept.scalars
    scalars = (np.int32(swept.grid[1]), D, H, n_classes)
    grid = (blocks(share_size(int(D), int(H), int(n_classes)), 256),)
    return Plan("nade_backward_sum", swept.dtype, grid, 256, scalars, constants=swept.constants)


def share_size(D: int, H: int, n_classes: int) -> int:
    """Return how many numbers a group's share of the gradients has: dW, dV, dc and db."""
    return (2 * D + n_classes) * H + D


def _sweep(kernel: str, x: Array | Bits, W: Array, V: Array, c: Array, *scalars: Any) -> Plan:
    return plan_sweep(kernel, len(x), *W.shape, W.dtype, aligned(W, V, c), len(c), *scalars)


def forward(
    x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, s: Array, a_end: Array
) -> None:
    """See `chainrule.kernels.nade.forward`."""
    launch(SOURCE, _sweep("nade_forward", x, W, V, c), x, W, V, b, c, y, s, a_end)


def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade.log_prob`."""
    launch(SOURCE, _sweep("nade_log_prob", x, W, V, c), x, W, V, b, c, y, log_p)


def backward(
    ds: Array,
    x: Bits,
    W: Array,
    V: Array,
    a_end: Array,
    y: Ids,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """See `chainrule.kernels.nade.backward`."""
    (N, D), H = x.shape, W.shape[1]
    plan = plan_backward(N, D, H, W.dtype, len(dc))
    size = share_size(D, H, len(dc))
    partial: Array = array_module(W).empty((plan.grid[1], size), W.dtype)
    launch(BACKWARD_SOURCE, plan, ds, x, W, V, a_end, y, partial)
    launch(BACKWARD_SOURCE, plan_backward_sum(plan), partial, dW, dV, db, dc)


def input_gradient(ds: Array, x: Bits, W: Array, V: Array, a_end: Array, dx: Array) -> None:
    """See `chainrule.kernels.nade.input_gradient`."""
    rows = max(1, MOST_NUMBERS // max(1, W.size))
    for lo in range(0, len(x), rows):
        part = slice(lo, lo + rows)
        _input_gradient(ds[part], x[part], W, V, a_end[part], dx[part])


def _input_gradient(ds: Array, x: Bits, W: Array, V: Array, a_end: Array, dx: Array) -> None:
    """Overwrite dx of a few rows, all steps of which fit the device's memory at once."""
    xp = array_module(W)
    a = a_end[:, None] - _sums_from(x[:, :, None] * W)  # B2: a_i = a_end - Σ_{k≥i} x_k W_k
    h = sigmoid(a)
    terms = ds[:, :, None] * V * (h * (1 - h))  # of B4, B5
    delta = xp.zeros_like(terms)
    delta[:, :-1] = _sums_from(terms[:, 1:])  # δ_{i+1} = Σ_{k>i}
    dx[...] = (delta * W).sum(axis=2)  # B7


def _sums_from(terms: Array) -> Array:
    """Return Σ_{k≥i} of terms, (N, D, H), for every i."""
    sums: Array = array_module(terms).cumsum(terms[:, ::-1], axis=1)[:, ::-1]
    return sums


def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    y: Ids,
    scale: float,
    nll: Array,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """See `chainrule.kernels.nade.nll_and_grad`."""
    xp, dtype = array_module(W), W.dtype
    ds: Array = xp.empty(x.shape, dtype)
    a_end: Array = xp.empty((len(x), W.shape[1]), dtype)
    plan = _sweep("nade_loss", x, W, V, c, dtype.type(scale))
    launch(SOURCE, plan, x, W, V, b, c, y, nll, ds, a_end)
    backward(ds, x, W, V, a_end, y, dW, dV, db, dc)


def sample(u: Array, W: Array, V: Array, b: Array, c: Array, y: Ids, x: Bits) -> None:
    """See `chainrule.kernels.nade.sample`."""
    launch(SOURCE, _sweep("nade_sample", u, W, V, c), u, W, V, b, c, y, x)
