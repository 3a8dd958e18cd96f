"""Launch CUDA kernels. The only code that knows how a `.cu` file becomes a running kernel.

An operation's `cuda.py` makes a `Plan`, a pure function of shapes and dtype that says what to
launch, and hands it over:

    @planner                             what it returns is kept: from Python, making a plan anew
    def plan(N, …) -> Plan: …            would take longer than many a kernel
    launch(SOURCE, plan, *arrays)        the kernel's arguments are the arrays, then plan.scalars

By default CuPy's RawModule compiles the file with NVRTC, once for each set of constants, and the
kernel joins CuPy's current stream. `use_launcher` swaps that for any function of the same
signature; the tests use it to run the same plans and files on the CPU (tests/cuda_on_cpu).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from chainrule.kernels.types import Array, Bits, Ids

MULTIPROCESSORS = 132  # of an H100; on other devices a wrong number costs speed, nothing else
STATIC_SHARED_LIMIT = 48 * 1024  # bytes; a kernel that wants more has to say so before its launch

_CTYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
_INCLUDE = re.compile(r'#include "([./\w]+\.cuh)"\n')


Constants = tuple[tuple[str, int], ...]  # compile-time numbers by name


@dataclass(frozen=True)
class Plan:
    """What to launch: all of it follows from shapes, dtype and alignment."""

    kernel: str
    dtype: np.dtype[Any]  # of REAL
    grid: tuple[int, ...]  # blocks, at most three numbers
    block: int  # threads
    scalars: tuple[Any, ...] = ()  # NumPy scalars: their dtype is the kernel's C type
    shared_bytes: int = 0  # dynamic shared memory a block
    constants: Constants = ()
    strided: bool = False  # whether the kernel is told how its arrays' rows lie, among the scalars


Arrays = tuple[Array | Bits | Ids, ...]
Launcher = Callable[[Path, Plan, Arrays], None]
P = ParamSpec("P")


def planner(plan: Callable[P, Plan]) -> Callable[P, Plan]:
    """Return `plan`, a function of shapes, dtype and alignment, with its answers kept."""
    kept: Any = lru_cache(maxsize=4096)(lambda device, *args, **named: plan(*args, **named))

    @wraps(plan)
    def look_up(*args: P.args, **named: P.kwargs) -> Plan:
        found: Plan = kept(MULTIPROCESSORS, *args, **named)
        return found

    return look_up


def options(plan: Plan) -> tuple[str, ...]:
    """Return the compiler options of a plan, the same for NVRTC, nvcc and the tests' g++."""
    if plan.dtype not in _CTYPES:
        raise TypeError(f"GPU kernels take float32 or float64 parameters, got {plan.dtype}")
    constants = (f"-D{name}={value}" for name, value in plan.constants)
    return ("-std=c++17", f"-DREAL={_CTYPES[plan.dtype]}", *constants)


def source_text(path: Path) -> str:
    """Return the text of a `.cu` file with each `.cuh` put in place of its include.

    Inlined rather than found by -I, since CuPy's cache of compiled files looks at the text and
    would miss a change in a header.
    """
    return _INCLUDE.sub(lambda m: source_text(path.parent / m[1]), path.read_text("utf-8"))


@cache
def _kernel(source: Path, name: str, dtype: np.dtype[Any], constants: Constants) -> Any:
    """Return the compiled kernel; CuPy keeps one for each device and a copy on disk."""
    import cupy

    settings = options(Plan(name, dtype, (), 0, constants=constants))
    module = cupy.RawModule(code=source_text(source), options=settings)
    return module.get_function(name)


def launch_with_cupy(source: Path, plan: Plan, arrays: Arrays) -> None:
    """Launch on the current device and stream; returns before the kernel has finished."""
    kernel = _kernel(source, plan.kernel, plan.dtype, plan.constants)
    if plan.shared_bytes > STATIC_SHARED_LIMIT:
        kernel.max_dynamic_shared_size_bytes = plan.shared_bytes
    args = (*arrays, *plan.scalars)
    kernel(plan.grid, (plan.block,), args, shared_mem=plan.shared_bytes)


_launcher: ContextVar[Launcher] = ContextVar("chainrule_launcher", default=launch_with_cupy)


@contextmanager
def use_launcher(launcher: Launcher) -> Iterator[None]:
    """Launch through `launcher(source, plan, arrays)` inside the block. For tests."""
    token = _launcher.set(launcher)
    try:
        yield
    finally:
        _launcher.reset(token)


def launch(source: Path, plan: Plan, *arrays: Array | Bits | Ids) -> None:
    """Run the plan's kernel of the file `source` on `arrays`, C-contiguous but for strided plans.

    A grid of no blocks is a launch of nothing.
    """
    if not plan.strided:
        need_contiguous(plan.kernel, *arrays)
    if all(plan.grid):
        _launcher.get()(source, plan, arrays)


def need_contiguous(name: str, *arrays: Array | Bits | Ids) -> None:
    """Raise ValueError unless every array is C-contiguous."""
    for array in arrays:
        if not array.flags.c_contiguous:
            raise ValueError(f"{name}: arrays must be C-contiguous; copy them first")


def aligned(*arrays: Array) -> bool:
    """Return whether every array starts on a 16-byte boundary, so that wide loads may be used."""
    return all(a.data.ptr % 16 == 0 for a in arrays)  # type: ignore[attr-defined]


def blocks(n: int, per_block: int) -> int:
    """Return how many blocks cover n items."""
    return -(-n // per_block)


def row_groups(n_rows: int, rows_at_once: int, n_beside: int) -> int:
    """Return into how many groups a sum over rows is cut, for two launches in a fixed order.

    Few enough for a block of each to take `rows_at_once` rows four times over, and for all of
    them, `n_beside` blocks each, to fit the device.
    """
    return max(1, min(blocks(n_rows, 4 * rows_at_once), 4 * MULTIPROCESSORS // max(1, n_beside)))
