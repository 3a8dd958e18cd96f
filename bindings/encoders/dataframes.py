"""DataFrames of what a model drew, by the library and the dtypes of the one that was learnt."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.variables import Category, Variable

LIBRARIES = ("pandas", "polars")
WHOLE = [f"{kind}{size}" for kind in ("int", "uint", "Int", "UInt") for size in (8, 16, 32, 64)]
REAL = ["float16", "float32", "float64", "Float32", "Float64"]
DTYPES = frozenset(["bool", "boolean", "object", "string", "str", *WHOLE, *REAL])
OF_POLARS = frozenset(
    ["Boolean", "String", "Categorical", "Float32", "Float64"]
    + [f"{kind}{size}" for kind in ("Int", "UInt") for size in (8, 16, 32, 64)]
)


def library(name: str | None) -> Any:
    """Return pandas or polars, if the name is theirs and they are installed; else None."""
    if name in sys.modules:
        return sys.modules[name]
    if name not in LIBRARIES:  # whatever a file says, nothing else is imported
        return None
    try:
        return import_module(name)
    except ImportError:
        return None


def make(
    of: Any,
    columns: Sequence[NDArray[Any]],
    names: Sequence[Any] | None,
    dtypes: Sequence[str],
    variables: Sequence[Variable],
) -> Any:
    """Return a DataFrame of a library; dtypes: its names for those of the columns, or empty.

    A column has the dtype that the learnt one had, where all its values are numbers of that dtype.
    """
    names = names or range(len(columns))
    series = _of_polars if of.__name__ == "polars" else _of_pandas
    parts = zip(names, columns, dtypes or ("",) * len(columns), variables, strict=True)
    return of.DataFrame(
        {
            str(name) if series is _of_polars else name: series(of, column, dtype, one)
            for name, column, dtype, one in parts
        }
    )


def with_index(table: Any, like: Any) -> Any:
    """Return a table that was made row by row from another, with its index where both have one."""
    if hasattr(table, "set_axis") and hasattr(like, "iloc") and len(like) == len(table):
        return table.set_axis(like.index, axis=0)
    return table


def _of_pandas(pandas: Any, column: NDArray[Any], dtype: str, variable: Variable) -> Any:
    """Return a column of pandas'."""
    if dtype in ("category", "ordered") and isinstance(variable, Category):
        kind = pandas.CategoricalDtype(list(variable.values), ordered=dtype == "ordered")
        return pandas.Series(column, dtype=kind)
    if dtype not in DTYPES or not _holds(dtype, column, variable):
        return pandas.Series(column)
    try:
        return pandas.Series(column).astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return pandas.Series(column)


def _of_polars(polars: Any, column: NDArray[Any], dtype: str, variable: Variable) -> Any:
    """Return a column of polars'."""
    made = polars.Series(column.tolist())
    if dtype == "Enum" and isinstance(variable, Category):
        return made.cast(polars.Enum([str(value) for value in variable.values]))
    if dtype not in OF_POLARS or not _holds(dtype, column, variable):
        return made
    try:
        return made.cast(getattr(polars, dtype))
    except polars.exceptions.PolarsError:
        return made


def _holds(dtype: str, column: NDArray[Any], variable: Variable) -> bool:
    """Return whether a dtype has the numbers drawn of a variable: not rounded, nor too large."""
    whole = dtype.lower()
    if "int" not in whole:
        return True
    if variable.type == "continuous":
        return False
    if column.dtype.kind not in "iu" or not column.size:
        return True
    limits = np.iinfo(whole)
    return bool(limits.min <= int(column.min()) and int(column.max()) <= limits.max)
