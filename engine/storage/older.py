"""What files of earlier versions call otherwise, or lack because there was none of it."""

from collections.abc import Mapping
from typing import Any

from chainrule.engine.params import Params

RENAMED = {"n_rows": "size", "best_epoch": "best_record", "P": "E_pos"}
ABSENT: dict[str, Any] = {  # fields of a Config or a Recipe, and what they were without a name
    "n_classes": 1,
    "half_steps": [],
    "atoms": [],
    "positions": False,
    "dropout": 0.0,
    "average": 0.0,
}


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of today."""
    return {RENAMED.get(name, name): value for name, value in values.items()}


def completed(values: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with those of the fields that they lack and once were not there."""
    return {name: value for name, value in ABSENT.items() if name in fields} | values


def layout(config: Any, params: Params) -> list[str]:
    """Return in which order a training's arrays lie whose file does not say it.

    As today; not those of networks that know positions, whose biases of pixels stood elsewhere.
    """
    return [] if getattr(config, "positions", False) else list(params.shapes)
