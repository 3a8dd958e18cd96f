"""DataFrames of what a model drew, by the library and the dtypes of the one that was learnt."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

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

    A column has the dtype that the learnt one had, where it can have it.
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


def _of_pandas(pandas: Any, column: NDArray[Any], dtype: str, variable: Variable) -> Any:
    """Return a column of pandas'."""
    if dtype in ("category", "ordered") and isinstance(variable, Category):
        kind = pandas.CategoricalDtype(list(variable.values), ordered=dtype == "ordered")
        return pandas.Series(column, dtype=kind)
    if dtype not in DTYPES or _would_round(variable, dtype):
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
    if dtype not in OF_POLARS or _would_round(variable, dtype):
        return made
    try:
        return made.cast(getattr(polars, dtype))
    except polars.exceptions.PolarsError:
        return made


def _would_round(variable: Variable, dtype: str) -> bool:
    """Return whether a dtype is of whole numbers, and a column of real ones."""
    return variable.type == "continuous" and "int" in dtype.lower()
