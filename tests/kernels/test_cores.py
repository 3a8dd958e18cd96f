"""Threads are kept off the core of whoever calls them."""

import os
import threading

import pytest

from chainrule.kernels import cores, threads, use_threads

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
needs_two = pytest.mark.skipif(
    len(CORES) < 2 or cores.current() < 0, reason="needs Linux and two cores"
)


@needs_two
def test_the_core_is_one_that_this_thread_may_use():
    assert cores.current() in CORES


@pytest.fixture
def sleepers():
    """Give the system's numbers of as many threads as there are cores, all asleep."""
    ids, begun, end = [], threading.Barrier(len(CORES) + 1), threading.Event()

    def sleep():
        ids.append(threading.get_native_id())
        begun.wait()
        end.wait()

    asleep = [threading.Thread(target=sleep) for _ in CORES]
    for one in asleep:
        one.start()
    begun.wait()
    yield ids
    end.set()
    for one in asleep:
        one.join()


@needs_two
def test_threads_are_kept_off_a_core_and_come_back(sleepers):
    first, second = sorted(CORES)[:2]
    for core in (first, second):
        cores.keep_off(core, sleepers[1:])
        assert all(os.sched_getaffinity(one) == CORES - {core} for one in sleepers[1:])
    assert os.sched_getaffinity(0) == CORES  # the caller's own are as before


@needs_two
def test_more_threads_than_there_are_other_cores_may_use_all(sleepers):
    cores.keep_off(min(CORES), sleepers[:1])
    cores.keep_off(min(CORES), sleepers)
    assert all(os.sched_getaffinity(one) == CORES for one in sleepers)


@needs_two
def test_a_thread_that_has_ended_is_let_alone():
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    cores.keep_off(min(CORES), [ended.native_id])


@needs_two
def test_workers_leave_the_core_to_the_caller(monkeypatch):
    monkeypatch.setattr(threads, "_workers", threads._Workers())
    caller = threading.get_ident()

    def where(lo, hi):
        both.wait(10)  # nobody does both slices
        return threading.get_ident(), os.sched_getaffinity(0)

    with use_threads(2):
        for _ in range(5):  # a worker is there from the second call on, at the latest
            both = threading.Barrier(2)
            slices = threads.map_rows(where, 2)
    ((_, allowed),) = (one for one in slices if one[0] != caller)
    assert len(allowed) == len(CORES) - 1
