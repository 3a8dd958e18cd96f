"""Rows from a file or folder of any kind, and where each of them stands in it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import pictures, readers, tables
from chainrule.encoders.cells import CellError, ColumnError, shown

KINDS = ".npy, .npz, .csv, .tsv, .txt (.gz too) or a folder of pictures"


class Origin(NamedTuple):
    """Where rows come from, so that an error names a place that one can go to.

    Attributes:
        path: of the file or folder.
        rows: (N,), where each row stands: its line, counted from 1, in a text; else its index,
            counted from 0, in an array or among `files`.
        kind: "line" or "row".
        columns, left_out: as in `tables.Table`.
        before: as in `tables.Table`.
        taken_out: which column of the file, of those behind left_out, is not among the rows.
        files: the pictures' names.
        form: the shape of a row in the file, (H, W) or (H, W, C), if it has one.
    """

    path: str
    rows: NDArray[Any]
    kind: str = "row"
    columns: tuple[str, ...] | None = None
    left_out: int = 0
    files: tuple[str, ...] | None = None
    taken_out: int | None = None
    before: NDArray[Any] | None = None
    form: tuple[int, ...] | None = None

    @classmethod
    def of_array(cls, path: str, x: Any, files: tuple[str, ...] | None = None) -> "Origin":
        """Return where the rows of a whole array come from, or those of pictures."""
        form = tuple(x.shape[1:]) if x.ndim > 2 else None
        return cls(path, np.arange(len(x) if x.ndim else 0), files=files, form=form)

    def without(self, k: int) -> "Origin":
        """Return where the same rows come from without a column."""
        names = None if self.columns is None else (*self.columns[:k], *self.columns[k + 1 :])
        return self._replace(columns=names, taken_out=k, form=None)

    def select(self, part: Any) -> "Origin":
        """Return where some of the rows come from."""
        before = None if self.before is None else self.before[part]
        return self._replace(rows=self.rows[part], before=before)

    def place(self, row: int, column: int) -> str:
        """Return where a cell of the selected rows stands."""
        at = int(self.rows[row])
        if self.files is not None:
            return f"{self.column(column)} of {self.files[at]}"
        if self.kind == "row":
            return f"[{at}, {self._indices(column)}]"
        return f"{self.kind} {at}, {self.column(column)}"

    def column(self, k: int) -> str:
        """Return what a column is called: by its name too, and of a text by its number from 1."""
        if self.files is not None or self.form is not None:
            return f"pixel {k if self.form is None else f'[{self._indices(k)}]'}"
        name = f" ({shown(self.columns[k])})" if self.columns else ""
        k += self.taken_out is not None and k >= self.taken_out
        return f"column {k if self.kind == 'row' else self.left_out + k + 1}{name}"

    def _indices(self, k: int) -> str:
        """Return where a value stands in its row, as NumPy has it."""
        return ", ".join(map(str, np.unravel_index(k, self.form or (k + 1,))))


class FileRows(NamedTuple):
    """What a file holds: x, (N, D) or whatever shape an array has.

    Pictures are (N, H, W), in colour (N, H, W, 3).

    x is a `Frame` of a table with words.
    """

    x: Any
    y: NDArray[Any] | None
    origin: Origin


def read(
    path: Path,
    missing: bool = False,
    header: bool | None = None,
    decimal: str = tables.POINT,
    column_types: Any = None,
    colour: bool = False,
    on_disk: bool = False,
) -> FileRows:
    """Return what a .npy, .npz, a table of text or a folder of pictures holds.

    Of a .npz of several arrays, as training takes it, these are the test rows.

    missing, header, decimal, column_types: as in `tables.read`. colour: as in `pictures.read`.

    on_disk: whether x of a large .npy may be `RowsOnDisk`.

    Raises:
        ValueError: it is of another kind, or damaged; a header of what is no table of text.
    """
    check_text(path, header, decimal)
    if path.is_dir():
        images, labels, files = pictures.read(path, colour)
        return FileRows(images, labels, Origin.of_array(str(path), images, files))
    if tables.is_table(path):
        how = (missing, header, decimal, column_types)
        x, lines, columns, left_out, before = tables.read(path, None, *how)
        return FileRows(x, None, Origin(str(path), lines, "line", columns, left_out, before=before))
    if path.suffix.lower() == ".npy":
        array: Any = readers.npy_on_disk(path) if on_disk else readers.read_npy(path)
        return FileRows(array, None, Origin.of_array(str(path), array))
    if path.suffix.lower() == ".npz":
        return _test_rows(path)
    raise ValueError(f"{path} is of no known kind; give {KINDS}")


def _test_rows(path: Path) -> FileRows:
    """Return the rows of a .npz that has one array, or its test rows where it has several."""
    arrays = readers.read_npz(path)
    single = len(arrays) == 1
    name = next(
        (one for one in (*(arrays if single else ()), "test", "x_test") if one in arrays), ""
    )
    if not name:
        raise ValueError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; call the rows that are meant "
            "test or x_test, or save them alone"
        )
    x = arrays[name]
    if not single and "n_vars" in arrays:
        x = unpacked(path, name, x, arrays["n_vars"])
    called = str(path) if single else f"{path}, {name}"
    return FileRows(x, arrays.get("y_test"), Origin.of_array(called, x))


def unpacked(path: Path, split: str, bits: NDArray[Any], n_vars: NDArray[Any]) -> NDArray[Any]:
    """Return rows of n_vars bits that were packed along them.

    Raises:
        ValueError: they are no such rows.
    """
    n = int(n_vars) if n_vars.size == 1 else 0
    if n < 1 or bits.dtype != np.uint8 or bits.ndim != 2 or bits.shape[1] != -(-n // 8):
        raise ValueError(f"{path}: {split} does not hold {n} packed bits a row")
    return np.unpackbits(bits, axis=1, count=n)


def check_text(source: Path | str, header: bool | None, decimal: str) -> None:
    """Raise ValueError if it is said how a table of text is to be read, where there is none."""
    if tables.is_table(Path(source)):
        return
    for said, name in (
        (header is not None, f"{header=}"),
        (decimal != tables.POINT, f"{decimal=}"),
    ):
        if said:
            raise ValueError(
                f"{name} is of tables of text, {', '.join(tables.SUFFIXES)}, and {source} is none; "
                "leave it out"
            )


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
        raise ValueError(told(error, origins[error.name])) from error


def told(error: CellError | ColumnError, origin: Origin) -> str:
    """Return an error about a cell or a column as one about its place in the file."""
    k = error.column
    if isinstance(error, ColumnError):
        return error.at(origin.path, origin.column(k))
    key = origin.columns[k] if origin.columns else k
    return error.at(origin.path, origin.place(error.row, k), key)
