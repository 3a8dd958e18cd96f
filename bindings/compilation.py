"""Compile beforehand what the estimators need, in several processes: `compile_kernels`.

Kernels are compiled when they are first called, each for the types it is called with. So nothing
is listed here: small trainings and uses of every estimator, through the public API, call whatever
a user's would. They are cut into tasks that have little in common, and worker processes fill one
cache (`chainrule.kernels.compiled`):

    train   a fit with validation rows
    use     everything else, of a model that was fitted by the reference backend, which compiles
            nothing: so it need not wait for `train`

A new model joins by being in the registry. Only what neither is a new model nor follows from one
is named: hyper-parameters whose values lead to other kernels (CHOICES).

A task that is done leaves an empty file in the cache, named after the task and all that decides
what it compiles, and is not done again.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from chainrule import engine, progress, uses
from chainrule.engine.event import RealInputs
from chainrule.estimators import ESTIMATORS
from chainrule.kernels import compiled, waiting
from chainrule.kernels.threads import n_threads
from chainrule.suggestions import near

CHOICES: dict[str, tuple[Any, ...]] = {
    "cell": ("lstm", "gru", "tanh"),
    "dropout": (0.0, 0.1),
    "n_masks": (1, 2),
    **dict.fromkeys(("tied", "rotary", "gated"), (False, True)),
    "likelihood": ("softmax", "logistics"),
    "network": ("mlp", "cnn"),
}
OF_IMAGES: dict[str, tuple[Any, ...]] = {"cell": ("row", "diagonal")}
SHORT = {"epochs": 1, "steps": 2, "batch_size": 8, "n_threads": 1, "verbose": False}
LEVELS = {"levels": 256}  # where the likelihood is not that of bits
TITLE, DTYPES = "compiling kernels", ("float32", "float64")


class Task(NamedTuple):
    """One thing that a worker does: `act` ("train" or "use") with a model, `how` it is set."""

    model: str
    act: str
    how: dict[str, Any] = {}  # noqa: RUF012

    def __str__(self) -> str:
        """Return the task in a word or two for the screen."""
        how = "".join(f", {name}={value}" for name, value in self.how.items())
        return f"{self.model}{how}: {self.act}"


def compile_kernels(
    *models: str, dtype: str = "float32", n_processes: int | None = None, verbose: bool = True
) -> int:
    """Compile what estimators need that is not compiled yet, and return how many functions.

    Args:
        models: names of estimators, in any mixture of cases and underscores; none: all.
        dtype: "float32" or "float64", of the parameters.
        n_processes: at work side by side; None is one for each core this process may use.
        verbose: whether to show on stderr which are compiled, and how many are.

    Raises:
        ValueError: an unknown model or dtype.
        RuntimeError: there is no folder in which compiled kernels could be kept; a worker died.

    Cost:
        About a minute of one core for each dtype, seconds where all is compiled.

    Example:
        >>> from chainrule import compile_kernels
        >>> compile_kernels("fvsbn", verbose=False) >= 0
        True
        >>> compile_kernels("fvsbn", verbose=False)  # all is there
        0
    """
    todo = tasks(models)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    if compiled.folder() is None:
        raise RuntimeError("compiled kernels cannot be kept; set XDG_CACHE_HOME to a folder")
    todo = [task for task in todo if not _trace(task, dtype).exists()]
    done = _by_workers(todo, dtype, n_processes or n_threads())
    words = lambda one: f"{TITLE}  {one[0]}"  # noqa: E731
    shown = progress.track(done, TITLE, verbose, words, None, len(todo), verbose)
    total = 0
    for task, count in shown:
        _trace(task, dtype).touch()
        total += count
    return total


def tasks(models: tuple[str, ...] = ()) -> list[Task]:
    """Return all that there is to do for some models, or for all; neighbours have little in common.

    Raises:
        ValueError: a name is no model's.
    """
    chosen = [_named(name) for name in models] or list(ESTIMATORS)
    settings = {name: _settings(name) for name in dict.fromkeys(chosen)}
    rounds = max(map(len, settings.values()))
    return [
        Task(name, act, how[number])
        for number in range(rounds)
        for act in ("train", "use")
        for name, how in settings.items()
        if number < len(how)
    ]


def _named(name: str) -> str:
    """Return the estimator's name that is meant."""
    known = {key.lower(): key for key in ESTIMATORS}
    plain = name.lower().replace("_", "")
    if plain not in known:
        raise ValueError(
            f"unknown model {name!r}{near(plain, ESTIMATORS)}; there are {', '.join(known)}"
        )
    return known[plain]


