"""How much memory an operation takes at its peak."""

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
MARK = Path("/proc/self/clear_refs")  # 5 sets VmHWM to VmRSS
MEGABYTE = 1e6


def growth(work: Callable[[], object]) -> dict[str, float]:
    """Return in MB the memory before `work`, the peak of the process, and their difference.

    What lies free is given back before, where the C library can, for `work` would take it unseen.
    The peak is the process's since `work` began where Linux lets its mark be set back. Elsewhere
    it is from the process's start, so a peak before `work` can make the difference too large.
    """
    _give_back()
    _set_back()
    before = resident()
    work()
    top = peak()
    return {"before_mb": before, "peak_mb": top, "growth_mb": top - before}


def resident() -> float:
    """Return the megabytes this process holds now; its peak so far where Linux's /proc is not."""
    return _status("VmRSS") or peak()


def peak() -> float:
    """Return the most megabytes this process has held, ever or since its mark was set back.

    Linux's ru_maxrss starts from the parent's at the time of the fork; VmHWM is the same mark
    without that.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return _status("VmHWM") or usage / MEGABYTE


def _give_back() -> None:
    """Return free memory to the system, as glibc does when it is told to."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _set_back() -> None:
    """Let VmHWM start anew from what is held now, where /proc can be written."""
    with suppress(OSError):
        MARK.write_text("5")


def _status(key: str) -> float | None:
    """Return a line of Linux's /proc/self/status, which is in KiB, in megabytes."""
    if not STATUS.exists():
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    return None
