"""Which variable a column of training rows becomes, by its data or by what was said of it."""

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.pure import ALIKE, EXACT, Column, Place
from chainrule.encoders.variables import (
    MOST,
    SHOWN,
    Category,
    Real,
    Variable,
    check_categories,
)

FEW = 32  # whole numbers that are categories, if each comes twice on average, and
UNSEEN = 1e-3  # this share of rows, or fewer, is to have others, by Good's and Turing's estimate
SHARED = 0.2  # of the rows: if so many have one number, it is the atom of a column of numbers,
APART = 4  # if it comes so many times as often as any other
LEAST = 3  # rows that have an atom


def learn(
    column: Column, wanted: Any, place: Place, more: Sequence[Column] = (), atoms: bool = True
) -> Variable:
    """Return the variable for a column of training rows.

    wanted: one of TYPES, or a sequence of categories in their order; None: what the data suggest,
        see `suggested`. more: the same column of other rows, whose values are to be known too.
    atoms: whether numbers may have one.

    Raises:
        ValueError: a type that contradicts the data; a column of real numbers that are all alike;
            more categories than MOST.
    """
    if wanted is not None and not isinstance(wanted, str):
        return _given(column, wanted, place)
    kind = suggested(column, more) if wanted is None else wanted
    if kind in ("binary", "categorical"):
        return _category(column, kind, place, more)
    return _real(column, kind, place, atoms)


def suggested(column: Column, more: Sequence[Column] = ()) -> str:
    """Return the type that a column's data suggest; more: as in `learn`.

    Bools are binary and words categorical. Of numbers the values decide, never what they are stored
    as, nor what is missing: 1.0 is 1. Only 0 and 1 are binary; whole numbers of at most FEW
    different values, each twice on average, categorical, where hardly another one is to be met
    later; other whole numbers integer, which may be any; and the rest continuous. As many rows will
    have a value never seen before as have one that no other row has: Good 1953, "The population
    frequencies of species and the estimation of population parameters".
    """
    if column.kind == "bool":
        return "binary"
    if column.kind == "category":
        return "categorical"
    numbers = [column, *(one for one in more if one.kind != "category")]
    if not all(one.whole() for one in numbers):
        return "continuous"
    found = np.unique(np.concatenate([np.unique(one.values) for one in numbers]))
    if set(found[:3].tolist()) <= {0, 1}:
        return "binary"
    counts = np.unique(column.values, return_counts=True)[1]
    few = len(found) <= FEW and 2 * len(found) <= sum(len(one.values) for one in numbers)
    if len(found) == 1 or (few and (counts == 1).sum() <= UNSEEN * len(column.values)):
        return "categorical"
    return "integer" if max(abs(int(found[0])), abs(int(found[-1]))) < EXACT else "continuous"


def _given(column: Column, categories: Any, place: Place) -> Category:
    """Return the categories that were given for a column, if its values are among them."""
    values = tuple(getattr(value, "item", lambda value=value: value)() for value in categories)
    sentence = f"column_types must give {place.text} different words or whole numbers, got {values}"
    check_categories(values, f"{sentence:.200}")
    variable = Category("categorical", values)
    variable.encode(column, place, listed=True)
    return variable


def check_listed(variable: Variable, wanted: Any, also: Sequence[tuple[Column, Any]]) -> None:
    """Raise CellError if the same column of other rows has a category that was not listed.

    wanted: as in `learn`. also: columns, and their cells as `partial.Cells`.
    """
    if not isinstance(variable, Category) or wanted is None or isinstance(wanted, str):
        return
    for column, cells in also:
        with cells:
            variable.encode(column, cells.place, listed=True)


