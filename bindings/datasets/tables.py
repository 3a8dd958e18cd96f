"""Read tables of numbers from text, packed or not: one row a line.

| what | is taken for |
|---|---|
| rows like 01101 | digits, a column each |
| tab, semicolon, comma: the first of these in the second line; else blanks | the delimiter |
| "1", true, False | numbers: 1, 1 and 0 |
| nothing, NA, NaN, null | a missing value |
| a first line without a number | column names |
| a first line 0, 1, 2, … or 1, 2, 3, … that counts beyond every value below | column names |
| a first column that alone has no name | pandas' index, which is left out |
| a blank line, or one that begins with # | nothing |

A first line 0,1 may be either: it is taken for a row, and a `DataWarning` says so. Lines and
columns are counted from 1, as editors do.
"""

import csv
import warnings
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import readers
from chainrule.datasets.lines import Line, Lines, blocks, opened

SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = ("\t", ";", ",")
MISSING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"))
WORDS = {"true": 1.0, "false": 0.0}

Names = tuple[str, ...]


class DataWarning(UserWarning):
    """Data that may not be meant as they were taken; the text says how to make it plain."""


class Table(NamedTuple):
    """Rows and where they stand.

    Attributes:
        x: (N, D), uint8 where all are whole numbers from 0 to 255, else float64.
        lines: (N,), the number of each row's line, from 1.
        columns: names of the columns; None without a header.
        left_out: how many columns stand before those of x.
    """

    x: NDArray[Any]
    lines: NDArray[Any]
    columns: Names | None = None
    left_out: int = 0


class _Layout(NamedTuple):
    """How lines are cut up; `counted` is the first row as written, if it counts."""

    delimiter: str | None
    width: int
    names: Names | None
    left_out: int
    counted: Names | None

    def place(self, number: int, k: int) -> str:
        """Return where field k of a line stands."""
        name = f" ({self.names[k - self.left_out]!r})" if self.names else ""
        return f"line {number}, column {k + 1}{name}"


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
    with readers.one_sentence(name, "a table of numbers"), opened(source) as text:
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
    return columns if _are_names(columns) or (len(columns) > 2 and _count(columns)) else None


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
    """Return fields with delimiters as numbers; `head` are the first two lines."""
    layout = _layout(head)
    rows = head if layout.names is None else head[1:]
    alone = [] if layout.counted is None else [rows[:1]]  # which may be names after all
    parts, numbers = [], []
    for block in chain(alone, blocks(chain(rows[len(alone) :], lines))):
        parts.append(_compact(_values(block, layout, missing)))
        numbers.append(np.array([number for number, _ in block]))
    if not parts:
        raise ValueError("it holds column names alone; give a row at least")
    if layout.width == 1 and lines.gap and not missing:
        raise ValueError(f"line {lines.gap} is empty; fill it in or remove it")
    if layout.left_out:
        _warn(name, "the first column has no name: it was taken for an index and left out")
    names, begin = layout.names, 0
    if layout.counted is not None and len(parts) > 1:
        if _beyond(layout.counted, parts[1:]):
            names, begin = layout.counted, 1
        elif layout.counted[0] == "0" and (layout.delimiter or layout.width == 1):
            _warn(
                name,
                f"the first line, {', '.join(layout.counted)}, was taken for a row; if it holds "
                "column names, write a letter into them",
            )
    x, at = np.concatenate(parts[begin:]), np.concatenate(numbers[begin:])
    return Table(x, at, names, layout.left_out)


def _layout(head: list[Line]) -> _Layout:
    """Return how lines are cut up, from the first two."""
    delimiter = next((d for _, line in head[::-1] for d in DELIMITERS if d in line), None)
    fields = _fields(head[0][1], delimiter)
    rest, width = fields[1:], len(fields)
    if rest and not fields[0] and _are_whole_names(rest):
        return _Layout(delimiter, width, rest, 1, None)
    if _are_names(fields):
        return _Layout(delimiter, width, fields, 0, None)
    return _Layout(delimiter, width, None, 0, fields if _count(fields) else None)


def _are_names(fields: Sequence[str]) -> bool:
    """Return whether no field is a number, and some are not even missing values."""
    values = [_number(field) for field in fields]
    return None in values and all(value is None or value != value for value in values)


def _are_whole_names(fields: Sequence[str]) -> bool:
    """Return whether fields behind an empty one are names each, or count as no bits do."""
    return all(_number(f) is None for f in fields) or (len(fields) > 2 and _count(fields))


def _count(fields: Sequence[str]) -> bool:
    """Return whether fields count upwards from 0 or 1."""
    return any(all(field == str(k) for k, field in enumerate(fields, base)) for base in (0, 1))


def _beyond(counted: Names, parts: list[NDArray[Any]]) -> bool:
    """Return whether a line counts, over more than two columns, beyond every value of parts."""
    largest = max(float(np.fmax.reduce(part, axis=None)) for part in parts)
    return len(counted) > 2 and float(counted[-1]) > largest


def _warn(name: str, text: str) -> None:
    warnings.warn(f"{name}: {text}", DataWarning, stacklevel=2)


def _fields(line: str, delimiter: str | None) -> Names:
    """Return the fields of a line."""
    if delimiter is None and '"' not in line:
        return tuple(line.split())
    [fields] = csv.reader([line], delimiter=delimiter or " ", skipinitialspace=True)
    return tuple(field.strip() for field in fields)


def _number(field: str) -> float | None:
    """Return the number that a field stands for, NaN if it is missing; None for a word."""
    word = field.lower()
    if word in MISSING:
        return np.nan
    if word in WORDS:
        return WORDS[word]
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def _values(block: list[Line], layout: _Layout, missing: bool) -> NDArray[np.float64]:
    """Return the numbers of some lines, all of one width."""
    text = [line for _, line in block]
    try:
        x = np.loadtxt(text, delimiter=layout.delimiter, comments=None, quotechar='"', ndmin=2)
    except ValueError:
        return _field_by_field(block, layout, missing)
    if x.shape != (len(block), layout.width) or not np.isfinite(x).all():
        return _field_by_field(block, layout, missing)
    return x[:, layout.left_out :]


def _field_by_field(block: list[Line], layout: _Layout, missing: bool) -> NDArray[np.float64]:
    """Return what `_values` does, slower, or name the field that is no number."""
    rows = []
    for number, line in block:
        fields = _fields(line, layout.delimiter)
        if len(fields) != layout.width:
            raise ValueError(f"line {number} has {len(fields)} fields, the first {layout.width}")
        row = []
        for k in range(layout.left_out, layout.width):
            value = _number(fields[k])
            if value is None or abs(value) == np.inf or (value != value and not missing):
                raise ValueError(f"{layout.place(number, k)} {_wrong(fields[k], number)}")
            row.append(value)
        rows.append(row)
    return np.array(rows, np.float64)


def _wrong(field: str, number: int) -> str:
    """Return what is wrong with a field of a line."""
    if not field:
        return "is empty; fill in or drop such rows first"
    if _number(field) is not None:
        return f"holds {field}; fill in or drop such rows first"
    shown = repr(field if len(field) < 40 else f"{field[:40]}…")
    return f"holds {shown}, which is no number" + (
        "; column names must all be words" if number == 1 else ""
    )


def _compact(x: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers from 0 to 255 as uint8, others as they are."""
    small = bool(((x >= 0) & (x <= 255) & (x == np.floor(x))).all())
    return x.astype(np.uint8) if small else x
