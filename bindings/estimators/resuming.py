"""Trainings at rest: when one is saved, and whether what is given now goes on with it.

`fit(checkpoint=…)` and `chainrule train --resume` share this. The file is `engine.checkpoint`'s;
its metadata say which estimator was trained, with which settings, on which data.

A training may be lengthened: `epochs` and `steps` may differ from those it began with, as long as
they are not less than what is done. From the present minibatch on everything is as if it had been
that long from the start: with schedule="constant" and no warm-up that gives the same bits; a
cosine's rate rises to where the longer one is, and `warmup` is a share of all the steps there are
now. Records already made stay. With eval_every=0 the next ones come every tenth of the new steps.
A training that `patience` has ended stays ended.
"""

import dataclasses
import math
import os
import time
from collections.abc import Callable
from typing import Any

from chainrule.engine import team
from chainrule.engine.storage import checkpoint, fingerprint
from chainrule.engine.training import train
from chainrule.engine.training.sources import Source

EVERY = 30.0  # seconds between two savings within an epoch
AT_LEAST = 2.0  # seconds between two savings at epoch ends
LOCAL = ("n_threads", "verbose")  # hyper-parameters that do not decide what is learnt
LENGTHS = ("epochs", "steps")  # those that may grow
METADATA = {"estimator", "hyperparameters", "fingerprint"}


class Saver:
    """Calls `save` every so often: after the first minibatch, at records, and between far ones.

    After the first, so that a folder that cannot be written to, and a new length, are known early.
    """

    def __init__(self, save: Callable[[], None], state: train.State) -> None:
        """Keep the function and the state that it saves; nothing is saved yet."""
        self._save, self._state, self._at = save, state, -math.inf

    def after(self, step: train.Progress) -> None:
        """Save after a minibatch if it is time.

        Raises:
            FloatingPointError: the training has diverged; what was saved before stays.
            OSError: the file cannot be written.
        """
        age = time.monotonic() - self._at
        if age > EVERY or (step.record is not None and age > AT_LEAST):
            train.check_parameters(self._state)
            self._save()
            self._at = time.monotonic()


class Resting:
    """The file in which one `fit` keeps its training.

    Args:
        path: the file; there may be one.
        estimator: one that has prepared its data; source: these data.
        start: the parameters that the training begins from, where they are not the initial ones.
    """

    def __init__(self, path: Any, estimator: Any, source: Source, start: Any = None) -> None:
        """Keep what the file says of the training; nothing is read or written yet."""
        self._path, self._cls, self._source = path, type(estimator), source
        self._model, self._config = estimator._model_name(), estimator._fitted_config()
        self._recipe = estimator._recipe()
        symbols = [getattr(estimator, name, None) for name in ("vocabulary_", "classes_")]
        self._held = held = (*symbols, start, *self._source.contents)
        self._metadata: dict[str, Any] = {
            "estimator": self._cls.__name__,
            "hyperparameters": settled(estimator),
            "fingerprint": fingerprint.of(*held),
        }

    def save(self, state: train.State) -> None:
        """Write the training, whole or not at all; of a team rank 0 alone does."""
        if team.current().rank > 0:
            return
        checkpoint.save_state(
            self._path, self._model, self._config, self._recipe, state, self._metadata
        )

    def load(self) -> tuple[train.State, str | None] | None:
        """Return the training in the file and what its new length means; None without a file.

        Raises:
            CheckpointError: the file is no good. ValueError: it is another training's.
        """
        if not os.path.exists(self._path):
            return None
        saved = checkpoint.load_state(self._path)
        found = saved.metadata
        if found.keys() != METADATA or found["estimator"] != self._cls.__name__:
            raise ValueError(
                f"{self._path} holds another training than a fit of {self._cls.__name__}; delete "
                "it or name another file"
            )
        self._check_settings(found["hyperparameters"])
        now = self._metadata["fingerprint"]
        if not fingerprint.agrees(
            found["fingerprint"], now, lambda: fingerprint.of_format_1(self._held)
        ):
            raise ValueError(
                f"{self._path} was begun on other data or from another start; give the same, or "
                "delete it to begin anew"
            )
        lengths = {name: getattr(saved.recipe, name) for name in LENGTHS}
        as_before = dataclasses.replace(self._recipe, **lengths)
        if (saved.model, saved.config, saved.recipe) != (self._model, self._config, as_before):
            raise ValueError(f"{self._path} contradicts itself; delete it to begin anew")
        check_length(self._source, self._recipe, saved.state)
        return saved.state, change_of_length(saved.recipe, self._recipe)

    def _check_settings(self, found: Any) -> None:
        """Raise ValueError if the training was begun with other settings than there are now."""
        before = settled(self._cls()) | (found if isinstance(found, dict) else {})
        for name, value in self._metadata["hyperparameters"].items():
            meant = getattr(self._recipe, name, None) if value is None else value
            either = agree(before[name], value) or agree(before[name], meant)
            if name not in LENGTHS and not either:
                raise ValueError(
                    f"{self._path} was begun with {name}={before[name]}, not {value}; use the same "
                    "settings, or delete it to begin anew"
                )


def settled(estimator: Any) -> dict[str, Any]:
    """Return the hyper-parameters that decide what is learnt, as JSON gives them back."""
    params: dict[str, Any] = estimator._plain_hyperparameters()
    return {name: value for name, value in params.items() if name not in LOCAL}


def agree(one: Any, other: Any) -> bool:
    """Return whether two values of a setting mean the same: (8,) as [8], JSON's, and as 8."""
    return bool(_bare(one) == _bare(other))


def _bare(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    return value[0] if len(value) == 1 else list(value)


def check_length(source: Source, recipe: train.Recipe, state: train.State) -> None:
    """Raise ValueError if the recipe is shorter than what is done, or ends without a record."""
    needed, n_steps, name = state.step + (state.n_seen > 0), source.n_steps(recipe), source.length
    if n_steps < needed:
        value = getattr(recipe, name)
        least = -(-needed // (n_steps // value))
        raise ValueError(
            f"{name}={value} is less than what is done of this training; give {least} or more, or "
            "begin a new one"
        )


def change_of_length(before: train.Recipe, now: train.Recipe) -> str | None:
    """Return a sentence on what another length of a training means; None if it is the same."""
    changed = [name for name in LENGTHS if getattr(before, name) != getattr(now, name)]
    if not changed:
        return None
    name = changed[0]
    old, new = getattr(before, name), getattr(now, name)
    how = "stays as it is"
    if now.schedule == "cosine":
        how = f"goes on along the cosine of all {new}, not where it was"
    warm = f", and the warm-up is {now.warmup:g} of them" if now.warmup else ""
    return f"this training now has {new} {name}, not {old}: its learning rate {how}{warm}"
