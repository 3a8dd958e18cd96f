"""Becoming one of a team: what scripts and the command line do first."""

from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.engine.team import ALONE, Parted, Team, launched, within
from chainrule.kernels.threads import use_threads

_joined: list[Team] = []


def join(backend: str = "cpu") -> Team:
    """Return the team of the processes that mpiexec or srun started with this one; alone without.

    backend: "cuda" makes it a team of GPUs.

    Raises:
        RuntimeError: they cannot find each other: no mpi4py, no MPI, or a launcher of another one;
            no GPU for each of them.
    """
    if launched.size() == 1:
        return ALONE
    if not _joined:
        from chainrule.engine.team import mpi

        _joined.append(mpi.found(launched.size()))
    if backend == "cuda":
        from chainrule.engine.team import nccl

        _joined[0] = nccl.beside(_joined[0])
    return _joined[0]


def joined() -> Team:
    """Return the team that `join` found in this process, if it was asked."""
    return _joined[0] if _joined else ALONE


@contextmanager
def working(team: Team) -> Iterator[Team]:
    """Train with a team inside the block, each rank with its share of the machine's cores."""
    with within(team), use_threads(team.threads_each()):
        yield team


@contextmanager
def use_team(backend: str = "cpu") -> Iterator[Team]:
    """Train, inside the block, with the processes that mpiexec or srun started with this one.

    All of them run the block, with the same data and settings. `fit` then works out each minibatch
    together, and all get the same estimator: that of one process with `accumulation` times as many
    parts, to the bit. Rank 0 alone shows progress and writes `checkpoint`; a `callback` is called
    on all. Each has its share of the machine's cores, unless `use_threads` inside the block says
    otherwise. Without a launcher it is a team of one, and nothing changes.

    Args:
        backend: "cuda" where the estimators are trained so: each rank has a GPU of its own.

    Yields:
        The team: `rank`, counted from 0, and `size`. Let rank 0 alone print and save.

    Raises:
        RuntimeError: mpi4py or an MPI library is missing, or the launcher is of another MPI, or
            there is no GPU for each rank.
        Parted: another rank failed inside the block, and said how.

    Example:
        >>> from chainrule import FVSBN, use_team
        >>> with use_team() as team:  # mpiexec -n 4 python script.py
        ...     model = FVSBN(epochs=2).fit([[0, 1, 1], [1, 0, 0]] * 50)
        ...     if team.rank == 0:
        ...         print(team.size, len(model.history_))
        1 2
    """
    team = join(backend)
    with working(team):
        try:
            yield team
        except Parted:
            raise
        except BaseException as error:
            if not team.leave(f"{type(error).__name__}: {error}", 1).met:
                _say(error)
                team.abort(1)
            raise
    if (status := team.leave().status) != 0:
        raise Parted(status)


def _say(error: BaseException) -> None:
    """Print what goes wrong: there will be no time for Python to do so."""
    import traceback

    traceback.print_exception(error)
