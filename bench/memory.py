"""How much memory an operation takes at its peak."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")
MEGABYTE = 1e6


def growth(work: Callable[[], object]) -> dict[str, float]:
    """Return in MB the memory before `work`, the peak of the process, and their difference.

    The peak is the process's from its start, so a peak before `work` can only make the
    difference too large, never too small.
    """
    before = resident()
    work()
    top = peak()
    return {"before_mb": before, "peak_mb": top, "growth_mb": top - before}


def resident() -> float:
    """Return the megabytes this process holds now; its peak so far where Linux's /proc is not."""
    return _status("VmRSS") or peak()


def peak() -> float:
    """Return the most megabytes this process has ever held.

    Linux's ru_maxrss starts from the parent's at the time of the fork; VmHWM is the same mark
    without that.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return _status("VmHWM") or usage / MEGABYTE


def _status(key: str) -> float | None:
    """Return a line of Linux's /proc/self/status, which is in KiB, in megabytes."""
    if not STATUS.exists():
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    return None
