"""What is doubtful about data, said in a warning: they may not be meant as they were taken.

Four things about a column of which nobody said what it is, all but the last learnt from FEWEST rows
or more:

| a column | is doubtful if | because |
|---|---|---|
| of words | over half of its rows have one of their own | it is dates, or an id of each row |
| of real numbers | its 3 commonest values but an atom hold over half of the rest | below |
| of numbers | one is FARTHER times as far from the median as nine tenths | the scale is its |
| of whole numbers | one is 2**53 or more, and they are no categories | below |

A density may grow without bound where values come again and again: a component of a mixture that
stands on one of them narrows, σ → 0, and each such row gains -log σ. The nats then say how far the
training went, and nothing of the data. Measures that were rounded do not come near that: of red
wine's real columns the 3 commonest of 60 to 436 values hold 26 % of the rows at most. An atom
(`learning`) is no such case: it has a probability.

Whole numbers from 2**53 on, such as nanoseconds since 1970, are real ones (`learning.suggested`):
a float cannot tell them from their neighbours, nor hold the unit steps that would have their mass.
So log_prob is a density, and samples, and known cells that `impute` returns, are float64, of which
those near 1.6e18 lie 256 apart. To make whole numbers of what is drawn would claim digits that
nothing has.

No number of rows is told: the text is the same for each fold of a table, and so shown once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import warned
from chainrule.encoders.pure import EXACT, Column, Place
from chainrule.encoders.variables import MOST, Real, Variable

FEWEST = 20  # rows
COMMONEST = 3  # values
ROWS = 1024  # looked at together
FARTHER = 1e6


class DataWarning(UserWarning):
    """Data that may not be meant as they were taken; the text says how to make it plain."""


def check_threshold(bits: Any, threshold: Any) -> None:
    """Warn where a threshold makes the same bit of all that there is in rows of 0 and 1."""
    seen: set[int] = set()
    for lo in range(0, len(bits), ROWS):  # which may be in a file
        part = bits[lo : lo + ROWS]
        seen |= {bit for bit, is_there in ((0, not part.all()), (1, part.any())) if is_there}
        if len(seen) == 2:
            return
    if not seen:
        return
    what, bit = ("no value", 0) if seen == {0} else ("every value", 1)
    warn(
        f"{what} of X is above binarize={threshold:g}, so that every bit is {bit}; leave binarize "
        "out if the data are 0 and 1 already, or choose a number between their values"
    )


def check(
    column: Column, variable: Variable, place: Place, key: Any, wanted: str | None = None
) -> None:
    """Warn of a column of training rows that may be no such variable.

    key: what users call it. wanted: the type that all columns were to have, if any.
    """
    if variable.type == "continuous" and wanted is None and column.kind == "whole":
        _check_exact(column, place, key)
    atom = variable.atom if isinstance(variable, Real) else None
    values = column.values if atom is None else column.values[column.values != atom]
    n = len(values)
    if n < FEWEST:
        return
    found, counts = np.unique(values, return_counts=True)
    if column.kind == "category" and 2 * len(found) > n:
        warn(
            f"{place.text} of {place.table} has words of which nearly every row has its own, a "
            "category each; leave it out, make numbers of it, as of dates the days, or say that "
            f'they are categories: column_types={{{key!r}: "categorical"}}'
        )
    common = np.sort(counts)[-COMMONEST:].sum()
    if variable.type == "continuous" and 2 * common > n:
        value = found[counts.argmax()].item()
        warn(
            f"{place.text} of {place.table} has few values again and again, {value!r} the most"
            + ("" if atom is None else f" beside {atom:g}")
            + ", and a density may grow there without bound, so that its nats say little; "
            + _cure(column, len(found), key)
        )
    if isinstance(variable, Real):
        _check_ends(values.astype(np.float64), column, place)


def _check_exact(column: Column, place: Place, key: Any) -> None:
    """Warn of whole numbers that floats cannot tell apart."""
    if ((column.values >= EXACT) | (column.values <= -EXACT)).any():
        warn(
            f"{place.text} of {place.table} holds whole numbers of 2**53 and more, which "
            "floating-point numbers cannot tell apart, so that they are taken, and drawn, as real "
            "ones; subtract the least of them, give them in a larger unit, or say that they are "
            "real: "
            f'column_types={{{key!r}: "continuous"}}'
        )


def _check_ends(x: NDArray[np.float64], column: Column, place: Place) -> None:
    """Warn of a number beside which all others are one."""
    with np.errstate(over="ignore"):
        away = np.abs(x - np.median(x))
    most = np.quantile(away, 0.9, method="higher")
    if not 0 < most < away.max() / FARTHER:
        return
    row = int(np.argmax(np.abs(column.values - np.median(x))))
    warn(
        f"{place.text} of {place.table} holds {column.word(row)!r}, {FARTHER:,.0f} times as far "
        "from the middle as nine tenths of its rows, which are all one in such a scale; mend that "
        "cell, or leave its row out"
    )


def warn(text: str) -> None:
    """Warn that data may not be meant as they were taken."""
    warned.warn(text, DataWarning)


def _cure(column: Column, n_values: int, key: Any) -> str:
    """Return what to do about a column of real numbers that are few."""
    if column.whole() and n_values <= MOST:
        return f'say that its values are categories: column_types={{{key!r}: "categorical"}}'
    return (
        "make whole numbers or words of its values, which are categories then, or set that value "
        "apart in a column of its own"
    )
