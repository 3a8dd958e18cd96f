"""CUDA twin of the LSTM pass: a launch a step, matrix product and gates in one.

Forward     A block computes 8 hidden units, all four gates of them, for 8 rows of the batch: its
            eight warps share the k of h W, every number of its 32 columns of W is read once, h_t
            goes through shared memory, z_t and c_t are on their way meanwhile, and the gates meet
            by shuffles. Nothing but z, h and c is written. Order between steps is the stream's.

Backward    Given δ_t, units never mix: so step t is one launch too, dz_{t+1} Wᵀ (B1), then B2-B4.
            Here a warp's four groups of lanes share k as well. W is transposed once a pass, so that
            lanes read neighbours; dW is one cuBLAS product at the end.

On an H100 at T=64, N=32, H=256 in float32 (67 TFLOP/s, 3.35 TB/s, L2 about 5.5 TB/s):
            1.1 GFLOP forward, 3.2 with dW backward: 16 and 48 µs
            z, h, c, dh, dz once: 31 MB, 9 µs
            128 blocks a step, each 32 KB of W and 8 KB of h (32 of dz backward), from L2: 5 MB, or
            8, a step: 60 and 100 µs in all
            but T steps that wait for each other: about 2500 cycles each from the first load to the
            last store (loads from L2 twice in a row 600 each, 512 products a scheduler, two
            barriers, sums, gates), 1.4 µs at 1.75 GHz, and 1 µs or so from launch to launch:
            64 · 2.5 = 160 µs forward and as much, and dW, backward. That chain is the floor.
            These are launches as a CUDA graph makes them, and the steps may be captured in one.
            Launched from Python the host sets the pace: 6 µs a step for our own code (measured),
            and what CuPy adds, so 0.6 ms or more in all.

A persistent kernel would keep W in registers and shared memory (1 MB, 8 KB a multiprocessor) and
meet at a barrier of the whole grid, 1 µs or so, in place of a launch: it saves W's way from L2,
some 600 cycles a step, and part of the launch, a fifth to a third of the chain, and all of the
host's time. It would need a cooperative launch and a bound on H, and cannot be run block after
block, as our tests do.

Latencies and the bandwidth of L2 are published figures, not ours; the times are estimates. Measured
on an H100 (`python -m bench.device`): 259 µs forward, recorded in a graph: 4 µs a step where 2.5
were expected; 0.76 ms backward, launched from Python.
"""

from pathlib import Path

from chainrule.kernels.device import need_contiguous
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.recurrence import over_all_steps
from chainrule.kernels.steps import launch_steps, plan_step, strides
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("lstm.cu")


def forward(z: Array, W: Array, h: Array, c: Array) -> None:
    """See `chainrule.kernels.lstm.forward`."""
    need_contiguous("lstm", W)
    sizes = (0, z.shape[1], len(W))
    plan = plan_step("lstm_forward", sizes, strides("lstm", z, h, c), W.dtype)
    launch_steps(SOURCE, plan, range(len(z)), z, W, h, c)


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    h: Array,
    c: Array,
    dz: Array,
    dW: Array,
    dh0: Array,
    dc0: Array,
) -> None:
    """See `chainrule.kernels.lstm.backward`."""
    need_contiguous("lstm", W, dW, dh0, dc0)
    xp, T = array_module(W), len(dh)
    apart = strides("lstm", dh, gates, c, dz)
    plan = plan_step("lstm_backward", (0, *dh.shape), apart, W.dtype)
    W_T = xp.ascontiguousarray(W.T)  # once: a warp reads along its rows
    launch_steps(SOURCE, plan, range(T - 1, -2, -1), dh, gates, W_T, c, dz, dh0, dc0)
    xp.matmul(over_all_steps(h[:-1]).T, over_all_steps(dz), out=dW)  # B5
