"""A rival's process: it prepares a workload, answers for it, and runs it when it is its turn.

One process a rival keeps the libraries apart: their thread pools, which may spin for a while
after a call, their BLAS settings, and XLA's use of every core it sees. All are held to the same
cores, and those that have a setting for it to the same number of threads.
"""

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bench import machine, memory, peers
from bench.cases import Problem, Workload, build, ours
from bench.cases.ours import Run

SKIPPED = "skipped: "  # how the status of a rival that has no place in a comparison begins


def serve(connection: Connection, rival: str, threads: int) -> None:
    """Answer the parent's requests until it closes the connection.

    Each request is (method, *arguments); each reply (True, result) or (False, sentence).
    """
    keep_to_cores(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker(rival, threads)
    while True:
        try:
            method, *arguments = connection.recv()
        except EOFError:
            return
        try:
            reply = True, getattr(worker, method)(*arguments)
        except NotImplementedError as error:
            reply = False, f"{SKIPPED}{error}"
        except Exception as error:
            text = str(error).strip().partition("\n")[0]
            reply = False, f"{type(error).__name__}: {text}"[:300]
        try:
            connection.send(reply)
        except BrokenPipeError:  # the parent was interrupted, and waits for no answer
            return


def _end_with_parent() -> None:
    """Wait for the parent to end, then end with whatever compiler is still running here."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def keep_to_cores(threads: int) -> None:
    """Hold this process to `threads` cores and threads, and give it a process group of its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # so that a compiler it started can be stopped together with it
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


class Worker:
    """What the parent may ask for, by method name."""

    def __init__(self, rival: str, threads: int) -> None:
        """Start with nothing prepared."""
        self.rival, self.threads = rival, threads
        self.run: Run | None = None

    def missing(self) -> str | None:
        """Return why this rival cannot run here, or None."""
        return missing(self.rival)

    def prepare(self, workload: Workload) -> dict[str, Any]:
        """Set a workload up, compile it, and return its numbers for the check."""
        self.run = None
        gc.collect()
        self.run = prepare(self.rival, build(workload), self.threads)
        return self.run.answer()

    def turn(self, seconds: float) -> list[float]:
        """Run the prepared workload for about this long; return the seconds that each took."""
        if self.run is None:
            raise RuntimeError("nothing is prepared")
        return [self.run.times * s for s in turn(self.run.call, seconds)]

    def vectors(self) -> str:
        """Return which vector instructions this rival uses, as it says itself."""
        return (
            ours.vectors(self.rival) if self.rival in ours.BACKENDS else peers.vectors(self.rival)
        )

    def ceilings(self) -> dict[str, float]:
        """Return this machine's measured sgemm GFLOP/s and copy GB/s."""
        if self.rival == "cuda":
            return machine.device_ceilings()
        return machine.ceilings(self.threads)

    def peak_memory(self, warmup: Workload, workload: Workload) -> dict[str, float]:
        """Return the megabytes that a workload takes above its data and parameters."""
        prepare(self.rival, build(warmup), self.threads).call()  # loads and compiles code
        problem = build(workload)
        return memory.growth(lambda: self._repeat(problem))

    def _repeat(self, problem: Problem) -> None:
        run = prepare(self.rival, problem, self.threads)
        for _ in range(2):
            run.call()


def missing(rival: str) -> str | None:
    """Return why a rival, one of our backends or a peer, cannot run here, or None."""
    return ours.missing(rival) if rival in ours.BACKENDS else peers.missing(rival)


def prepare(rival: str, problem: Problem, threads: int) -> Run:
    """Return a workload set up for a rival."""
    if rival in ours.BACKENDS:
        return ours.prepare(problem, rival, threads)
    return peers.prepare(rival, problem, threads)


def turn(call: Callable[[], object], seconds: float) -> list[float]:
    """Return the seconds of repeated calls, about `seconds` in all and at least one.

    A call before them does not count, however long it takes: the first of a turn finds the caches
    and threads as the rival before it left them.
    """
    times: list[float] = []
    gc.disable()
    try:
        call()
        while not times or sum(times) < seconds:
            times.append(_timed(call))
    finally:
        gc.enable()
    return times


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def quantiles(times: list[float]) -> tuple[float, float, float]:
    """Return p20, the median and p80."""
    p20, median, p80 = np.percentile(times, (20, 50, 80))
    return float(p20), float(median), float(p80)
