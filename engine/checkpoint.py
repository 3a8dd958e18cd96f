"""Models and trainings on disk, in safetensors files; no code is ever read from one (no pickle).

A file holds the parameters by name, further arrays as "extra/<name>", and as JSON the format's
version, the model's registry name, its config and the caller's metadata. `container` writes it
whole or not at all, and finds damage. Here what it says must agree: version, model, config, and
every parameter's name, shape and dtype. Parameters must be finite, when saving and when loading:
a diverged model is good for nothing and must not replace a good one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from types import ModuleType
from typing import Any, NamedTuple, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from chainrule.engine import container, models
from chainrule.engine.container import CheckpointError, PathLike, refuse
from chainrule.engine.optim import Recipe
from chainrule.engine.params import Params
from chainrule.engine.train import State
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

FORMAT = 1
EXTRA = "extra/"
PLACE = ("step", "n_rows", "n_seen", "loss_sum", "seconds")
COUNTERS = (*PLACE, "history", "best_epoch", "best_valid")


class Checkpoint(NamedTuple):
    """What a file holds: the model's registry name, its config and parameters, and the rest."""

    model: str
    config: Any
    params: Params
    metadata: dict[str, Any]
    extra: dict[str, NDArray[Any]]


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
) -> None:
    """Write a model to `path`, whole or not at all.

    Args:
        path: the file, replaced if it is there; its folder must exist.
        model: the name that `engine.models.get` knows it by.
        config: the model's Config.
        params: host or device arrays, float32 or float64, written as they are.
        metadata: what JSON can hold; NumPy numbers and arrays come back as numbers and lists.
        extra: further arrays by name.

    Raises:
        OSError: the file cannot be written: full disk, missing or unwritable folder.
        ValueError: a parameter is not finite.
    """
    tensors = {name: _host(array) for name, array in params.items()}
    if unfit := _not_finite(tensors):
        raise ValueError(
            f"{path} was not written: parameter {unfit!r} is not finite, the training diverged; "
            "keep an earlier epoch or lower the learning rate"
        )
    tensors |= {EXTRA + name: _host(array) for name, array in (extra or {}).items()}
    content = {
        "format": FORMAT,
        "model": model,
        "config": asdict(config),
        "metadata": dict(metadata or {}),
    }
    container.write(path, tensors, json.dumps(content, default=_plain))


def load(path: PathLike, model: str | None = None) -> Checkpoint:
    """Return what `save` wrote, arrays on the host.

    model: the registry name that is expected, if one is.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is not a checkpoint of this version, is damaged or cut short, or
            holds another model.
    """
    tensors, text = container.read(path)
    content = _content(text, path)
    name, metadata = content["model"], content["metadata"]
    known = {**models.MODELS, **models.SEQUENCES}
    if not isinstance(name, str) or name not in known:
        refuse(path, f"holds a model unknown here, {name!r:.50}; a newer chainrule may know it")
    if model not in (None, name):
        refuse(path, f"holds the model {name!r}, not {model!r}; load it as {name!r}")
    if not isinstance(metadata, dict):
        refuse(path, "has metadata that cannot be read; save the model again")
    extra = {key: tensors.pop(key) for key in list(tensors) if key.startswith(EXTRA)}
    config, params = _model(known[name], content["config"], tensors, path)
    extra = {key.removeprefix(EXTRA): array for key, array in extra.items()}
    return Checkpoint(name, config, params, metadata, extra)


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
    training = {"recipe": asdict(recipe), "counters": counters}
    extra = {"best": state.best.flat, "m": state.m, "v": state.v}
    if state.carry is not None:
        extra["carry"] = state.carry
    save(path, model, config, state.params, {**(metadata or {}), "training": training}, extra)


def load_state(path: PathLike, model: str | None = None) -> SavedState:
    """Return what `save_state` wrote: going on from it gives the bits of never having stopped.

    model: the registry name that is expected, if one is.

    Raises:
        FileNotFoundError, CheckpointError: as `load`; also for a model without its training.
    """
    saved = load(path, model)
    training = saved.metadata.pop("training", None)
    carry = saved.extra.pop("carry", None)
    if not isinstance(training, dict) or saved.extra.keys() != {"best", "m", "v"}:
        refuse(path, "holds a model but no training to resume; start a new one")
    like = saved.params.flat
    for name, array in saved.extra.items():
        if array.shape != like.shape or array.dtype != like.dtype:
            refuse(path, f"has an array {name!r} that does not fit its parameters; start anew")
    if carry is not None and (carry.ndim != 2 or carry.dtype != like.dtype):
        refuse(path, "has recurrent states that do not fit its parameters; start anew")
    recipe = _recipe(training.get("recipe"), path)
    hints = get_type_hints(State)
    counters = _typed({name: hints[name] for name in COUNTERS}, training.get("counters"), path)
    if min(counters[name] for name in ("step", "n_rows", "n_seen", "best_epoch")) < 0:
        refuse(path, "counts below zero; start a new training")
    best = Params(saved.params.shapes, saved.extra["best"])
    state = State(saved.params, best, saved.extra["m"], saved.extra["v"], carry=carry, **counters)
    return SavedState(saved.model, saved.config, recipe, state, saved.metadata)


def _content(text: str, path: PathLike) -> dict[str, Any]:
    """Return the JSON object of a file of our version, its four keys present."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "format" not in content:
        refuse(path, "has a description that cannot be read; save the model again")
    if content["format"] != FORMAT:
        refuse(
            path,
            f"has format {content['format']!r:.20} and this chainrule reads {FORMAT}; "
            "load it with the version that saved it",
        )
    if content.keys() != {"format", "model", "config", "metadata"}:
        refuse(path, "has a description that cannot be read; save the model again")
    return content


def _model(
    module: ModuleType, values: Any, tensors: Mapping[str, NDArray[Any]], path: PathLike
) -> tuple[Any, Params]:
    """Return config and parameters, having compared every name, shape and dtype."""
    config = module.Config(**_typed(get_type_hints(module.Config), values, path))
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
    checked = _typed(get_type_hints(Recipe), values, path)
    try:
        return Recipe(**checked)
    except ValueError as error:
        refuse(path, f"has a recipe no training could use ({error}); start a new one")


def _typed(hints: Mapping[str, Any], values: Any, path: PathLike) -> dict[str, Any]:
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


def _not_finite(tensors: Mapping[str, NDArray[Any]]) -> str | None:
    """Return the name of an array with an infinity or NaN in it, if there is one."""
    return next((name for name, array in tensors.items() if not np.isfinite(array).all()), None)


def _host(array: Any) -> NDArray[Any]:
    """Return the array on the host and C-contiguous, as safetensors reads memory."""
    return np.ascontiguousarray(array.get() if on_device(array) else array)


def _plain(value: Any) -> Any:
    """Return a NumPy number or array as JSON can hold it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"metadata must be what JSON can hold, got {type(value).__name__}")
