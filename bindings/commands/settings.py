"""Turn --set name=value into checked hyper-parameters of an estimator."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.commands.fields import ELSEWHERE, kinds
from chainrule.datasets import readers
from chainrule.estimators.density import Density
from chainrule.suggestions import near

AS_TEXT = ("column_types",)  # parsed later, as options are
RANGE = re.compile(r"range\((\d{1,5})\)")
WORDS = {"true": True, "false": False, "none": None}


def build(
    cls: type[Density], options: Mapping[str, Any], settings: Sequence[str]
) -> dict[str, Any]:
    """Return what the user chose, by name and typed.

    options: what named options gave; None where they were not.
    settings: "name=value" each.

    Raises:
        ValueError: an unknown name, a value of the wrong kind, or one given twice.
    """
    defaults = cls().get_params()
    chosen = {name: value for name, value in options.items() if value is not None}
    for name in chosen.keys() - defaults.keys():
        raise ValueError(f"{cls.__name__} has no setting {name!r}; leave --{_dashed(name)} out")
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise ValueError(f"--set takes name=value, got {setting!r}")
        if name in ELSEWHERE:
            raise ValueError(f"--set {name} is spelt {ELSEWHERE[name]}")
        if name not in defaults:
            names = sorted(set(defaults) - set(ELSEWHERE))
            raise ValueError(
                f"{cls.__name__} has no setting {name!r}{near(name, names)}; it has "
                f"{', '.join(names)}"
            )
        if name in chosen:
            raise ValueError(f"{name} is given twice; give it once")
        kind = kinds(cls).get(name, str)
        chosen[name] = text if name in AS_TEXT else typed(name, text, defaults[name], kind)
    if isinstance(chosen.get("column_types"), str):
        chosen["column_types"] = _column_types(chosen["column_types"])
    if isinstance(chosen.get("ordering"), str):
        chosen["ordering"] = _ordering(chosen["ordering"])
    cls(**chosen)._check_hyperparameters()
    return chosen


def typed(name: str, text: str, default: Any, of: type = str) -> Any:
    """Return `text` as the kind of value that `default` is.

    of: the kind where the default is None, which it may be, too; str: any.
    """
    value = _value(text)
    if default is None and (value is None or of is str):
        return value
    wanted = of if default is None else type(default)
    if wanted is str:
        return text
    if wanted is float and type(value) in (int, float):
        return float(value)
    if wanted is tuple:
        return _sizes(name, text)
    if type(value) is not wanted:
        kind = {bool: "true or false", int: "a whole number"}.get(wanted, "a number")
        raise ValueError(f"{name} must be {kind}, got {text!r}")
    return value


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _value(text: str) -> Any:
    """Return the number or word that `text` spells, else the text."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _column_types(text: str) -> Any:
    """Return types of columns as estimators take them: one for all, or by name; or JSON.

    range(17) in place of a type are the categories 0 … 16.
    """
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"column_types is no JSON: {error}") from error
    if ":" not in text:
        return None if text.lower() == "none" else _column_type(text)
    pairs = [pair.rpartition(":") for pair in text.split(",")]
    if not all(name and kind for name, _, kind in pairs):
        raise ValueError(f"column_types takes name:type, with commas between, got {text!r}")
    return {name.strip(): _column_type(kind.strip()) for name, _, kind in pairs}


def _column_type(text: str) -> Any:
    """Return a type of a column, or categories as a list."""
    numbers = RANGE.fullmatch(text)
    return list(range(int(numbers[1]))) if numbers else text


def _sizes(name: str, text: str) -> tuple[int, ...]:
    """Return whole numbers with commas between them, none for an empty text."""
    try:
        return tuple(int(part) for part in text.split(",") if text)
    except ValueError:
        raise ValueError(
            f"{name} must be whole numbers with commas between them, got {text!r}"
        ) from None


def _ordering(text: str) -> Any:
    """Return an ordering's name, or the indices in a .npy file."""
    return readers.read_npy(Path(text)).tolist() if text.endswith(".npy") else text
