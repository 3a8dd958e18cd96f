"""One column of a table: whether it is of words, bools, whole or real numbers, and nothing else."""

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import cells
from chainrule.encoders.cells import DROP, CellError, ColumnError

EXACT = 2.0**53  # beyond, floating-point numbers cannot tell whole ones apart
ALIKE = (
    "{place} of {name} holds different whole numbers that are one and the same as floating-point "
    "numbers, {first} and others; subtract the least of them"
)


class Place(NamedTuple):
    """Where a column is: of which table, its number, and its name if it has one."""

    table: str
    k: int
    label: Any = None

    @property
    def text(self) -> str:
        """The column in words."""
        return f"column [:, {self.k}]" if self.label is None else f"column {self.label!r}"

    def cell(self, sentence: str, row: int) -> CellError:
        """Return an error about a cell; the sentence has {name} and {place} in it."""
        return CellError(sentence, self.table, row, self.k, self.label)

    def column(self, sentence: str) -> ColumnError:
        """Return an error about the column; the sentence has {name} and {place} in it."""
        return ColumnError(sentence, self.table, self.k, self.label)

    def missing(self, what: str, where: NDArray[np.bool_]) -> ValueError:
        """Return the error about cells without a value, (N,) bool, or a column without any."""
        if where.all() and len(where) > 1 and self.table != cells.GIVEN:
            return cells.empty(what, self.table, self.k, self.label)
        return cells.missing(what, self.table, int(np.argmax(where)), self.k, self.label)


class Column(NamedTuple):
    """A column of one kind, with nothing missing.

    Attributes:
        kind: "bool", "whole", "real" or "category".
        values: (N,) bools or numbers; of categories their codes.
        categories: words, or of declared ones numbers or bools: code c is categories[c].
        declared: whether the categories, and their order, were said beforehand.
    """

    kind: str
    values: NDArray[Any]
    categories: tuple[Any, ...] = ()
    declared: bool = False

    def word(self, n: int) -> Any:
        """Return value n as users have it."""
        value = self.values[n].item()
        return self.categories[value] if self.kind == "category" else value

    def distinct(self) -> tuple[Any, ...]:
        """Return the values that occur, sorted; of declared categories all, as declared."""
        if self.declared:
            return self.categories
        found = np.unique(self.values).tolist()
        return tuple(self.categories[c] for c in found) if self.kind == "category" else tuple(found)

    def whole(self) -> bool:
        """Return whether all values are whole numbers that a float can tell apart."""
        if self.kind != "real":
            return self.kind in ("bool", "whole")
        exact = np.abs(self.values) < np.float64(EXACT)  # no half-precision number: 65,504 at most
        return bool((exact & (self.values == np.floor(self.values))).all())


def pure(raw: NDArray[Any], place: Place) -> Column:
    """Return a column of one kind.

    Raises:
        CellError: a value is missing, or infinite, or of another kind than those before it.
        TypeError: values that are neither numbers nor words.
    """
    if np.ma.is_masked(raw):
        raise place.missing("a masked value", np.ma.getmaskarray(raw))
    raw = np.asarray(raw)
    kind = raw.dtype.kind
    if kind == "b":
        return Column("bool", raw)
    if kind in "iu":
        return Column("whole", raw)
    if kind == "f":
        return Column("real", _finite(raw, place))
    if kind == "O":
        return _of_objects(raw, place)
    if kind in "UST":
        words, codes = np.unique(raw.astype(str), return_inverse=True)
        return Column("category", codes.astype(np.int32), tuple(words.tolist()))
    if kind == "c":
        raise ValueError(f"{place.table} must hold real numbers. Complex data not supported")
    raise TypeError(
        f"{place.table} must hold numbers or words, and {place.text} is of {raw.dtype}; convert it "
        "first, dates to days for example"
    )


def _finite(raw: NDArray[Any], place: Place) -> NDArray[Any]:
    """Return real numbers, none of which is missing or infinite."""
    bad = ~np.isfinite(raw)
    if bad.any():
        row, gone = int(np.argmax(bad)), np.isnan(raw)
        if gone[row]:
            raise place.missing("NaN", gone)
        raise cells.missing("inf", place.table, row, place.k, place.label, DROP)
    return raw


def _of_objects(raw: NDArray[Any], place: Place) -> Column:
    """Return objects as a column of words, bools or numbers."""
    kinds = {kind: _kind(kind, place) for kind in {type(value) for value in raw}}
    found = set(kinds.values())
    if "missing" in found or ("word" in found and "real" in found):
        gone = np.array([kinds[type(v)] == "missing" or v != v for v in raw], bool)
        if gone.any():
            raise place.missing("NaN", gone)
    if "word" in found and len(found) > 1:
        row = next(n for n, value in enumerate(raw) if kinds[type(value)] != "word")
        raise place.cell(
            f"{{name}} holds {raw[row]!r} among words at {{place}}; make all of them words, or all "
            "numbers",
            row,
        )
    if found == {"word"}:
        words = sorted(set(raw.tolist()))
        number = {word: code for code, word in enumerate(words)}
        codes = np.fromiter((number[word] for word in raw), np.int32, len(raw))
        return Column("category", codes, tuple(map(str, words)))
    if found == {"bool"}:
        return Column("bool", raw.astype(bool))
    if found <= {"bool", "whole"}:
        return Column("whole", _whole(raw, place))
    return Column("real", _finite(raw.astype(np.float64), place))


def _whole(raw: NDArray[Any], place: Place) -> NDArray[Any]:
    """Return whole numbers as int64, or where they are larger as floats.

    Raises:
        ColumnError: they differ, and are all one as floats.
    """
    try:
        return raw.astype(np.int64)
    except OverflowError:
        x = raw.astype(np.float64)
        if (x == x[0]).all() and (raw != raw[0]).any():
            raise place.column(ALIKE.replace("{first}", str(raw[0]))) from None
        return x


def _kind(kind: type, place: Place) -> str:
    """Return what values of a type are."""
    if issubclass(kind, str):
        return "word"
    if issubclass(kind, bool | np.bool_):
        return "bool"
    if issubclass(kind, Integral):
        return "whole"
    if issubclass(kind, Real) or kind.__name__ == "Decimal":
        return "real"
    if kind is type(None) or kind.__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return "missing"
    raise TypeError(
        f"{place.table} must hold numbers or words: argument must be a string or a real number, "
        f"not {kind.__name__!r}, in {place.text}"
    )
