"""A training's records as one array: a long training's history would fill a file's description.

A record is a dict: "epoch" or "step" (its clock), train and valid (nats; None without validation
data), seconds, learning_rate. A row of the array is the same five numbers, float64, None as NaN.
"""

from collections.abc import Sequence
from math import isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLOCKS = ("epoch", "step")
COLUMNS = ("train", "valid", "seconds", "learning_rate")  # after the clock
LONGEST = 2.0**53  # whole numbers above have no float64 of their own


def pack(history: Sequence[dict[str, Any]]) -> tuple[str, NDArray[np.float64]]:
    """Return the clock of some records, and these as an array, (R, 5)."""
    clock = "step" if history and "step" in history[0] else "epoch"
    rows = [[record[name] for name in (clock, *COLUMNS)] for record in history]
    return clock, np.array(rows, np.float64).reshape(-1, 1 + len(COLUMNS))  # None becomes NaN


def unpack(clock: str, rows: NDArray[Any]) -> list[dict[str, Any]]:
    """Return what `pack` was given.

    Raises:
        ValueError: an array that `pack` does not make.
    """
    if clock not in CLOCKS or rows.dtype != np.float64 or rows.shape[1:] != (1 + len(COLUMNS),):
        raise ValueError("its history is damaged")
    history = [dict(zip((clock, *COLUMNS), row, strict=True)) for row in rows.tolist()]
    for record in history:
        if not (1 <= record[clock] < LONGEST and record[clock].is_integer()):
            raise ValueError("its history is damaged")
        record[clock] = int(record[clock])
        record["valid"] = None if isnan(record["valid"]) else record["valid"]
        if not all(isfinite(number) for number in record.values() if number is not None):
            raise ValueError("its history is damaged")
    return history


def checked(history: Any) -> list[dict[str, Any]]:
    """Return records that come as JSON, as format 1 of chainrule 0.1.0 wrote them.

    Raises:
        ValueError: what is no list of records.
    """
    try:
        return unpack(*pack(history))
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError("its history is damaged") from error
