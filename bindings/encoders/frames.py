"""Tables in the forms that users have them, column by column: what each column is made of.

| form | names |
|---|---|
| NumPy array (N, D), tensor, sparse matrix, nested lists | none |
| pandas or polars DataFrame | its own |
| NumPy structured array | its fields |
| a CSV with words, from `chainrule.datasets` | its header |

A column's type is the same in all of them: `learning.suggested` reads it off the values. A dtype
that says more keeps its meaning: bool is binary, string categorical, and pandas' Categorical and
polars' Enum have all their categories, in their own order.

Neither pandas nor polars is imported here: what a DataFrame can do, its own methods do.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import cells, coded, validation
from chainrule.encoders.coded import Coded, Raw
from chainrule.encoders.pure import Column, Place, pure
from chainrule.suggestions import near

Name = str | int
SHOWN = 20  # names of columns that a text has at most


class Frame:
    """A table by columns, of which rows can be selected; nothing is converted before it is asked.

    NumPy makes an array of objects of it, (N, D), in which None stands for a missing word.

    Attributes:
        names: of the columns; None without.
        library: "pandas" or "polars" of a DataFrame, else None. dtypes: what they call those of
            the columns.
        array: the table as one array or sparse matrix, where it came so.
    """

    ndim = 2

    def __init__(
        self,
        raws: Sequence[Raw] | None,
        names: Sequence[Name] | None = None,
        array: Any = None,
        library: str | None = None,
        dtypes: Sequence[str] = (),
    ) -> None:
        """Keep the columns, or the array that they are in, as they are."""
        self._raws, self.array = raws, array
        self.names = None if names is None else tuple(names)
        self.library, self.dtypes = library, tuple(dtypes)

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        if self._raws is None:
            return int(self.array.shape[0]), int(self.array.shape[1])
        first = self._raws[0]
        return len(first.codes if isinstance(first, Coded) else first), len(self._raws)

    @property
    def size(self) -> int:
        """How many cells there are."""
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        """Return N."""
        return self.shape[0]

    def __repr__(self) -> str:
        """Return how many rows there are, and which columns."""
        names = self.names or ()
        shown = ", ".join(map(str, names[:SHOWN])) + ", …" * (len(names) > SHOWN)
        columns = f"{self.shape[1]} column{'s' * (self.shape[1] != 1)}"
        rows = f"{len(self):,} row{'s' * (len(self) != 1)}"
        return f"<Frame of {rows} and {columns}{': ' * bool(names)}{shown}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all cells as users have them, (N, D) objects, or of another dtype."""
        if copy is False:
            raise ValueError("an array of a Frame is a copy of it; leave copy=False out")
        table = np.empty(self.shape, object)
        for k in range(self.shape[1]):
            table[:, k] = coded.cells(self.raw(k))
        return table if dtype is None else table.astype(dtype)

    def __getitem__(self, rows: Any) -> Any:
        """Return some of the rows: of a slice, or of an array of numbers or bools.

        Of a column's name that column, (N,), words as objects.
        """
        if isinstance(rows, str):
            return coded.cells(self.raw(self._number(rows)))
        array = None if self.array is None else self.array[rows]
        raws = None if self._raws is None else [coded.some(raw, rows) for raw in self._raws]
        return Frame(raws, self.names, array, self.library, self.dtypes)

    def _number(self, name: str) -> int:
        """Return which column has a name."""
        names = [str(one) for one in self.names or ()]
        if name not in names:
            there = f"it has {', '.join(names[:SHOWN])}" if names else "its columns have no names"
            raise KeyError(f"the table has no column {name!r}{near(name, names)}; {there}")
        return names.index(name)

    def raw(self, k: int, rows: Any = slice(None)) -> Raw:
        """Return some rows of column k as it is kept."""
        if self._raws is not None:
            return coded.some(self._raws[k], rows)
        column = self.array[:, [k]] if hasattr(self.array, "toarray") else self.array[:, k]
        column = column.toarray()[:, 0] if hasattr(column, "toarray") else column
        raw: NDArray[Any] = column[rows]
        return raw

    def column(self, k: int, name: str = "X", rows: Any = slice(None)) -> Column:
        """Return column k, checked and of one kind, or some rows of it.

        name: of the table in errors.

        Raises:
            ValueError, TypeError: a value is missing, or the column mixes words and numbers, or
                is of neither.
        """
        raw, place = self.raw(k, rows), self.place(k, name)
        return coded.column(raw, place) if isinstance(raw, Coded) else pure(raw, place)

    def place(self, k: int, name: str = "X") -> Place:
        """Return where errors say that column k is."""
        return Place(name, k, None if self.names is None else self.names[k])

    def columns(self, name: str = "X") -> Iterator[Column]:
        """Yield all columns as `column` has them."""
        return (self.column(k, name) for k in range(self.shape[1]))

    def without(self, k: int) -> Any:
        """Return the table without column k: an array of numbers, if no words or gaps are left."""
        assert self._raws is not None
        raws = [raw for j, raw in enumerate(self._raws) if j != k]
        names = self.names and [name for j, name in enumerate(self.names) if j != k]
        rest = Frame(raws, names or None)
        kinds = {"O" if isinstance(raw, Coded) else raw.dtype.kind for raw in raws}
        real = (raw for raw in raws if not isinstance(raw, Coded) and raw.dtype.kind == "f")
        if "O" in kinds or {"b", "f"} <= kinds or any(np.isnan(raw).any() for raw in real):
            return rest
        return rest.numbers()

    def numbers(self, name: str = "X") -> NDArray[Any]:
        """Return the table as numbers, (N, D), for models that take nothing else.

        Raises:
            CellError: a column holds words.
        """
        out = np.empty(self.shape)
        for k, column in enumerate(self.columns(name)):
            if column.kind == "category":
                raise cells.words(name, k, self.place(k).label, column.word(0))
            out[:, k] = column.values
        return out


