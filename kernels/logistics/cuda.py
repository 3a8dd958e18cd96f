"""CUDA twin of the mixture of logistics: a few lanes a row, which share its components.

On an H100 (3.35 TB/s, 132 multiprocessors) the M = 98,304 variables of 32 images of 32×32×3, of
K = 10 in float32, are 11.8 MB of outputs, read and written by nll_and_grad: 7 µs. Its passes make
some 14 exponentials a component, in place of numbers kept: 14 M, 4 µs at 16 a clock on each
multiprocessor. So the bytes are the limit. A draw asks 8 questions of 256 levels, each of 3 K
exponentials in float64 of about 40 instructions: of as many variables 70 µs, but one channel of a
pixel is drawn at a time, and of 32 images the launch is the floor. The table is a thread a level.
Not measured on a GPU.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.logistics import least_log_scale
from chainrule.kernels.mixture.cuda import team_of
from chainrule.kernels.types import Array, Ids

SOURCE = Path(__file__).with_name("logistics.cu")
THREADS = 256


@planner
def plan(kernel: str, M: int, n: int, levels: int, dtype: np.dtype[Any], *scalars: Any) -> Plan:
    """Return the launch of one of the kernels, named after the contract's functions."""
    team = team_of(n)
    threads = M * (levels if kernel == "conditionals" else team)
    numbers = np.int32(M), np.int32(n // 3), np.int32(levels)
    scalars = (*numbers, np.float64(least_log_scale(levels)), *scalars)
    name, grid, constants = f"logistics_{kernel}", (blocks(threads, THREADS),), (("TEAM", team),)
    return Plan(name, dtype, grid, THREADS, scalars, constants=constants)


def forward(s: Array, x: Ids, levels: int, nll: Array) -> None:
    """See `chainrule.kernels.logistics.forward`."""
    launch(SOURCE, plan("forward", *s.shape, levels, s.dtype), s, x, nll)


def backward(dnll: Array, s: Array, x: Ids, levels: int, ds: Array) -> None:
    """See `chainrule.kernels.logistics.backward`."""
    launch(SOURCE, plan("backward", *s.shape, levels, s.dtype), dnll, s, x, ds)


def nll_and_grad(s: Array, x: Ids, levels: int, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.logistics.nll_and_grad`."""
    of_all = plan("nll_and_grad", *s.shape, levels, s.dtype, s.dtype.type(scale))
    launch(SOURCE, of_all, s, x, nll, ds)


def conditionals(s: Array, p: Array) -> None:
    """See `chainrule.kernels.logistics.conditionals`."""
    launch(SOURCE, plan("conditionals", *s.shape, p.shape[1], s.dtype), s, p)


def draw(s: Array, u: Array, levels: int, x: Ids) -> None:
    """See `chainrule.kernels.logistics.draw`."""
    launch(SOURCE, plan("draw", *s.shape, levels, s.dtype), s, u, x)
