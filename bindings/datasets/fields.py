"""What a field of a table of text is: a number, a bool, a missing value, or a word."""

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chainrule.encoders.cells import FILL

Names = tuple[str, ...]
DELIMITERS = ("\t", ";", ",")
MISSING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"))
BOOLS = {"true": 1.0, "false": 0.0}
GROUPED = re.compile(r"[+-]?\d{1,3}(?:([., '’\u00a0\u202f])\d{3})+(?:[.,]\d+)?")  # thousands
QUOTED = re.compile('"[^"]*"')
COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")  # a decimal comma
SIGNED = re.compile(r"[$€£¥]\s?[+-]?[\d.,]+|[+-]?[\d.,]+\s?[$€£¥%]")


class Dialect(NamedTuple):
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

    def fields(self, number: int, line: str) -> Names:
        """Return the fields of a line, as many as there are to be.

        Raises:
            ValueError: there are others, or quotes that are not closed.
        """
        if line.count('"') % 2:
            raise ValueError(f"line {number} ends within quotes; a field has to end in its line")
        found = fields(line, self.delimiter)
        if len(found) != self.width:
            hint = ""
            if self.delimiter == "," and len(found) > self.width:
                hint = "; a field with a comma in it stands in quotes"
            raise ValueError(f"line {number} has {len(found)} fields, the first {self.width}{hint}")
        return found


def dialect(lines: Sequence[str]) -> Dialect:
    """Return how lines are cut up, from the first two, or the first alone."""
    delimiter = _delimiter(lines)
    first = fields(lines[0], delimiter)
    rest, width = first[1:], len(first)
    if rest and not first[0] and _are_whole_names(rest):
        return Dialect(delimiter, width, rest, 1, None)
    if are_names(first) or (count(first) and _holds_words(lines[1:], delimiter)):
        return Dialect(delimiter, width, first, 0, None)
    return Dialect(delimiter, width, None, 0, first if count(first) else None)


def _delimiter(lines: Sequence[str]) -> str | None:
    """Return the first delimiter that cuts all lines into as many fields, else that of the last."""
    bare = [QUOTED.sub("", line) for line in lines[::-1]]
    found = [d for line in bare for d in DELIMITERS if d in line]
    alike = (d for d in found if len({line.count(d) for line in bare}) == 1)
    return next(alike, found[0] if found else None)


def _holds_words(lines: Sequence[str], delimiter: str | None) -> bool:
    """Return whether the second line holds a word, so that numbers above it may be names."""
    return any(number(field) is None for line in lines for field in fields(line, delimiter))


def fields(line: str, delimiter: str | None) -> Names:
    """Return the fields of a line."""
    if delimiter is None and '"' not in line:
        return tuple(line.split())
    [found] = csv.reader([line], delimiter=delimiter or " ", skipinitialspace=True)
    return tuple(field.strip() for field in found)


def are_names(found: Sequence[str]) -> bool:
    """Return whether no field is a number, and some are not even missing values."""
    values = [number(field) for field in found]
    return None in values and all(value is None or value != value for value in values)


def _are_whole_names(found: Sequence[str]) -> bool:
    """Return whether fields behind an empty one are names each, or count as no bits do."""
    return all(number(f) is None for f in found) or (len(found) > 2 and count(found))


def count(found: Sequence[str]) -> bool:
    """Return whether fields count upwards from 0 or 1."""
    return any(all(field == str(k) for k, field in enumerate(found, base)) for base in (0, 1))


def number(field: str) -> float | None:
    """Return the number that a field stands for, NaN if it is missing; None for a word."""
    word = field.lower()
    if word in MISSING:
        return np.nan
    if word in BOOLS:
        return BOOLS[word]
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def wrong(field: str, line: int) -> str:
    """Return what is wrong with a field of a line where a number is wanted."""
    if not field:
        return f"is empty; {FILL}"
    if number(field) is not None:
        return f"holds {field}; {FILL}"
    shown = repr(field if len(field) < 40 else f"{field[:40]}…")
    if how := spelt(field):
        return f"holds {shown}, {how}"
    return f"holds {shown}, which is no number" + (
        "; column names must all be words" if line == 1 else ""
    )


def spelt(field: str) -> str | None:
    """Return what is wrong with the spelling of a number; None of a word that is none.

    Whether a comma is a decimal one or groups thousands is not guessed: whoever wrote it knows.
    """
    if COMMA.fullmatch(field):
        plain = field.replace(",", "")
        point = field.replace(",", ".")
        if GROUPED.fullmatch(field):
            return f"which may be {point} or {plain}; write it so, without a comma"
        return f"a number with a decimal comma; write {point}"
    if GROUPED.fullmatch(field):
        return "a number with its thousands set apart; write its digits together, and a point"
    if SIGNED.fullmatch(field):
        return "a number with a sign of its unit; write the number alone"
    return None
