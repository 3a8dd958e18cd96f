"""Values that a table lacks: NaN, None and NA, for models that do without them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.cells import empty
from chainrule.encoders.on_disk import RowsOnDisk


def filled(table: Any) -> tuple[Any, NDArray[np.bool_] | None]:
    """Return a table with 0 for what it lacks, and where that is, (N, D); None where nowhere.

    table: of `validation.as_table`: an array or sparse. It comes back as it is if it lacks nothing;
    but real numbers in a file are read into memory.
    """
    if isinstance(table, RowsOnDisk) and table.dtype.kind in "fO":
        table = np.asarray(table)
    lacking = _lacking(table.data if hasattr(table, "toarray") else table)
    if lacking is None:
        return table, None
    if hasattr(table, "toarray"):
        table = table.toarray()
        lacking = np.isnan(table)
    return np.where(lacking, 0, table), lacking


def check_columns(table: Any, name: str) -> None:
    """Raise ColumnError if a column of a table of several rows holds nothing at all.

    Only columns that begin with nothing are looked at.
    """
    if table.shape[0] < 2:
        return
    _, first = filled(table[:1])
    for column in () if first is None else np.flatnonzero(first[0]).tolist():
        _, lacking = filled(table[:, [column]])
        if lacking is not None and lacking.all():
            raise empty("NaN", name, column)


def _lacking(values: Any) -> NDArray[np.bool_] | None:
    """Return which values are missing, or None if none is."""
    if values.dtype.kind == "f":
        lacking = np.isnan(values)
    elif values.dtype.kind == "O":
        lacking = np.array([_is_missing(v) for v in values.flat], bool).reshape(values.shape)
    else:
        return None
    return lacking if lacking.any() else None


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or type(value).__name__ == "NAType"
        or (isinstance(value, float) and value != value)
    )
