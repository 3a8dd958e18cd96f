"""Models and trainings on disk, in safetensors files; no code is ever read from one (no pickle).

A file holds the parameters by name, further arrays as "extra/<name>", and as JSON the format's
version, the model's registry name, its config and the caller's metadata. `container` writes it
whole or not at all, and finds damage. Here what it says must agree: version, model, config, and
every parameter's name, shape and dtype. Parameters must be finite, when saving and when loading:
a diverged model is good for nothing and must not replace a good one. The history is an array,
"extra/history/epoch" or "…/step"; where it stands in the metadata, as it used to, it is read too.

Format 2, which is written, knows Config fields that are tuples, dataclasses or optional; of format
1, which is read as well, they are plain numbers and words, and two counters had other names. In
files of either the Transformer's positions, E_pos, may be called P.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite, isnan
from types import ModuleType
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from chainrule.engine import models
from chainrule.engine.params import Params
from chainrule.engine.storage import container, older
from chainrule.engine.storage import history as histories
from chainrule.engine.storage.container import CheckpointError, PathLike, refuse
from chainrule.engine.storage.description import one_error, parse, plain, too_small, typed
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.train import State
from chainrule.kernels.dispatch import on_device

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "SavedState",
    "load",
    "load_state",
    "save",
    "save_state",
]

FORMAT, READABLE = 2, (1, 2)
EXTRA, HISTORY = "extra/", "history/"  # names of arrays begin so; a history's ends in its clock
PLACE = ("step", "size", "n_seen", "loss_sum", "seconds")
COUNTERS = (*PLACE, "best_record", "best_valid")
ALSO = ("carry", "average")  # arrays that not every training has


class Checkpoint(NamedTuple):
    """What a file holds: the model's registry name, its config and parameters, and the rest."""

    model: str
    config: Any
    params: Params
    metadata: dict[str, Any]
    extra: dict[str, NDArray[Any]]
    history: list[dict[str, Any]]


class SavedState(NamedTuple):
    """A training on disk: all that `train.run` needs besides the data."""

    model: str
    config: Any
    recipe: Recipe
    state: State
    metadata: dict[str, Any]


def save(
    path: PathLike,
    model: str,
    config: Any,
    params: Params,
    metadata: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    history: Sequence[dict[str, Any]] = (),
) -> None:
    """Write a model to `path`, whole or not at all.

    Args:
        path: the file, replaced if it is there; its folder must exist.
        model: the name that `engine.models.get` knows it by.
        config: the model's Config.
        params: host or device arrays, float32 or float64, written as they are.
        metadata: what JSON can hold; NumPy numbers and arrays come back as numbers and lists.
        extra: further arrays by name.
        history: the records of its training, any number of them.

    Raises:
        OSError: the file cannot be written: full disk, missing or unwritable folder.
        ValueError: a parameter is not finite, or the metadata are too long to be read again.
    """
    tensors = {name: _host(array) for name, array in params.items()}
    if unfit := _not_finite(tensors):
        raise ValueError(
            f"{path} was not written: parameter {unfit!r} is not finite, the training diverged; "
            "keep an earlier epoch or lower the learning rate"
        )
    tensors |= {EXTRA + name: _host(array) for name, array in (extra or {}).items()}
    if history:
        clock, records = histories.pack(history)
        tensors[EXTRA + HISTORY + clock] = records
    content = {
        "format": FORMAT,
        "model": model,
        "config": asdict(config),
        "metadata": dict(metadata or {}),
    }
    container.write(path, tensors, json.dumps(content, default=plain))


def load(path: PathLike, model: str | None = None) -> Checkpoint:
    """Return what `save` wrote, arrays on the host.

    model: the registry name that is expected, if one is.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is not a checkpoint of this version, is damaged or cut short, or
            holds another model.
    """
    tensors, text = container.read(path)
    with one_error(path):
        return _checkpoint(path, tensors, text, model)


