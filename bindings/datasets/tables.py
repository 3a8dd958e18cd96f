"""Read tables from text, packed or not: one row a line, columns of numbers, bools or words.

| what | is taken for |
|---|---|
| rows like 01101 | digits, a column each |
| what `dialects` says of the first lines | the delimiter, column names |
| "1", true, False, −1 | numbers: 1, 1, 0 and -1 |
| nothing, NA, N/A, NaN, null | a missing value, unless `column_types` lists it as a word |
| a column with more words than numbers | words, whose numbers are words, too |
| a column with a word, said to be "categorical" | words, whose numbers are words, too |
| a column in which a whole number has a leading zero | words, and a `DataWarning` says so |
| a word in another column; 3,5 or 1,000 or 5% anywhere | an error that names it |
| 3,5 where decimal="," says so | 3.5, and then a number with a point is an error |
| a first column that alone has no name | pandas' index, which is left out |
| a blank line, or one above all others that begins with # | nothing |
| a first line like sep=; as Excel writes it | the delimiter |

A table without words is one array, and bools in it are numbers unless other numbers stand beside
their columns. Any other is a `Frame`, by columns, each with a type of its own.

Where the first line may be meant otherwise than it was taken a `DataWarning` says so, and header
says which it is. Lines and columns are counted from 1, as editors do.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import dialects, fields, headers, readers
from chainrule.datasets.fields import Names
from chainrule.datasets.gathering import Gathered
from chainrule.datasets.lines import FIRST, Line, Lines, blocks, first, opened
from chainrule.encoders import doubts
from chainrule.encoders.coded import Coded
from chainrule.encoders.frames import Frame

POINT, COMMA = fields.POINT, fields.COMMA
SPELT = {",": "comma", ";": "semicolon", "\t": "tab"}
SUFFIXES = (".csv", ".tsv", ".txt")


class Table(NamedTuple):
    """Rows and where they stand.

    Attributes:
        x: (N, D), uint8 where all are whole numbers from 0 to 255, else float64; a `Frame` where
            there are words, or bools beside numbers.
        lines: (N,), the number of each row's line, from 1.
        columns: names of the columns; None without a header.
        left_out: how many columns stand before those of x.
        before: (N,), the fields of the one that does, words.
    """

    x: NDArray[Any] | Frame
    lines: NDArray[Any]
    columns: Names | None = None
    left_out: int = 0
    before: NDArray[Any] | None = None


def is_table(path: Path) -> bool:
    """Return whether a file's name is that of a table of text."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def read(
    source: Path | IO[bytes],
    name: str | None = None,
    missing: bool = False,
    header: bool | None = None,
    decimal: str = POINT,
    column_types: Any = None,
) -> Table:
    """Return the table in a file, or in an open binary stream.

    Args:
        source: a path, unpacked if it ends in .gz; or a stream.
        name: what errors call it; by default its path.
        missing: return NaN for missing values, instead of an error that names the first.
        header: whether the first line holds column names; None: as it seems, see `headers`.
        decimal: "," where numbers have a decimal comma, 3,5; then one with a point is an error.
        column_types: what the columns are, as estimators take it. One that is "categorical" is of
            words if one of its fields is, and one with a list of words in any case.

    Raises:
        ValueError: what is no such table, in one sentence with line and column.
        OSError: the file cannot be read.
    """
    name = name or str(source)
    if decimal not in (POINT, COMMA):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    with readers.one_sentence(name, "a table"), opened(source) as text:
        lines = Lines(text)
        head = first(iter(lines))
        if not head:
            but = "; lines that begin with # are comments" if lines.comments else ""
            raise ValueError(f"it is empty{but}")
        line = head[0][1].strip()
        if "\0" in line:
            raise ValueError("it is no text, or not UTF-8; save it as CSV in UTF-8")
        if len(line) > 1 and set(line) <= set("01") and not header:
            return _digits(chain(head, lines), len(line))
        return _table(head, lines, name, missing, (header, decimal), column_types)


def header(columns: Sequence[str] | None, rows: NDArray[Any]) -> Sequence[str] | None:
    """Return names that `read` takes for names above such rows, (N, D), as they are written.

    The first may be empty: that of an index.
    """
    if columns is None:
        return None
    k = int(len(columns) > 1 and not columns[0])
    below = [tuple(map(str, row)) for row in rows[:FIRST, k:].tolist()]
    return columns if headers.guess(tuple(columns[k:]), below).names else None


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


def _table(
    head: list[Line],
    lines: Lines,
    name: str,
    missing: bool,
    said: tuple[bool | None, str],
    types: Any,
) -> Table:
    """Return fields with delimiters as a table; `head` are the first lines; said: `dialect`'s."""
    dialect = dialects.dialect(head, lines.comments, *said, lines.delimiter)
    end = dialects.trailing(head, dialect)
    if end and not (missing and dialect.names is None):  # else a column of what is missing
        raise ValueError(f"its lines end with a {SPELT[end]}, and nothing behind it; take it away")
    gathered, numbers, index = Gathered(dialect, missing, types), [], []
    for block in blocks(chain(head[dialect.n_above :], lines)):
        gathered.add(block)
        numbers.append(np.array([number for number, _ in block]))
        if dialect.left_out:
            index.append(np.array([dialect.ahead(line) for _, line in block]))
    if not numbers:
        raise ValueError("it holds column names alone; give a row at least")
    if dialect.width == 1 and lines.gap and not missing:
        raise ValueError(f"line {lines.gap} is empty; fill it in or remove it")
    x = gathered.table()
    for doubt in dialect.doubts:
        _warn(name, doubt)
    for k, field in gathered.padded:
        _warn(
            name,
            f"{dialect.column(k)} has whole numbers with leading zeros, such as {field}: they were "
            "taken for words, a category each; if they are amounts, write them without",
        )
    if isinstance(x, Frame) and dialect.n_above and said[0] is None:
        _doubt_words(x, name)
    before = np.concatenate(index) if index else None
    return Table(x, np.concatenate(numbers), dialect.names, dialect.left_out, before)


def _doubt_words(x: Frame, name: str) -> None:
    """Say so where names may be a row of words, since each stands among the words below it."""
    names = tuple(map(str, x.names or ()))
    raws = [x.raw(k) for k in range(len(names))]
    if all(
        isinstance(r, Coded) and one in r.categories for r, one in zip(raws, names, strict=True)
    ):
        _warn(name, headers.said(names, names=True))


def _warn(name: str, text: str) -> None:
    doubts.warn(f"{name}: {text}")
