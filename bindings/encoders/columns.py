"""Tables of columns of any kind: types, names, order, and samples as users had the data."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import column_types as types_of
from chainrule.encoders import (
    dataframes,
    doubts,
    frames,
    learning,
    partial,
    validation,
    variables,
)
from chainrule.encoders.base import Encoder
from chainrule.encoders.bits import Bits
from chainrule.encoders.frames import Frame
from chainrule.encoders.pure import Column
from chainrule.encoders.variables import TYPES, Category, Real, Variable
from chainrule.engine import ordering
from chainrule.engine.event import Columns

MISSING = {"u": 255, "i": -1, "f": np.nan}  # by the kind of x's dtype


class AnyColumns(Encoder):
    """Between tables, as `frames.read` takes them, and arrays in the model's order.

    Args:
        column_types: None, to read all types off the data; one of `variables.TYPES` for all
            columns; a list with one for each; a dict for some, by name or number. Or categories, a
            list in their order, in place of a type.
        order: of the columns, or its name, for `engine.ordering`; seed: that of a random one.
        dtype: of x where a column is real.
        missing: whether values may be missing: NaN, None, NA or masked; in arrays as MISSING says.
        density: whether it is for a density, of which columns may be doubtful; see `doubts`.

    Attributes:
        variables: by column of the data, what each is.
        order: (D,), the model's variable k is column order[k] of the data.
        names: of the columns, where the data name them; else None.
    """

    unit, per = "column", "row"

    def __init__(
        self,
        column_types: Any = None,
        order: Any = None,
        seed: int = 0,
        dtype: Any = np.float32,
        missing: bool = False,
        density: bool = True,
    ) -> None:
        """Keep the settings; nothing is learnt yet."""
        self._types, self._ordering, self._seed = column_types, order, seed
        self._dtype, self._missing, self._density = np.dtype(dtype), missing, density
        self.names: Sequence[frames.Name] | None = None
        self.library: str | None = None
        self.dtypes: tuple[str, ...] = ()
        self.variables: tuple[Variable, ...]
        self.order: ordering.Order

    def learn(self, X: Any, name: str = "X", more: Mapping[str, Any] | None = None) -> Self:
        """Learn the columns' types, categories and scales; see `Encoder`.

        more: other tables by what errors call them, whose categories are to be known, too.

        Warns:
            DataWarning: a column that may be no such variable; see `doubts`.
        """
        frame = frames.read(X, name)
        others = [(frames.read(other, called), called) for called, other in (more or {}).items()]
        D = frame.shape[1]
        for other, called in others:
            validation.check_width(other, D, "the model", called)
        self.order = ordering.make(self._ordering, D, self._seed)
        wanted = types_of.wanted(self._types, frame)
        found = []
        for k in range(D):
            column, cells = partial.there(frame, k, name, self._missing)
            place = frame.place(k, name)
            has_categories = column.kind == "category" or column.whole()
            also = partial.of_others(others, k, self._missing) if has_categories else []
            with cells:
                its = [one for one, _ in also]
                found.append(learning.learn(column, wanted[k], place, its, self._density))
            learning.check_listed(found[-1], wanted[k], also)
            if self._density and not self._is_said(frame, column, wanted[k]):
                key = k if frame.names is None else frame.names[k]
                doubts.check(column, found[-1], place, key, wanted[k])
        self.variables = tuple(found)
        self.names, self.library, self.dtypes = frame.names, frame.library, frame.dtypes
        return self

    def _is_said(self, frame: Frame, column: Column, wanted: Any) -> bool:
        """Return whether users said what a column is: itself, or by a dtype with categories."""
        by_dtype = column.declared and frame.library is not None
        return by_dtype or (wanted is not None and not isinstance(self._types, str))

    @property
    def dims(self) -> int:  # type: ignore[override]
        """D, the number of columns."""
        return len(self.order)

    @property
    def event(self) -> Columns:
        """Of each variable, in the model's order, its number of values, half step and atom."""
        ordered = [self.variables[k] for k in self.order]
        halves = tuple(variable.half_step for variable in ordered)
        values = tuple(variable.n_values for variable in ordered)
        atoms = tuple(variable.atom_z for variable in ordered)
        some = any(atom is not None for atom in atoms)
        return Columns(values, halves if any(halves) else (), atoms if some else ())

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of x: the event's, or that of the parameters where a column is real."""
        own = self.event.dtype
        return self._dtype if own.kind == "f" else own

    @property
    def types(self) -> tuple[str, ...]:
        """By column of the data, "binary", "categorical", "integer" or "continuous"."""
        return tuple(variable.type for variable in self.variables)

    @property
    def log_volumes(self) -> NDArray[np.float64]:
        """(D,), by column of the data: log |dz/dx|, 0 of what is counted; not at an atom."""
        return np.array([variable.log_volume for variable in self.variables])

    @property
    def log_volume(self) -> float:  # type: ignore[override]
        """Their sum; see `Encoder`."""
        return float(self.log_volumes.sum())

    def volumes(self, X: Any, name: str = "X") -> NDArray[np.float64]:
        """Return log |dz/dx| of each value of a table, (N, D): 0 of an atom, and of a missing one.

        An atom has a probability: models know it by its z, and so is it known here.
        """
        frame = frames.read(X, name)
        there = self.observed(frame, name) if self._missing else np.ones(frame.shape, bool)
        for k, variable in enumerate(self.variables):
            if isinstance(variable, Real) and variable.atom is not None and there[:, k].any():
                column, cells = partial.there(frame, k, name, self._missing)
                with cells:
                    z = variable.encode(column, frame.place(k, name)).astype(self.dtype)
                there[there[:, k], k] = ~variable.is_atom(z)
        return there * self.log_volumes

    @property
    def _plain(self) -> bool:
        """Whether all columns are of 0 and 1."""
        return all(isinstance(v, Category) and v.values == (0, 1) for v in self.variables)

    def check(self, X: Any, name: str = "X") -> None:
        """Raise what `encode` would raise, without the memory that its result takes."""
        frame = frames.read(X, name)
        if self._missing:
            self.encode(frame, name)
            return
        if self._plain and frame.array is not None and frame.array.dtype.kind in "biufO":
            validation.check_bits(frame.array, None, name)
            return
        for k, variable in enumerate(self.variables):
            variable.encode(frame.column(k, name), frame.place(k, name))

    def encode(self, X: Any, name: str = "X") -> Any:
        """Return rows, (N, D), in the model's order; of bits without a copy where it can be."""
        frame = frames.read(X, name)
        if self._missing:
            return self._encode_what_there_is(frame, name)
        if self._plain and frame.array is not None and frame.array.dtype.kind in "biufO":
            moved = None if ordering.is_raster(self.order) else self.order
            return validation.as_bits(frame.array, None, name, moved)
        x = np.empty(frame.shape, self.dtype)
        for j, k in enumerate(self.order):
            x[:, j] = self.variables[k].encode(frame.column(k, name), frame.place(k, name))
        return x

    def _encode_what_there_is(self, frame: Frame, name: str) -> NDArray[Any]:
        """Return rows of which values may be missing."""
        there = self.observed(frame, name)
        x = self.encode_given(frame, there, len(frame), name)
        x[~self.arrange(there)] = MISSING[x.dtype.kind]
        return x

    def observed(self, X: Any, name: str = "X") -> NDArray[np.bool_]:
        """Return where a table has values, (N, D), columns as in the data: not at None and NaN."""
        frame = frames.read(X, name)
        return np.stack([~partial.missing(frame.raw(k)) for k in range(frame.shape[1])], axis=1)

    def encode_given(
        self, given: Any, mask: NDArray[np.bool_], n: int, name: str = "given"
    ) -> NDArray[Any]:
        """Return values of which some are observed as n rows in the model's order, 0 elsewhere.

        given: a table of n rows or of one for all, or that one row. Only what is observed is
        looked at, and by names only that need be there. mask: (D,), or (n, D), columns as in the
        data.
        """
        given = partial.spread(given, mask, self.names)
        x = np.zeros((n, self.dims), self.dtype)
        place = np.argsort(self.order)
        for k, rows, column, cells in partial.observed(given, mask, n, self.dims, name):
            with cells:
                x[rows, place[k]] = self.variables[k].encode(column(), cells.place)
        return x

    def put_given(
        self, columns: list[NDArray[Any]], given: Any, mask: NDArray[np.bool_], n: int
    ) -> None:
        """Write observed values as they were given into decoded columns, not as they come back."""
        given = partial.spread(given, mask, self.names)
        for k, rows, column, _ in partial.observed(given, mask, n, self.dims):
            if isinstance(self.variables[k], Real):
                columns[k][rows] = column().values

    def arrange(self, x: Any) -> Any:
        """Return x, whose last axis are the data's columns, in the model's order."""
        return ordering.apply(self.order, x)

    def undo(self, x: Any) -> Any:
        """Return x, (N, D) or (N, D, …) of the model's variables, in the order of the columns."""
        return ordering.undo(self.order, x, axis=1)

    def decode(self, x: Any) -> Any:
        """Return what a model drew as a DataFrame, if such data were learnt; else as an array.

        An array is uint8 of bits, int64 of whole numbers, float64 where a column is real, and of
        objects where one is of words.
        """
        return self.table(self.decode_columns(x))

    def decode_columns(self, x: Any) -> list[NDArray[Any]]:
        """Return what a model drew column by column, each as it was learnt."""
        rows = self.undo(np.asarray(x))
        return [variable.decode(rows[:, k]) for k, variable in enumerate(self.variables)]

    def table(self, columns: list[NDArray[Any]]) -> Any:
        """Return decoded columns as `decode` has them."""
        if (library := dataframes.library(self.library)) is not None:
            return dataframes.make(library, columns, self.names, self.dtypes, self.variables)
        kinds = {column.dtype.kind for column in columns}
        if "O" in kinds:
            rows = np.empty((len(columns[0]), len(columns)), object)
            for k, column in enumerate(columns):
                rows[:, k] = column
            return rows
        if "f" in kinds:
            return np.stack([column.astype(np.float64) for column in columns], axis=1)
        bits = all(isinstance(v, Category) and set(v.values) == {0, 1} for v in self.variables)
        return np.stack([column.astype(np.uint8 if bits else np.int64) for column in columns], 1)

    def describe(self) -> str:
        """Return what the data are, in words: "rows of 3 columns: 1 binary, 2 continuous"."""
        counts = {kind: self.types.count(kind) for kind in TYPES}
        if counts["binary"] == self.dims:
            return f"rows of {self.dims} bits"
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        return f"rows of {self.dims} columns: {kinds}"

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
        return {
            "order": self.order.tolist(),
            "feature_names": None if self.names is None else list(self.names),
            "columns": [variable.as_json() for variable in self.variables],
            "library": self.library,
            "dtypes": list(self.dtypes),
        }

    def of_json(self, values: dict[str, Any], D: int) -> Self:
        """Take what `as_json` made, for D columns; return itself.

        Raises:
            KeyError, TypeError, ValueError: values that it does not make.
        """
        self.order = Bits().of_json(values, D).order  # order and names are kept as it keeps them
        names = values["feature_names"]
        if names is not None and not all(type(name) in (str, int) for name in names):
            raise TypeError("its metadata are damaged")
        self.names = names
        columns, library, dtypes = values["columns"], values["library"], values["dtypes"]
        if not isinstance(columns, list) or len(columns) != D:
            raise ValueError("it describes other columns than it has")
        if library not in (None, *dataframes.LIBRARIES) or not isinstance(dtypes, list):
            raise TypeError("its metadata are damaged")
        if len(dtypes) not in (0, D) or not all(isinstance(one, str) for one in dtypes):
            raise TypeError("its metadata are damaged")
        self.variables = tuple(variables.of_json(column) for column in columns)
        self.library, self.dtypes = library, tuple(dtypes)
        return self
