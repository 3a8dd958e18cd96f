"""Columns of a table of text, gathered block by block: of numbers, of bools, or of words.

A column is of words if more of its fields are words than numbers; else its first word is an error.
Words are numbered as they come, so a column takes 4 bytes a row and each word once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import fields
from chainrule.datasets.fields import Dialect
from chainrule.datasets.lines import Line
from chainrule.encoders.frames import Coded, Frame, Raw
from chainrule.encoders.variables import MOST

Array = NDArray[Any]
Wrong = tuple[
    int, int, str
]  # a field that cannot be: its line, its column among those kept, itself


class _Words:
    """A column of words so far, and how many of its fields are numbers."""

    def __init__(self, first: Wrong, n_numbers: int) -> None:
        """Begin at the first word; n_numbers stand in whole blocks before it."""
        self.first, self.n_numbers, self.n_words = first, n_numbers, 0
        self.number: dict[str, int] = {}
        self.codes: list[NDArray[np.int32]] = []

    @property
    def are_none(self) -> bool:
        """Whether most fields are numbers after all."""
        return self.n_numbers >= self.n_words


class Gathered:
    """The rows so far.

    missing: whether values may be missing.
    """

    def __init__(self, dialect: Dialect, missing: bool) -> None:
        """Begin without rows."""
        self._dialect, self._missing = dialect, missing
        self.parts: list[Array] = []
        self._words: dict[int, _Words] = {}
        self._bools = np.ones(dialect.width - dialect.left_out, bool)  # all fields so far are bools

    def add(self, block: Sequence[Line]) -> None:
        """Take some lines.

        Raises:
            ValueError: a line of another width, or a field that its column cannot have.
        """
        numbers = None if self._words else self._quickly(block)
        if numbers is not None:
            self._bools[:] = False
        else:
            numbers = self._field_by_field(block)
        self.parts.append(compact(numbers))

    def _quickly(self, block: Sequence[Line]) -> Array | None:
        """Return the numbers of some lines; None where they are more, or less, than numbers."""
        text = [line for _, line in block]
        try:
            x = np.loadtxt(
                text, delimiter=self._dialect.delimiter, comments=None, quotechar='"', ndmin=2
            )
        except ValueError:
            return None
        if x.shape != (len(block), self._dialect.width) or not np.isfinite(x).all():
            return None
        return x[:, self._dialect.left_out :]

    def _field_by_field(self, block: Sequence[Line]) -> Array:
        """Return what numbers there are, and keep the words; or name the first field that is wrong.

        Raises:
            ValueError: see `add`.
        """
        rows = [self._dialect.fields(number, line) for number, line in block]
        lines, first = [number for number, _ in block], self._dialect.left_out
        x = np.zeros((len(rows), self._dialect.width - first))
        wrong: list[Wrong] = []
        for k, column in enumerate(list(zip(*rows, strict=True))[first:]):
            values = [fields.number(field) for field in column]
            if None in values and k not in self._words:
                n = values.index(None)
                self._words[k] = words = _Words((lines[n], k, column[n]), self._n_rows)
                if self._n_rows:  # whole blocks of numbers, and then a word
                    wrong.append(words.first)
            if k in self._words:
                self._bools[k] = False
                wrong += self._keep(self._words[k], k, column, values, lines)
            else:
                x[:, k] = values
                wrong += self._check(k, column, x[:, k], lines)
        self._refuse(wrong)
        return x

    @property
    def _n_rows(self) -> int:
        return sum(map(len, self.parts))

    def _refuse(self, wrong: Sequence[Wrong]) -> None:
        """Raise ValueError for the first of the fields that are wrong, if there are any."""
        if wrong:
            line, k, field = min(wrong)
            place = self._dialect.place(line, k + self._dialect.left_out)
            raise ValueError(f"{place} {fields.wrong(field, line)}")

    def _check(
        self, k: int, column: Sequence[str], values: Array, lines: Sequence[int]
    ) -> list[Wrong]:
        """Return the first field of a column of numbers that is none, and see if all are bools."""
        there = (field for field, value in zip(column, values, strict=True) if value == value)
        self._bools[k] = self._bools[k] and all(field.lower() in fields.BOOLS for field in there)
        wrong = np.isinf(values) if self._missing else ~np.isfinite(values)
        n = int(np.argmax(wrong))
        return [(lines[n], k, column[n])] if wrong.any() else []

    def _keep(
        self,
        words: _Words,
        k: int,
        column: Sequence[str],
        values: Sequence[float | None],
        lines: Sequence[int],
    ) -> list[Wrong]:
        """Number the words of a column; return those that cannot be."""
        wrong, known = [], words.number
        codes = np.full(len(column), -1, np.int32)
        for n, (field, value) in enumerate(zip(column, values, strict=True)):
            if value is not None and value != value and field.lower() != "none":  # may be a word
                if not self._missing:
                    wrong.append((lines[n], k, field))
                continue
            words.n_words += value is None
            words.n_numbers += value is not None and value == value
            if value is None and field not in known and fields.spelt(field):
                wrong.append((lines[n], k, field))
            codes[n] = known.setdefault(field, len(known))
        words.codes.append(codes)
        if len(known) > MOST and not words.are_none:
            place = self._dialect.place(words.first[0], k + self._dialect.left_out)
            raise ValueError(
                f"{place} and below it are more than {MOST:,} different words; leave that "
                "column out"
            )
        return [*wrong, words.first] if len(known) > MOST else wrong

    def table(self, begin: int = 0) -> Array | Frame:
        """Return all rows from part `begin` on: an array of numbers, or a table by columns.

        Raises:
            ValueError: a column in which most fields are numbers, and some are words.
        """
        self._refuse([words.first for words in self._words.values() if words.are_none])
        x: Array = np.concatenate(self.parts[begin:])
        if not self._words and (not self._bools.any() or _bits(x)):
            return x
        raws = [
            coded(self._words[k]) if k in self._words else self._raw(x[:, k], bool(self._bools[k]))
            for k in range(x.shape[1])
        ]
        return Frame(raws, self._dialect.names)

    def _raw(self, column: Array, bools: bool) -> Raw:
        """Return numbers as bools, whole numbers, or as they are."""
        lacking = np.isnan(column)
        if bools:  # where some are missing a bool is an object, as in pandas
            told: Array = (column == 1).astype(object if lacking.any() else bool)
            told[lacking] = None
            return told
        if lacking.any():
            return column
        exact = (np.abs(column) < 2.0**53) & (column == np.floor(column))
        return column.astype(np.int64) if exact.all() else column


def coded(words: _Words) -> Coded:
    """Return a column of words, which are known whatever rows are selected, sorted."""
    known = sorted(words.number)
    place = np.empty(len(known) + 1, np.int32)
    place[-1] = -1  # what is missing stays so
    for code, word in enumerate(known):
        place[words.number[word]] = code
    return Coded(place[np.concatenate(words.codes)], tuple(known))


def _bits(x: Array) -> bool:
    return bool((np.isnan(x) | (x == 0) | (x == 1)).all())


def compact(x: Array) -> Array:
    """Return whole numbers from 0 to 255 as uint8, others as they are."""
    small = bool(((x >= 0) & (x <= 255) & (x == np.floor(x))).all())
    return x.astype(np.uint8) if small else x
