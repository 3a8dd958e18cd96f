"""Rows from a file or folder of any kind, and where each of them stands in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import pictures, readers, tables
from chainrule.encoders.cells import CellError, ColumnError

KINDS = ".npy, .csv, .tsv, .txt (.gz too) or a folder of pictures"


class Origin(NamedTuple):
    """Where rows come from, so that an error names a place that one can go to.

    Attributes:
        path: of the file or folder.
        rows: (N,), where each row stands: its line, counted from 1, in a text; else its number,
            counted from 0, in an array or among `files`.
        kind: "line" or "row".
        columns, left_out: as in `tables.Table`.
        files: the pictures' names.
    """

    path: str
    rows: NDArray[Any]
    kind: str = "row"
    columns: tuple[str, ...] | None = None
    left_out: int = 0
    files: tuple[str, ...] | None = None

    def select(self, part: Any) -> "Origin":
        """Return where some of the rows come from."""
        return self._replace(rows=self.rows[part])

    def place(self, row: int, column: int) -> str:
        """Return where a cell of the selected rows stands."""
        at = int(self.rows[row])
        if self.files is not None:
            return f"pixel {column} of {self.files[at]}"
        return f"{self.kind} {at}, {self.column(column)}"

    def column(self, k: int) -> str:
        """Return what a column is called: by its name too, and of a text by its number from 1."""
        if self.files is not None:
            return f"pixel {k}"
        name = f" ({self.columns[k]!r})" if self.columns else ""
        return f"column {k if self.kind == 'row' else self.left_out + k + 1}{name}"


class FileRows(NamedTuple):
    """What a file holds: x, (N, D) or whatever shape an array has; pictures are (N, H, W).

    x is a `Frame` of a table with words.
    """

    x: Any
    y: NDArray[Any] | None
    origin: Origin


def read(path: Path, missing: bool = False) -> FileRows:
    """Return what a .npy, a table of text or a folder of pictures holds.

    missing: as in `tables.read`.

    Raises:
        ValueError: it is of another kind, or damaged.
    """
    if path.is_dir():
        images, labels, files = pictures.read(path)
        return FileRows(images, labels, Origin(str(path), np.arange(len(images)), files=files))
    if tables.is_table(path):
        x, lines, columns, left_out = tables.read(path, missing=missing)
        return FileRows(x, None, Origin(str(path), lines, "line", columns, left_out))
    if path.suffix.lower() == ".npy":
        x = readers.read_npy(path)
        return FileRows(x, None, Origin(str(path), np.arange(len(x) if x.ndim else 0)))
    raise ValueError(f"{path} is of no known kind; give {KINDS}")


def stem(path: Path) -> str:
    """Return a file's name without what says its kind."""
    return Path(path.name.removesuffix(".gz")).stem


@contextmanager
def naming(origins: Mapping[str, Origin]) -> Iterator[None]:
    """Let errors about a cell or a column name its place in the file.

    origins: what the rows were called as they were checked, to where they come from.
    """
    try:
        yield
    except (CellError, ColumnError) as error:
        if error.name not in origins:
            raise
        origin, k = origins[error.name], error.column
        place = origin.place(error.row, k) if isinstance(error, CellError) else origin.column(k)
        raise ValueError(error.at(origin.path, place)) from error