def _checkpoint(
    path: PathLike, tensors: dict[str, NDArray[Any]], text: str, model: str | None
) -> Checkpoint:
    """Return what a file's arrays and text say, every part of it checked."""
    content = parse(text, READABLE, path)
    name, metadata = content["model"], content["metadata"]
    known = models.HOMES | models.CONTRASTS
    if not isinstance(name, str) or name not in known:
        refuse(path, f"holds a model unknown here, {name!r:.50}; a newer chainrule may know it")
    if model not in (None, name):
        refuse(path, f"holds the model {name!r}, not {model!r}; load it as {name!r}")
    if not isinstance(metadata, dict):
        refuse(path, "has metadata that cannot be read; save the model again")
    extra = {key: tensors.pop(key) for key in list(tensors) if key.startswith(EXTRA)}
    config, params = _model(models.get(name), content["config"], tensors, path)
    extra = {key.removeprefix(EXTRA): array for key, array in extra.items()}
    history = _history(extra, metadata)
    return Checkpoint(name, config, params, metadata, extra, history)


def _history(extra: dict[str, NDArray[Any]], metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Take a file's history out of its arrays, or of the metadata of an older file."""
    for clock in histories.CLOCKS:
        if HISTORY + clock in extra:
            return histories.unpack(clock, extra.pop(HISTORY + clock))
    return histories.checked(metadata.pop("history", []))


def save_state(
    path: PathLike,
    model: str,
    config: Any,
    recipe: Recipe,
    state: State,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write a training to `path`, whole or not at all; `load` reads its present parameters.

    Raises:
        OSError, ValueError: as `save`; also for a state interrupted inside an update.
    """
    if not state.whole:
        raise ValueError(
            "the training was interrupted inside an update, so its state is no point to resume "
            "from; keep the one saved before"
        )
    counters = {name: getattr(state, name) for name in COUNTERS}
    training = {"recipe": asdict(recipe), "counters": counters, "layout": [*state.params.shapes]}
    extra = {"best": _host(state.best.flat), "m": _host(state.m), "v": _host(state.v)}
    for name in ALSO:
        if (array := getattr(state, name)) is not None:
            extra[name] = _host(array)
    if unfit := _not_finite(extra):
        raise ValueError(
            f"{path} was not written: the training's array {unfit!r} is not finite, it diverged; "
            "keep an earlier epoch or lower the learning rate"
        )
    metadata = {**(metadata or {}), "training": training}
    save(path, model, config, state.params, metadata, extra, state.history)


def load_state(path: PathLike, model: str | None = None) -> SavedState:
    """Return what `save_state` wrote: going on from it gives the bits of never having stopped.

    model: the registry name that is expected, if one is.

    Raises:
        FileNotFoundError, CheckpointError: as `load`; also for a model without its training.
    """
    saved = load(path, model)
    with one_error(path):
        return _saved_state(path, saved)


def _saved_state(path: PathLike, saved: Checkpoint) -> SavedState:
    """Return a checkpoint as a training, every part of it checked."""
    training, carry = saved.metadata.pop("training", None), saved.extra.pop("carry", None)
    alike = saved.extra.keys() - {"average"}
    if not isinstance(training, dict) or alike != {"best", "m", "v"}:
        refuse(path, "holds a model but no training to resume; start a new one")
    like = saved.params.flat
    for name, array in saved.extra.items():
        if array.shape != like.shape or array.dtype != like.dtype:
            refuse(path, f"has an array {name!r} that does not fit its parameters; start anew")
    if training.get("layout", older.layout(saved.config, saved.params)) != [*saved.params.shapes]:
        refuse(path, "has its arrays in an order of before; start a new training")
    model = models.get(saved.model)
    width = model.state_size(saved.config) if model.ABILITIES.state else None
    if carry is not None and (carry.shape[1:] != (width,) or carry.dtype != like.dtype):
        refuse(path, "has recurrent states that do not fit its parameters; start anew")
    arrays = saved.extra if carry is None else {**saved.extra, "carry": carry}
    if unfit := _not_finite(arrays):
        refuse(path, f"has an array {unfit!r} that is not finite; use an earlier checkpoint")
    if (saved.extra["v"] < 0).any():
        refuse(path, "has means of squares, 'v', below zero; use an earlier checkpoint")
    recipe = _recipe(training.get("recipe"), path)
    counters, history = _counters(training.get("counters"), saved.history, path)
    m, v = saved.extra["m"], saved.extra["v"]
    best, average = Params(saved.params.shapes, saved.extra["best"]), saved.extra.get("average")
    if (average is not None) != (recipe.average > 0):
        refuse(path, "has a mean of its parameters that its recipe knows nothing of; start anew")
    also: dict[str, Any] = {"history": history, "carry": carry, "average": average}
    state = State(saved.params, best, m, v, **also, **counters)
    return SavedState(saved.model, saved.config, recipe, state, saved.metadata)


def _counters(
    values: Any, history: list[dict[str, Any]], path: PathLike
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return where a training stands, and its history: of older files among the counters."""
    if isinstance(values, dict):
        values = older.renamed(values)
        if "history" in values:
            history = histories.checked(values.pop("history"))
    hints = get_type_hints(State)
    counters = typed({name: hints[name] for name in COUNTERS}, values, path)
    if min(counters[name] for name in ("step", "size", "n_seen", "best_record")) < 0:
        refuse(path, "counts below zero; start a new training")
    if counters["best_record"] > len(history):
        refuse(path, "names a best record that it lacks; start a new training")
    if not isfinite(counters["loss_sum"]) or isnan(counters["best_valid"]):
        refuse(path, "has a loss that is no number; use an earlier checkpoint")
    return counters, history


def _model(
    module: ModuleType, values: Any, tensors: Mapping[str, NDArray[Any]], path: PathLike
) -> tuple[Any, Params]:
    """Return config and parameters, having compared every name, shape and dtype."""
    hints = get_type_hints(module.Config)
    if isinstance(values, dict):
        values = older.completed(values, hints)
        if "centred" not in hints and values.pop("centred", False):
            refuse(path, "is of a version that centred hidden units; fit the model again")
    config = module.Config(**typed(hints, values, path))
    if too_small(config):
        refuse(path, "has a config with a size below 1; save the model again")
    tensors = older.renamed(tensors)
    shapes, dtypes = dict(module.shapes(config)), {array.dtype for array in tensors.values()}
    if {name: array.shape for name, array in tensors.items()} != shapes:
        refuse(path, "has arrays that do not fit its config; save the model again")
    if dtypes not in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        refuse(path, "has parameters that are not all float32 or all float64; save the model again")
    if unfit := _not_finite(tensors):
        refuse(path, f"has a parameter {unfit!r} that is not finite; use an earlier checkpoint")
    params = Params(shapes, dtype=dtypes.pop())
    for name, array in tensors.items():
        params[name][...] = array
    return config, params


def _recipe(values: Any, path: PathLike) -> Recipe:
    if isinstance(values, dict):
        values = older.completed(values, get_type_hints(Recipe))
    checked = typed(get_type_hints(Recipe), values, path)
    try:
        return Recipe(**checked)
    except ValueError as error:
        refuse(path, f"has a recipe no training could use ({error}); start a new one")


def _not_finite(tensors: Mapping[str, NDArray[Any]]) -> str | None:
    """Return the name of an array with an infinity or NaN in it, if there is one."""
    return next((name for name, array in tensors.items() if not np.isfinite(array).all()), None)


def _host(array: Any) -> NDArray[Any]:
    """Return the array on the host and C-contiguous, as safetensors reads memory."""
    return np.ascontiguousarray(array.get() if on_device(array) else array)
