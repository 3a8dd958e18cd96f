"""Verbs that several processes run together, started by mpiexec or srun: rank 0 alone speaks."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from chainrule.commands.common import Common
from chainrule.engine.team import Leave, Team, launched
from chainrule.engine.team.joining import join, working
from chainrule.engine.team.joining import joined as found


@contextmanager
def joined(backend: str | None = None) -> Iterator[Team]:
    """Run the block with the processes that were started together with this one; alone without.

    Raises:
        RuntimeError: they cannot find each other.
    """
    if launched.rank() > 0:  # also what goes wrong on the way is the same on all
        sys.stdout = sys.stderr = open(os.devnull, "w")
    team = join(backend or "cpu")
    if team.size == 1:
        yield team
        return
    with working(team):
        yield team


def hushed(common: Common, team: Team) -> Common:
    """Return a verb's options, quiet on all ranks but the first."""
    return common._replace(quiet=common.quiet or team.rank > 0)


def refuse(team: Team, option: str) -> None:
    """Raise ValueError for what one process alone can read."""
    if team.size > 1:
        raise ValueError(
            f"{option} is read by one process, and {team.size} were started; give a file that all "
            "of them see"
        )


def leave(failure: str | None, status: int) -> int:
    """Say what went wrong, once for all ranks; return the status that all of them end with."""
    team = found()
    if failure and team.size == 1:
        launched.let_rank_0_speak()
    end: Leave = team.leave(failure, status)
    if end.speak and failure:
        which = f"rank {team.rank}: " if team.rank > 0 else ""
        stream = sys.__stderr__ if team.rank > 0 else sys.stderr
        print(f"chainrule: {which}{failure}", file=stream, flush=True)
    if not end.met:
        team.abort(end.status)
    return end.status


def go(status: int) -> None:
    """End this process now, of several that have failed or were stopped; one alone goes on.

    What Python does at its own end, module by module, takes seconds on a machine at work, in which
    the others and the launcher wait. All files are closed by now, and all was said.
    """
    team = found()
    if team.size == 1:
        return
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):  # closed, or read by nobody
            stream.flush()  # type: ignore[union-attr]
    team.part()
    os._exit(status)
