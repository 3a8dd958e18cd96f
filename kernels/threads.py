"""Split rows over cores. The only code that knows threads exist.

Kernels are serial and release the GIL; here a caller's rows are cut into one contiguous slice
a thread. The outermost split wins: inside a slice, everything runs serially. So training gives
each thread a slice of the minibatch for the whole forward and backward pass, and a kernel
called from outside splits its own rows, with the same two functions:

    map_rows(f, n)              [f(lo, hi), ...]                 outputs that are rows
    sum_rows(f, n, shares)      Σ_t f(lo_t, hi_t, shares[t])     outputs that are sums over rows

A thread is to the machine what a rank is to a cluster, and `sum_rows` its all-reduce.

The cuts depend on the number of rows and threads alone and sums run in slice order, so results
depend on the number of threads at most, never on timing. A slice is done once, by whoever takes
it first: a worker, or the caller itself, which takes what no worker has begun. So nobody waits
for work that has not started, and any number of Python threads may call at once. A fork leaves
the child without workers; it makes new ones at its first call.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import lru_cache, partial
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import numpy as np

from chainrule.kernels import cores
from chainrule.kernels.types import Array

T = TypeVar("T")

_inside: ContextVar[bool] = ContextVar("chainrule_inside_slice", default=False)
_wanted: ContextVar[int] = ContextVar("chainrule_threads", default=0)  # 0: one a core


# What joblib's workers, schedulers and people set for libraries like this one.
LIMITS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")


def _cores() -> int:
    """Return how many threads this process should have where nobody says how many."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))  # what this process may use, not what there is
    else:
        cores = os.cpu_count() or 1
    limits = [os.environ.get(name, "") for name in LIMITS]
    return max(1, min([cores, *(int(limit) for limit in limits if limit.isdecimal())]))


def n_threads() -> int:
    """Return how many slices a call from here is cut into: 1 inside a slice."""
    if _inside.get():
        return 1
    return _wanted.get() or _cores()


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Use `n` threads inside the block.

    The default is one for each core this process may use, but no more than NUMBA_NUM_THREADS and
    OMP_NUM_THREADS allow, where they are set: joblib's workers are told so to share a machine.
    """
    if n < 1:
        raise ValueError(f"the number of threads must be at least 1, got {n}")
    token = _wanted.set(n)
    try:
        yield
    finally:
        _wanted.reset(token)


def cuts(n_rows: int, parts: int) -> list[tuple[int, int]]:
    """Return `parts` contiguous ranges that cover n_rows, sizes differing by at most one."""
    edges = [t * n_rows // parts for t in range(parts + 1)]
    return list(pairwise(edges))


def map_rows(f: Callable[[int, int], T], n_rows: int, min_rows: int = 1) -> list[T]:
    """Return [f(lo, hi), ...] over one slice of the rows a thread, in order.

    min_rows: the fewest rows worth a thread; a dispatch costs about 40 µs.
    An exception in any slice is raised here, after every slice has ended.
    """
    parts = max(1, min(n_threads(), n_rows // min_rows))
    if parts == 1:
        return [f(0, n_rows)]
    token = _inside.set(True)
    try:
        return _run_all(f, cuts(n_rows, parts))
    finally:
        _inside.reset(token)


def sum_rows(
    f: Callable[..., T], n_rows: int, shares: Sequence[Sequence[Array]], min_rows: int = 1
) -> list[T]:
    """Run f(lo, hi, *shares[t]) on slice t, then add every used share into shares[0].

    shares: for each thread the arrays its slice overwrites, all of one layout. Fewer shares
    than threads means fewer slices. Returns the slices' results, in order. One slice is none: as
    in `map_rows`, what f calls may split its own rows, such as the positions of a long sequence.
    """
    parts = max(1, min(n_threads(), len(shares), n_rows // min_rows))
    if parts == 1:  # no slice: what f calls may split its own rows
        return [f(0, n_rows, *shares[0])]
    with use_threads(parts):
        slot = {lo: t for t, (lo, _) in enumerate(cuts(n_rows, parts))}
        results = map_rows(lambda lo, hi: f(lo, hi, *shares[slot[lo]]), n_rows, min_rows)
        for total, *rest in zip(*shares[:parts], strict=True):
            if rest:
                _add_all(total, rest)
    return results


def _add_all(total: Array, rest: Sequence[Array]) -> None:
    """Add each array of `rest` to `total`, in order, every thread taking a range of rows."""

    def add(lo: int, hi: int) -> None:
        for share in rest:
            np.add(total[lo:hi], share[lo:hi], out=total[lo:hi])

    map_rows(add, len(total), min_rows=max(1, 100_000 * len(total) // max(1, total.size)))


class _Slice(Generic[T]):
    """One slice of a call, in a copy of the caller's context, run once by whoever takes it."""

    __slots__ = ("_call", "_ended", "_error", "_flag", "_result", "_taken")

    def __init__(self, f: Callable[[int, int], T], lo: int, hi: int) -> None:
        self._call = partial(copy_context().run, f, lo, hi)
        self._taken, self._ended = threading.Lock(), threading.Lock()
        self._ended.acquire()  # until it has: an Event would be four times as slow
        self._flag = np.zeros(1, np.int64)
        self._result: T
        self._error: BaseException | None = None

    def run_unless_taken(self) -> None:
        if not self._taken.acquire(blocking=False):
            return
        try:
            self._result = self._call()
        except BaseException as error:  # also Ctrl-C: the other slices end first
            self._error = error
        finally:
            del self._call  # the queue may hold this slice for a while; not the caller's arrays
            self._ended.release()
            self._flag[0] = 1

    def result(self) -> T:
        self._wait()
        if self._error is not None:
            raise self._error
        return self._result

    def end(self) -> None:
        """Make sure that nobody works on this slice from now on."""
        if not self._taken.acquire(blocking=False):
            self._wait()

    def _wait(self) -> None:
        if self._ended.locked():
            from chainrule.kernels import waiting  # and Numba, which who never computes never needs

            waiting.look(self._flag)
        with self._ended:
            pass


