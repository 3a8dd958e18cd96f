"""The JSON of a checkpoint: what is written of it, and reading it warily.

A file can hold any JSON. Here it becomes fields of the types that were asked for, or one
CheckpointError. A field may be a bool, int, float, str, one of several words (Literal), a tuple of
such, another dataclass, or optional: JSON writes a tuple as a list, a dataclass as an object of its
fields, and None as null. How deep this goes is given by the types; of types that hold themselves,
the file goes DEEPEST levels down.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, NoReturn, Union, get_args, get_origin, get_type_hints

import numpy as np

from chainrule.engine.storage.container import CheckpointError, PathLike, refuse

MAY_BE_0 = {"n_logistics"}  # sizes in a Config: there are none
DEEPEST = 16  # levels of dataclasses and tuples inside each other


@contextmanager
def one_error(path: PathLike, what: str = "cannot be read") -> Iterator[None]:
    """Turn whatever a file's content raises in the block into one CheckpointError.

    A file can hold anything, so which of a constructor's errors it brings about is not known.
    """
    try:
        yield
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        refuse(path, f"{what} ({why:.200}); save the model again or use another copy")


def parse(text: str, versions: tuple[int, ...], path: PathLike) -> dict[str, Any]:
    """Return the JSON object of a file of one of our versions, its four keys present."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "format" not in content:
        refuse(path, "has a description that cannot be read; save the model again")
    version = content["format"]
    if type(version) is not int or version not in versions:
        known = " and ".join(map(str, versions))
        refuse(
            path,
            f"has format {version!r:.20} and this chainrule reads {known}; "
            "load it with the version that saved it",
        )
    if content.keys() != {"format", "model", "config", "metadata"}:
        refuse(path, "has a description that cannot be read; save the model again")
    return content


def typed(hints: Mapping[str, Any], values: Any, path: PathLike) -> dict[str, Any]:
    """Return `values` if it is an object of exactly these fields and types; refuse it otherwise.

    A whole number may stand for a float: users write learning_rate=1.
    """
    return _fields(_Place("", path, -1), hints, values)


class _Place(NamedTuple):
    """A field that is read, and the file that it is in; depth counts what it is inside of."""

    name: str
    path: PathLike
    depth: int

    def inside(self, name: str) -> "_Place":
        """Return the place of a part of this field."""
        if self.depth == DEEPEST:
            refuse(self.path, "has a description that is too deep; save the model again")
        return _Place(self.name + name, self.path, self.depth + 1)

    def refuse(self, kind: str) -> NoReturn:
        refuse(self.path, f"has a {self.name} that is no {kind}; save the model again")


def _fields(place: _Place, hints: Mapping[str, Any], values: Any) -> dict[str, Any]:
    """Return an object's values as the types of its fields."""
    if not isinstance(values, dict) or values.keys() != hints.keys():
        refuse(place.path, f"lacks one of {', '.join(hints)}; save the model again")
    dot = "." if place.name else ""
    return {k: _field(place.inside(dot + k), hint, values[k]) for k, hint in hints.items()}


def _field(place: _Place, hint: Any, value: Any) -> Any:
    """Return one value as the type that is asked for."""
    origin, choices = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _either(place, choices, value)
    if origin is tuple:
        return _tuple(place, choices, value)
    if is_dataclass(hint):
        return hint(**_fields(place, get_type_hints(hint), value))  # type: ignore[operator]
    if origin is Literal:
        if not any(type(value) is type(word) and value == word for word in choices):
            place.refuse(" or ".join(map(repr, choices)))
        return value
    kind = origin or hint
    if kind is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if type(value) is not kind:
        place.refuse(kind.__name__)
    return value


def _either(place: _Place, choices: tuple[Any, ...], value: Any) -> Any:
    """Return a value of an optional field: None, or the one type besides."""
    others = [choice for choice in choices if choice is not NoneType]
    if len(others) != 1 or len(others) == len(choices):
        raise TypeError(f"{place.name} must be one type or None")  # a Config's fault, no file's
    return None if value is None else _field(place, others[0], value)


def _tuple(place: _Place, kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Return a list as a tuple: of any length where its type ends in …, else of that length."""
    if type(value) is not list:
        place.refuse("list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        place.refuse(f"list of {len(kinds)}")
    return tuple(
        _field(place.inside(f"[{k}]"), kind, item)
        for k, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def too_small(value: Any, least: int = 1) -> bool:
    """Return whether there is a size below 1 in a Config, or a number below 0 in its tuples."""
    if is_dataclass(value):
        return any(too_small(v) for name, v in vars(value).items() if name not in MAY_BE_0)
    if isinstance(value, tuple):
        return any(too_small(inner, least=0) for inner in value)  # 0 has a meaning in events
    return type(value) is int and value < least


def plain(value: Any) -> Any:
    """Return a NumPy number or array as JSON can hold it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"metadata must be what JSON can hold, got {type(value).__name__}")
