"""Rows over threads: the same bits whoever calls, how often, in whatever process."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from contextvars import ContextVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.kernels import bernoulli, dispatch, threads, triangular, use_backend, use_threads

DEADLINE = 60  # seconds after which something hangs

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def gradient(x, alpha, b):
    """Return the FVSBN gradient, rows over threads as in training, and the logits."""
    share = (np.empty_like(alpha), np.empty_like(b))
    shares = [share, *([np.empty_like(a) for a in share] for _ in range(threads.n_threads() - 1))]
    s, y = np.empty(x.shape, b.dtype), np.zeros(len(x), np.int32)

    def slice_gradient(lo, hi, dalpha, db):
        triangular.forward(x[lo:hi], alpha, b, y[lo:hi], s[lo:hi])
        ds = np.empty_like(s[lo:hi])
        bernoulli.backward(np.ones(hi - lo, b.dtype), s[lo:hi], x[lo:hi], ds)
        triangular.backward(ds, x[lo:hi], y[lo:hi], dalpha, db)

    threads.sum_rows(slice_gradient, len(x), shares)
    return s, *share


@pytest.fixture
def problem(rng):
    D = 200
    alpha, b = (rng.normal(size=n).astype(np.float32) for n in (D * (D - 1) // 2, D))
    return (rng.random((50, D)) < 0.3).astype(np.uint8), alpha, b[None]


def assert_same_bits(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert_array_equal(one, other)


def start(f):
    """Run f in a Python thread and return a function that waits and passes its exception on."""
    errors = []

    def guarded():
        try:
            f()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()

    def finish():
        thread.join(DEADLINE)
        assert not thread.is_alive(), "a thread hangs"
        if errors:
            raise errors[0]

    return finish


def run_in_fork(f):
    """Run f in a forked child and fail unless it ends well in time."""
    with warnings.catch_warnings():  # newer Pythons warn of what is being tested here
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            f()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    deadline = time.monotonic() + DEADLINE
    while (done := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pytest.fail("the forked child hangs")
        time.sleep(0.005)
    assert done[1] == 0, "the forked child failed"


# Cutting


@given(n_rows=st.integers(0, 300), parts=st.integers(1, 40))
def test_cuts_cover_all_rows_in_even_contiguous_ranges(n_rows, parts):
    ranges = threads.cuts(n_rows, parts)
    assert [i for lo, hi in ranges for i in range(lo, hi)] == list(range(n_rows))
    sizes = [hi - lo for lo, hi in ranges]
    assert len(sizes) == parts
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n_rows", [0, 1, 2, 5, 7, 100])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_map_rows_returns_its_slices_in_order(n, n_rows):
    with use_threads(n):
        slices = threads.map_rows(lambda lo, hi: (lo, hi), n_rows)
    assert slices == threads.cuts(n_rows, max(1, min(n, n_rows)))


@pytest.mark.parametrize(
    ("n_rows", "min_rows", "slices"),
    [(0, 10, 1), (9, 10, 1), (19, 10, 1), (20, 10, 2), (99, 10, 4)],
)
def test_small_work_takes_fewer_threads(n_rows, min_rows, slices):
    with use_threads(4):
        assert len(threads.map_rows(lambda lo, hi: None, n_rows, min_rows)) == slices


@pytest.mark.parametrize("n_shares", [1, 2, 3, 6])
@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 50])
def test_sum_rows_adds_the_shares_it_used(n_rows, n_shares, rng):
    rows = rng.integers(-9, 9, (n_rows, 4)).astype(float)
    shares = [(np.full(4, np.nan), np.full((3, 2), np.nan), np.empty(0)) for _ in range(n_shares)]

    def f(lo, hi, total, count, empty):
        total[:] = rows[lo:hi].sum(axis=0)
        count[:] = hi - lo
        return hi - lo

    with use_threads(3):
        results = threads.sum_rows(f, n_rows, shares)
    assert_array_equal(shares[0][0], rows.sum(axis=0))
    assert_array_equal(shares[0][1], np.full((3, 2), n_rows))
    assert len(results) == max(1, min(3, n_shares, n_rows))
    assert sum(results) == n_rows
    for unused in shares[len(results) :]:
        assert np.isnan(unused[0]).all()


def test_large_sums_are_split_too(rng):
    """Enough entries that the addition of the shares itself is shared out."""
    parts = rng.normal(size=(3, 301, 1001))
    shares = [(np.empty((301, 1001)),) for _ in range(3)]
    with use_threads(3):
        threads.sum_rows(lambda lo, hi, out: np.copyto(out, parts[lo]), 3, shares)
    assert_array_equal(shares[0][0], parts[0] + parts[1] + parts[2])


def test_the_number_of_threads_is_one_a_core_until_chosen():
    default = threads.n_threads()
    assert 1 <= default <= os.cpu_count()
    with use_threads(7):
        assert threads.n_threads() == 7
        with use_threads(3):
            assert threads.n_threads() == 3
        assert threads.n_threads() == 7
    assert threads.n_threads() == default
    for n in (0, -1):
        with pytest.raises(ValueError, match="at least 1"), use_threads(n):
            pass


# Nesting and context


@pytest.mark.parametrize("name", threads.LIMITS)
@pytest.mark.parametrize(("limit", "most"), [("1", 1), ("0", 1), ("999", None), ("", None)])
def test_what_the_environment_allows_is_heard(name, limit, most, monkeypatch):
    for each in threads.LIMITS:
        monkeypatch.delenv(each, raising=False)
    cores = threads.n_threads()
    monkeypatch.setenv(name, limit)
    assert threads.n_threads() == (most or cores)
    with threads.use_threads(3):
        assert threads.n_threads() == 3  # who says it here means it


def test_joblibs_workers_are_told_to_share_the_machine():
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        seen = Parallel(n_jobs=2)(delayed(threads.n_threads)() for _ in range(2))
    assert seen == [1, 1]


def test_inside_a_slice_everything_is_serial():
    def outer(lo, hi):
        me = threading.get_ident()
        inner = threads.map_rows(lambda lo, hi: (lo, hi, threading.get_ident()), 100)
        with use_threads(4):
            assert threads.n_threads() == 1
        return inner == [(0, 100, me)] and threads.n_threads() == 1

    with use_threads(3):
        assert threads.map_rows(outer, 3) == [True, True, True]
        assert threads.n_threads() == 3


def test_slices_run_in_the_callers_context():
    colour = ContextVar("colour", default="none")

    def look(lo, hi):
        time.sleep(0.01)  # so that workers take slices
        chosen = dispatch.select("chainrule.kernels.adam", np.zeros(1)).__name__
        seen = colour.get(), chosen.rpartition(".")[2]
        colour.set("spoilt")
        return seen

    colour.set("blue")
    with use_threads(3):
        with use_backend("reference"):
            assert threads.map_rows(look, 3) == 3 * [("blue", "reference")]
        assert threads.map_rows(look, 3) == 3 * [("blue", "cpu")]
    assert colour.get() == "blue"


def test_slices_really_run_at_the_same_time():
    everyone = threading.Barrier(3, timeout=DEADLINE)
    with use_threads(3):
        threads.map_rows(lambda lo, hi: everyone.wait(), 3)


# Exceptions


@pytest.mark.parametrize("failing", [{0}, {1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}])
def test_the_first_exception_is_raised_after_every_slice_has_ended(failing):
    running = []

    def f(lo, hi):
        running.append(lo)
        time.sleep(0.02 if lo in failing else 0.1)
        running.remove(lo)
        if lo in failing:
            raise KeyError(lo)

    with use_threads(3):
        with pytest.raises(KeyError, match=str(min(failing))):
            threads.map_rows(f, 3)
        assert not running
        assert threads.n_threads() == 3, "still inside a slice"
        assert threads.map_rows(lambda lo, hi: lo, 3) == [0, 1, 2]


@pytest.fixture
def heeds_ctrl_c():
    """Let SIGINT raise, also where the tests run in the background and inherit that it does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_waits_for_the_slices_that_run():
    workers_started, ended = threading.Barrier(3, timeout=DEADLINE), []

    def f(lo, hi):
        workers_started.wait()
        if lo == 0:  # the caller's own slice, in the main thread
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        ended.append(lo)

    with use_threads(3), pytest.raises(KeyboardInterrupt):
        threads.map_rows(f, 3)
    assert sorted(ended) == [1, 2]


