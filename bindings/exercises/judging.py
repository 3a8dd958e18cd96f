"""The reader's copy of an exercise: made, imported as a module, judged; and what is solved.

Copies stand in a folder of the user's, one file an exercise, beside progress.json.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.engine.gradcheck import RelativeError
from chainrule.engine.storage.files import replacing
from chainrule.exercises import Exercise, cases

ALLOWED = 1e-6  # relative error of a gradient that is right
SEED = 0
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Verdict:
    """What was found of a copy: each gradient's error, or why there is none.

    untouched: whose arrays it did not write to.
    """

    errors: Mapping[str, RelativeError]
    fault: str = ""
    untouched: frozenset[str] = frozenset()

    @property
    def failing(self) -> set[str]:
        """Whose gradients are wrong."""
        return {name for name, error in self.errors.items() if not error <= ALLOWED}

    @property
    def solved(self) -> bool:
        """Whether all are right."""
        return not self.fault and not self.failing


def folder() -> Path:
    """Return where copies stand: $XDG_DATA_HOME/chainrule/exercises, by default ~/.local/share.

    Raises:
        OSError: there is no home folder.
    """
    root = os.environ.get("XDG_DATA_HOME")
    try:
        data = Path(root) if root else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise OSError("there is no home folder; say where with --folder") from error
    return data / "chainrule" / "exercises"


def source(operation: str) -> str:
    """Return the source of an operation's reference."""
    module = import_module(f"chainrule.kernels.{operation}.reference")
    return Path(str(module.__file__)).read_text("utf-8")


def copy_of(exercise: Exercise, where: Path) -> Path:
    """Return the file that the reader edits."""
    return where / f"{exercise.name.replace('-', '_')}.py"


def begin(exercise: Exercise, where: Path) -> Path:
    """Write a fresh copy, and return it."""
    where.mkdir(parents=True, exist_ok=True)
    path = copy_of(exercise, where)
    with replacing(path) as temporary:
        temporary.write_text(exercise.broken(source(exercise.operation)), "utf-8")
    return path


def judge(exercise: Exercise, path: Path) -> Verdict:
    """Import a copy and hold its backward against central differences of the library's forward."""
    rng = np.random.default_rng(SEED)
    try:
        case = cases.CASES[exercise.operation](rng, _imported(path))
        errors = cases.errors(case, rng)
        return Verdict(errors, untouched=frozenset(cases.untouched(case, rng)))
    except Exception as error:  # the reader's code may do anything
        return Verdict({}, f"{type(error).__name__}: {error}")


def _imported(path: Path) -> Any:
    """Return a file as a module, read anew and kept nowhere."""
    spec = importlib.util.spec_from_file_location(f"exercise_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


@dataclass(frozen=True)
class Known:
    """What is known of an exercise: its state, "", "begun", "found" or "solved", and the guesses.

    wrong: labels that were guessed and are not the one, each once. seen: whether the solution was
    asked for before it was solved.
    """

    state: str = ""
    wrong: tuple[str, ...] = ()
    seen: bool = False

    def __str__(self) -> str:
        """Return it as the list of exercises says it."""
        n, seen = len(self.wrong), ", solution seen" if self.seen else ""
        if self.state == "found":
            return f"found at the {ordinal(n + 1)} guess{seen}"
        guesses = f", {n} wrong guess{'es' if n > 1 else ''}" if n else ""
        return f"{self.state}{guesses}{seen}"


def ordinal(n: int) -> str:
    """Return 1st, 2nd, 3rd, 4th …"""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def progress(where: Path) -> dict[str, Known]:
    """Return what is known of each exercise that was begun.

    Raises:
        ValueError: the file is no progress of exercises.
    """
    path = where / PROGRESS
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text("utf-8"))
        return {
            str(name): Known(
                str(each["state"]), tuple(map(str, each["wrong"])), bool(each.get("seen", False))
            )
            for name, each in known.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is no progress of exercises; delete it to begin anew") from error


def note(where: Path, exercise: Exercise, state: str, wrong: str = "", seen: bool = False) -> Known:
    """Keep what is known of an exercise, and return it; what was found or solved stays so."""
    known = progress(where)
    before = known.get(exercise.name, Known())
    order = ("", "begun", "found", "solved")
    guesses = before.wrong
    if wrong and order.index(before.state) < order.index("found") and wrong not in guesses:
        guesses = (*guesses, wrong)
    seen = before.seen or (seen and before.state != "solved")
    now = known[exercise.name] = Known(max(state, before.state, key=order.index), guesses, seen)
    where.mkdir(parents=True, exist_ok=True)
    with replacing(where / PROGRESS) as temporary:
        written = {name: _written(each) for name, each in known.items()}
        temporary.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    return now


def _written(known: Known) -> dict[str, Any]:
    """Return what of it is kept in the file; `seen` where it is so, as no older file has it."""
    seen = {"seen": True} if known.seen else {}
    return {"state": known.state, "wrong": known.wrong, **seen}
