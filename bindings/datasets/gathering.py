"""Columns of a table of text, gathered block by block: of numbers, of bools, or of words.

A column is of words if more of its fields are words than numbers; else its first word is an error.
And it is if one of its whole numbers has a leading zero, as zip codes have, which a number loses;
or if it was said to be categorical, and one of its fields is a word; or to be of certain words.
A word that was listed is no missing value, whatever it is: "NA" may be one.
Words are numbered as they come, so a column takes 4 bytes a row and each word once.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import fields
from chainrule.datasets.dialects import BLANKS, Dialect
from chainrule.datasets.lines import Line
from chainrule.encoders import column_types
from chainrule.encoders.coded import Coded, Raw
from chainrule.encoders.frames import Frame
from chainrule.encoders.variables import MOST

Array = NDArray[Any]
Wrong = tuple[int, int, str]  # what cannot be: its line, its column among those kept, itself
OF_NUMBERS = np.isin(np.arange(256), list(b"0123456789.eE+-"))  # by byte: may be before a digit


class _Words:
    """A column of words so far, and how many of its fields are numbers.

    padded: the first whole number with a leading zero, "" without; it makes words of them all.
    said: whether the column was said to be of categories, which makes words of them all, too.
    listed: its words, where they were said.
    """

    def __init__(
        self, first: Wrong, n_numbers: int, said: bool, listed: Iterable[Any] = ()
    ) -> None:
        """Begin at the first word; n_numbers stand in whole blocks before it."""
        self.listed = frozenset(map(str, listed))
        self.first, self.n_numbers, self.n_words, self.padded = first, n_numbers, 0, ""
        self.said = said
        self.number: dict[str, int] = {}
        self.codes: list[NDArray[np.int32]] = []

    @property
    def are_few(self) -> bool:
        """Whether most fields are numbers."""
        return self.n_numbers >= self.n_words

    @property
    def are_none(self) -> bool:
        """Whether most fields are numbers, and stay so."""
        return self.are_few and not self.padded and not self.said

    def spell(self, numbers: Array) -> None:
        """Take whole numbers, NaN where one is missing, that were read before as words."""
        for value in numbers[numbers == numbers].tolist():
            self.number.setdefault(str(int(value)), len(self.number))
        known = (-1 if v != v else self.number[str(int(v))] for v in numbers.tolist())
        self.codes.append(np.fromiter(known, np.int32, len(numbers)))


class Gathered:
    """The rows so far.

    missing: whether values may be missing. types: what the columns were said to be.
    """

    def __init__(self, dialect: Dialect, missing: bool, types: Any = None) -> None:
        """Begin without rows."""
        self._dialect, self._missing = dialect, missing
        self.parts: list[Array] = []
        D = dialect.width - dialect.left_out
        self._said = column_types.said(types, dialect.names, D)
        self._words = {
            k: _Words((0, k, ""), 0, True, said)
            for k, said in enumerate(self._said)
            if column_types.are_words(said)
        }
        self._bools = np.ones(D, bool)  # all fields so far are bools

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
        delimiter = self._dialect.delimiter
        if self._dialect.decimal == fields.COMMA:
            if delimiter == "," or any('"' in line or "." in line for line in text):
                return None
            text = [line.replace(",", ".") for line in text]
        if _holds_padded("".join(text)):
            return None
        try:
            x = np.loadtxt(
                text,
                delimiter=None if delimiter in (BLANKS, "") else delimiter,
                comments=None,
                quotechar='"',
                ndmin=2,
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
            padded = next(filter(fields.PADDED.fullmatch, column), "")
            if (None in values or padded) and k not in self._words:
                n = values.index(None) if None in values else column.index(padded)
                said = self._said[k] == "categorical"
                self._words[k] = _Words((lines[n], k, column[n]), self._n_rows, said)
                if self._n_rows:
                    wrong += self._spelt_before(k, bool(padded) or said)
            if k in self._words:
                self._words[k].padded = self._words[k].padded or padded
                self._bools[k] = False
                wrong += self._keep(self._words[k], k, column, values, lines)
            else:
                x[:, k] = values
                wrong += self._check(k, column, x[:, k], lines)
        self._refuse(wrong)
        return x

    def _spelt_before(self, k: int, all_: bool) -> list[Wrong]:
        """Make words of the whole blocks of numbers in a column; or return its first word.

        That can be done of whole numbers, where all_ are words: as they were said to be, or as one
        has a leading zero.
        """
        words, before = self._words[k], np.concatenate([part[:, k] for part in self.parts])
        there = before[before == before]
        if not all_ or self._bools[k] or (there != np.floor(there)).any():
            return [words.first]
        words.spell(before)
        return []

    @property
    def _n_rows(self) -> int:
        return sum(map(len, self.parts))

    def _refuse(self, wrong: Sequence[Wrong]) -> None:
        """Raise ValueError for the first of the fields that are wrong, if there are any."""
        if wrong:
            line, k, field = min(wrong)
            where = f"line {line}, {self._dialect.column(k)}"
            advice = ""
            if k in self._words and self._words[k].are_none and self._said[k] is None:
                key = self._dialect.names[k] if self._dialect.names else k
                advice = f'; if these are categories, say column_types={{{key!r}: "categorical"}}'
            raise ValueError(f"{where} {fields.wrong(field, line, advice)}")

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
            a_word = field.lower() == "none" or field in words.listed  # or may be one
            if value is not None and value != value and not a_word:
                if not self._missing:
                    wrong.append((lines[n], k, field))
                continue
            words.n_words += value is None
            words.n_numbers += value is not None and value == value
            if value is None and field not in known and not words.said and fields.spelt(field):
                wrong.append((lines[n], k, field))
            codes[n] = known.setdefault(field, len(known))
        words.codes.append(codes)
        if len(known) > MOST and not words.are_none:
            where = f"line {words.first[0]}, {self._dialect.column(k)}"
            raise ValueError(
                f"{where} and below it are more than {MOST:,} different words; leave that "
                "column out"
            )
        return [*wrong, words.first] if len(known) > MOST else wrong

    @property
    def padded(self) -> list[tuple[int, str]]:
        """The columns that are of words for a leading zero alone, and the first such field."""
        all_ = self._words.items()
        return [(k, words.padded) for k, words in all_ if words.padded and words.are_few]

    def table(self) -> Array | Frame:
        """Return all rows: an array of numbers, or a table by columns.

        Raises:
            ValueError: a column in which most fields are numbers, and some are words.
        """
        self._refuse([words.first for words in self._words.values() if words.are_none])
        x: Array = np.concatenate(self.parts)
        bools = [
            bool(so_far) and not np.isnan(x[:, k]).all() for k, so_far in enumerate(self._bools)
        ]
        if not self._words and (not any(bools) or _bits(x)):
            return x
        raws = [
            coded(self._words[k]) if k in self._words else self._raw(x[:, k], bools[k])
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


def _holds_padded(text: str) -> bool:
    """Return whether a number in a text may begin with a zero and go on with a digit."""
    at = np.frombuffer(f"\n{text}\n".encode(), np.uint8)
    digits = (at[2:] >= ord("0")) & (at[2:] <= ord("9"))
    return bool(((at[1:-1] == ord("0")) & digits & ~OF_NUMBERS[at[:-2]]).any())


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
