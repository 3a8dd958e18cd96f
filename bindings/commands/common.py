"""What the verbs share: their common options, reading and writing rows, and speaking."""

import csv
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from chainrule import datasets, estimators, progress
from chainrule.datasets import rowfiles, tables
from chainrule.datasets.rowfiles import Origin
from chainrule.engine.storage.files import replacing
from chainrule.estimators.base import BinaryDensity
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
    """Return the rows in a file or a folder of pictures, (N, D); see `located_rows`."""
    return located_rows(path)[0]


def located_rows(path: Path, missing: bool = False) -> tuple[NDArray[Any], Origin]:
    """Return the rows in a file or a folder of pictures, (N, D), and where each stands.

    Pictures, (N, H, W), are flattened. What the values may be is the model's business. missing:
    NaN for what a table of text lacks.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; check its name and folder")
    with said_warnings():
        x, _, origin = rowfiles.read(path, missing)
    return x.reshape(len(x), -1) if x.ndim == 3 and len(x) else x, origin


def load(data: str) -> datasets.Dataset:
    """Return a data set by name or path, and say what it warns of."""
    with said_warnings():
        return datasets.load(data)


@contextmanager
def said_warnings() -> Iterator[None]:
    """Print what is doubtful about data, a line each, on standard error."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", datasets.DataWarning)
        yield
    for warning in heard:
        Common().warn(str(warning.message))


def check_columns(model: BinaryDensity, origin: Origin) -> None:
    """Raise ValueError if rows have other names, or another order of them, than the model's."""
    names = fitted_columns(model)
    if origin.columns is None or names is None or list(origin.columns) == list(names):
        return
    pairs = zip(names, origin.columns, strict=False)  # of another width: that is said later
    for k, (name, other) in enumerate(pairs, 1):
        if name != other:
            raise ValueError(
                f"{origin.path} has {other!r} as column {k} where the model was fitted on "
                f"{name!r}; give it the same columns in the same order"
            )


def fitted_columns(model: BinaryDensity) -> Sequence[str] | None:
    """Return the names of the columns that a model was fitted on; None if they had none."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def picture(out: Path, kind: str, *what: Any) -> None:
    """Write one of the pictures in `plots`, drawn of the rest."""
    from chainrule import plots  # matplotlib takes a while, and most never draw

    plots.save(getattr(plots, kind)(*what), out)


def check_output(path: Path, *kinds: str) -> None:
    """Raise, before any work is done, if `path` cannot be written or is of another kind."""
    if path.suffix.lower() not in kinds:
        raise ValueError(f"cannot tell what to write from {path}; end it in {' or '.join(kinds)}")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OSError(f"could not write {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise OSError(f"could not write {path}: {folder} cannot be written to; name another")


def write_rows(path: Path, rows: NDArray[Any], columns: Sequence[str] | None = None) -> None:
    """Write an array as .npy, or as .csv or .txt with a line a row; whole or not at all.

    columns: names for the first line of a .csv, left out if they would be read as a row.
    """
    with replacing(path) as temporary:
        if path.suffix.lower() == ".npy":
            with open(temporary, "wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(rows), allow_pickle=False)
            return
        is_csv, names = path.suffix.lower() == ".csv", tables.header(columns)
        with open(temporary, "w", newline="", encoding="utf-8") as text:
            lines = csv.writer(text, delimiter="," if is_csv else " ")
            if is_csv and names is not None:
                lines.writerow(names)
            lines.writerows(rows.reshape(len(rows), -1).tolist())
