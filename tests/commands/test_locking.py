"""Two trainings in one run's folder, in real processes: the second is refused in one sentence."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from chainrule.commands import locking, runs
from chainrule.engine.storage import checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")

# The program, in no hurry: half a second a minibatch, saved after each.
SLOW = (
    "import sys, time; from chainrule.estimators import resuming; resuming.EVERY = 0.0\n"
    "from chainrule import cli, progress\n"
    "real = progress.training\n"
    "def slow(*a, **k):\n"
    "    for step in real(*a, **k):\n"
    "        yield step\n"
    "        time.sleep(0.5)\n"
    "progress.training = slow\n"
    "cli.main(sys.argv[1:])"
)


@pytest.fixture
def command(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 2, (60, 9), dtype=np.uint8))
    small = ("--set", "n_hidden=3", "--epochs", 200, "--batch-size", 12, "--quiet")
    out = tmp_path / "run"
    return [*map(str, ("train", "nade", "--data", tmp_path / "x.npy", "--out", out, *small))], out


@pytest.fixture
def first(command):
    """Return a training that is at work, and the arguments and folder of it."""
    arguments, out = command
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not has_trained(out) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.poll() is None, child.stderr.read()
    yield child, arguments, out
    child.kill()
    child.communicate()


def has_trained(folder):
    """Return whether a minibatch was made: the model saved before it is removed once more."""
    return (folder / runs.MODEL).exists() and state(folder) > 0


def state(folder):
    return checkpoint.load_state(folder / runs.STATE).state.step


def test_the_second_training_is_refused_and_the_first_goes_on(first, call):
    child, arguments, out = first
    for more in ((), ("--resume",), ("--force",)):
        status, said, err = call(*arguments, *more)
        assert (status, said, err.count("\n")) == (2, "", 1)
        assert f"another training, process {child.pid}, is at work in {out}" in err
    step = state(out)
    for reading in (("info", out), ("sample", out, "-n", 2, "--out", out.parent / "s.npy")):
        assert call(*reading)[0] == 0
    deadline = time.monotonic() + 60
    while state(out) == step and time.monotonic() < deadline:
        time.sleep(0.1)
    assert state(out) > step and child.poll() is None


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_any_death_of_the_first_frees_the_folder(how, first, call):
    child, arguments, out = first
    child.send_signal(getattr(signal, how))
    child.communicate(timeout=60)
    assert (out / locking.LOCK).exists() == (how == "SIGKILL")
    step = state(out)
    assert call(*arguments, "--resume")[0] == 0 and state(out) > step
    assert call(*arguments, "--force")[0] == 0
    assert {path.name for path in out.iterdir()} == set(runs.FILES)


def test_of_two_new_trainings_one_has_the_folder(command, call):
    """The folder comes into being after both have looked for it."""
    arguments, _ = command
    both = [
        subprocess.Popen([sys.executable, "-c", SLOW, *arguments], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    deadline = time.monotonic() + 120
    while all(child.poll() is None for child in both) and time.monotonic() < deadline:
        time.sleep(0.02)
    refused = [child for child in both if child.poll() is not None]
    for child in both:
        child.kill()
    assert len(refused) == 1 and refused[0].returncode == 2
    assert b"another training" in refused[0].stderr.read()
    for child in both:
        child.communicate()


def test_never_two_at_once_however_they_come_and_go(tmp_path):
    """Each holder removes the file: whoever waits for it must not lock one that is gone."""
    inside, most, turns = [], [], []

    def come_and_go():
        mine, until = 0, time.monotonic() + 60  # by turns, not tries, of which a holder takes many
        while mine < 20 and time.monotonic() < until:
            try:
                with locking.only_one(tmp_path, pytest.fail):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0)
                    inside.pop()
                    mine += 1
            except BlockingIOError:
                time.sleep(0)
        turns.append(mine)

    crowd = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert max(most) == 1 and turns == [20] * 4
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_was_replaced_while_it_was_being_taken(tmp_path, monkeypatch):
    lock, replaced = locking._lock, []

    def late(file):
        if not replaced:
            replaced.append((tmp_path / locking.LOCK).rename(tmp_path / "gone"))
        lock(file)

    monkeypatch.setattr(locking, "_lock", late)
    with locking.only_one(tmp_path, pytest.fail):
        assert (tmp_path / locking.LOCK).read_text() == str(os.getpid())


def test_without_locks_there_is_a_warning_and_the_training_goes_on(command, call, monkeypatch):
    def unsupported(file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking, "_lock", unsupported)
    arguments, out = command
    arguments[arguments.index("--epochs") + 1] = "1"
    status, said, err = call(*arguments)
    assert (status, said, err.count("\n")) == (0, "", 1)
    assert f"{out} cannot be locked (No locks available); see to it" in err
