"""CUDA twin of the Bernoulli kernels: one warp a row, lanes along it, a warp sum at the end.

On an H100 (3.35 TB/s) at N=1000, D=784 in float32, forward reads s and x, 3.9 MB: 1.2 µs;
backward and terms also write as much as s, 7.1 MB: 2.1 µs. At N=100 all are a tenth of that. So a
launch, a few µs itself, is the floor, and the bytes are nearly all there is to it: about 40
instructions an element at 0.8 M elements are 0.03 G instructions, under 1 µs on 132
multiprocessors. The product of factors that `cpu` takes one logarithm of would save nothing here,
and its float64 multiplications are slow on most GPUs.

Measured on an H100 at N=100 (`python -m bench.device`): forward 4.9 µs, backward 8.0: a warp walks
its 784 numbers 32 at a time, and 100 warps are too few to hide that.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.types import Array, Bits

SOURCE = Path(__file__).with_name("bernoulli.cu")
THREADS = 256
ROWS = THREADS // 32  # one warp a row


@planner
def plan(kernel: str, N: int, D: int, dtype: np.dtype[Any]) -> Plan:
    """Return the launch of one of the three kernels."""
    return Plan(kernel, dtype, (blocks(N, ROWS),), THREADS, (np.int32(N), np.int32(D)))


def forward(s: Array, x: Bits, nll: Array) -> None:
    """See `chainrule.kernels.bernoulli.forward`."""
    N, D = s.shape
    launch(SOURCE, plan("bernoulli_forward", N, D, s.dtype), s, x, nll)


def terms(s: Array, x: Bits, log_p: Array) -> None:
    """See `chainrule.kernels.bernoulli.terms`."""
    N, D = s.shape
    launch(SOURCE, plan("bernoulli_terms", N, D, s.dtype), s, x, log_p)


def backward(dnll: Array, s: Array, x: Bits, ds: Array) -> None:
    """See `chainrule.kernels.bernoulli.backward`."""
    N, D = s.shape
    launch(SOURCE, plan("bernoulli_backward", N, D, s.dtype), dnll, s, x, ds)


def loss(rate: Array, s: Array, x: Bits, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.bernoulli.loss`."""
    forward(s, x, nll)
    backward(rate, s, x, ds)
