"""Whether the first line of a table holds column names: a guess, and how sure it is.

| the first line | taken for |
|---|---|
| words alone | names |
| 0, 1, 2, … of more than two columns, as pandas counts them | names |
| 0 or 0, 1 above words, or above a column of fractions, as pandas counts two | names |
| 1, 2, 3, … above words, or that counts beyond every value below it | names |
| 0, 1, 2, … and words that do not come below, such as 0, 1, 2, label | names |
| words and whole numbers, such as city, 2019, 2020: see `_are_mixed` | names |
| years in even steps alone, above what are no years | names |
| any other | a row |

A number that stands again below itself is no name. What is below are the first lines alone, so a
guess may be wrong: wherever another reading is possible a `doubt` says so.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from chainrule.datasets import fields
from chainrule.datasets.fields import Names

WHOLE = re.compile(r"\d{1,9}")
YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d")
SHOWN, LONG = 5, 40  # fields that a doubt shows, and characters of each


class Guess(NamedTuple):
    """Whether a line holds names; what is doubtful about that, "" where nothing is."""

    names: bool
    doubt: str = ""


def guess(first: Names, below: Sequence[Names], counts: bool = True) -> Guess:
    """Return whether a line holds names, given the fields of some lines below it, as many each.

    counts: whether it may be a line of pandas' 0, 1, 2, …, which writes no blanks between fields.
    """
    if fields.are_names(first):
        return Guess(True)
    if not below:
        return Guess(False)
    columns = list(zip(*below, strict=True))
    if fields.count(first):
        return _counted(first, columns, counts)
    if _are_counted_and_words(first, columns):
        return Guess(True, said(first, names=True))
    if len(set(first)) < len(first) or any(f in c for f, c in zip(first, columns, strict=True)):
        return Guess(False)
    numbers = [field for field in first if _is_number(field)]
    if not numbers or not all(map(WHOLE.fullmatch, numbers)):
        return Guess(False)
    words = [field for field in first if fields.number(field) is None]
    if _are_mixed(first, columns, numbers) if words else _are_years(numbers, columns):
        return Guess(True, said(first, names=True))
    return Guess(False)


def said(first: Sequence[str], names: bool) -> str:
    """Return the sentence about a line that may be names or a row."""
    words = (field if len(field) <= LONG else f"{field[:LONG]}…" for field in first[:SHOWN])
    shown = ", ".join(words) + (", …" if len(first) > SHOWN else "")
    if names:
        return f"the first line, {shown}, was taken for column names; if a row, say header=False"
    return f"the first line, {shown}, was taken for a row; if column names, say header=True"


def _counted(first: Names, columns: Sequence[Sequence[str]], counts: bool) -> Guess:
    """Return whether a line that counts from 0 or 1 holds names."""
    wide = len(first) > 2
    values = [[fields.number(field) for field in column] for column in columns]
    largest = max((v for column in values for v in column if v is not None and v == v), default=-1)
    if any(None in column for column in values) or (wide and float(first[-1]) > largest):
        return Guess(True)
    fractions = any(map(_has_fractions, columns))
    if first[0] == "0" and counts and (wide or fractions):
        return Guess(True, "" if wide and fractions else said(first, names=True))
    if counts and (first[0] == "0" or wide):
        return Guess(False, said(first, names=False))
    return Guess(False)


def _are_counted_and_words(first: Names, columns: Sequence[Sequence[str]]) -> bool:
    """Return whether a line counts as pandas does, to 2 at least, but for words of its own."""
    words = [k for k, field in enumerate(first) if fields.number(field) is None]
    numbers = [field for field in first if fields.number(field) is not None]
    counts = len(numbers) > 2 and numbers[0] == "0" and fields.count(tuple(numbers))
    own = all(first[k] not in columns[k] for k in words)
    return bool(words) and counts and own and len(set(first)) == len(first)


def _are_mixed(first: Names, columns: Sequence[Sequence[str]], numbers: Sequence[str]) -> bool:
    """Return whether a line of words and whole numbers holds names.

    It does if one of its words stands above numbers alone, one of its numbers above fractions
    alone, or if its numbers are three or more, or years, in even steps.
    """
    for field, column in zip(first, columns, strict=True):
        if _is_number(field) and _has_fractions(column):
            return True
        if fields.number(field) is None and any(map(str.isalpha, field)) and _has_numbers(column):
            return True
    return _in_steps(numbers) and (len(numbers) > 2 or all(map(YEAR.fullmatch, numbers)))


def _are_years(numbers: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return whether numbers are years in even steps, above what are none."""
    above_none = not any(YEAR.fullmatch(field) for column in columns for field in column)
    return above_none and _in_steps(numbers) and all(map(YEAR.fullmatch, numbers))


def _in_steps(numbers: Sequence[str]) -> bool:
    """Return whether there are two numbers at least, and each is more than the last by as much."""
    found = list(map(int, numbers))
    steps = {b - a for a, b in pairwise(found)}
    return len(steps) == 1 and min(steps) > 0


def _is_number(field: str) -> bool:
    """Return whether a field is a number that is there."""
    value = fields.number(field)
    return value is not None and value == value


def _has_numbers(column: Sequence[str]) -> bool:
    """Return whether every value of a column that is there is a number, and one is."""
    there = [field for field in column if field.lower() not in fields.MISSING]
    return bool(there) and all(map(_is_number, there))


def _has_fractions(column: Sequence[str]) -> bool:
    """Return whether all these numbers are written with a point, or as 1e-5 is."""
    there = [field.lower() for field in column if _is_number(field)]
    return _has_numbers(column) and all("." in field or "e-" in field for field in there)