def read(X: Any, name: str = "X") -> Frame:
    """Return a table in any of the forms above, as it is.

    Raises:
        TypeError, ValueError: X is no table, or two of its columns have one name.
    """
    if isinstance(X, Frame):
        return X
    if getattr(getattr(X, "columns", None), "nlevels", 1) > 1:
        raise ValueError(
            f"{name} has columns with names of several levels, a MultiIndex; give each one name, "
            'as X.columns = X.columns.map("_".join) does of words'
        )
    frame = _framed(X)
    if frame is None:
        return Frame(None, array=_array(X, name))
    validation.check_two_dimensional(frame.shape if frame.shape[1] else (len(X), 0), name)
    assert frame.names is not None
    if len(set(frame.names)) < len(frame.names):
        twice = next(one for one in frame.names if frame.names.count(one) > 1)
        raise ValueError(f"{name} has two columns called {twice!r}; rename one of them")
    return frame


def named(x: Any, names: Sequence[Name] | None) -> Any:
    """Return an array of numbers as a table with names for its columns; any other as it is."""
    plain = isinstance(x, np.ndarray) and names is not None
    return Frame(None, names, array=x) if plain else x


def names_its_own(X: Any) -> bool:
    """Return whether X is a table whose columns have names, and no DataFrame."""
    return isinstance(X, Frame) or (isinstance(X, np.ndarray) and X.dtype.names is not None)


def _framed(X: Any) -> Frame | None:
    """Return a table whose columns have names and dtypes; None if it is another one."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        columns = [X.iloc[:, k] for k in range(X.shape[1])]
        dtypes = [_dtype(column.dtype) for column in columns]
        names = [one if isinstance(one, int) else str(one) for one in X.columns]
        return Frame([_of_pandas(c) for c in columns] or [_none()], names, None, "pandas", dtypes)
    if hasattr(X, "get_column") and hasattr(X, "columns"):
        series = [X.get_column(one) for one in X.columns]
        dtypes = [_dtype(one.dtype) for one in series]
        raws: list[Raw] = [_of_polars(one) for one in series]
        return Frame(raws or [_none()], list(X.columns), None, "polars", dtypes)
    if names_its_own(X):
        return Frame([np.ma.asarray(X[one]) for one in X.dtype.names], X.dtype.names)
    return None


def _none() -> NDArray[Any]:
    return np.empty(0)


def _of_pandas(column: Any) -> Raw:
    """Return a Series as it is kept."""
    if hasattr(column.dtype, "categories"):
        codes = np.asarray(column.cat.codes)
        return Coded(codes, tuple(column.cat.categories.tolist()), bool(column.cat.ordered))
    return np.asarray(column)


def _of_polars(series: Any) -> Raw:
    """Return a Series of polars as it is kept: of an Enum its categories are said beforehand."""
    if _dtype(series.dtype) != "Enum":
        raw: NDArray[Any] = series.to_numpy()
        return raw
    codes = np.asarray(series.to_physical().cast(int).fill_null(-1))
    return Coded(codes, tuple(series.dtype.categories.to_list()), True)


def _dtype(dtype: Any) -> str:
    """Return the name that makes a dtype of a DataFrame again, its parameters apart."""
    if hasattr(dtype, "is_numeric") and hasattr(dtype, "base_type"):  # polars
        return str(dtype.base_type())
    ordered = getattr(dtype, "ordered", False)
    return "ordered" if ordered and hasattr(dtype, "categories") else str(dtype)


def _array(X: Any, name: str) -> Any:
    """Return a table whose columns have no names as one array, of objects where it holds words."""
    if hasattr(X, "tocsr") and len(X.shape) == 2:
        return X.tocsr()
    if isinstance(X, list | tuple) and _mixed(X):
        table = _of_objects(X, name)
    else:
        table = validation.as_array(X, name)
    if table.dtype.kind in "TMmV":
        raise TypeError(f"{name} must hold numbers or words, got {table.dtype}; convert it first")
    if table.dtype.kind == "c":
        raise ValueError(f"{name} must hold real numbers. Complex data not supported")
    validation.check_two_dimensional(table.shape, name)
    return table


def _mixed(rows: Sequence[Any]) -> bool:
    """Return whether nested lists hold words, which NumPy would make of their numbers too."""
    return any(
        isinstance(row, list | tuple) and any(isinstance(v, str) for v in row) for row in rows
    )


def _of_objects(rows: Sequence[Any], name: str) -> NDArray[Any]:
    widths = {len(row) if isinstance(row, list | tuple | np.ndarray) else -1 for row in rows}
    if len(widths) > 1 or -1 in widths:
        raise ValueError(f"{name} must be a rectangular table; its rows differ in length")
    table = np.empty((len(rows), widths.pop()), object)
    for n, row in enumerate(rows):
        table[n] = row
    return table
