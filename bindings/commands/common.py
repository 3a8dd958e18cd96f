"""What the verbs share: their common options, reading and writing rows, and speaking."""

import csv
import os
import sys
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from chainrule import estimators, progress, readers
from chainrule.engine.files import replacing
from chainrule.suggestions import near

PICTURES = (".png", ".pdf", ".svg")
TABLES = (".npy", ".csv", ".txt")
WIDE = 10_000  # characters a line of what is no screen


class Common(NamedTuple):
    """The options that every verb takes; None where not given."""

    quiet: bool = False
    threads: int | None = None
    backend: str | None = None
    seed: int | None = None

    def say(self, *parts: Any) -> None:
        """Print to standard output, unless --quiet."""
        if not self.quiet:
            console().print(*parts, soft_wrap=not any(isinstance(p, Table) for p in parts))

    def warn(self, sentence: str) -> None:
        """Print a sentence to standard error, --quiet or not."""
        print(f"chainrule: {sentence}", file=sys.stderr)

    def show(self, estimator: Any) -> Any:
        """Return the estimator set to run where and as loudly as these options say."""
        loud = not self.quiet and progress.watched()  # else the estimator would print lines
        estimator.set_params(n_threads=self.threads, verbose=loud)
        return estimator.set_params(backend=self.backend) if self.backend else estimator


def console() -> Console:
    """Return a console on standard output that prints names and paths as they are.

    A table in a file or pipe is as wide as it must be: nothing is cut off where no screen ends.
    """
    wide = None if sys.stdout.isatty() else WIDE
    return Console(highlight=False, markup=False, emoji=False, width=wide)


def table(*columns: str, words: int = 1) -> Table:
    """Return an empty table: the first `words` columns flush left, numbers flush right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for k, name in enumerate(columns):
        grid.add_column(name, justify="left" if k < words else "right", no_wrap=True)
    return grid


def bits(nll: float, D: int) -> float:
    """Return bits per dimension, given nats per row of D variables."""
    return nll / (D * log(2))


def estimator_class(name: str) -> type[estimators.Estimator]:
    """Return the estimator called `name`, in any mixture of cases and underscores."""
    known = {spelling(value): value for value in estimators.ESTIMATORS.values()}
    given = name.lower().replace("_", "")
    for spelt, value in known.items():
        if spelt.replace("_", "") == given:
            return value
    raise ValueError(f"unknown model {name!r}{near(name, known)}; there are {', '.join(known)}")


def spelling(cls: type[estimators.Estimator]) -> str:
    """Return an estimator's name as the command line spells it."""
    return "attention_rnn" if cls.__name__ == "AttentionRNN" else cls.__name__.lower()


def read_rows(path: Path) -> NDArray[Any]:
    """Return the rows in a .npy, .csv or .txt file or a folder of PNGs, (N, D).

    Pictures, (N, H, W), are flattened. What the values may be is the model's business.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; check its name and folder")
    if path.is_dir():
        rows: NDArray[Any] = readers.read_images(path)
    elif path.suffix == ".npy":
        rows = readers.read_npy(path)
    elif path.suffix in TABLES:
        rows = readers.read_text(path)
    else:
        raise ValueError(f"{path} is of no known kind; give .npy, .csv, .txt or a folder of PNGs")
    return rows.reshape(len(rows), -1) if rows.ndim == 3 and len(rows) else rows


def check_output(path: Path, *kinds: str) -> None:
    """Raise, before any work is done, if `path` cannot be written or is of another kind."""
    if path.suffix.lower() not in kinds:
        raise ValueError(f"cannot tell what to write from {path}; end it in {' or '.join(kinds)}")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OSError(f"could not write {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise OSError(f"could not write {path}: {folder} cannot be written to; name another")


def write_rows(path: Path, rows: NDArray[Any]) -> None:
    """Write an array as .npy, or as .csv or .txt with a line a row; whole or not at all."""
    with replacing(path) as temporary:
        if path.suffix.lower() == ".npy":
            with open(temporary, "wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
        else:
            with open(temporary, "w", newline="") as text:
                lines = csv.writer(text, delimiter="," if path.suffix == ".csv" else " ")
                lines.writerows(rows.reshape(len(rows), -1).tolist())
