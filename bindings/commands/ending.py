"""How the command line ends: what went wrong in a sentence, and the exit status."""

import os
import sys

TOGETHER = "chainrule.commands.together"  # imported by the verbs that several processes share


def status(failure: str | None, status: int) -> int:
    """Say what went wrong; return the status, of several processes that of them all.

    Where several failed it does not return: see `together.go`.

    failure: a sentence; empty where nothing is to be said; None where all went well.
    """
    if TOGETHER in sys.modules:
        status = sys.modules[TOGETHER].leave(failure, status)
    elif failure and not _told_by_another():
        print(f"chainrule: {failure}", file=sys.stderr)
    status = _flushed(status)
    if status and TOGETHER in sys.modules:
        sys.modules[TOGETHER].go(status)
    return status


def _told_by_another() -> bool:
    """Return whether another process of those started together says the same: a wrong option."""
    from chainrule.engine.team import launched  # and NumPy, which who is right never waits for

    launched.let_rank_0_speak()
    return launched.rank() > 0


def _flushed(status: int) -> int:
    """Return the status; where nobody reads the output, do not let the last flush complain."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status