# Many callers


def test_python_threads_at_once_get_the_bits_they_get_alone(problem):
    with use_threads(2):
        alone = gradient(*problem)
    barrier = threading.Barrier(3, timeout=DEADLINE)

    def train():
        barrier.wait()
        for _ in range(40):
            with use_threads(2):
                assert_same_bits(gradient(*problem), alone)

    for finish in [start(train) for _ in range(3)]:
        finish()


def test_nobody_waits_for_work_that_has_not_begun(monkeypatch):
    """Where all workers are busy with one call, another caller does its slices itself."""
    monkeypatch.setattr(threads, "_workers", threads._Workers())
    begun, release = threading.Barrier(4, timeout=DEADLINE), threading.Event()

    def hold(lo, hi):
        begun.wait()
        release.wait(DEADLINE)

    def hold_both_workers():
        with use_threads(3):
            threads.map_rows(hold, 3)

    finish = start(hold_both_workers)
    begun.wait()
    with use_threads(3):
        assert threads.map_rows(lambda lo, hi: lo, 3) == [0, 1, 2]
    assert not release.is_set()
    release.set()
    finish()


def test_every_slice_runs_once_however_often():
    runs = np.zeros(5, int)

    def count(lo, hi):
        runs[lo] += 1

    for repeat in range(1, 2001):
        with use_threads(5):
            threads.map_rows(count, 5)
        assert (runs == repeat).all()


