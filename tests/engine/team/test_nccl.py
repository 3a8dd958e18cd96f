"""A team of GPUs on a stand-in for CuPy, NCCL and MPI whose ranks are threads: none was seen."""

import ctypes
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_on_cpu import fake_cupy
from numpy.testing import assert_array_equal
from support.ranks import Together, together

from chainrule.engine.team import nccl
from chainrule.engine.team.nccl import NCCLTeam

SIZES = {7: 4, 8: 8}  # bytes of NCCL_FLOAT32 and NCCL_FLOAT64


class Nccl:
    """Sends and receives inside a group, by pointers; what was sent waits until it is fetched."""

    NCCL_FLOAT32, NCCL_FLOAT64, available = 7, 8, True

    def __init__(self):
        self.boxes, self.there, self.mine = {}, threading.Condition(), threading.local()
        self.unique = []

    def get_unique_id(self):
        return ("an id",)

    def NcclCommunicator(self, size, unique, rank):
        self.unique.append(unique)

        def send(pointer, count, kind, peer, stream):
            self.mine.asked.append(("send", (rank, peer), pointer, count * SIZES[kind]))

        def recv(pointer, count, kind, peer, stream):
            self.mine.asked.append(("recv", (peer, rank), pointer, count * SIZES[kind]))

        return SimpleNamespace(send=send, recv=recv)

    def groupStart(self):
        self.mine.asked = []

    def groupEnd(self):
        for what, way, pointer, n in sorted(self.mine.asked, key=lambda one: one[0], reverse=True):
            with self.there:
                if what == "send":
                    self.boxes.setdefault(way, []).append(ctypes.string_at(pointer, n))
                    self.there.notify_all()
                    continue
                assert self.there.wait_for(lambda way=way: self.boxes.get(way), 20), "nobody sent"
                held = self.boxes[way].pop(0)
            assert len(held) == n, "counts differ"
            ctypes.memmove(pointer, held, n)


class OnGPUs(NCCLTeam):
    """Numbers go by a stand-in of threads, device arrays by the class's own code."""

    def __init__(self, rank, size, board):
        self._host = Together(rank, size, board[:2])
        comm = SimpleNamespace(rank=rank, size=size, bcast=self._cast)
        comm.Dup = lambda: comm
        cupy = SimpleNamespace(empty=fake_cupy.empty, cuda=SimpleNamespace(nccl=board[2]))
        cupy.cuda.get_current_stream = lambda: SimpleNamespace(ptr=0)
        super().__init__(SimpleNamespace(_mpi=None, _numbers=comm), cupy)

    def _cast(self, value):
        return self._host._all(value)[0]

    def _exchange(self, mine, patience=None):
        return self._host._exchange(mine, patience)


@pytest.mark.parametrize("size", [2, 3, 5, 8])
@pytest.mark.parametrize("n", [1, 7, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gpus_add_in_rank_order(size, n, dtype):
    rng = np.random.default_rng(n)
    parts, onto = rng.standard_normal((size, n)).astype(dtype), rng.standard_normal(n, dtype)
    board = threading.Barrier(size), [None] * size, Nccl()

    def work(team):
        mine = fake_cupy.to_device(parts[team.rank])
        team.sum(mine)
        again = fake_cupy.to_device(parts[team.rank])
        team.sum(again, fake_cupy.to_device(onto))
        return mine.get(), again.get()

    want, after = parts[0].copy(), onto + parts[0]
    for part in parts[1:]:
        want += part
        after += part
    for got, more in together(size, work, OnGPUs, board):
        assert_array_equal(got, want)
        assert_array_equal(more, after)
    assert board[2].unique == [("an id",)] * size


def test_without_gpus_a_sentence_says_so_on_all_ranks(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    for end in together(2, nccl.beside):
        assert isinstance(end, RuntimeError) and "no GPU, no CuPy, or a CuPy without NCCL" in str(
            end
        )


@pytest.mark.parametrize("gpus", [2, 3])
def test_each_rank_has_a_gpu_of_its_own(gpus, monkeypatch):
    used = []
    cuda = SimpleNamespace(
        nccl=SimpleNamespace(available=True),
        runtime=SimpleNamespace(getDeviceCount=lambda: gpus),
        Device=lambda k: SimpleNamespace(use=lambda: used.append(k)),
    )
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(NCCLTeam, "__init__", lambda self, team, cupy: None)
    monkeypatch.setattr(Together, "here", lambda self: (self.size, self.rank), raising=False)
    ends = together(3, nccl.beside)
    if gpus == 3:
        assert sorted(used) == [0, 1, 2]
    else:
        assert all("fewer GPUs than ranks" in str(end) for end in ends) and not used
