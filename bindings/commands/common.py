"""What the verbs share: their common options, speaking, and what they write."""

import csv
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from chainrule import progress
from chainrule.datasets import tables
from chainrule.engine.storage.files import replacing

PICTURES = (".png", ".pdf", ".svg")
TABLES = (".npy", ".csv", ".txt")
PADDING = re.compile(r" +$", re.MULTILINE)
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


class _Unpadded(Console):
    """A console off the screen, where lines of tables end with their words: rich fills them up."""

    def print(self, *parts: Any, **options: Any) -> None:
        """Print what is no table as it is."""
        if not any(isinstance(part, Table) for part in parts):
            super().print(*parts, **options)
            return
        with self.capture() as held:
            super().print(*parts, **options)
        self.file.write(PADDING.sub("", held.get()))


def console() -> Console:
    """Return a console on standard output that prints names and paths as they are.

    A table in a file or pipe is as wide as it must be: nothing is cut off where no screen ends.
    """
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    return Console(**plain) if sys.stdout.isatty() else _Unpadded(**plain, width=WIDE)


def table(*columns: str, words: int = 1) -> Table:
    """Return an empty table: the first `words` columns flush left, numbers flush right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for k, name in enumerate(columns):
        grid.add_column(name, justify="left" if k < words else "right", no_wrap=True)
    return grid


def print_numbers(values: Iterable[float]) -> None:
    """Print numbers, a line each, --quiet or not: they are what was asked for."""
    print("\n".join(f"{value:.6f}" for value in values))


def bits(nll: float, D: float) -> float:
    """Return bits per dimension, given nats per row of D variables, or of so many on average."""
    return nll / (D * log(2))


def picture(out: Path, kind: str, *what: Any) -> None:
    """Write one of the pictures in `plots`, drawn of the rest."""
    from chainrule import plots  # matplotlib takes a while, and most never draw

    plots.save(getattr(plots, kind)(*what), out)


def check_output(path: Path, *kinds: str) -> None:
    """Raise, before any work is done, if `path` cannot be written or is of another kind."""
    if path.suffix.lower() not in kinds:
        raise ValueError(f"cannot tell what to write from {path}; end it in {' or '.join(kinds)}")
    if path.exists() and not path.is_file():
        raise OSError(f"could not write {path}: it is a folder or a device; name a file")
    folder = path.resolve().parent
    check_room(folder, f"could not write {path}")
    if not folder.is_dir():
        raise OSError(f"could not write {path}: there is no folder {folder}; make it first")


def check_room(folder: Path, trouble: str) -> None:
    """Raise OSError, which begins with the trouble, unless a folder can hold files, or be made."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        raise OSError(f"{trouble}: {there} is a file and no folder; name another")
    try:
        tempfile.TemporaryFile(dir=there).close()  # what may be done there is told by doing it
    except OSError as error:
        raise OSError(f"{trouble}: {there} cannot be written to; name another folder") from error


def write_rows(path: Path, rows: NDArray[Any], columns: Sequence[str] | None = None) -> None:
    """Write an array as .npy, or as .csv or .txt with a line a row; whole or not at all.

    columns: names for the first line of a .csv, left out if they would be read as a row of them.

    Raises:
        ValueError: words for a .npy.
    """
    if rows.dtype == object and path.suffix.lower() == ".npy":
        raise ValueError(f"{path} would hold words, and a .npy holds numbers; end it in .csv")
    with replacing(path) as temporary:
        if path.suffix.lower() == ".npy":
            with open(temporary, "wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
            return
        is_csv, flat = path.suffix.lower() == ".csv", rows.reshape(len(rows), -1)
        names = tables.header(columns, flat) if is_csv else None
        with open(temporary, "w", newline="", encoding="utf-8") as text:
            lines = csv.writer(text, delimiter="," if is_csv else " ")
            if names is not None:
                lines.writerow(names)
            lines.writerows(flat.tolist())
