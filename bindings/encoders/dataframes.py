"""DataFrames of what a model drew, by the library and the dtypes of the one that was learnt."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from chainrule.encoders.variables import Category, Real, Variable

LIBRARIES = ("pandas", "polars")
WHOLE = [f"{kind}{size}" for kind in ("int", "uint", "Int", "UInt") for size in (8, 16, 32, 64)]
REAL = ["float16", "float32", "float64", "Float32", "Float64"]
DTYPES = frozenset(["bool", "boolean", "object", "string", "str", *WHOLE, *REAL])


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
    """Return a DataFrame of a library; dtypes: pandas' names for those of the columns, or empty."""
    names = names or range(len(columns))
    if of.__name__ == "polars":
        lists = (column.tolist() for column in columns)
        return of.DataFrame(dict(zip(map(str, names), lists, strict=True)))
    parts = zip(names, columns, dtypes or ("",) * len(columns), variables, strict=True)
    made = {name: _series(of, column, dtype, one) for name, column, dtype, one in parts}
    return of.DataFrame(made)


def _series(pandas: Any, column: NDArray[Any], dtype: str, variable: Variable) -> Any:
    """Return a column with the dtype that the learnt one had, where it can have it."""
    if dtype in ("category", "ordered") and isinstance(variable, Category):
        kind = pandas.CategoricalDtype(list(variable.values), ordered=dtype == "ordered")
        return pandas.Series(column, dtype=kind)
    real = isinstance(variable, Real) and variable.type == "continuous"
    if dtype not in DTYPES or (real and "int" in dtype.lower()):
        return pandas.Series(column)
    try:
        return pandas.Series(column).astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return pandas.Series(column)
