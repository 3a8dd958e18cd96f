"""Trainings about to begin or go on: what is learnt by whom, and whether it agrees with a run."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.commands import runs, standard_input
from chainrule.commands.common import Common
from chainrule.commands.inputs import of_rows
from chainrule.commands.line_material import LineMaterial
from chainrule.commands.material import Material, digest
from chainrule.commands.requests import Reading, TrainRequest, Written
from chainrule.commands.row_material import RowMaterial
from chainrule.commands.text_material import TextMaterial, is_text
from chainrule.engine import team
from chainrule.engine.storage import checkpoint, fingerprint
from chainrule.engine.training.train import State
from chainrule.estimators import resuming
from chainrule.estimators.density import Density

METADATA = {"estimator", "data", "fingerprint", "hyperparameters", "threads", "reading"}
MAY_CHANGE = (*resuming.LENGTHS, "accumulation")  # settings, when a training goes on
OPTIONS = {"valid": "--valid", "unit": "--bytes", "lines": "--lines"}  # of reading a text


class Job(NamedTuple):
    """A training about to begin or go on."""

    folder: Path
    estimator: Any
    data: Material
    state: State
    metadata: dict[str, Any]
    change: str | None = None  # what a new length means for a training that goes on


def new(cls: type[Density], asked: TrainRequest, data: str | None, threads: int) -> Job:
    """Return a training before its first minibatch; nothing is written yet."""
    if data is None:
        raise ValueError("a new run needs --data: a name such as digits, or a path")
    for name, option in OPTIONS.items():
        if name in asked.reading and not is_text(data):
            raise ValueError(f"{option} is for texts, and {data} holds rows; leave it out")
    for name in Written._fields:
        if name in asked.reading and is_text(data) and not of_rows(cls()):
            raise ValueError(f"--{name} is of tables, and {data} is a text; leave it out")
    estimator = cls(**asked.options)
    material = _open(estimator, data, asked.reading)
    metadata = {
        "estimator": cls.__name__,
        "data": _absolute(data),
        "fingerprint": digest(estimator, material.source),
        "hyperparameters": resuming.settled(estimator),
        "threads": threads,
        "parts": parts(estimator),
        "reading": Reading(**asked.reading)._asdict(),
    }
    return Job(asked.out, estimator, material, estimator._start(), metadata)


def parts(estimator: Density) -> int:
    """Return in how many parts a minibatch is worked through: one after another, and by ranks."""
    return int(estimator._recipe().accumulation) * team.current().size


def resumed(common: Common, cls: type[Density], asked: TrainRequest, data: str | None) -> Job:
    """Return the training in a folder, if everything that was given agrees with it.

    Only its length may be another one, see `resuming`, and its `accumulation`, for other numbers of
    ranks.
    """
    out = asked.out
    saved = runs.load_state(out)
    estimator, as_before = _as_it_began(cls, out, saved)
    before = estimator.get_params() | as_before
    for name, value in (asked.options | asked.reading).items():
        if name not in MAY_CHANGE and not resuming.agree(before[name], value):
            raise ValueError(
                f"{out} was begun with {name}={before[name]}, not {value}; leave that out to "
                "resume, or begin a new run"
            )
    if data is None and saved.metadata["data"] == standard_input.DASH:
        raise ValueError(f"{out} learns from standard input; pipe the same into it with --data -")
    material = _open(estimator, data or saved.metadata["data"], as_before)
    values = _digest_as_before(common, out, estimator, material, saved.metadata["fingerprint"])
    if (saved.config, saved.recipe) != (estimator._fitted_config(), estimator._recipe()):
        raise ValueError(f"{out / runs.STATE} contradicts itself; begin a new run")
    changed = {name: asked.options[name] for name in MAY_CHANGE if name in asked.options}
    recipe = estimator.set_params(**changed)._recipe()
    resuming.check_length(material.source, recipe, saved.state)
    metadata = saved.metadata | {"hyperparameters": resuming.settled(estimator)}
    metadata["fingerprint"] = values
    metadata.setdefault("parts", saved.recipe.accumulation)
    change = resuming.change_of_length(saved.recipe, recipe)
    return Job(out, estimator, material, saved.state, metadata, change)


def _as_it_began(
    cls: type[Density], out: Path, saved: checkpoint.SavedState
) -> tuple[Any, dict[str, Any]]:
    """Return an estimator with the settings that a run began with, and how its data are read."""
    foreign = f"{out / runs.STATE} is no training of this program; begin a new run"
    name, stored = saved.metadata.get("estimator"), saved.metadata.get("hyperparameters")
    if not isinstance(stored, dict) or not METADATA <= saved.metadata.keys():
        raise ValueError(foreign)
    if name != cls.__name__ or saved.model != (estimator := cls(**stored))._model_name():
        raise ValueError(f"{out} is a run of {str(name).lower()}; resume it as that")
    reading = saved.metadata["reading"]
    if not isinstance(reading, dict) or not reading.keys() <= set(Reading._fields):
        raise ValueError(foreign)
    return estimator, Reading(
        **reading
    )._asdict()  # what an older chainrule did not ask is as it was


def _digest_as_before(
    common: Common, out: Path, estimator: Density, material: Material, before: str
) -> str:
    """Return the digest of the data at hand, if they are those that a run was begun on.

    Of data of which an older chainrule said something else a warning asks the user to see to it.

    Raises:
        ValueError: they are others.
    """
    now, held = digest(estimator, material.source), material.source.contents
    of_bits = len(held) == 2 and isinstance(material, RowMaterial) and held[0].dtype == np.uint8
    older = (lambda: fingerprint.of_packed_bits(*held),) if of_bits else ()
    if not (of_bits or before.startswith(fingerprint.SCHEME)):
        common.warn(
            f"{out} was begun by an older chainrule, which told data apart in another way; see to "
            f"it that {material.name} is what it was"
        )
    elif not fingerprint.agrees(before, now, *older):
        raise ValueError(
            f"{out} was begun on other data than {material.name}; resume with the same"
        )
    return now


def _open(estimator: Density, data: str, reading: dict[str, Any]) -> Material:
    """Return the data for an estimator, checked: rows, a text, or a text's lines."""
    how = Reading(**reading)
    if of_rows(estimator) or not is_text(data):
        return RowMaterial(estimator, data, how)
    if how.labels:
        raise ValueError("--labels are of rows; a text has none")
    return (LineMaterial if how.lines else TextMaterial)(estimator, data, how)


def _absolute(data: str) -> str:
    """Return a path that leads there from any folder; a name as it is."""
    return os.path.abspath(data) if os.path.exists(data) else data


def reading_of(cls: type[Density], asked: dict[str, Any]) -> dict[str, Any]:
    """Return how data are to be read, as far as it was said, if a model can be read for so.

    Raises:
        ValueError: labels of a model that learns none, or what is of texts where it learns none.
    """
    unsaid = {name: (None, False) for name in asked} | {"header": (None,), "decimal": (".",)}
    reading = {name: value for name, value in asked.items() if value not in unsaid[name]}
    labels, model = reading.get("labels"), cls()
    if labels and not model._model().ABILITIES.labels:
        option = "--labels-from" if isinstance(labels, str) else "--labels"
        raise ValueError(f"{cls.__name__} learns no labels; leave {option} out")
    if isinstance(labels, str):
        reading["labels"] = _absolute(labels)
    for name, option in OPTIONS.items():
        if name in reading and of_rows(model):
            raise ValueError(f"{option} is for models of sequences; leave it out")
    return reading
