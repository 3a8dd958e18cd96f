"""The cache of compiled kernels: never stale, never fatal, filled by many at once.

Each test runs processes of their own, on a copy of the package and a cache that is empty at first.
"""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import chainrule
from chainrule.kernels import compiled

LOGITS = """
import numpy as np
from chainrule.kernels import nade, use_backend
rng = np.random.default_rng(0)
x, (W, V) = rng.integers(0, 2, (5, 7), dtype=np.uint8), rng.normal(size=(2, 7, 3))
b, c, y = rng.normal(size=7), rng.normal(size=(1, 3)), np.zeros(5, np.int32)
def logits():
    s = np.empty((5, 7))
    nade.forward(x, W, V, b, c, y, s, np.empty((5, 3)))
    return s
with use_backend("reference"):
    wanted = logits()
print(float(np.abs(logits() - wanted).max()) < 1e-12)
"""
LOSSES = """
import sys, threading
import numpy as np
from chainrule.kernels import bernoulli
def work():
    for dtype in (np.float32, np.float64)[:: int(sys.argv[1])]:
        s = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
        nll = np.empty(3, dtype)
        bernoulli.forward(s, np.ones(s.shape, np.uint8), nll)
        good.append(np.allclose(nll, np.log1p(np.exp(-s)).sum(axis=1), rtol=1e-6))
good = []
threads = [threading.Thread(target=work) for _ in range(32)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(good == [True] * 64)
"""


class Machine:
    """A copy of the package, a home with an empty cache, and processes that use both."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "lib" / "chainrule"
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(chainrule.__file__).parent, self.package, ignore=ignore)
        for part in ("engine", "kernels"):
            home = Path(import_module(f"chainrule.{part}").__file__).parent
            shutil.copytree(home, self.package / part, ignore=ignore, dirs_exist_ok=True)
        self.rows = self.package / "kernels/nade/heads/bernoulli.py"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG"))}
        self.env |= {"PYTHONPATH": str(folder / "lib"), "HOME": str(folder)}

    def start(self, code: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.env | env, stdout=pipe, stderr=pipe, text=True, cwd=self.folder
        )

    def run(self, code: str, *arguments: str, **env: str) -> tuple[str, str]:
        process = self.start(code, *arguments, **env)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return out.strip(), err

    def kept(self) -> dict[Path, bytes]:
        files = (self.folder / ".cache/chainrule/kernels").rglob("*.nbc")
        return {path: path.read_bytes() for path in files}

    def edit(self, old: str, new: str) -> None:
        """Change the source of an inlined function; its time stays, as after some upgrades."""
        text, times = self.rows.read_text(), self.rows.stat()
        assert text.count(old) == 1
        self.rows.write_text(text.replace(old, new))
        os.utime(self.rows, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


RIGHT, WRONG = "head.V, i * distance, ", "head.V, 0 * distance, "  # the first row for all


def test_a_bug_planted_in_an_inlined_function_is_seen_and_so_is_its_mending(machine):
    assert machine.run(LOGITS)[0] == "True"
    before = machine.kept()
    assert before
    machine.edit(RIGHT, WRONG)
    assert machine.run(LOGITS)[0] == "False"
    assert machine.kept().items() > before.items()
    machine.edit(WRONG, RIGHT)
    after = machine.kept()
    assert machine.run(LOGITS)[0] == "True"
    assert machine.kept() == after  # what was compiled first serves again


def test_code_is_not_kept_where_the_source_changed_under_the_process(machine):
    edit = (
        "from pathlib import Path\n"
        "from chainrule.kernels import compiled\n"
        "compiled.folder()  # as the first kernel that is imported does\n"
        "path = Path(compiled.__file__).parent / 'nade/heads/bernoulli.py'\n"
        "text = path.read_text()\n"
        f"path.write_text(text.replace({RIGHT!r}, {WRONG!r}))\n"
    )
    assert machine.run(edit + LOGITS)[0] == "False"
    assert not machine.kept()
    machine.edit(WRONG, RIGHT)
    assert machine.run(LOGITS)[0] == "True"


def test_damaged_files_are_compiled_anew(machine):
    assert machine.run(LOGITS)[0] == "True"
    kept = machine.kept()
    for n, (path, content) in enumerate(kept.items()):
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
        path.write_bytes([b"", content[:middle], flipped, b"no pickle" * 9][n % 4])
    assert machine.run(LOGITS)[0] == "True"
    assert machine.kept().keys() == kept.keys()
    assert {path.stat().st_size for path in kept} != {0}


def test_eight_processes_of_32_threads_fill_one_cache(machine):
    processes = [machine.start(LOSSES, ("1", "-1")[n % 2]) for n in range(8)]
    answers = [process.communicate(timeout=300) for process in processes]
    assert [out.strip() for out, _ in answers] == ["True"] * 8, answers
    kept = machine.kept()
    assert kept
    assert machine.run(LOSSES, "1")[0] == "True"
    assert machine.kept() == kept  # nothing was missing


def test_without_a_home_a_private_temporary_folder_serves(machine):
    (machine.folder / "tmp").mkdir()
    nowhere = {"HOME": os.devnull, "TMPDIR": str(machine.folder / "tmp")}
    out, err = machine.run(LOSSES, "1", **nowhere)
    assert out == "True" and not err
    folder = machine.folder / "tmp" / f"chainrule-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbc"))


def test_where_nothing_can_be_kept_one_warning_says_so_and_all_works(machine):
    folder = machine.folder / "tmp" / f"chainrule-{os.getuid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # anybody could put code there
    nowhere = {"HOME": os.devnull, "TMPDIR": str(machine.folder / "tmp")}
    out, err = machine.run(LOSSES, "1", **nowhere)
    assert out == "True"
    assert err.count("every process compiles its own") == 1
    assert not list(folder.rglob("*"))


def test_a_wish_for_another_folder_is_heard(machine):
    assert machine.run(LOSSES, "1", NUMBA_CACHE_DIR=str(machine.folder / "wish"))[0] == "True"
    assert list((machine.folder / "wish").rglob("*.nbc")) and not machine.kept()


def test_a_fork_waits_for_a_thread_that_compiles(machine):
    code = (
        LOGITS
        + """
