"""Sums between ranks of one machine, by memory that all of them see.

An MPI library moves an array between two processes by copying it into memory that both see, and
out again, twice for each sum. Here each rank lays its part out where the others read it as they
add, or keeps it there from the first:

    lay out     what others add of mine, all but my chunk; not of `kept`       | all wait
    add         my chunk of all ranks, in their order                          | all wait
    gather      the others' chunks                                             | all wait

The last wait is for whoever would write there next, an array of another size or a new gradient.
"""

import os
import sys
from typing import Any

import numpy as np

from chainrule.engine.team import fold
from chainrule.kernels import threads

ROOM = "/dev/shm"  # where Linux has such memory; a container's may be small
LINE = 64  # bytes, so that no two ranks write into one


class Shelf:
    """Memory that all ranks of a communicator see, of which each has a part of its own."""

    def __init__(self, mpi: Any, comm: Any, whole: bool) -> None:
        """Keep the communicator; nothing is set aside yet. whole: it is of one machine."""
        self._mpi, self._comm, self._whole = mpi, comm, whole
        self._size, self._parts = 0, list[Any]()
        self._window: Any = None

    def fits(self, n_bytes: int) -> bool:
        """Return whether this rank may have so many bytes on the shelf."""
        if n_bytes <= self._size:
            return True
        if not self._whole or sys.platform != "linux" or not os.path.isdir(ROOM):
            return False
        room = os.statvfs(ROOM)
        return bool(2 * self._comm.size * n_bytes < room.f_bavail * room.f_frsize)

    def kept(self, n: int, dtype: Any) -> Any:
        """Return n numbers, the same array each time, whose sum need not be laid out."""
        self._grow(n * np.dtype(dtype).itemsize)
        return self._views(n * np.dtype(dtype).itemsize, dtype)[self._comm.rank]

    def sum(self, flat: Any, onto: Any) -> None:
        """See `Team.sum`; of one row of numbers, for which there is room on all ranks."""
        self._grow(flat.nbytes)
        rank, cuts = self._comm.rank, threads.cuts(len(flat), self._comm.size)
        parts = self._views(flat.nbytes, flat.dtype)
        kept = flat.ctypes.data == parts[rank].ctypes.data
        others = [
            (cut, part) for cut, part in zip(cuts, parts, strict=True) if part is not parts[rank]
        ]
        lo, hi = cuts[rank]
        for (start, stop), _ in () if kept else others:
            parts[rank][start:stop] = flat[start:stop]
        self._meet()
        chunks = [part[lo:hi] for part in parts]
        chunks[rank] = flat[lo:hi]
        fold(chunks, None if onto is None else onto[lo:hi], parts[rank][lo:hi])
        self._meet()
        for (start, stop), part in others if kept else zip(cuts, parts, strict=True):
            flat[start:stop] = part[start:stop]
        self._meet()

    def _views(self, n_bytes: int, dtype: Any) -> list[Any]:
        """Return the ranks' parts, as numbers."""
        return [part[:n_bytes].view(dtype) for part in self._parts]

    def _grow(self, n_bytes: int) -> None:
        """Set memory aside; all ranks do so at the same sum."""
        if n_bytes <= self._size:
            return
        if self._window is not None:
            self._window.Unlock_all()
            self._window.Free()
        self._size = -(-n_bytes // LINE) * LINE
        self._window = self._mpi.Win.Allocate_shared(self._size, 1, comm=self._comm)
        self._window.Lock_all()
        found = (self._window.Shared_query(k)[0] for k in range(self._comm.size))
        self._parts = [np.frombuffer(one, np.uint8) for one in found]

    def _meet(self) -> None:
        """Wait until all are here; what they wrote before is seen after."""
        self._window.Sync()
        self._comm.Barrier()
        self._window.Sync()