def _category(column: Column, kind: str, place: Place, more: Sequence[Column]) -> Category:
    """Return a column as bits or categories."""
    if column.kind == "real" and not column.whole():
        row = int(np.argmax(column.values != np.floor(column.values)))
        raise place.cell(
            f"{{name}} holds {column.word(row)!r} at {{place}}, which is no category; words and "
            f"whole numbers are, so a {kind} column cannot have it",
            row,
        )
    values = column.distinct()
    if not column.declared:
        alike = (one for one in more if _are_alike(one, column))
        values = tuple(sorted(set(values).union(*(one.distinct() for one in alike))))
    if column.kind == "real":
        values = tuple(map(int, values))
    if column.kind == "bool" or (kind == "binary" and set(values) <= {0, 1}):
        bools = all(isinstance(v, bool) for v in values)
        values = (False, True) if bools else (0, 1)
    if len(values) > MOST:
        raise place.column(
            f"{{place}} of {{name}} has {len(values):,} different values, more than {MOST:,}: if "
            "it tells rows apart, leave it out"
        )
    if kind == "binary" and len(values) != 2:
        shown = ", ".join(map(repr, values[:SHOWN]))
        raise place.column(
            f"{{place}} of {{name}} cannot be binary: it has {len(values)} different "
            f"value{'s' * (len(values) > 1)}, {shown}; call it categorical"
        )
    return Category(kind, values)


def _are_alike(other: Column, column: Column) -> bool:
    """Return whether other rows of a column have words where it has, or whole numbers."""
    if column.kind == "category":
        return other.kind == "category" and type(other.word(0)) is type(column.word(0))
    return other.whole()


def _real(column: Column, kind: str, place: Place, atoms: bool) -> Real:
    """Return a column of numbers, standardised."""
    if column.kind in ("category", "bool"):
        raise place.cell(
            f"{{name}} holds {column.word(0)!r} at {{place}}, so that column cannot be {kind}; "
            f"call it {'binary' if column.kind == 'bool' else 'categorical'}",
            0,
        )
    x = column.values.astype(np.float64)
    if kind == "integer":
        exact = (x == np.floor(x)) & (np.abs(x) < EXACT)
        if not exact.all():
            row = int(np.argmin(exact))
            why, cure = "", "call it continuous"
            if abs(x[row]) >= EXACT:
                why = "2**53 or more in size, where floats cannot tell whole numbers apart, "
                cure = "subtract the least of them, or call it continuous"
            raise place.cell(
                f"{{name}} holds {column.word(row)!r} at {{place}}, {why}so that column cannot be "
                f"integer; {cure}",
                row,
            )
    atom = _atom(x) if atoms else None
    others = x if atom is None else x[x != atom]
    if others.size == 0 or (kind == "continuous" and (others == others[0]).all()):
        others = x  # of one value alone there is no scale
    unit = float(np.abs(others).max()) or 1.0  # so that no square overflows
    mean, scale = unit * float((others / unit).mean()), unit * float((others / unit).std())
    if kind == "integer":  # and with the variance of a unit step, that of one value alone
        mean, scale = float(np.rint(mean)), sqrt(scale**2 + 1 / 12) if scale < 1e9 else scale
    if (x == x[0]).all() and kind == "continuous":
        raise place.column(_constant(column))
    if scale == 0 or not isfinite(1 / scale) or not isfinite(scale):
        raise place.column(
            f"{{place}} of {{name}} goes from {x.min():g} to {x.max():g}, too narrow or too wide "
            "for floating-point numbers; give it in another unit"
        )
    return Real(kind, mean, scale, atom)


def _atom(x: NDArray[np.float64]) -> float | None:
    """Return the number that most of (N,) are, if it is an atom; else None.

    So are SHARED of all rows or more, and APART times as many as have any other number: measures
    that were rounded have neighbours that are as frequent, and whether they have a density or a
    probability should not hang on a row. What fewer than LEAST rows have, or all, is no atom.
    """
    values, counts = np.unique(x, return_counts=True)
    if len(values) == 1:
        return None
    second, first = np.partition(counts, -2)[-2:]
    if first < max(SHARED * len(x), LEAST, APART * second):
        return None
    return float(values[counts.argmax()])


def _constant(column: Column) -> str:
    """Return the error about real numbers that are all alike."""
    if len(column.values) == 1:
        return (
            "{name} has 1 sample, and {place} is continuous, which takes two different values at "
            "least; give more rows (n_samples=1)"
        )
    if (column.values != column.values[0]).any():
        return ALIKE.replace("{first}", repr(column.word(0)))
    cure = "leave it out" + (", or call it categorical" if column.whole() else "")
    if column.kind == "real" and abs(column.values[0]) >= EXACT:
        cure += (
            "; but if whole numbers that differ were meant, which are alike from 2**53 on, "
            "subtract the least of them while they are whole"
        )
    return (
        f"{{place}} of {{name}} is {column.word(0)!r} in every row, and the density of a constant "
        f"is infinite; {cure}"
    )
