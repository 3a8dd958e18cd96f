"""Split rows over cores. The only code that knows threads exist.

Kernels are serial and release the GIL; here a caller's rows are cut into one contiguous slice
a thread. The outermost split wins: inside a slice, everything runs serially. So training gives
each thread a slice of the minibatch for the whole forward and backward pass, and a kernel
called from outside splits its own rows, with the same two functions:

    map_rows(f, n)              [f(lo, hi), ...]                 outputs that are rows
    sum_rows(f, n, shares)      Σ_t f(lo_t, hi_t, shares[t])     outputs that are sums over rows

A thread is to the machine what a rank is to a cluster, and `sum_rows` its all-reduce.

The cuts depend on the number of rows and threads alone and sums run in slice order, so results
depend on the number of threads at most, never on timing. The caller works on a slice itself,
and a worker never waits for another, so any number of Python threads may call at once. A fork
leaves the child without workers; it makes new ones at its first call.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from chainrule.kernels.types import Array

T = TypeVar("T")

_inside: ContextVar[bool] = ContextVar("chainrule_inside_slice", default=False)
_wanted: ContextVar[int] = ContextVar("chainrule_threads", default=0)  # 0: one a core
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_lock = threading.Lock()


def _forget_pool() -> None:
    """Drop the pool and its lock: after a fork their threads and owner no longer exist."""
    global _pool, _pool_size, _lock
    _pool, _pool_size, _lock = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):  # where there is a fork
    os.register_at_fork(after_in_child=_forget_pool)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))  # what this process may use, not what there is
    return os.cpu_count() or 1


def n_threads() -> int:
    """Return how many slices a call from here is cut into: 1 inside a slice."""
    if _inside.get():
        return 1
    return _wanted.get() or _cores()


@contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Use `n` threads inside the block; the default is one for each core this process may use."""
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

    min_rows: the fewest rows worth a thread; a dispatch costs about 50 µs.
    An exception in any slice is raised here, after every slice has ended.
    """
    parts = max(1, min(n_threads(), n_rows // min_rows))
    if parts == 1:
        return [f(0, n_rows)]
    first, *others = cuts(n_rows, parts)
    pool = _get_pool(parts - 1)
    token = _inside.set(True)
    try:
        futures = [pool.submit(copy_context().run, f, lo, hi) for lo, hi in others]
        mine = _run_then_wait(f, first, futures)
    finally:
        _inside.reset(token)
    return [mine, *(future.result() for future in futures)]


def sum_rows(
    f: Callable[..., T], n_rows: int, shares: Sequence[Sequence[Array]], min_rows: int = 1
) -> list[T]:
    """Run f(lo, hi, *shares[t]) on slice t, then add every used share into shares[0].

    shares: for each thread the arrays its slice overwrites, all of one layout. Fewer shares
    than threads means fewer slices. Returns the slices' results, in order.
    """
    parts = max(1, min(n_threads(), len(shares), n_rows // min_rows))
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


def _run_then_wait(
    f: Callable[[int, int], T], mine: tuple[int, int], others: list[Future[Any]]
) -> T:
    try:
        return f(*mine)
    finally:
        wait(others)  # also when f raised: nobody may write into the caller's arrays later


def _get_pool(workers: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < workers:
            _pool = ThreadPoolExecutor(workers, thread_name_prefix="chainrule")
            _pool_size = workers
        return _pool


@contextmanager
def serial_blas() -> Iterator[None]:
    """Keep BLAS on one thread inside the block, so that slices do not fight over cores.

    The limit is global to the process and takes milliseconds to set: once a fit, not a step.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # the engine alone needs only numpy and numba
        yield
        return
    with threadpool_limits(limits=1, user_api="blas"):
        yield
