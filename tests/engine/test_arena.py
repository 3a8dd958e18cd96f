"""The arena: memory that is used again, ends with its block, and is a thread's own."""

import threading

import numpy as np
import pytest

from chainrule.engine import arena
from chainrule.kernels import threads


@pytest.fixture(autouse=True)
def fresh():
    arena.release()
    yield
    arena.release()


def address(a):
    return a.__array_interface__["data"][0]


def fill(new, *shapes):
    arrays = [new(shape) for shape in shapes]
    for i, a in enumerate(arrays):
        a[...] = i
    return arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_apart_aligned_and_of_the_dtype_asked_for(dtype):
    with arena.borrow(np.zeros(1, dtype)) as new:
        arrays = fill(new, (3, 5), (), (7,), (0, 4), (100, 1000), (1, 1, 1, 9))
        for i, a in enumerate(arrays):
            assert a.dtype == dtype and a.flags.c_contiguous and a.flags.writeable
            assert address(a) % 64 == 0 and (a == i).all()
        assert [a.shape for a in arrays[:3]] == [(3, 5), (), (7,)]


def test_the_same_step_gets_the_same_memory():
    def step():
        with arena.borrow(np.zeros(1)) as new:
            return [address(a) for a in fill(new, (300, 300), (7,), (500, 10))]

    step()
    second = step()  # the first may have had to grow
    held = arena.held_bytes()
    assert step() == second and arena.held_bytes() == held
    assert 8 * (300 * 300 + 500 * 10) <= held < 8 * (300 * 300 + 500 * 10) + 4096


def test_an_inner_block_gives_its_memory_back():
    with arena.borrow(np.zeros(1)) as new:
        outer = new((5,))
        outer[...] = 1
        with arena.borrow(np.zeros(1, np.float32)) as temporary:
            inner = temporary((100,))
            inner[...] = 2
        after = new((100,))
        after[...] = 3
        assert address(after) == address(inner)
        assert (outer == 1).all()


def test_growing_moves_nothing_that_is_lent():
    with arena.borrow(np.zeros(1)) as new:
        arrays = []
        for i in range(60):
            arrays.append(new((1 << (i // 4), 3)))
            arrays[-1][...] = i
        assert all((a == i).all() for i, a in enumerate(arrays))


def test_a_function_works_only_in_its_own_innermost_block():
    like = np.zeros(1)
    with arena.borrow(like) as outer, arena.borrow(like) as inner:
        inner((1,))
        with pytest.raises(RuntimeError, match="innermost"):
            outer((1,))
    with pytest.raises(RuntimeError, match="innermost"):
        inner((1,))
    with arena.borrow(like), pytest.raises(RuntimeError, match="innermost"):
        outer((1,))


def test_memory_comes_back_after_an_exception():
    with pytest.raises(KeyError), arena.borrow(np.zeros(1)) as new:
        new((1000,))
        raise KeyError
    with arena.borrow(np.zeros(1)) as new:
        assert new((5,)).shape == (5,)


def test_threads_never_share():
    begun, results = threading.Barrier(4), []

    def work(i):
        with arena.borrow(np.zeros(1)) as new:
            mine = new((2000,))
            mine[...] = i
            begun.wait()
            results.append((mine == i).all() and address(mine))
            begun.wait()

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(results)) == 4 and all(results)


def test_slices_run_inside_a_callers_block():
    with arena.borrow(np.zeros(1)) as new, threads.use_threads(3):
        mine = new((100,))
        mine[...] = -1

        def piece(lo, hi):
            with arena.borrow(np.zeros(1)) as new:
                a = new((500,))
                a[...] = lo
                return (a == lo).all()

        assert all(threads.map_rows(piece, 30))
        assert (mine == -1).all()


def test_release_frees_what_nobody_uses():
    with arena.borrow(np.zeros(1)) as new:
        a = new((10_000,))
        a[...] = 1
        arena.release()
        assert (a == 1).all()
    assert arena.held_bytes() >= 80_000
    arena.release()
    assert arena.held_bytes() == 0