def _settings(name: str) -> list[dict[str, Any]]:
    """Return the defaults, and each change of one hyper-parameter that leads to other kernels."""
    defaults = ESTIMATORS[name]().get_params()
    changes = [
        {key: value}
        for key, values in (CHOICES | (OF_IMAGES if "image_shape" in defaults else {})).items()
        for value in values
        if key in defaults and value != defaults[key]
    ]
    return [{}, *changes]


def _trace(task: Task, dtype: str) -> Path:
    """Return the empty file that says that a task is done."""
    folder = compiled.folder()
    assert folder is not None
    text = json.dumps([*task, dtype, llvm.get_host_cpu_name(), _sources()])
    return folder / f"done-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@cache
def _sources() -> str:
    """Return a digest of the package's own files: what calls kernels, and for which types."""
    homes = (Path(__file__).parent, Path(engine.__file__).parent)
    paths = sorted({path for home in homes for path in home.rglob("*.py")})
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


# --- a worker's side -----------------------------------------------------------------------------


def run(task: Task, dtype: str) -> int:
    """Do a task in this process, and return how many functions had to be compiled for it."""
    before = compiled.n_compiled()
    waiting.look(np.ones(1, np.int64))  # what threads do, now and then, as they wait for others
    estimator: Any = ESTIMATORS[task.model](dtype=dtype, **task.how)
    known, short = estimator.get_params(), SHORT | LEVELS if "likelihood" in task.how else SHORT
    estimator.set_params(**{key: value for key, value in short.items() if key in known})
    data, use = uses.OF_EVENT[estimator._model().EVENT]
    if "column_types" in known and hasattr(estimator, "log_prob"):  # the contrast takes bits
        data = uses.table(known["column_types"])
    labels = uses.LABELS if estimator._model().EVENT is RealInputs else None
    if task.act == "train":
        estimator.fit(data, labels, data, labels)
    else:
        estimator.set_params(backend="reference").fit(data, labels).set_params(backend="cpu")
        use(estimator, data)
    return compiled.n_compiled() - before


def _work() -> None:
    """Do the tasks that come on standard input, a line of JSON each, and answer with a number."""
    dtype = sys.argv[1]
    for line in sys.stdin:
        print(run(Task(*json.loads(line)), dtype), flush=True)


# --- the workers' master -------------------------------------------------------------------------


class _Worker:
    """A process of this Python that does tasks one after another."""

    def __init__(self, dtype: str) -> None:
        self._said = tempfile.TemporaryFile("w+")
        # It finds what this process finds, whatever lies in the folder that we are in.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, dtype],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def do(self, task: Task) -> int:
        """Return how many functions the task had to compile."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            print(json.dumps(task), file=self.process.stdin, flush=True)
            return int(self.process.stdout.readline())
        except (OSError, ValueError) as error:  # it is gone, or says something else
            self._said.seek(0)
            reason = (self._said.read().strip() or "it was killed").splitlines()[-1]
            raise RuntimeError(f"compiling for {task} failed: {reason}") from error

    def stop(self) -> None:
        """End the process, whatever it is at: what it has finished is kept."""
        self.process.kill()
        self.process.communicate()
        self._said.close()


def _by_workers(todo: list[Task], dtype: str, n: int) -> Iterator[tuple[Task, int]]:
    """Yield each task, as it is done, and how many functions were compiled for it."""
    if not todo:
        return
    workers = [_Worker(dtype) for _ in range(min(n, len(todo)))]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def do(task: Task) -> tuple[Task, int]:
        worker = idle.get()
        try:
            return task, worker.do(task)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        for done in as_completed([pool.submit(do, task) for task in todo]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.stop()


if __name__ == "__main__":
    _work()
