"""A team of the processes that mpiexec or srun started. The only code that imports mpi4py."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.engine.team import Ranks, fold, launched
from chainrule.engine.team.shared import Shelf
from chainrule.kernels import threads
from chainrule.kernels.dispatch import on_device
from chainrule.kernels.types import Array

# Of Open MPI, in its library's folder; the second is Debian's.
PARTS = ("openmpi*/mca_pmix_*.so", "openmpi*/lib/openmpi*/mca_pmix_*.so")
POLL = 0.01  # seconds between two looks for the others, of a rank that is leaving


class MPITeam(Ranks):
    """The processes of an MPI communicator."""

    def __init__(self, mpi: Any, comm: Any) -> None:
        """Keep communicators of our own, so that no message of others is mistaken for ours.

        mpi: the module `mpi4py.MPI`. Numbers and arrays have one each: a rank that leaves from
        within a sum must not be met there.
        """
        super().__init__(comm.rank, comm.size)
        self._mpi, self._numbers, self._arrays = mpi, comm.Dup(), comm.Dup()
        self._inbox = np.empty(0, np.uint8)
        self._shelf: Shelf | None = None
        self._kept: dict[int, tuple[Any, Shelf]] = {}  # arrays that all see, by their bytes
        self._shelved: dict[int, bool] = {}  # whether all ranks have room, by bytes

    def sum(self, array: Any, onto: Any = None) -> None:
        """See `Team.sum`: a chunk is added by each rank, and handed on to all.

        On one machine by memory that all see; else by Alltoallv and Allgatherv. What is on a device
        goes by the host.
        """
        if on_device(array):
            host = array.get()
            self.sum(host, None if onto is None else onto.get())
            array.set(host)
            return
        flat, dtype = array.reshape(-1), array.dtype.char
        onto = None if onto is None else onto.reshape(-1)
        if shelf := self._with_room(flat.nbytes):
            kept, own = self._kept.get(flat.nbytes, (None, shelf))
            same = kept is not None and kept.ctypes.data == flat.ctypes.data
            (own if same else shelf).sum(flat, onto)
            return
        starts, stops = np.array(threads.cuts(len(flat), self.size)).T
        counts, (lo, hi) = stops - starts, self.slice_of(len(flat))
        parts = self._room(self.size * (hi - lo), flat.dtype).reshape(self.size, hi - lo)
        places = np.arange(self.size) * (hi - lo)
        lengths = np.full(self.size, hi - lo)
        self._arrays.Alltoallv([flat, (counts, starts), dtype], [parts, (lengths, places), dtype])
        fold(parts, None if onto is None else onto[lo:hi], flat[lo:hi])
        self._arrays.Allgatherv(self._mpi.IN_PLACE, [flat, (counts, starts), dtype])

    def room(self, like: Any) -> Any:
        """See `Team.room`: memory that all ranks see, the same array for each size."""
        if on_device(like) or not self._with_room(like.nbytes):
            return super().room(like)
        if like.nbytes not in self._kept:
            shelf = Shelf(self._mpi, self._arrays, whole=True)
            self._kept[like.nbytes] = shelf.kept(like.size, like.dtype), shelf
        return self._kept[like.nbytes][0].view(like.dtype)

    def _with_room(self, n_bytes: int) -> Shelf | None:
        """Return memory that all ranks see, if it has so many bytes of each; asked once a size."""
        if self._shelf is None:
            self._shelf = Shelf(self._mpi, self._arrays, whole=self.here()[0] == self.size)
        if n_bytes not in self._shelved:
            room = np.array(self._shelf.fits(n_bytes))
            self._arrays.Allreduce(self._mpi.IN_PLACE, room, self._mpi.LAND)
            self._shelved[n_bytes] = bool(room)
        return self._shelf if self._shelved[n_bytes] else None

    def _room(self, n: int, dtype: Any) -> Any:
        """Return n entries that are kept from one sum to the next: new memory is slow."""
        size = n * np.dtype(dtype).itemsize
        if len(self._inbox) < size:
            self._inbox = np.empty(size, np.uint8)
        return self._inbox[:size].view(dtype)

    def _exchange(self, mine: Array, patience: float | None = None) -> Array | None:
        """See `Ranks._exchange`."""
        found = np.empty((self.size, len(mine)))
        request = self._numbers.Iallgather(mine, found)
        if patience is None and self._left is None:
            request.Wait()
            return found
        began = time.monotonic()  # who leaves may wait for long: without burning a core
        while not request.Test():
            if patience is not None and time.monotonic() - began > patience:
                return None
            time.sleep(POLL)
        return found

    def abort(self, status: int) -> None:
        """See `Team.abort`."""
        self._numbers.Abort(status or 1)

    def part(self) -> None:
        """See `Team.part`."""
        if not self._mpi.Is_finalized():
            self._mpi.Finalize()

    def here(self) -> tuple[int, int]:
        """Return how many ranks share this machine, and which of them this is."""
        here = self._numbers.Split_type(self._mpi.COMM_TYPE_SHARED)
        found = here.size, here.rank
        here.Free()
        return found

    def threads_each(self) -> int:
        """Return a machine's cores, shared by its ranks; of unlike machines the fewest."""
        here = self._numbers.Split_type(self._mpi.COMM_TYPE_SHARED)
        if hasattr(os, "sched_getaffinity"):
            cores = len(set[int]().union(*here.allgather(os.sched_getaffinity(0))))
        else:
            cores = os.cpu_count() or 1
        each = max(1, min(threads.n_threads(), cores // here.size))
        here.Free()
        return int(self._numbers.allreduce(each, self._mpi.MIN))


def found(expected: int) -> MPITeam:
    """Return the team of the processes that were started together with this one.

    Raises:
        RuntimeError: they cannot find each other: no mpi4py, no MPI, or a launcher of another one.
    """
    mpi = _loaded(f"{expected} processes were started to train together")
    version, library = mpi.Get_library_version(), library_of(mpi)
    if not mpi.Is_initialized():
        # It would end this process, in words of its own.
        if launched.by_pmix() and version.startswith("MPICH") and "pmix" not in version.lower():
            raise RuntimeError(
                f"{expected} processes were started by Open MPI's mpiexec or srun --mpi=pmix, and "
                f"mpi4py finds {library}; use its mpiexec, or srun --mpi=pmi2, or name the "
                "launcher's library: MPI4PY_LIBMPI=libmpi.so.40"
            )
        if launched.by_srun_alone() and version.startswith("Open MPI") and _of_pmix_alone():
            raise RuntimeError(
                f"{expected} processes were started by srun, which {library} here finds by PMIx "
                "alone; use srun --mpi=pmix or its mpiexec, or pip install mpich and srun "
                "--mpi=pmi2"
            )
        mpi.Init_thread(mpi.THREAD_MULTIPLE)
    if (there := mpi.COMM_WORLD.size) != expected:
        raise RuntimeError(
            f"{expected} processes were started, and MPI sees {there}: the launcher is of another "
            f"MPI than {library}; use its mpiexec, or srun --mpi=pmi2 or --mpi=pmix, or name the "
            "launcher's library: MPI4PY_LIBMPI=libmpi.so.12 of MPICH, libmpi.so.40 of Open MPI"
        )
    return MPITeam(mpi, mpi.COMM_WORLD)


def _of_pmix_alone(maps: str = "/proc/self/maps") -> bool:
    """Return whether the Open MPI that is loaded has parts that speak PMIx, and none for PMI.

    Those of PMI, 1 and 2, are called s1 and s2 in versions before 5. False where it is not known.
    """
    try:
        with open(maps) as file:
            folders = {Path(line.split()[-1]).parent for line in file if "libmpi.so" in line}
    except OSError:
        return False
    found = (folder.glob(pattern) for folder in folders for pattern in PARTS)
    parts = {part.stem for some in found for part in some}
    return bool(parts) and not parts & {"mca_pmix_s1", "mca_pmix_s2"}


def library_of(mpi: Any) -> str:
    """Return the name and version of the MPI library that mpi4py uses."""
    return " ".join(mpi.Get_library_version().splitlines()[0].split(",")[0].strip("\0").split())


def _loaded(trouble: str) -> Any:
    """Return the module `mpi4py.MPI`, which may be used but need not have begun.

    trouble: what is wrong without it.
    """
    try:
        import mpi4py
    except ImportError as error:
        raise RuntimeError(
            f"{trouble}, and mpi4py, by which they would find each other, is not installed; "
            "install chainrule[mpi]"
        ) from error
    if "mpi4py.MPI" not in sys.modules:
        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # mpi4py is there, and finds no library
        raise RuntimeError(
            f"{trouble}, and mpi4py finds no MPI library here; load the machine's own (module "
            "load), name it (MPI4PY_LIBMPI=…/libmpi.so), or pip install mpich"
        ) from error
    return MPI
