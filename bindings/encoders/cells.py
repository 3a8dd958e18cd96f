"""Errors about one cell of a table: which it is, what is wrong with it, and what to do.

A cell of a user's table is called by its index, [5, 1], or where columns have names [5, 'age'], as
Python counts, from 0. Of a file lines and columns are counted from 1, as editors do, and called so.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

DROP = "fill in or drop such rows first"
QUOTED = 60  # characters of a value that errors quote, at most
IN_QUOTES = re.compile(r"""(?<!\w)(?:'[^'\n]*'|"[^"\n]*")""")
FILL = f"{DROP}, or let OrderlessNADE fill them in"
GIVEN = "given"  # the table of which cells are read only where they are observed


def shown(value: Any) -> str:
    """Return a value as errors quote it: its repr, cut where it is long."""
    text = repr(value)
    if isinstance(value, str):
        return short(text)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def short(sentence: str) -> str:
    """Return a sentence in which nothing between quotes is longer than QUOTED characters."""

    def cut(one: re.Match[str]) -> str:
        quoted = one[0]
        return quoted if len(quoted) <= QUOTED + 2 else f"{quoted[: QUOTED + 1]}…{quoted[0]}"

    return IN_QUOTES.sub(cut, sentence)


class CellError(ValueError):
    """A value that cannot be used. Its place is counted from 0, as NumPy counts.

    Attributes:
        sentence: what is wrong, with {name} and {place} in it, and perhaps {key}, by which
            column_types calls the column.
        name: of the argument. row, column: of the cell. label: the column's name, if it has one.
    """

    def __init__(self, sentence: str, name: str, row: int, column: int, label: Any = None) -> None:
        """Keep what is given."""
        super().__init__(
            sentence, name, int(row), int(column), label
        )  # all of them, so that it can be pickled
        self.sentence, self.name, self.row, self.column = sentence, name, int(row), int(column)
        self.label = label

    def __str__(self) -> str:
        """Return the sentence."""
        key = self.column if self.label is None else self.label
        return self.at(self.name, f"[{self.row}, {key!r}]", key)

    def at(self, name: str, place: str, key: Any) -> str:
        """Return the sentence about a cell that has another name, such as a line of a file."""
        told = self.sentence.replace("{name}", name).replace("{place}", place)
        return short(told.replace("{key}", repr(key)))


class ColumnError(ValueError):
    """A column that cannot be used. Its number is counted from 0, as NumPy counts.

    Attributes:
        sentence: what is wrong, with {name} and {place} in it.
        name: of the argument. column: its number. label: its name, if it has one.
    """

    def __init__(self, sentence: str, name: str, column: int, label: Any = None) -> None:
        """Keep what is given."""
        super().__init__(sentence, name, int(column), label)  # all of them, to be pickled
        self.sentence, self.name, self.column, self.label = sentence, name, int(column), label

    def __str__(self) -> str:
        """Return the sentence."""
        where = f"[:, {self.column}]" if self.label is None else repr(self.label)
        return self.at(self.name, f"column {where}")

    def at(self, name: str, place: str) -> str:
        """Return the sentence about a column that has another name, such as a file's header."""
        return short(self.sentence.replace("{name}", name).replace("{place}", place))


def missing(
    what: str, name: str, row: int, column: int, label: Any = None, advice: str = FILL
) -> CellError:
    """Return the error about a cell that holds no finite number."""
    # Whatever is advised elsewhere, among given values there is nothing to fill in or to drop.
    if name == GIVEN and (advice == FILL or what == "NaN"):
        what = f"{what} among observed values"
        advice = "give a value there, or leave it out of observed"
    sentence = f"{{name}} contains {what} (first at {{place}}); {advice}"
    return CellError(sentence, name, row, column, label)


def empty(what: str, name: str, column: int, label: Any = None) -> ColumnError:
    """Return the error about a column that holds nothing at all."""
    sentence = (
        f"{{name}} contains {what} alone in {{place}}, which says nothing; leave that column out "
        "of the fit, or fill it in"
    )
    return ColumnError(sentence, name, column, label)


def words(name: str, column: int, label: Any, word: Any) -> CellError:
    """Return the error about a column of words where numbers are wanted; `word` is its first."""
    sentence = (
        f"{{name}} holds {word!r} at {{place}}, which is no number; leave that column out, or fit "
        "TableNADE, which takes words"
    )
    return CellError(sentence, name, 0, column, label)


def not_finite(
    part: NDArray[Any], name: str, first: int = 0, advice: str = FILL
) -> CellError | None:
    """Return the error about the first NaN or infinity in rows `first` … of a table, if any.

    advice: what to do about NaN.
    """
    if part.dtype.kind != "f" or np.isfinite(part).all():
        return None
    row, column = np.argwhere(~np.isfinite(part))[0]
    if np.isnan(part[row, column]):
        return missing("NaN", name, first + row, column, advice=advice)
    return missing("inf", name, first + row, column, advice=DROP)


def not_binary(part: NDArray[Any], name: str, first: int, low: float, high: float) -> CellError:
    """Return the error about the first value but 0 and 1 in rows `first` … of a table.

    low, high: the least and the largest value of the whole table, which give the threshold. But
    where most of what is not 0 is 1, the others are slips, or a column that is no variable.
    """
    row, column = np.argwhere((part != 0) & (part != 1))[0]
    got = f"{{name}} must hold only 0 and 1, got {part[row, column].item()} at {{place}}; "
    if (part == 1).sum() > (part != 0).sum() / 2:
        sentence = f"{got}most other values are 0 and 1, so mend it or leave its column out"
        return CellError(sentence, name, first + row, column)
    half = threshold(min(low, 0), high) if low == high else threshold(low, high)
    values = f"go from {low:g} to {high:g}" if low < high else f"are all {high:g}"
    sentence = (
        f"{got}binarize it first, for example {{name}} > {half:g} as its values {values}, or set "
        f"binarize to {half:g}"
    )
    return CellError(sentence, name, first + row, column)


def threshold(low: float, high: float) -> float:
    """Return a number that halves low … high, short to write: 127 for 0 … 255."""
    if 0 <= low < 0.5 < high <= 1:
        return 0.5
    middle = (low + high) / 2
    if float(low).is_integer() and float(high).is_integer():
        return float(np.floor(middle))
    short = float(f"{middle:.2g}")
    return short if low <= short < high else middle
