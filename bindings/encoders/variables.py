"""One column of a user's table as a variable of a model, and back.

| type | data | the model's variable | log_prob |
|---|---|---|---|
| binary | bools, 0 and 1, or two values | a bit | exact |
| categorical | words, or whole numbers | a category; K = 1 costs nothing | exact |
| integer | whole numbers | real: the number plus noise | a lower bound, on average |
| continuous | numbers | real | a density |

Real variables are standardised by the mean and the standard deviation of the training rows:
z = (x - mean) / scale, so log p(x) = log p(z) - log scale.

`noise` says what is added to whole numbers, and why.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor, isfinite, log, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.pure import Column, Place
from chainrule.engine.event import CONTINUOUS

TYPES = ("binary", "categorical", "integer", "continuous")
MOST = 10_000  # categories of a column
DIGITS = 6  # of a standardised number in single precision
FARTHEST = 1e15  # standard deviations: squared, and over any σ, still a number in single precision
SHOWN = 8  # categories that an error names


@dataclass(frozen=True)
class Category:
    """A column of a few values: code c stands for values[c]."""

    type: str
    values: tuple[Any, ...]
    log_volume = 0.0

    @property
    def n_values(self) -> int:
        """How many values there are, K."""
        return len(self.values)

    @cached_property
    def _array(self) -> NDArray[Any]:
        kinds = {type(value) for value in self.values}
        if kinds == {bool}:
            return np.array(self.values, bool)
        try:
            return np.array(self.values, np.int64 if kinds <= {int, bool} else object)
        except OverflowError:
            return np.array(self.values, object)

    @cached_property
    def _range(self) -> tuple[int, NDArray[np.int32]] | None:
        """The least value, and the codes of all from the one before it to the one after the last.

        None where the values are no whole numbers, or lie too far apart for such a table.
        """
        if isinstance(self.values[0], str) or max(self.values) - min(self.values) > MOST:
            return None
        low, high = int(min(self.values)), int(max(self.values))
        return low, self._codes(range(low - 1, high + 2))

    def encode(self, column: Column, place: Place) -> NDArray[np.int32]:
        """Return the codes of a column's values, (N,).

        Raises:
            CellError: a value that is none of them.
        """
        if column.kind == "category":
            codes = self._codes(column.categories)[column.values]
        elif self._range is not None and column.whole():
            low, table = self._range
            whole = column.values.astype(np.int64)
            codes = table[np.clip(whole, low - 1, low + len(table) - 2) - (low - 1)]
        else:
            found, which = np.unique(column.values, return_inverse=True)
            codes = self._codes(found.tolist())[which]
        if len(codes) and codes.min() < 0:
            row = int(np.argmin(codes))
            known = ", ".join(map(repr, self.values[:SHOWN]))
            raise place.cell(
                f"{{name}} holds {column.word(row)!r} at {{place}}, a category never seen in "
                f"training; known are {known}{', …' if len(self.values) > SHOWN else ''}",
                row,
            )
        return np.asarray(codes)

    def _codes(self, values: Iterable[Any]) -> NDArray[np.int32]:
        number = {value: code for code, value in enumerate(self.values)}
        return np.array([number.get(value, -1) for value in values], np.int32)

    def decode(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the values that codes stand for."""
        values: NDArray[Any] = self._array[x.astype(np.intp)]
        return values

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
        return {"type": self.type, "values": list(self.values)}


@dataclass(frozen=True)
class Real:
    """A column of numbers, standardised; of type "integer" it is rounded again when it is drawn."""

    type: str
    mean: float
    scale: float
    clumped: bool = False  # whether many of the training rows have one value: `learning.SHARED`
    n_values = CONTINUOUS

    @property
    def log_volume(self) -> float:
        """Log |dz/dx|, nats."""
        return -log(self.scale)

    def encode(self, column: Column, place: Place) -> NDArray[np.float64]:
        """Return z of a column's values, (N,), without noise.

        Raises:
            CellError: words; a value that is no whole number, where the others were; one that is
                absurdly far away.
        """
        if column.kind == "category":
            raise place.cell(
                f"{{name}} holds {column.word(0)!r} at {{place}}, where training had numbers; mend "
                "it or fit anew",
                0,
            )
        x = column.values.astype(np.float64)
        if self.type == "integer":
            if (x != np.floor(x)).any():
                row = int(np.argmax(x != np.floor(x)))
                raise place.cell(
                    f"{{name}} holds {column.word(row)!r} at {{place}}, where training had whole "
                    "numbers alone; mend it, or fit anew with column_types 'continuous' there",
                    row,
                )
        with np.errstate(over="ignore"):
            z: NDArray[np.float64] = (x - self.mean) / self.scale
        if not (np.abs(z) <= FARTHEST).all():
            row = int(np.argmin(np.abs(z) <= FARTHEST))
            raise place.cell(
                f"{{name}} holds {column.word(row)!r} at {{place}}, over {FARTHEST:g} standard "
                f"deviations, of {self.scale:.3g}, from the training rows' mean; mend it",
                row,
            )
        return z

    def decode(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the values, float64, or int64 if they were whole numbers.

        Of x in single precision they are rounded to the digits that it has.
        """
        values: NDArray[Any] = self.mean + self.scale * x.astype(np.float64)
        if x.dtype == np.float32:
            values = np.round(values, DIGITS - floor(log10(self.scale)))
        if self.type == "integer":
            values = np.clip(np.rint(values), -(2.0**62), 2.0**62).astype(np.int64)
        return values

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
        clumped = {"clumped": True} if self.clumped else {}
        return {"type": self.type, "mean": self.mean, "scale": self.scale, **clumped}


Variable = Category | Real


def of_json(values: Any) -> Variable:
    """Return the variable that `as_json` made.

    Raises:
        KeyError, TypeError, ValueError: values that it does not make.
    """
    if not isinstance(values, dict) or values["type"] not in TYPES:
        raise TypeError("its metadata are damaged")
    kind = values["type"]
    if kind in ("integer", "continuous"):
        mean, scale = float(values["mean"]), float(values["scale"])
        if not (isfinite(mean) and isfinite(scale) and scale > 0 and isfinite(1 / scale)):
            raise ValueError("the scale of a column is damaged")
        return Real(kind, mean, scale, bool(values.get("clumped", False)))
    found = values["values"]
    if not isinstance(found, list) or not 1 <= len(found) <= MOST:
        raise TypeError("the categories of a column are damaged")
    check_categories(found, "the categories of a column are damaged")
    if kind == "binary" and len(found) != 2:
        raise ValueError("a binary column has other than two values")
    return Category(kind, tuple(found))


def check_categories(values: Sequence[Any], sentence: str) -> None:
    """Raise ValueError unless values are different words, or whole numbers, or both bools."""
    kinds = {type(value) for value in values}
    if kinds not in ({str}, {int}, {bool}) or len(set(values)) < len(values):
        raise ValueError(sentence)
