"""What a field of a table of text is: a number, a bool, a missing value, or a word."""

import csv
import re
from collections.abc import Sequence

import numpy as np

from chainrule.encoders import cells
from chainrule.encoders.cells import DROP

Names = tuple[str, ...]
MISSING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"))
BOOLS = {"true": 1.0, "false": 0.0}
GROUPED = re.compile(r"[+-]?\d{1,3}(?:([., '’\u00a0\u202f])\d{3})+(?:[.,]\d+)?")  # thousands
MINUS = "\u2212"  # as word processors write it; float knows the hyphen alone
PADDED = re.compile(r"0\d+")  # a whole number with a leading zero: a zip code, say
DASHED = re.compile(r"[\u2010-\u2015]\s?\.?\d[\d.,]*")  # dashes that stand for a minus
POINT, COMMA = ".", ","  # what stands before decimals
WITH_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
WITH_POINT = re.compile(r"[+-]?\d*\.\d*(?:[eE][+-]?\d+)?")
SAY = ", or say decimal=','"
FILL = f"{cells.FILL}: load the file with missing=True"
SIGNED = re.compile(r"[$€£¥]\s?[+-]?[\d.,]+|[+-]?[\d.,]+\s?[$€£¥%]")


def cut(line: str, delimiter: str) -> Names:
    """Return the fields of a line; delimiter: " " is any blanks, and "" none: one field."""
    if '"' not in line:
        if not delimiter.strip(" "):
            return tuple(line.split()) if delimiter else (line.strip(),)
        return tuple(field.strip() for field in line.rstrip("\r\n").split(delimiter))
    [found] = csv.reader([line], delimiter=delimiter or "\x1f", skipinitialspace=True)
    return tuple(field.strip() for field in found)


def are_names(found: Sequence[str]) -> bool:
    """Return whether no field is a number, and some are not even missing values."""
    values = [number(field) for field in found]
    return None in values and all(value is None or value != value for value in values)


def count(found: Sequence[str]) -> bool:
    """Return whether fields count upwards from 0 or 1."""
    return any(all(field == str(k) for k, field in enumerate(found, base)) for base in (0, 1))


def number(field: str) -> float | None:
    """Return the number that a field stands for, NaN if it is missing; None for a word."""
    word = field.lower().replace(MINUS, "-")
    if word in MISSING:
        return np.nan
    if word in BOOLS:
        return BOOLS[word]
    try:
        return None if "_" in word else float(word)
    except ValueError:
        return None


def pointed(field: str) -> str:
    """Return a field with a point in place of a decimal comma.

    Raises:
        ValueError: a number with a point: among decimal commas it may be one of thousands.
    """
    if WITH_POINT.fullmatch(field) and field.strip("+-.eE"):
        raise ValueError(f"{field!r}, with a point where numbers have a decimal comma")
    plain = field.replace(MINUS, "-")
    return plain.replace(COMMA, POINT) if WITH_COMMA.fullmatch(plain) else field


def wrong(field: str, line: int, advice: str = "") -> str:
    """Return what is wrong with a field of a line where a number is wanted.

    advice: how words are read instead, at the end of what is said of a word.
    """
    if not field:
        return f"is empty; {FILL}"
    if PADDED.fullmatch(field):
        return f"holds {field}, with a leading zero, in a column of numbers; write it without"
    if (value := number(field)) is not None:
        return f"holds {field}; {FILL if value != value else DROP}"  # what is infinite is there
    shown = repr(field if len(field) < 40 else f"{field[:40]}…")
    if how := spelt(field):
        return f"holds {shown}, {how}"
    return f"holds {shown}, which is no number" + (
        "; if this line holds column names, say header=True" if line == 1 else advice
    )


def spelt(field: str) -> str | None:
    """Return what is wrong with the spelling of a number; None of a word that is none.

    Whether a comma is a decimal one or groups thousands is not guessed: whoever wrote it knows.
    """
    if WITH_COMMA.fullmatch(field):
        plain = field.replace(",", "")
        point = field.replace(",", ".")
        if GROUPED.fullmatch(field):
            return f"which may be {point} or {plain}; write it so, without a comma{SAY}"
        return f"a number with a decimal comma; write {point}{SAY}"
    if GROUPED.fullmatch(field):
        return "a number with its thousands set apart; write its digits together"
    if DASHED.fullmatch(field):
        return "a number behind a dash that is no minus; write -"
    if SIGNED.fullmatch(field):
        return "a number with a sign of its unit; write the number alone"
    return None
