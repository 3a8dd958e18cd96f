"""What users say about their columns: types by name or number, or the categories themselves.

A list with a type in it, or with a list, has an entry for each column. One of words and numbers
alone, range(17) say, are the categories of every column.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.encoders.frames import Frame
from chainrule.encoders.variables import TYPES
from chainrule.suggestions import near


class Labelled(NamedTuple):
    """What the columns of a table are of which one holds labels.

    types: of the other columns. name: of that one. labels: its words, if they are known.
    """

    types: Any
    name: str
    labels: Sequence[str] | None = None


def wanted(column_types: Any, frame: Frame) -> list[Any]:
    """Return for each column of a table the type, or the categories, that were asked for; or None.

    Raises:
        ValueError: what is no type, or a column that the table has not.
    """
    D = frame.shape[1]
    if column_types is None or isinstance(column_types, str):
        return [_type(column_types)] * D
    if isinstance(column_types, Mapping):
        asked: list[Any] = [None] * D
        for key, value in column_types.items():
            asked[_number(key, frame)] = _type(value)
        return asked
    listed = list(column_types)
    if _are_categories(listed):
        return [listed] * D
    if len(listed) != D:
        raise ValueError(
            f"column_types has {len(listed)} entries and X has {D} columns; give one for each, or "
            "a dict for some"
        )
    return [_type(value) for value in listed]


def said(column_types: Any, names: Sequence[str] | None, D: int) -> list[Any]:
    """Return what was said of each of D columns before they are read, as `wanted`; None: nothing.

    What is no type, or of no column, says nothing here: `wanted` names it in an error.
    """
    if isinstance(column_types, Labelled):
        types, name, labels = column_types
        if name not in (names or ()):
            return said(types, names, D)
        assert names is not None
        k, words = names.index(name), "categorical" if labels is None else list(labels)
        others = said(types, [*names[:k], *names[k + 1 :]], D - 1)
        return [*others[:k], words, *others[k:]]
    if column_types is None or isinstance(column_types, str):
        return [column_types] * D
    if isinstance(column_types, Mapping):
        by_name = {str(key): value for key, value in column_types.items()}
        called = [None] * D if names is None else names
        return [by_name.get(str(called[k]), by_name.get(str(k))) for k in range(D)]
    listed = list(column_types)
    if _are_categories(listed):
        return [listed] * D
    return [*listed, *[None] * D][:D]


def are_words(said: Any) -> bool:
    """Return whether what was said of a column is a list of words."""
    return _is_list(said) and any(isinstance(value, str) for value in said)


def check(column_types: Any) -> None:
    """Raise ValueError for what is no type of a column, and no categories of one."""
    if column_types is None or isinstance(column_types, str):
        _type(column_types)
        return
    values = list(getattr(column_types, "values", lambda: column_types)())
    if isinstance(column_types, Mapping) or not _are_categories(values):
        for value in values:
            _type(value)


def _are_categories(listed: list[Any]) -> bool:
    """Return whether a list is of categories, of every column, and not of a type for each."""
    return bool(listed) and not any(
        value is None or (isinstance(value, str) and value in TYPES) or _is_list(value)
        for value in listed
    )


def _is_list(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str)


def _number(key: Any, frame: Frame) -> int:
    """Return which column is meant by a name or number."""
    names, D = frame.names or (), frame.shape[1]
    for known, meant in ((names, key), (tuple(map(str, names)), str(key))):
        if meant in known:
            return known.index(meant)
    if str(key).isdecimal() and int(key) < D:
        return int(key)
    there = (
        f"; there are {', '.join(map(str, names[:20]))}" if names else f"; there are 0 … {D - 1}"
    )
    raise ValueError(
        f"column_types names {key!r}, which is no column of the data"
        f"{near(str(key), map(str, names))}{there}"
    )


def _type(value: Any) -> Any:
    """Return a type, or a column's categories as a list."""
    if value is None or (isinstance(value, str) and value in TYPES):
        return value
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ValueError(
            f"column_types takes {', '.join(map(repr, TYPES))} or a list of categories, got "
            f"{value!r}{near(str(value), TYPES)}"
        )
    return list(value)


def as_json(column_types: Any) -> Any:
    """Return column_types as a file keeps them."""
    if column_types is None or isinstance(column_types, str):
        return column_types
    if isinstance(column_types, Mapping):
        return {str(key): as_json(value) for key, value in column_types.items()}
    if hasattr(column_types, "__iter__"):
        return [as_json(value) for value in column_types]
    return getattr(column_types, "item", lambda: column_types)()  # a number of NumPy's
