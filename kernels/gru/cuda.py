"""CUDA twin of the GRU pass: a launch a step, matrix product and gates in one.

The design, and what a step costs, is that of `kernels/lstm/cuda.py`, with three gates for four. On
an H100 at T=64, N=32, H=256 in float32: 0.8 GFLOP forward, 2.4 backward, 12 and 36 µs at 67
TFLOP/s; about 31 MB of arrays, 9 µs at 3.35 TB/s; but 64 launches that wait for each other, some
2.5 µs each in a CUDA graph: 160 µs forward, as much and two products for dW backward.

Measured on an H100 (`python -m bench.device`): 257 µs forward, recorded in a graph; launched from
Python the host sets the pace, 0.89 ms backward.
"""

from pathlib import Path

from chainrule.kernels.device import need_contiguous
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.recurrence import over_all_steps
from chainrule.kernels.steps import launch_steps, plan_step, strides
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("gru.cu")


def forward(z: Array, W: Array, b: Array, h: Array, m: Array) -> None:
    """See `chainrule.kernels.gru.forward`."""
    need_contiguous("gru", W, b)
    sizes = (0, z.shape[1], len(W))
    plan = plan_step("gru_forward", sizes, strides("gru", z, h, m), W.dtype)
    launch_steps(SOURCE, plan, range(len(z)), z, W, b, h, m)


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    b: Array,
    h: Array,
    m: Array,
    dz: Array,
    dW: Array,
    db: Array,
    dh0: Array,
) -> None:
    """See `chainrule.kernels.gru.backward`."""
    need_contiguous("gru", W, dW, db, dh0)
    xp, (T, _, H) = array_module(W), dh.shape
    apart = strides("gru", dh, gates, h, m, dz)
    plan = plan_step("gru_backward", (0, *dh.shape), apart, W.dtype)
    W_T = xp.ascontiguousarray(W.T)  # once: a warp reads along its rows
    launch_steps(SOURCE, plan, range(T - 1, -2, -1), dh, gates, W_T, h, m, dz, dh0)
    states, dm = over_all_steps(h[:-1]).T, over_all_steps(m)
    dW[:, : 2 * H] = xp.matmul(states, over_all_steps(dz)[:, : 2 * H])  # B5
    dW[:, 2 * H :] = xp.matmul(states, dm)  # B5: the third block
    dm.sum(axis=0, out=db)  # B5: db
