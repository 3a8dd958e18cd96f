"""Read tables from text, packed or not: one row a line, columns of numbers, bools or words.

| what | is taken for |
|---|---|
| rows like 01101 | digits, a column each |
| the first of tab, semicolon, comma that cuts two lines alike; else blanks | the delimiter |
| "1", true, False | numbers: 1, 1 and 0 |
| nothing, NA, NaN, null | a missing value |
| a column with more words than numbers | words, whose numbers are words, too |
| a word in another column; 3,5 or 1,000 or 5% anywhere | an error that names it |
| a first line without a number | column names |
| a first line 0, 1, 2, … or 1, 2, 3, … that counts beyond every value below | column names |
| a first column that alone has no name | pandas' index, which is left out |
| a blank line, or one that begins with # | nothing |

A table without words is one array, and bools in it are numbers unless other numbers stand beside
their columns. Any other is a `Frame`, by columns, each with a type of its own.

A first line 0,1 may be either: it is taken for a row, and a `DataWarning` says so. Lines and
columns are counted from 1, as editors do.
"""

import warnings
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import fields, readers
from chainrule.datasets.fields import Names
from chainrule.datasets.gathering import Gathered
from chainrule.datasets.lines import Line, Lines, blocks, opened
from chainrule.encoders.frames import Coded, Frame

SUFFIXES = (".csv", ".tsv", ".txt")


class DataWarning(UserWarning):
    """Data that may not be meant as they were taken; the text says how to make it plain."""


class Table(NamedTuple):
    """Rows and where they stand.

    Attributes:
        x: (N, D), uint8 where all are whole numbers from 0 to 255, else float64; a `Frame` where
            there are words, or bools beside numbers.
        lines: (N,), the number of each row's line, from 1.
        columns: names of the columns; None without a header.
        left_out: how many columns stand before those of x.
    """

    x: NDArray[Any] | Frame
    lines: NDArray[Any]
    columns: Names | None = None
    left_out: int = 0


def is_table(path: Path) -> bool:
    """Return whether a file's name is that of a table of text."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def read(source: Path | IO[bytes], name: str | None = None, missing: bool = False) -> Table:
    """Return the table in a file, or in an open binary stream.

    Args:
        source: a path, unpacked if it ends in .gz; or a stream.
        name: what errors call it; by default its path.
        missing: return NaN for missing values, instead of an error that names the first.

    Raises:
        ValueError: what is no such table, in one sentence with line and column.
        OSError: the file cannot be read.
    """
    name = name or str(source)
    with readers.one_sentence(name, "a table"), opened(source) as text:
        lines = Lines(text)
        head = list(islice(lines, 2))
        if not head:
            raise ValueError("it is empty")
        first = head[0][1].strip()
        if "\0" in first:
            raise ValueError("it is no text, or not UTF-8; save it as CSV in UTF-8")
        if len(first) > 1 and set(first) <= set("01"):
            return _digits(chain(head, lines), len(first))
        return _table(head, lines, name, missing)


def header(columns: Sequence[str] | None) -> Sequence[str] | None:
    """Return names that `read` takes for names whatever bits stand below them; else None."""
    if columns is None:
        return None
    counts = len(columns) > 2 and fields.count(columns)
    return columns if fields.are_names(columns) or counts else None


def _digits(lines: Iterable[Line], width: int) -> Table:
    """Return rows such as 01101, all `width` digits long."""
    parts, numbers = [], []
    for block in blocks(lines):
        rows = [line.strip() for _, line in block]
        for (number, _), row in zip(block, rows, strict=True):
            if len(row) != width:
                raise ValueError(f"line {number} has {len(row)} digits, the first row has {width}")
        flat = "".join(rows).encode("ascii", "replace")
        values = np.frombuffer(flat, np.uint8).reshape(-1, width) - ord("0")
        if values.max() > 1:
            number = block[int(np.argmax(values.max(axis=1) > 1))][0]
            raise ValueError(f"line {number} mixes digits like 01101 with other values")
        parts.append(values)
        numbers.append(np.array([number for number, _ in block]))
    return Table(np.concatenate(parts), np.concatenate(numbers))


def _table(head: list[Line], lines: Lines, name: str, missing: bool) -> Table:
    """Return fields with delimiters as a table; `head` are the first two lines."""
    dialect = fields.dialect([line for _, line in head])
    rows = head if dialect.names is None else head[1:]
    alone = [] if dialect.counted is None else [rows[:1]]  # which may be names after all
    gathered, numbers = Gathered(dialect, missing), []
    for block in chain(alone, blocks(chain(rows[len(alone) :], lines))):
        gathered.add(block)
        numbers.append(np.array([number for number, _ in block]))
    if not numbers:
        raise ValueError("it holds column names alone; give a row at least")
    if dialect.width == 1 and lines.gap and not missing:
        raise ValueError(f"line {lines.gap} is empty; fill it in or remove it")
    counts = dialect.counted is not None and len(numbers) > 1
    begin = int(counts and _beyond(dialect.counted or (), gathered.parts[1:]))
    names = dialect.counted if begin else dialect.names
    x, at = gathered.table(begin), np.concatenate(numbers[begin:])
    if dialect.left_out:
        _warn(name, "the first column has no name: it was taken for an index and left out")
    if dialect.counted and counts and not begin and dialect.counted[0] == "0":
        if dialect.delimiter or dialect.width == 1:
            _warn(
                name,
                f"the first line, {', '.join(dialect.counted)}, was taken for a row; if it holds "
                "column names, write a letter into them",
            )
    if isinstance(x, Frame):
        x.names = names
        _check_names(x, name)
    return Table(x, at, names, dialect.left_out)


def _check_names(x: Frame, name: str) -> None:
    """Say what is doubtful about the names of a table with words.

    Raises:
        ValueError: two columns have one name.
    """
    if x.names is None:
        return
    names = tuple(map(str, x.names))
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise ValueError(f"two columns are called {twice!r}; rename one of them")
    raws = [x.raw(k) for k in range(len(names))]
    if all(
        isinstance(r, Coded) and one in r.categories for r, one in zip(raws, names, strict=True)
    ):
        _warn(
            name,
            f"the first line, {', '.join(names[:5])}, was taken for column names, and its words "
            "stand below it, too; if it is a row, write a line of names above it",
        )


def _beyond(counted: Names, parts: list[NDArray[Any]]) -> bool:
    """Return whether a line counts, over more than two columns, beyond every value of parts."""
    largest = max(float(np.fmax.reduce(part, axis=None)) for part in parts)
    return len(counted) > 2 and float(counted[-1]) > largest


def _warn(name: str, text: str) -> None:
    warnings.warn(f"{name}: {text}", DataWarning, stacklevel=2)