import os, threading, time
from chainrule.kernels import bernoulli
from chainrule.kernels.compiled import compiling
f32 = [np.float32(a) for a in (W, V, b, c)]
outputs = np.empty((5, 7), np.float32), np.empty((5, 3), np.float32)
thread = threading.Thread(target=nade.forward, args=(x, *f32, y, *outputs))
thread.start()
while not compiling(): time.sleep(0.001)
if not os.fork():
    bernoulli.forward(np.zeros((2, 3)), np.zeros((2, 3), np.uint8), np.zeros(2))
    os._exit(0)
print(os.wait()[1])
thread.join()
"""
    )
    process = machine.start(code)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert out.split() == ["True", "0"], err


def test_old_folders_go_when_a_new_one_is_made(tmp_path):
    for name, age in (("new", 1), ("old", compiled.MONTH + 60), ("mine", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / compiled.TRACES).touch()
        now = (tmp_path / name / compiled.TRACES).stat().st_mtime
        os.utime(tmp_path / name / compiled.TRACES, (now - age, now - age))
    compiled._sweep(tmp_path / "mine")
    assert {path.name for path in tmp_path.iterdir()} == {"new", "mine"}


def test_functions_from_elsewhere_compile_too():
    @compiled.njit
    def double(x):
        return 2 * x

    assert double(np.float32(3)) == 6
    assert not compiled.compiling()


def test_a_constant_costs_no_compilation_of_its_own():
    @compiled.njit
    def shifted(x, by, negative):
        return x - by if negative else x + by

    @compiled.njit
    def both(x, k):
        return (
            shifted(x, 0, True) + shifted(x, by=k, negative=k < 0) + shifted(x, 2, negative=False)
        )

    assert both(1.0, 5) == 10
    assert len(shifted.signatures) == 1