# Same results


def test_one_thread_and_several(problem):
    with use_threads(1):
        s, *sums = gradient(*problem)
    for n in (2, 3, 50, 64):
        with use_threads(n):
            s_n, *sums_n = gradient(*problem)
        assert_array_equal(s_n, s)  # rows do not know of their neighbours
        for one, several in zip(sums, sums_n, strict=True):
            assert_allclose(several, one, rtol=1e-5, atol=1e-5 * np.abs(one).max())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_results_are_the_same_from_run_to_run(n, problem):
    with use_threads(n):
        first = gradient(*problem)
        for _ in range(50):
            assert_same_bits(gradient(*problem), first)


# Forks and faults


@needs_fork
def test_child_and_parent_go_on_after_a_fork(problem):
    with use_threads(3):
        before = gradient(*problem)
        run_in_fork(lambda: assert_same_bits(gradient(*problem), before))
        assert_same_bits(gradient(*problem), before)
        run_in_fork(lambda: run_in_fork(lambda: assert_same_bits(gradient(*problem), before)))


@needs_fork
def test_a_forked_child_has_workers_of_its_own():
    def everyone_at_once():
        everyone = threading.Barrier(3, timeout=DEADLINE / 4)
        with use_threads(3):
            threads.map_rows(lambda lo, hi: everyone.wait(), 3)

    everyone_at_once()
    run_in_fork(everyone_at_once)
    everyone_at_once()


@needs_fork
def test_fork_while_workers_are_busy(problem):
    with use_threads(3):
        before = gradient(*problem)
    stop = threading.Event()

    def keep_busy():
        with use_threads(3):
            while not stop.is_set():
                assert_same_bits(gradient(*problem), before)

    def in_child():
        with use_threads(3):
            assert_same_bits(gradient(*problem), before)

    finish = start(keep_busy)
    try:
        for _ in range(10):
            run_in_fork(in_child)
    finally:
        stop.set()
    finish()


@needs_fork
def test_fork_inside_a_slice():
    def f(lo, hi):
        if lo == 0:
            run_in_fork(lambda: threads.map_rows(lambda lo, hi: None, 10))
        return lo

    with use_threads(2):
        assert threads.map_rows(f, 2) == [0, 1]


@pytest.mark.parametrize("allowed", [0, 1])
def test_where_no_thread_can_be_had_the_caller_does_it_all(allowed, monkeypatch):
    started = itertools.count()
    really_start = threading.Thread.start

    def start_some(thread):
        if next(started) >= allowed:
            raise RuntimeError("can't start new thread")
        really_start(thread)

    monkeypatch.setattr(threads, "_workers", threads._Workers())
    monkeypatch.setattr(threading.Thread, "start", start_some)
    with use_threads(4):
        assert threads.map_rows(lambda lo, hi: lo, 4) == [0, 1, 2, 3]


def test_works_while_python_shuts_down(tmp_path):
    script = """
import atexit, sys
from chainrule.kernels import threads, use_threads
def last():
    with use_threads(4):
        print(threads.map_rows(lambda lo, hi: lo, 4))
atexit.register(last)
if sys.argv[1:]:
    last()
"""
    for arguments, lines in ([], 1), (["before too"], 2):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == lines * ["[0, 1, 2, 3]"]


def blas_threads():
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    return {
        pool["filepath"]: pool["num_threads"]
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    }


def test_libraries_of_blas_are_looked_up_again_where_there_are_new_modules(monkeypatch):
    blas_threads()
    with threads.serial_blas():
        before = threads._blas_libraries.cache_info().misses
    with threads.serial_blas():
        assert threads._blas_libraries.cache_info().misses == before
    monkeypatch.setitem(sys.modules, "that_brings_a_library", sys)
    with threads.serial_blas():
        assert threads._blas_libraries.cache_info().misses == before + 1


def test_overlapping_fits_leave_blas_as_it_was():
    before = blas_threads()
    first, second = threads.serial_blas(), threads.serial_blas()
    first.__enter__()
    second.__enter__()
    assert set(blas_threads().values()) <= {1}
    first.__exit__(None, None, None)
    assert set(blas_threads().values()) <= {1}, "the second fit still runs"
    second.__exit__(None, None, None)
    assert blas_threads() == before
    with pytest.raises(KeyError), threads.serial_blas():
        raise KeyError
    assert blas_threads() == before
