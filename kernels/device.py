"""Launch CUDA kernels. The only code that knows how a `.cu` file becomes a running kernel.

An operation's `cuda.py` makes a `Plan`, a pure function of shapes and dtype that says what to
launch, and hands it over:

    @planner                             what it returns is kept: from Python, making a plan anew
    def plan(N, …) -> Plan: …            would take longer than many a kernel
    launch(SOURCE, plan, *arrays)        the kernel's arguments are the arrays, then plan.scalars

What a device has of multiprocessors and shared memory, `Device`, decides with them. It is read once
from each device; where there is none, or `use_launcher` launches elsewhere, plans are an H100's.
(Reading it, and what is refused of arrays on other devices, were tested with stand-ins for CuPy's
runtime; kernels were run on H100s only.)

By default CuPy's RawModule compiles the file with NVRTC, once for each set of constants, and the
kernel joins CuPy's current stream. `use_launcher` swaps that for any function of the same
signature; the tests use it to run the same plans and files on the CPU (tests/cuda_on_cpu).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import numpy as np

from chainrule.kernels.signatures import Constants, misread, signature, source_text
from chainrule.kernels.types import Array, Bits, Ids

STATIC_SHARED_LIMIT = 48 * 1024  # bytes; a kernel that wants more has to say so before its launch

_CTYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


class Device(NamedTuple):
    """What plans have to know of a GPU."""

    multiprocessors: int = 132
    shared_bytes: int = 227 * 1024  # of a block that asks for it; 64 KB on sm_75, 99 on a desktop's
    number: int = 0  # CuPy's
    alone: bool = True  # whether it is the only one


H100 = Device()


@dataclass(frozen=True)
class Plan:
    """What to launch: all of it follows from shapes, dtype, alignment and the device."""

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
    """Return `plan`, of shapes, dtype, alignment and current device, with its answers kept."""
    kept: Any = lru_cache(maxsize=4096)(lambda device, *args, **named: plan(*args, **named))

    @wraps(plan)
    def look_up(*args: P.args, **named: P.kwargs) -> Plan:
        found: Plan = kept(current_device(), *args, **named)
        return found

    return look_up


def options(plan: Plan) -> tuple[str, ...]:
    """Return the compiler options of a plan, the same for NVRTC, nvcc and the tests' g++."""
    if plan.dtype not in _CTYPES:
        raise TypeError(f"GPU kernels take float32 or float64 parameters, got {plan.dtype}")
    constants = (f"-D{name}={value}" for name, value in plan.constants)
    return ("-std=c++17", f"-DREAL={_CTYPES[plan.dtype]}", *constants)


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
_device: ContextVar[Device | None] = ContextVar("chainrule_device", default=None)


@contextmanager
def use_launcher(launcher: Launcher, device: Device = H100) -> Iterator[None]:
    """Launch through `launcher(source, plan, arrays)`, plans being for `device`. For tests."""
    token = _launcher.set(launcher)
    try:
        with use_device(device):
            yield
    finally:
        _launcher.reset(token)


@contextmanager
def use_device(device: Device) -> Iterator[None]:
    """Make plans for `device` inside the block, whatever there is. For tests."""
    token = _device.set(device)
    try:
        yield
    finally:
        _device.reset(token)


def current_device() -> Device:
    """Return CuPy's current device, or an H100 where there is none."""
    told = _device.get()
    if told is not None:
        return told
    runtime = _runtime()
    return _read(runtime.getDevice()) if runtime else H100


@cache
def _runtime() -> Any:
    """Return CuPy's bindings of the CUDA runtime, or None where they find no device."""
    try:
        from cupy.cuda import runtime

        runtime.getDevice()
    except (ImportError, OSError, RuntimeError):  # CuPy's own errors are RuntimeErrors
        return None
    return runtime


@cache
def _read(number: int) -> Device:
    """Return what a device says of itself."""
    runtime = _runtime()

    def attribute(name: str) -> int:
        value: int = runtime.deviceGetAttribute(getattr(runtime, name), number)
        return value

    return Device(
        multiprocessors=attribute("cudaDevAttrMultiProcessorCount"),
        shared_bytes=attribute("cudaDevAttrMaxSharedMemoryPerBlockOptin"),
        number=number,
        alone=runtime.getDeviceCount() == 1,
    )


def launch(source: Path, plan: Plan, *arrays: Array | Bits | Ids) -> None:
    """Run the plan's kernel of the file `source` on `arrays`, C-contiguous but for strided plans.

    A grid of no blocks is a launch of nothing.

    Raises:
        TypeError: an array is not of the dtype that the kernel reads: for integers int32 or uint8,
            as it declares; for floats the plan's.
        ValueError: an array is not C-contiguous, or on another device than the current one.
    """
    if not plan.strided:
        need_contiguous(plan.kernel, *arrays)
    wanted = signature(source, plan.kernel, plan.dtype, plan.constants)
    if tuple([a.dtype for a in arrays]) != wanted.arrays:
        raise misread(wanted, plan.kernel, arrays)
    here = current_device()
    if not here.alone:
        need_here(plan.kernel, here.number, *arrays)
    if all(plan.grid):
        _launcher.get()(source, plan, arrays)


def need_contiguous(name: str, *arrays: Array | Bits | Ids) -> None:
    """Raise ValueError unless every array is C-contiguous."""
    for array in arrays:
        if not array.flags.c_contiguous:
            raise ValueError(f"{name}: arrays must be C-contiguous; copy them first")


def need_here(name: str, number: int, *arrays: Array | Bits | Ids) -> None:
    """Raise ValueError unless every array is on the device of that number, the current one."""
    for array in arrays:
        where = array.data.device_id  # type: ignore[attr-defined]
        if where != number:
            raise ValueError(
                f"{name}: an array is on GPU {where} and the current one is {number}; copy it, or "
                f"work under cupy.cuda.Device({where})"
            )


def constant(host: Array) -> Array:
    """Return a copy on the current device that may be kept, for any stream to read at any time.

    Raises:
        RuntimeError: the current stream is recording a graph, which would make the copy only when
            it is launched.
    """
    import cupy

    stream = cupy.cuda.get_current_stream()
    if stream.is_capturing():
        raise RuntimeError(
            "a table has to be copied to the GPU while the stream records a graph; make the same "
            "call once before recording"
        )
    copy: Array = cupy.asarray(host)
    stream.synchronize()  # the copy is this stream's: another one would not wait for it
    return copy


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
    most = 4 * current_device().multiprocessors // max(1, n_beside)
    return max(1, min(blocks(n_rows, 4 * rows_at_once), most))
