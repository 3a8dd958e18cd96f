"""Where the numbers were made, and how fast that machine can be at best."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels import use_threads
from chainrule.kernels.threads import map_rows

PACKAGES = (
    "chainrule",
    "numpy",
    "numba",
    "scikit-learn",
    "pyod",
    "torch",
    "jax",
    "jaxlib",
    "cupy-cuda13x",
    "cupy-cuda12x",
)


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """Return what a reader needs to judge a number."""
    return {
        "cpu": _cpu_name(),
        "cores": cores(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "openblas_variables": {k: v for k, v in os.environ.items() if k.startswith("OPENBLAS_")},
        "device": _device_name(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, of the packages that take part, and our commit."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | _commit()


def ceilings(threads: int) -> dict[str, float]:
    """Return {"sgemm_gflops", "copy_gb_s"}: the best of several runs on `threads` threads.

    sgemm: a 2048³ float32 product, 2·2048³ FLOPs. copy: 256 MB from one array to another, each
    thread a part of it; bytes read and bytes written both count.
    """
    n, floats = 2048, 64_000_000
    A, B = np.random.default_rng(0).random((2, n, n), dtype=np.float32)
    C = np.empty_like(A)
    source, target = np.ones(floats, np.float32), np.zeros(floats, np.float32)

    def copy_part(lo: int, hi: int) -> None:
        target[lo:hi] = source[lo:hi]

    def copy() -> None:
        with use_threads(threads):
            map_rows(copy_part, floats)

    return {
        "sgemm_gflops": 2 * n**3 / _best(lambda: np.matmul(A, B, out=C)) / 1e9,
        "copy_gb_s": 2 * source.nbytes / _best(copy) / 1e9,
    }


def device_ceilings() -> dict[str, float]:
    """Return the same for the GPU, with CuPy: an 8192³ product and a copy of 1 GB."""
    import cupy

    n, floats = 8192, 256_000_000
    A, B = cupy.random.random((2, n, n), dtype=cupy.float32)
    source, target = cupy.ones(floats, cupy.float32), cupy.empty(floats, cupy.float32)
    synchronize = cupy.cuda.get_current_stream().synchronize

    def gemm() -> None:
        cupy.matmul(A, B)
        synchronize()

    def copy() -> None:
        target[...] = source
        synchronize()

    return {
        "sgemm_gflops": 2 * n**3 / _best(gemm) / 1e9,
        "copy_gb_s": 2 * source.nbytes / _best(copy) / 1e9,
    }


def _best(call: Callable[[], object], repeats: int = 7) -> float:
    """Return the seconds of the fastest call: a ceiling is what the machine can do undisturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):  # no such figure on this system
        return None


def _device_name() -> str | None:
    try:
        import cupy

        return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())
    except Exception:  # no CuPy, no driver or no device: the driver's errors are its own
        return None


def _commit() -> dict[str, str]:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        root = Path(__file__).parent
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {"commit": done.stdout.strip()} if done.returncode == 0 else {}
