"""What survives: kill -9 at any moment, a full disk, a folder that cannot be written to."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.engine.models import nade
from chainrule.engine.storage import checkpoint, container, files
from chainrule.engine.training import train
from chainrule.engine.training.train import Recipe

CONFIG = nade.Config(30, 400)  # 100 kB of float32 parameters, so half a megabyte of state
RECIPE = Recipe(epochs=8, batch_size=8, learning_rate=0.01, patience=6)
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals and limits")


def data():
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (90, 30), np.uint8), rng.integers(0, 2, (20, 30), np.uint8)


def train_on(path, saved=lambda: None):
    """Go on from the state in `path`, if there is one; save after every minibatch, and say so."""
    if path.exists():
        state = checkpoint.load_state(path, "nade").state
    else:
        state = train.start(nade, CONFIG, RECIPE)
    for _ in train.run(nade, CONFIG, RECIPE, state, *data()):
        checkpoint.save_state(path, "nade", CONFIG, RECIPE, state)
        saved()


def killed(path, n, delay):
    """Run `train_on(path)` in a process of its own; kill it `delay` s after it has saved n times.

    It halts when it has saved n + 1 times, so that it never ends before it is killed.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        left = iter(range(n))

        def saved():
            os.write(tell, b".")
            if next(left, None) is None:
                time.sleep(600)

        try:
            train_on(path, saved)
        finally:
            os._exit(1)
    os.close(tell)
    heard = sum(len(os.read(told, 1)) for _ in range(n))
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.close(told)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL and heard == n


@posix
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_training_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    path, chance, step = tmp_path / "state.safetensors", random.Random(0), 0
    straight = train.start(nade, CONFIG, RECIPE)
    for _ in train.run(nade, CONFIG, RECIPE, straight, *data()):  # loads the kernels, too
        pass
    assert straight.step > 30 * 2  # more than thirty children can do
    began = time.perf_counter()
    train_on(tmp_path / "timed")
    pace = (time.perf_counter() - began) / straight.step
    (tmp_path / "timed").unlink()
    for number in range(30):
        n = number % 2  # saved before the kill, which comes somewhere in the next minibatch
        killed(path, n, chance.uniform(0, 1.5 * pace))
        now = checkpoint.load_state(path, "nade").state.step if path.exists() else 0
        assert now - step in (n, n + 1)
        step = now
    train_on(path)
    left = {p.name for p in tmp_path.iterdir() if not p.name.startswith(".tmp")}
    assert left == {path.name}
    got = checkpoint.load_state(path).state
    assert got.step == straight.step
    for ours, theirs in [
        (got.params.flat, straight.params.flat),
        (got.best.flat, straight.best.flat),
        (got.m, straight.m),
        (got.v, straight.v),
    ]:
        assert_array_equal(ours, theirs)


@pytest.fixture
def kept(tmp_path):
    """Return the path of a good checkpoint and its bytes."""
    path = tmp_path / "model.safetensors"
    config = nade.Config(4, 2)
    checkpoint.save(path, "nade", config, nade.init(config, np.random.default_rng(0)))
    return path, path.read_bytes()


def big():
    return nade.init(CONFIG, np.random.default_rng(0))


def assert_only(path, content):
    """Check that `path` holds `content` and that nothing was left beside it."""
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == [path.name]


SAVE_UNDER_A_LIMIT = """
    import resource, sys
    import numpy as np
    from chainrule.engine import checkpoint
    from chainrule.engine.models import nade

    config = nade.Config(30, 400)
    params = nade.init(config, np.random.default_rng(0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        checkpoint.save(sys.argv[1], "nade", config, params)
    except OSError as error:
        print(error)
"""


@posix
def test_a_write_that_the_system_cuts_short_leaves_the_earlier_file(kept):
    path, content = kept
    command = [sys.executable, "-c", textwrap.dedent(SAVE_UNDER_A_LIMIT), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"could not write {path}: ")
    assert "File too large" in done.stdout and done.stdout.count("\n") == 1
    assert_only(path, content)


@pytest.fixture
def tiny_disk(tmp_path):
    """Return a folder on a file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root on Linux may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_earlier_file(tiny_disk):
    path, config = tiny_disk / "model.safetensors", nade.Config(4, 2)
    checkpoint.save(path, "nade", config, nade.init(config, np.random.default_rng(0)))
    content = path.read_bytes()
    with pytest.raises(OSError, match=r"No space left on device.*; what was there is untouched"):
        checkpoint.save(path, "nade", CONFIG, big())
    assert_only(path, content)


@pytest.mark.parametrize("step", ["save_file", "os.fsync", "os.replace"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), KeyboardInterrupt(), MemoryError()]
)
def test_a_failure_at_any_step_leaves_the_earlier_file(step, error, kept, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    path, content = kept
    owner, name = (files.os, step[3:]) if step.startswith("os.") else (container, step)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises(type(error)):
            checkpoint.save(path, "nade", CONFIG, big())
    assert_only(path, content)


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        ("missing/model", r"make the folder .* first"),
        ("file/model", r"make the folder .* first"),
        ("folder", "name a file"),
    ],
)
def test_a_place_that_cannot_be_written_to(where, advice, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=rf"^could not write .*{advice}$"):
        checkpoint.save(tmp_path / where, "nade", CONFIG, big())
    assert sorted(tmp_path.iterdir()) == before


SAVE_AS_NOBODY = """
    import os, sys
    import numpy as np
    from chainrule.engine import checkpoint
    from chainrule.engine.models import nade

    config = nade.Config(4, 2)
    params = nade.init(config, np.random.default_rng(1))
    if os.geteuid() == 0:  # nothing is unwritable to root
        os.seteuid(65534)
    try:
        checkpoint.save(sys.argv[1], "nade", config, params)
    except OSError as error:
        print(error)
"""


@posix
def test_an_unwritable_folder_keeps_its_file(kept):
    path, content = kept
    path.parent.chmod(0o555)
    command = [sys.executable, "-c", textwrap.dedent(SAVE_AS_NOBODY), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        path.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"could not write {path}: ") and "Permission" in done.stdout
    assert_only(path, content)


def test_a_state_is_never_half_of_two(kept, monkeypatch):
    """A reader that opens the name while it is being replaced sees one file or the other."""
    path, content = kept
    replace, seen = os.replace, []

    def looked_at(source, target):
        seen.append(path.read_bytes())
        replace(source, target)
        seen.append(path.read_bytes())

    monkeypatch.setattr(files.os, "replace", looked_at)
    checkpoint.save(path, "nade", CONFIG, big())
    assert seen == [content, path.read_bytes()]
    assert json.loads(container.read(path)[1])["config"] == vars(CONFIG)
