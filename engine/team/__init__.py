"""Train with other processes. The only code that knows they exist.

A rank is to a cluster what a thread is to a machine (`kernels.threads`). All ranks hold the whole
state, know each minibatch by the seed and its number, work out the gradient of some of its rows,
add their gradients, and make the same step. So what they exchange is sums, and nothing else:

    sum(a)          a = Σ_r a_r     in place, the same bits on every rank
    total(number)   Σ_r number_r    float64
    any(flag)       whether any rank's flag is set

Order       A sum is taken in rank order, whatever the network and the library: each rank adds one
            chunk of all, ((a_0 + a_1) + a_2) + …, and hands it on. That moves 2 (R - 1) / R of the
            array, as much as a ring's all-reduce, which adds every chunk in another order. So R
            ranks make the bits of one process whose minibatches have R parts
            (`Recipe.accumulation`), and with a thread each those of R threads.

Ends        What goes wrong on one rank must not leave the others waiting for it. So each exchange
            of numbers also says whether somebody is leaving: a rank that fails takes part in one
            more, `leave`, and who meets it there raises `Parted`. Those who were inside a sum
            cannot be met; after PATIENCE seconds the failed rank ends them.

    __init__    the contract, a team of one, and which team a training from here belongs to
    launched    what mpiexec and srun say of the processes that they started
    joining     `join`, and `use_team` for scripts
    dealing     rows that are scored or drawn by all
    mpi, nccl   teams of processes, and of GPUs
    shared      sums between processes of one machine
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.dispatch import on_device
from chainrule.kernels.types import Array

PATIENCE = 5.0  # seconds that a failed rank waits to be met
WORKING, DONE, FAILED = 0.0, 0.5, 1.0  # of a rank; above the last: how it failed


class Parted(RuntimeError):
    """Another rank failed; it says itself how. status: what to exit with."""

    def __init__(self, status: int) -> None:
        """Keep the status."""
        super().__init__("another rank failed, and said how")
        self.status = status


class Leave(NamedTuple):
    """How a rank leaves: whether it says its failure, with what status, and if others know.

    met: where it is False they wait for this one, and `Team.abort` is due.
    """

    speak: bool
    status: int
    met: bool = True


class Team:
    """A team of one, and the contract of the others."""

    rank, size = 0, 1

    def slice_of(self, n: int) -> tuple[int, int]:
        """Return this rank's range of n rows; empty on some where ranks outnumber them."""
        return threads.cuts(n, self.size)[self.rank]

    def sum(self, array: Any, onto: Any = None) -> None:
        """Replace a contiguous array by the sum of all ranks', in rank order.

        onto: what it begins from, the same on all ranks; None: the first rank's.
        """
        if onto is not None:
            array += onto

    def room(self, like: Any) -> Any:
        """Return an array, (n,), like another, whose `sum` is cheap; all ranks ask for it.

        For one use at a time: who asks again for as much may get the same.
        """
        return np.empty_like(like) if not on_device(like) else like.copy()

    def total(self, number: float, onto: float = 0.0) -> float:
        """Return the sum of all ranks' numbers, in rank order, beginning from `onto`."""
        return onto + number

    def any(self, flag: bool) -> bool:
        """Return whether a rank's flag is set."""
        return self.total(float(flag)) > 0

    def check_same(self, data: Any, what: str) -> None:
        """Raise RuntimeError on all ranks unless all hold the same bytes, called `what`."""

    def leave(self, failure: str | None = None, status: int = 0) -> Leave:
        """Take part in the last exchange; return the status of the worst, and who is to speak.

        failure: a sentence, or None of a rank that is simply done. Ranks that failed by the same
        sentence say it once. Where all are simply done, they may begin again.
        """
        return Leave(failure is not None, status)

    def abort(self, status: int) -> None:
        """End all ranks that are still there."""

    def part(self) -> None:
        """Take leave of the library, after `leave`: then nothing can be exchanged any more."""

    def threads_each(self) -> int:
        """Return how many threads each rank should have by default, the same on all."""
        return threads.n_threads()


class Ranks(Team):
    """What all teams of several share; a subclass has `sum` and `_exchange`."""

    def __init__(self, rank: int, size: int) -> None:
        """Keep who this is of how many."""
        self.rank, self.size = rank, size
        self._left: Leave | None = None

    def _exchange(self, mine: Array, patience: float | None = None) -> Array | None:
        """Return every rank's numbers, (R, k) float64; None if they did not come in so long."""
        raise NotImplementedError

    def total(self, number: float, onto: float = 0.0) -> float:
        """See `Team.total`."""
        for part in self._meet(number).tolist():
            onto += part
        return onto

    def check_same(self, data: Any, what: str) -> None:
        """See `Team.check_same`."""
        marks = self._meet(zlib.crc32(data.get() if on_device(data) else data))
        if (marks != marks[0]).any():
            other = int(np.flatnonzero(marks != marks[0])[0])
            raise RuntimeError(
                f"rank {other} has other {what} than rank 0; give all ranks the same settings and "
                "data, and machines of one kind"
            )

    def leave(self, failure: str | None = None, status: int = 0) -> Leave:
        """See `Team.leave`."""
        if self._left is not None:
            return self._left
        mark = DONE if failure is None else FAILED + zlib.crc32(failure.encode())
        self._left = Leave(failure is not None, status, met=False)
        found = self._exchange(np.array([mark, status]), None if failure is None else PATIENCE)
        if found is None:
            return self._left
        speak = failure is not None and (self.rank == 0 or found[0, 0] != mark)
        end = Leave(speak, int(found[found[:, 0] != WORKING, 1].max()))
        self._left = end if (found[:, 0] >= FAILED).any() else None
        return end

    def _meet(self, number: float) -> Array:
        """Return every rank's number, (R,); raise Parted where somebody failed."""
        found = self._exchange(np.array([WORKING, number]))
        assert found is not None
        failed = found[:, 0] >= FAILED
        if failed.any():
            status = int(found[failed, 1].max())
            self._left = Leave(False, status)
            raise Parted(status)
        if (found[:, 0] == DONE).any():
            self._left = Leave(True, 2)
            done = int(np.flatnonzero(found[:, 0] == DONE)[0])
            raise RuntimeError(f"rank {done} is done while others go on; let all do the same")
        numbers: Array = found[:, 1]
        return numbers


def fold(parts: Any, onto: Any, out: Any) -> None:
    """Add parts, R of (n,), in order, beginning from `onto` or else the first, into out, (n,).

    The first is written over; out may be one of them.
    """
    total, *rest = parts if onto is None else (parts[0], onto, *parts[1:])
    last = rest.pop() if rest and not on_device(out) else None
    for part in rest:
        total += part
    if last is None:
        out[...] = total
    else:  # one pass over memory less
        np.add(total, last, out=out)


ALONE = Team()
_current: ContextVar[Team] = ContextVar("chainrule_team", default=ALONE)


def current() -> Team:
    """Return the team that a training from here belongs to."""
    return _current.get()


@contextmanager
def within(team: Team) -> Iterator[Team]:
    """Train with a team inside the block."""
    token = _current.set(team)
    try:
        yield team
    finally:
        _current.reset(token)
