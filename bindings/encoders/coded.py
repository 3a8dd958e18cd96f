"""Columns whose categories are said beforehand, as pandas' Categorical does, beside plain ones."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.pure import Column, Place


class Coded(NamedTuple):
    """A column whose categories are said beforehand.

    Attributes:
        codes: (N,) whole numbers, -1 where a value is missing.
        categories: words, numbers or bools, in their own order. ordered: whether that means more.
    """

    codes: NDArray[Any]
    categories: tuple[Any, ...]
    ordered: bool = False


Raw = NDArray[Any] | Coded


def column(raw: Coded, place: Place) -> Column:
    """Return a column whose categories were said beforehand, if they are what categories can be.

    Raises:
        CellError: a value is missing.
    """
    if len(raw.codes) and raw.codes.min() < 0:
        raise place.missing("NaN", raw.codes < 0)
    return Column("category", raw.codes, _alike(raw.categories), True)


def _alike(categories: Sequence[Any]) -> tuple[Any, ...]:
    """Return categories that are all bools, whole numbers or finite ones as such; else as words."""
    if all(isinstance(c, bool | np.bool_) for c in categories):
        return tuple(map(bool, categories))
    if any(isinstance(c, bool | np.bool_) for c in categories):
        return tuple(map(str, categories))
    if all(isinstance(c, int | np.integer) for c in categories):
        return tuple(map(int, categories))
    if all(isinstance(c, float | np.floating) and np.isfinite(c) for c in categories):
        return tuple(map(float, categories))
    return tuple(map(str, categories))


def cells(raw: Raw) -> NDArray[Any]:
    """Return a column's cells as users have them, (N,); of a missing category, or masked, None."""
    if isinstance(raw, Coded):
        words: NDArray[Any] = np.array([*raw.categories, None], object)[raw.codes]
        return words
    if np.ma.is_masked(raw):
        gaps = np.asarray(raw).astype(object)
        gaps[np.ma.getmaskarray(raw)] = None
        return gaps
    return np.asarray(raw)


def some(raw: Raw, rows: Any) -> Raw:
    """Return some rows of a column."""
    return raw._replace(codes=raw.codes[rows]) if isinstance(raw, Coded) else raw[rows]
