"""A team of GPUs, one a rank: what is on a device is added there, what is not goes by MPI.

NCCL's own all-reduce adds in an order of its own choice; so each rank is sent its chunk of every
array, adds them in rank order, and sends the sum to all, as `mpi` does it. By `cupy.cuda.nccl`
itself: `cupyx.distributed` knows no sends in groups of different lengths.

This was written against NCCL's and CuPy's documentation and run on a stand-in for them alone: it
has not been seen on a GPU.
"""

from importlib import import_module
from typing import Any

from chainrule.engine.team import fold
from chainrule.engine.team.mpi import MPITeam
from chainrule.kernels import threads
from chainrule.kernels.dispatch import on_device

KINDS = {"f": "NCCL_FLOAT32", "d": "NCCL_FLOAT64"}  # by dtype's character


def beside(team: Any) -> "NCCLTeam":
    """Return an MPI team's team of GPUs; the same if it is one.

    Raises:
        RuntimeError: on all ranks: no CuPy, no NCCL, or fewer GPUs than ranks on a machine.
    """
    if isinstance(team, NCCLTeam):
        return team
    try:
        cupy: Any = import_module("cupy")
        n_gpus = cupy.cuda.runtime.getDeviceCount()
        nccl = cupy.cuda.nccl if cupy.cuda.nccl.available else None
    except Exception:  # no CuPy, no driver: each has an error of its own
        cupy, nccl, n_gpus = None, None, 0
    # Either all make a communicator or none: who is alone in there waits for ever.
    if team.any(nccl is None):
        raise RuntimeError(
            "a rank has no GPU, no CuPy, or a CuPy without NCCL, by which GPUs add up; install "
            "chainrule[cuda13] and nvidia-nccl-cu13 on all machines, or use backend='cpu'"
        )
    n_here, place = team.here()
    if team.any(1 < n_gpus < n_here):  # a cluster may show each rank its own alone
        raise RuntimeError("a machine has fewer GPUs than ranks; start one rank for each GPU")
    cupy.cuda.Device(place % n_gpus).use()
    return NCCLTeam(team, cupy)


class NCCLTeam(MPITeam):
    """The processes of an MPI communicator, each with a GPU of its own that it has chosen."""

    def __init__(self, team: MPITeam, cupy: Any) -> None:
        """Let all know rank 0's id, and meet there."""
        super().__init__(team._mpi, team._numbers)
        self._cupy, self._nccl = cupy, cupy.cuda.nccl
        unique = self._numbers.bcast(self._nccl.get_unique_id() if self.rank == 0 else None)
        self._devices = self._nccl.NcclCommunicator(self.size, unique, self.rank)

    def sum(self, array: Any, onto: Any = None) -> None:
        """See `Team.sum`: a chunk from each, added here, and sent to all."""
        if not on_device(array):
            super().sum(array, onto)
            return
        flat = array.reshape(-1)
        cuts = threads.cuts(len(flat), self.size)
        lo, hi = cuts[self.rank]
        parts = self._cupy.empty((self.size, hi - lo), flat.dtype)
        parts[self.rank] = flat[lo:hi]
        self._swap([flat[start:stop] for start, stop in cuts], list(parts))
        fold(parts, None if onto is None else onto.reshape(-1)[lo:hi], flat[lo:hi])
        mine = flat[lo:hi]
        self._swap([mine] * self.size, [flat[start:stop] for start, stop in cuts])

    def _swap(self, sent: list[Any], received: list[Any]) -> None:
        """Send a chunk to every other rank, and receive one from each, all at once."""
        stream = self._cupy.cuda.get_current_stream().ptr
        kind = getattr(self._nccl, KINDS[sent[0].dtype.char])
        self._nccl.groupStart()
        for rank, (out, into) in enumerate(zip(sent, received, strict=True)):
            if rank != self.rank:
                self._devices.send(out.data.ptr, out.size, kind, rank, stream)
                self._devices.recv(into.data.ptr, into.size, kind, rank, stream)
        self._nccl.groupEnd()
