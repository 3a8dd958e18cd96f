"""The JSON of a checkpoint: what is written of it, and reading it warily.

A file can hold any JSON. Here it becomes fields of the types that were asked for, or one
CheckpointError.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_origin

import numpy as np

from chainrule.engine.storage.container import CheckpointError, PathLike, refuse


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


def parse(text: str, version: int, path: PathLike) -> dict[str, Any]:
    """Return the JSON object of a file of our version, its four keys present."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "format" not in content:
        refuse(path, "has a description that cannot be read; save the model again")
    if content["format"] != version:
        refuse(
            path,
            f"has format {content['format']!r:.20} and this chainrule reads {version}; "
            "load it with the version that saved it",
        )
    if content.keys() != {"format", "model", "config", "metadata"}:
        refuse(path, "has a description that cannot be read; save the model again")
    return content


def typed(hints: Mapping[str, Any], values: Any, path: PathLike) -> dict[str, Any]:
    """Return `values` if it is an object of exactly these fields and types; refuse it otherwise.

    A whole number may stand for a float: users write learning_rate=1.
    """
    if not isinstance(values, dict) or values.keys() != hints.keys():
        refuse(path, f"lacks one of {', '.join(hints)}; save the model again")
    checked = {}
    for name, hint in hints.items():
        value, kind = values[name], get_origin(hint) or hint
        if kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if type(value) is not kind:
            refuse(path, f"has a {name} that is no {kind.__name__}; save the model again")
        checked[name] = value
    return checked


def plain(value: Any) -> Any:
    """Return a NumPy number or array as JSON can hold it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"metadata must be what JSON can hold, got {type(value).__name__}")
