"""kill -9 thirty times in training and thirty times in saving, each at a moment of its own.

After each everything in the run's folder loads, and the training goes on to the same bits.
"""

import itertools
import os
import signal

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.commands import runs
from chainrule.engine.storage import container
from chainrule.engine.training import summing, train

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals"),
    pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning"),
]
METADATA = {"who": "me"}
IN_ONE_SAVE = 14  # calls that change the disk: five a checkpoint, of which there are two, then 4


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def torn(tensors, path, *_):
    """Write half a file, and die."""
    with open(path, "wb") as file:
        file.write(b"\1" * 2000)
    die()


def dying(function, calls, point):
    """Return the function, killed before (point is even) or after its call number point // 2."""

    def called(*arguments, **named):
        number = next(calls)
        if number == point / 2:
            die()
        result = function(*arguments, **named)
        if number == point // 2:
            die()
        return result

    return called


def prepared(folder):
    """Return an estimator, what it learns from, and the state in the folder or the first one."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (60, 8), np.uint8)
    model = cr.NADE(6, epochs=45, batch_size=20, learning_rate=0.01, n_threads=1)
    parts = model._prepare(rows, X_valid=rows[::3].copy())
    started = (folder / runs.STATE).exists()
    return model, parts, runs.load_state(folder).state if started else model._start()


def go_on(folder, n_records, before_save=lambda number: None):
    """Train from where the folder is, saving at every record, so many of them or to the end."""
    model, parts, state = prepared(folder)
    for step in model._training(*parts, state):
        if step.record is not None:
            before_save(step.stretch)
            runs.save(folder, model, model._recipe(), state, METADATA)
            n_records -= 1
            if not n_records:
                break


def killed(action):
    """Run in a process of its own, which must be killed."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, "it lived"


def assert_sound(folder):
    """Load everything; return the step that the training is at."""
    assert np.isfinite(runs.open_model(folder).params_.flat).all()
    assert (folder / runs.HISTORY).read_text().startswith("epoch,train")
    return runs.load_state(folder).state.step


def assert_ends_as_if_nothing_had_been(folder, tmp_path):
    go_on(folder, -1)
    runs.sweep(folder)
    assert {path.name for path in folder.iterdir()} == {runs.STATE, runs.MODEL, runs.HISTORY}
    straight = tmp_path / "straight"
    straight.mkdir()
    go_on(straight, -1)
    ours, theirs = (runs.load_state(path).state for path in (folder, straight))
    assert ours.step == theirs.step == 135
    for name in ("m", "v"):
        assert_array_equal(getattr(ours, name), getattr(theirs, name))
    for name in ("params", "best"):
        assert_array_equal(getattr(ours, name).flat, getattr(theirs, name).flat)
    models = [runs.open_model(path).params_.flat for path in (folder, straight)]
    assert_array_equal(*models)


@pytest.fixture
def folder(tmp_path):
    """Return a run's folder with the first record in it."""
    folder = tmp_path / "run"
    folder.mkdir()
    go_on(folder, 1)
    return folder


def test_killed_thirty_times_in_saving(folder, tmp_path):
    calls = (os, "chmod"), (os, "fsync"), (os, "replace"), (container, "save_file")

    def at(point):
        def patch(_):
            count = itertools.count()
            for module, name in calls:  # of the child alone
                setattr(module, name, dying(getattr(module, name), count, point))

        return lambda: go_on(folder, 1, patch)

    def half(_):
        container.save_file = torn

    steps = [assert_sound(folder)]
    for action in [at(point) for point in range(2 * IN_ONE_SAVE)] + 2 * [
        lambda: go_on(folder, 1, half)
    ]:
        killed(action)
        steps.append(assert_sound(folder))
    gone_on = np.diff(steps)
    assert len(gone_on) == 30 and set(gone_on) == {0, 3}  # one whole record or none
    assert (gone_on == 0).sum() == 7 + 2  # before the new state has its name, and the torn ones
    assert_ends_as_if_nothing_had_been(folder, tmp_path)


def test_killed_thirty_times_in_training(folder, tmp_path):
    """Before a gradient or after a step of Adam, in turn."""
    places = (summing, "gradient"), (train.adam, "step")

    def in_training(number):
        (module, name), after = places[number % 2], number % 2
        call = 3 + number % 3  # a record is three minibatches

        def act():
            function = dying(getattr(module, name), itertools.count(), 2 * call + after)
            setattr(module, name, function)
            go_on(folder, -1)

        return act

    steps = [assert_sound(folder)]
    for number in range(30):
        killed(in_training(number))
        steps.append(assert_sound(folder))
    assert set(np.diff(steps)) == {3}  # each came in the second record of its process
    assert_ends_as_if_nothing_had_been(folder, tmp_path)
