"""Rivals take turns, A B C A B C …, each in its own process, and medians are compared.

A machine's speed drifts: other work, clock rates, heat. Interleaving lets the drift hit every
rival alike, so a ratio of two medians of one run means more than either median. Between turns
everybody rests, because a library's threads may go on spinning after its call and slow the next.
The first call of a turn, which finds cold caches, counts for nobody, be it short or long.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from bench import check, worker
from bench.cases import Problem, Workload, build, home

REST = 0.012  # seconds between turns
TURN = 0.05  # seconds of a turn; longer calls get one a turn, after the one that does not count
MIN_ROUNDS = 7
LATE = "did not compile in"  # how that of one which took too long to set up begins


class RivalError(Exception):
    """A rival could not do what it was asked; the message is one sentence."""


class Rival:
    """A rival's process, seen from outside. It starts at the first request."""

    def __init__(self, name: str, threads: int) -> None:
        """Remember the name, one of our backends or of PEERS; nothing runs yet."""
        self.name, self.threads = name, threads
        self._process: Any = None
        self._connection: Any = None

    def ask(self, method: str, *arguments: object, timeout: float | None = None) -> Any:
        """Return what a method of `worker.Worker` returns there.

        Raises RivalError if it failed, or if it took longer than `timeout` seconds, when the
        process is ended; the next request starts a new one.
        """
        if self._process is None:
            self._start()
        try:
            self._connection.send((method, *arguments))
            if not self._connection.poll(timeout):
                self.close()
                did = LATE if method == "prepare" else "did not finish in"
                raise RivalError(f"{did} {timeout:.0f} s")
            fine, result = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.close()
            raise RivalError("its process ended without a word; was it out of memory?") from None
        if not fine:
            raise RivalError(str(result))
        return result

    def close(self) -> None:
        """End the process and whatever compilers it started."""
        if self._process is None:
            return
        self._connection.close()
        self._process.join(1)
        if self._process.is_alive() and hasattr(os, "killpg"):
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # not yet a group of its own
                self._process.kill()
        self._process.join()
        self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=worker.serve, args=(theirs, self.name, self.threads), daemon=True
        )
        self._process.start()
        theirs.close()


class Result(NamedTuple):
    """One rival on one workload. `status` is "ok", or says why there are no numbers."""

    workload: Workload
    rival: str
    status: str
    details: dict[str, Any]  # what else was measured: see the case file
    p20: float = 0.0
    median: float = 0.0  # seconds a call
    p80: float = 0.0
    calls: int = 0
    flops: float = 0.0  # useful FLOPs of a call
    bytes: float = 0.0  # bytes that a call must move
    error: float = 0.0  # largest relative difference from the float64 reference
    prepared_in: float = 0.0  # seconds until the first answer: set-up and compilation

    @property
    def ok(self) -> bool:
        """Whether it was timed."""
        return self.status == "ok"

    @property
    def late(self) -> bool:
        """Whether it was given up because it took too long to set up."""
        return self.status.startswith(LATE)


@contextmanager
def rivals(names: Sequence[str], threads: int) -> Iterator[list[Rival]]:
    """Give a Rival for each name and end their processes afterwards, also after Ctrl-C."""
    contestants = [Rival(name, threads) for name in names]
    try:
        yield contestants
    finally:
        for rival in contestants:
            rival.close()


def compare(
    workload: Workload,
    contestants: Sequence[Rival],
    seconds: float,
    patience: float,
    known: Mapping[str, str],
    progress: Callable[[str], None] = lambda text: None,
) -> list[Result]:
    """Return the results of all rivals on one workload, in the order given.

    seconds: time for each rival's turns together, and at least seven turns.
    patience: how long a rival may take to set up and compile.
    known: rivals not worth trying, with the status that says why.
    """
    problem = build(workload)
    truth = check.expected(problem)
    fit: dict[str, Result] = {}
    out: dict[str, Result] = {}
    for rival in contestants:
        progress(f"{workload.name} {workload.size_name}: {rival.name} prepares")
        try:
            if rival.name in known:
                raise RivalError(known[rival.name])
            fit[rival.name] = _enter(rival, problem, truth, patience)
        except (RivalError, check.MismatchError) as error:
            details = home(workload).details(problem, {})
            out[rival.name] = Result(workload, rival.name, str(error), details)
    progress(f"{workload.name} {workload.size_name}: timing {', '.join(fit)}")
    running = [rival for rival in contestants if rival.name in fit]
    for name, times in interleave(running, seconds).items():
        p20, median, p80 = worker.quantiles(times)
        out[name] = fit[name]._replace(p20=p20, median=median, p80=p80, calls=len(times))
    return [out[rival.name] for rival in contestants]


def _enter(rival: Rival, problem: Problem, truth: dict[str, Any], patience: float) -> Result:
    """Return an untimed result, once the rival's numbers have been found right."""
    workload = problem.workload
    why = rival.ask("missing")
    if why:
        raise RivalError(worker.SKIPPED + why)
    start = time.perf_counter()
    answer = rival.ask("prepare", workload, timeout=patience)
    prepared_in = time.perf_counter() - start
    error = check.verify(problem, answer, truth)
    case = home(workload)
    return Result(
        workload, rival.name, "ok", case.details(problem, answer), flops=case.flops(problem),
        bytes=case.traffic(problem), error=error, prepared_in=prepared_in,
    )  # fmt: skip


def interleave(contestants: Sequence[Rival], seconds: float) -> dict[str, list[float]]:
    """Return each rival's call times in seconds, from turns taken round and round."""
    times: dict[str, list[float]] = {rival.name: [] for rival in contestants}
    start, rounds = time.perf_counter(), 0
    while contestants and (
        rounds < MIN_ROUNDS or time.perf_counter() - start < seconds * len(contestants)
    ):
        for rival in contestants:
            time.sleep(REST)
            times[rival.name] += rival.ask("turn", TURN)
        rounds += 1
    return times