def _run_all(f: Callable[[int, int], T], ranges: list[tuple[int, int]]) -> list[T]:
    """Return [f(lo, hi), …]: the first by the caller, the others by whoever takes them first."""
    slices = [_Slice(f, lo, hi) for lo, hi in ranges[1:]]
    try:
        _workers.offer(slices)
        own = _Slice(f, *ranges[0])  # made while the workers wake up
        own.run_unless_taken()
        for one in slices:
            one.run_unless_taken()
        return [own.result(), *(one.result() for one in slices)]
    finally:
        for one in slices:  # after an exception, nobody may write into the caller's arrays
            one.end()


class _Workers:
    """Threads that run what they are offered; none until first needed."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._size, self._lock = 0, threading.Lock()
        self._threads: list[int] = []  # the system's numbers of them
        self._kept_off = -1  # which core, that of who called last

    def offer(self, slices: list[_Slice[T]]) -> None:
        """Let workers take slices. Where no thread can be had, the caller does them all."""
        if self._size < len(slices):
            self._grow(len(slices))
        if (core := cores.current()) != self._kept_off:
            self._kept_off = core
            cores.keep_off(core, self._threads)
        for one in slices[: self._size]:
            self._queue.put(one.run_unless_taken)

    def _grow(self, size: int) -> None:
        with self._lock:
            try:
                while self._size < size:
                    threading.Thread(target=self._work, name="chainrule", daemon=True).start()
                    self._size += 1
            except RuntimeError:  # the process may start no more, or Python is shutting down
                pass

    def _work(self) -> None:
        self._threads.append(threading.get_native_id())
        self._kept_off = -1  # not yet off any, this one
        while True:
            self._queue.get()()


_workers = _Workers()


@contextmanager
def serial_blas() -> Iterator[None]:
    """Keep BLAS on one thread inside the block, so that slices do not fight over cores.

    The limit is global to the process, and setting it takes 0.05 ms: once a call, not a step.
    Calls that overlap share it: the first sets it, and the last restores what was there before.
    """
    global _blas_users, _blas_limit
    try:
        libraries = _blas_libraries(len(sys.modules))
    except ImportError:  # the engine alone needs only numpy and numba
        yield
        return
    with _blas_lock:
        if _blas_users == 0:
            _blas_limit = libraries.limit(limits=1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0:
                _blas_limit.restore_original_limits()


@lru_cache(maxsize=1)
def _blas_libraries(n_modules: int) -> Any:
    """Return what limits the BLAS libraries there are; a new one comes with new modules.

    Finding them takes milliseconds: all that the process has mapped is looked through.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_blas_lock, _blas_users = threading.Lock(), 0
_blas_limit: Any = None


def _start_afresh() -> None:
    """After a fork, drop workers and locks: their threads and owners exist in the parent only."""
    global _workers, _blas_lock
    _workers, _blas_lock = _Workers(), threading.Lock()


if hasattr(os, "register_at_fork"):  # where there is a fork
    os.register_at_fork(after_in_child=_start_afresh)
