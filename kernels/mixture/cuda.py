"""CUDA twin of the mixture: a few lanes a row, which share its components and need no barrier.

On an H100 (3.35 TB/s, 132 multiprocessors) M = 6400 rows (100 of D = 64) of K = 10 in float32 are
0.5 MB of outputs, read and written by nll_and_grad: 0.3 µs, so the launch, a few µs, is the floor.
Its passes make 7 exponentials a component, in place of numbers kept: 0.45 M, 0.1 µs at 16 a clock
on each multiprocessor. A draw takes some seven steps of an error function and an exponential in
float64 a component, about 150 instructions: 70 M, 1 µs on an H100, and 30 times as much on cards
whose float64 units are few. Not measured on a GPU.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, launch, planner
from chainrule.kernels.mixture import n_components
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("mixture.cu")
THREADS = 256
LANE_OUTPUTS = (
    4  # that a lane has, about: a sum over a team takes as many steps as log₂ of its size
)


def team_of(n_outputs: float) -> int:
    """Return how many lanes work on a variable of so many outputs together: 1, 2, 4 … 32."""
    team = 1
    while team < 32 and team * 2 * LANE_OUTPUTS <= n_outputs:
        team *= 2
    return team


@planner
def plan(kernel: str, M: int, n: int, dtype: np.dtype[Any], *scalars: Any) -> Plan:
    """Return the launch of one of the kernels, named after the contract's functions."""
    team = team_of(n)
    grid, sizes = (blocks(M * team, THREADS),), (np.int32(M), np.int32(n))
    constants = (("TEAM", team),)
    return Plan(f"mixture_{kernel}", dtype, grid, THREADS, (*sizes, *scalars), constants=constants)


def _launch(
    kernel: str, s: Array, kind: tuple[int, bool], arrays: tuple[Array, ...], *scalars: Any
) -> None:
    family, learned = kind
    K = np.int32(n_components(s, learned))
    numbers = (K, np.int32(family), np.int32(learned), *scalars)
    launch(SOURCE, plan(kernel, *s.shape, s.dtype, *numbers), *arrays)


def terms(s: Array, x: Array, half: float, family: int, learned: bool, log_p: Array) -> None:
    """See `chainrule.kernels.mixture.terms`."""
    _launch("terms", s, (family, learned), (s, x, log_p), s.dtype.type(half))


def backward(
    dnll: Array, s: Array, x: Array, half: float, family: int, learned: bool, ds: Array
) -> None:
    """See `chainrule.kernels.mixture.backward`."""
    _launch("backward", s, (family, learned), (dnll, s, x, ds), s.dtype.type(half))


def nll_and_grad(
    s: Array,
    x: Array,
    half: float,
    scale: float,
    family: int,
    learned: bool,
    nll: Array,
    ds: Array,
) -> None:
    """See `chainrule.kernels.mixture.nll_and_grad`."""
    numbers = s.dtype.type(half), s.dtype.type(scale)
    _launch("nll_and_grad", s, (family, learned), (s, x, nll, ds), *numbers)


def input_gradient(ds: Array, learned: bool, dx: Array) -> None:
    """See `chainrule.kernels.mixture.input_gradient`."""
    K = np.int32(n_components(ds, learned))
    launch(SOURCE, plan("input_gradient", *ds.shape, ds.dtype, K), ds, dx)


def cdf(s: Array, x: Array, family: int, learned: bool, u: Array) -> None:
    """See `chainrule.kernels.mixture.cdf`."""
    _launch("cdf", s, (family, learned), (s, x, u))


def draw(s: Array, u: Array, family: int, learned: bool, x: Array) -> None:
    """See `chainrule.kernels.mixture.draw`."""
    _launch("draw", s, (family, learned), (s, u, x))
