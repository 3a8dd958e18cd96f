"""One column of a user's table as a variable of a model, and back.

| type | data | the model's variable | log_prob |
|---|---|---|---|
| binary | bools, 0 and 1, or two values | a bit | exact |
| categorical | words, whole numbers, or what a Categorical has | a category | exact |
| integer | whole numbers | real, on a lattice | exact |
| continuous | numbers | real | a density |

Real variables are standardised by the mean and the standard deviation of the training rows:
z = (x - mean) / scale, so log p(x) = log p(z) - log scale.
A column of one category, K = 1, costs nothing.

Whole numbers of which there are many are no categories: there would be parameters for each, and no
probability for one that never came. Nor have they a density, which may grow without bound at values
that come again and again. So a number's probability is the mass that the mixture has in the unit
step around it, from n - 1/2 to n + 1/2 (`chainrule.kernels.mixture`, Steps): these sum to 1, and
what is drawn of the mixture and rounded follows them. Their mean is rounded, so that z is a
multiple of 1 / scale; there is no |dz/dx| to be counted. They are below 2**53 in size: larger ones,
which a float cannot tell apart, are continuous, and come back as float64 (`doubts` says so).

A number that a fifth or more of the training rows have, and four times as many as any other, such
as the 0 of a rainfall, is the column's atom: the model gives it a probability of its own, and
the mixture is of the other rows, whose mean and standard deviation the scale is by. Where a real
column has it, log_prob is the logarithm of that probability, and no |dz/dx| is counted
(`chainrule.kernels.columns`, Atoms).
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
    log_volume = half_step = 0.0
    atom_z = None

    @property
    def n_values(self) -> int:
        """How many values there are, K."""
        return len(self.values)

    @cached_property
    def _array(self) -> NDArray[Any]:
        kinds = {type(value) for value in self.values}
        if kinds == {bool}:
            return np.array(self.values, bool)
        if kinds == {float}:
            return np.array(self.values, np.float64)
        try:
            return np.array(self.values, np.int64 if kinds <= {int, bool} else object)
        except OverflowError:
            return np.array(self.values, object)

    @property
    def _fractions(self) -> bool:
        """Whether the values are numbers that need not be whole."""
        return isinstance(self.values[0], float)

    @cached_property
    def _range(self) -> tuple[int, NDArray[np.int32]] | None:
        """The least value, and the codes of all from the one before it to the one after the last.

        None where the values are no whole numbers, or lie too far apart for such a table.
        """
        if self._fractions or isinstance(self.values[0], str):
            return None
        if max(self.values) - min(self.values) > MOST or max(map(abs, self.values)) >= 2**62:
            return None
        low, high = int(min(self.values)), int(max(self.values))
        return low, self._codes(range(low - 1, high + 2))

    def encode(self, column: Column, place: Place, listed: bool = False) -> NDArray[np.int32]:
        """Return the codes of a column's values, (N,).

        listed: whether the categories were given and the column is one of `fit`, for the error.

        Raises:
            CellError: a value that is none of them.
        """
        codes = self.codes(column)
        if len(codes) and codes.min() < 0:
            row = int(np.argmin(codes))
            known = ", ".join(map(repr, self.values[:SHOWN]))
            value = column.word(row)
            value = int(value) if isinstance(value, float) and value.is_integer() else value
            why = "a category never seen in training; known are"
            cure = "" if listed else self._cure(value)
            if listed:
                why = "which the categories in column_types lack; they are"
                cure = "list it, too, or mend that cell"
            raise place.cell(
                f"{{name}} holds {value!r} at {{place}}, {why} "
                f"{known}{', …' if len(self.values) > SHOWN else ''}; {cure}",
                row,
            )
        return codes

    def codes(self, column: Column) -> NDArray[np.int32]:
        """Return the codes of a column's values, (N,), -1 of what is none of them."""
        codes: NDArray[np.int32]
        if column.kind == "category":
            codes = self._codes(map(self._as_known, column.categories))[column.values]
        elif self._range is not None and column.whole():
            low, table = self._range
            at = np.clip(column.values.astype(np.int64), low - 1, low + len(table) - 2) - (low - 1)
            codes = table[at]
        else:
            found, which = np.unique(column.values, return_inverse=True)
            codes = self._codes(found.tolist())[which]
        return codes

    def _as_known(self, value: Any) -> Any:
        """Return a category as training had it: among words bools and fractions are words, too.

        So they are in a Categorical of both, and so files have them in which all were words.
        """
        is_word = isinstance(self.values[0], str) and isinstance(value, bool | float)
        return str(value) if is_word else value

    def _cure(self, value: Any) -> str:
        """Return what to do about a value that is none of these."""
        if self._fractions:
            return "fit with a Categorical of all that it may be"
        if isinstance(self.values[0], str) or not isinstance(value, int):
            return "fit with all that it may be: column_types={{key}: [… all categories …]}"
        highest, lowest = max(*self.values, value), min(*self.values, value)
        if lowest < 0 or highest >= MOST:
            return 'fit with column_types={{key}: "integer"} if it counts something'
        every, here = f"range({highest + 1})", "column_types={{key}: "
        return (
            f"fit with {here}{every}}} if it is one more category, column_types={every} if all "
            f'columns have these, or {here}"integer"}} if it counts something'
        )

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
    """A column of numbers, standardised; of type "integer" whole ones.

    atom: the value that many of the training rows have (see `learning`); None where none is.
    """

    type: str
    mean: float
    scale: float
    atom: float | None = None
    n_values = CONTINUOUS

    @property
    def log_volume(self) -> float:
        """Log |dz/dx|, nats, but at an atom; 0 of whole numbers, which have probabilities."""
        return 0.0 if self.type == "integer" else -log(self.scale)

    @property
    def half_step(self) -> float:
        """Half the unit step of whole numbers, in z; 0 of real ones."""
        return 0.5 / self.scale if self.type == "integer" else 0.0

    @property
    def atom_z(self) -> float | None:
        """The atom's z, as any row's; None where there is none."""
        return None if self.atom is None else float(self._standardised(np.float64(self.atom)))

    def _standardised(self, x: Any) -> Any:
        if self.type == "integer":
            return (x - self.mean) * (2 * self.half_step)  # what draws are rounded to, to the bit
        return (x - self.mean) / self.scale

    def is_atom(self, z: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which of a column's z, as models have them, are the atom's."""
        atom = self.atom_z
        return np.zeros(z.shape, bool) if atom is None else z == z.dtype.type(atom)

    def encode(self, column: Column, place: Place) -> NDArray[np.float64]:
        """Return z of a column's values, (N,).

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
            z: NDArray[np.float64] = self._standardised(x)
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

        Of x in single precision they are rounded to the digits that it has, but for the atom.
        """
        values: NDArray[Any] = self.mean + self.scale * x.astype(np.float64)
        if self.type == "integer":
            whole: NDArray[Any] = np.clip(np.rint(values), -(2.0**62), 2.0**62).astype(np.int64)
            return whole
        if x.dtype == np.float32:
            values = np.round(values, DIGITS - floor(log10(self.scale)))
        return values if self.atom is None else np.where(self.is_atom(x), self.atom, values)

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
        atom = {} if self.atom is None else {"atom": self.atom}
        return {"type": self.type, "mean": self.mean, "scale": self.scale, **atom}


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
        atom = None if values.get("atom") is None else float(values["atom"])
        if atom is not None and not isfinite(atom):
            raise ValueError("the atom of a column is damaged")
        return Real(kind, mean, scale, atom)
    found = values["values"]
    if not isinstance(found, list) or not 1 <= len(found) <= MOST:
        raise TypeError("the categories of a column are damaged")
    fractions = all(isinstance(value, float) and isfinite(value) for value in found)
    if not fractions or len(set(found)) < len(found):  # those of a Categorical
        check_categories(found, "the categories of a column are damaged")
    if kind == "binary" and len(found) != 2:
        raise ValueError("a binary column has other than two values")
    return Category(kind, tuple(found))


def check_categories(values: Sequence[Any], sentence: str) -> None:
    """Raise ValueError unless values are different words, or whole numbers, or both bools."""
    kinds = {type(value) for value in values}
    if kinds not in ({str}, {int}, {bool}) or len(set(values)) < len(values):
        raise ValueError(sentence)
