"""Trainings in processes of their own, to be stopped and killed while they run."""

import signal
import subprocess
import sys
import time

import pytest

from chainrule.commands import runs

PLAIN = "import sys; from chainrule import cli; cli.main(sys.argv[1:])"
# The program, but saving after every minibatch, so that stops and kills often fall into saving.
EAGER = (
    f"from chainrule.estimators import resuming; resuming.EVERY = resuming.AT_LEAST = 0.0; {PLAIN}"
)


def begin(program, *arguments, **options):
    """Start a program of these in a process of its own."""
    command, pipe = [sys.executable, "-c", program, *map(str, arguments)], subprocess.PIPE
    # Where the tests run in the background, children inherit that Ctrl-C is ignored.
    options = {"preexec_fn": heed_ctrl_c, **options}
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


def heed_ctrl_c():
    """Let Ctrl-C do what it does in a terminal."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until_trained(child, folder, savings=2):
    """Wait until the child has saved its training so many times.

    A new file may have its predecessor's number, so it is told by its time.
    """
    seen, deadline = set(), time.monotonic() + 120
    while child.poll() is None and time.monotonic() < deadline:
        if (folder / runs.STATE).exists():
            seen.add((folder / runs.STATE).stat().st_mtime_ns)
            if len(seen) >= savings:
                return
        time.sleep(0.002)
    pytest.fail(f"the training ended at once: {child.stderr.read()}")
