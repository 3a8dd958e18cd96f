"""On which core a thread runs, and how others are kept off it.

A system wakes a thread where it thinks best, and on machines of few cores, when they are busy, that
is often the core of whoever woke it: there it waits until the other has done its share of the work,
and that of both. Linux says which core a thread is on, and takes orders; elsewhere nothing is done.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable


def _of_library() -> Callable[[], int]:
    """Return the C library's sched_getcpu, or what knows no core. Python's lock stays ours."""
    try:
        if sys.platform == "linux":
            return ctypes.PyDLL(None).sched_getcpu
    except (AttributeError, OSError):  # another C library
        pass
    return lambda: -1


current = _of_library()  # the core that this thread runs on, -1 where nobody can tell


def keep_off(core: int, threads: Iterable[int]) -> None:
    """Let threads, by their system's numbers, run where this one may, but not on a core.

    Unless there would be more of them than cores left.
    """
    allowed = os.sched_getaffinity(0)  # of this thread, in spite of the name
    others = allowed - {core}
    threads = list(threads)
    for thread in threads:
        try:
            os.sched_setaffinity(thread, others if len(threads) <= len(others) else allowed)
        except OSError:  # it has ended, or may not be ordered about
            pass
