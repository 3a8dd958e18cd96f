"""What every estimator's training shares: start, train, keep the best, survive an interruption.

`fit` goes through the steps that the command line takes one by one: `_prepare`, `_start`,
`_training`, `_finish`.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from copy import copy
from math import ceil
from numbers import Integral, Real
from types import ModuleType
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from chainrule import progress
from chainrule.encoders import cells, validation, warned
from chainrule.engine import models, team
from chainrule.engine.storage import fingerprint
from chainrule.engine.training import divergence, train
from chainrule.engine.training.sources import Source
from chainrule.estimators import resuming, runtime
from chainrule.estimators.training import Training

OF_NOW = ("backend", "n_threads", "verbose")  # saved as they are set, not as they were at fit
Callback = Callable[[dict[str, Any], Any], Any]  # of a record and the estimator; True stops


class Trainable(Training, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base class of all estimators. A subclass says which engine model it is, and what it reads."""

    def _model_name(self) -> str:
        """Return the model's name in the engine's registry."""
        raise NotImplementedError

    def _fitted_config(self) -> Any:
        """Return the model's Config for the data that `_prepare` has seen."""
        raise NotImplementedError

    def _prepare(
        self, X: Any, y: Any = None, X_valid: Any = None, y_valid: Any = None, start: Any = None
    ) -> tuple[Source]:
        """Check everything, `start` too; return what is learnt from."""
        raise NotImplementedError

    def _fit(
        self, data: dict[str, Any], callback: Callback | None, checkpoint: Any, start: Any
    ) -> Self:
        """Train to the end; see `fit` for its keywords, and for what an error leaves behind."""
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a function, got {type(callback).__name__}")
        start = None if start is None else self._checked_start(start)
        before, state, file, began = self.__dict__.copy(), None, None, 0
        try:
            (source,) = self._prepare(**data, start=start)
            if team.current().size > 1:
                team.current().check_same(fingerprint.of(*source.contents).encode(), "data")
            state = self._start() if start is None else self._start_from(start)
            if checkpoint is not None:
                flat = None if start is None else start.params_.flat
                file = resuming.Resting(checkpoint, self, source, flat)
                state = self._resumed(file) or state
            began = state.step
            if self._loud and (chosen := self._chosen()):
                print(chosen, file=sys.stderr, flush=True)
            self._train(source, state, callback, file)
        except BaseException as error:
            if file is not None and state is not None and state.whole and state.step > began:
                with suppress(OSError, ValueError):  # the first error is the one to tell
                    file.save(state)
            if state is not None and _has_learned(state, error):
                self._finish(state)
            else:
                self.__dict__ = before
            raise
        self._finish(state)
        if reason := self._doubt(state):
            warned.warn(reason, ConvergenceWarning)
        elif self._loud and (more := self._unfinished(state)):
            print(more, file=sys.stderr, flush=True)
        return self

    def _train(
        self,
        source: Source,
        state: train.State,
        callback: Callback | None,
        file: resuming.Resting | None,
    ) -> None:
        """Train the state in place to the end, or until the callback says True."""
        began, steps = state.step, self._training(source, state)
        saver = None if file is None else resuming.Saver(lambda: file.save(state), state)
        shown = progress.training(steps, self._loud, lines=True)
        with closing(steps), closing(shown):
            for step in shown:
                if saver is not None:
                    saver.after(step)
                if callback is not None and step.record is not None:
                    self._finish(state)
                    answer = callback(self.history_[-1], self)
                    if team.current().any(isinstance(answer, bool | np.bool_) and bool(answer)):
                        break
        if file is not None and state.step > began:
            file.save(state)

    def _resumed(self, file: resuming.Resting) -> train.State | None:
        """Return the training in a file, if there is one; say what its new length means."""
        found = file.load()
        if found is None:
            return None
        state, change = found
        if change and self._loud:
            print(change, file=sys.stderr, flush=True)
        return state

    @property
    def _loud(self) -> bool:
        """Whether to show progress: of a team rank 0 alone does."""
        return bool(self.verbose) and team.current().rank == 0

    def _checked_start(self, start: Any) -> "Trainable":
        """Return a copy of the estimator to start from, which may be this one."""
        if type(start) is not type(self):
            raise TypeError(
                f"start must be a fitted {type(self).__name__}, got {type(start).__name__}"
            )
        check_is_fitted(start, "params_")
        return copy(start)

    def _start_from(self, start: Any) -> train.State:
        """Return the state before the first minibatch, with the parameters of `start`."""
        mine, its = ({**vars(c), "dropout": 0} for c in (self._fitted_config(), start.config_))
        if start.model_ != self._model_name() or mine != its:
            theirs, ours = f"is a {start.model_}", f"be a {self._model_name()}"
            if start.model_ == self._model_name():
                theirs, ours = f"has {_apart(its, mine)}", f"have {_apart(mine, its)}"
            raise ValueError(
                f"start {theirs}, and this would {ours}; use the same settings and columns"
            )
        state = self._start()
        mean = [] if state.average is None else [state.average]
        for flat in (state.params.flat, state.best.flat, *mean):
            flat[...] = start.params_.flat
        return state

    def _doubt(self, state: train.State) -> str | None:
        """Return why what a training kept may be no good; None if there is no reason."""
        return divergence.doubt(state, self._fitted_config().event.guessing)

    def _unfinished(self, state: train.State) -> str | None:
        """Say that validation was still getting better when the training ended, if it was."""
        return divergence.unfinished(state, divergence.guessing(self._fitted_config().event))

    def _start(self) -> train.State:
        """Return the state before the first minibatch, for data that `_prepare` has seen."""
        return train.start(self._model(), self._fitted_config(), self._recipe(), self._dtype())

    def _training(
        self, source: Source, state: train.State
    ) -> Generator[train.Progress, None, None]:
        """Train the state in place to the end; yield after every minibatch."""
        xp = runtime.array_module(self.backend)
        if xp is not np:  # from here on the state lives on the device
            state.__dict__.update(vars(train.place(state, xp)))
            source = source.on(xp)
        config, recipe = self._fitted_config(), self._recipe()
        training = train.run(self._model(), config, recipe, state, source, team=team.current())
        with closing(training) as steps:
            while True:
                # Only around the step: between steps the caller's own choices hold.
                with runtime.resources(self.backend, self.n_threads):
                    step = next(steps, None)
                if step is None:
                    return
                yield step

    def _finish(self, state: train.State) -> None:
        """Take the best parameters of a training, or the present ones before its first record."""
        host = train.place(state, np)
        self.params_ = (host.best if state.best_record else host.params).copy()
        setattr(self, f"best_{self.clock}_", self._best(state))
        self.history_ = [dict(record) for record in state.history]
        self.model_ = self._model_name()
        self.config_ = self._fitted_config()
        self._fitted_with = self._plain_hyperparameters()

    def _best(self, state: train.State) -> int:
        """Return the epoch or step of the record that is kept; 0 before the first."""
        if state.best_record == 0:
            return 0
        record = state.history[state.best_record - 1]
        if self.clock in record:
            return int(record[self.clock])
        return ceil(
            int(record["step"]) / ceil(state.size / self._recipe().batch_size)
        )  # eval_every

    def _plain_hyperparameters(self) -> dict[str, Any]:
        """Return the hyper-parameters as JSON can hold them and give them back."""
        return {name: _plain(name, value) for name, value in self.get_params().items()}

    def _hyperparameters_to_save(self) -> dict[str, Any]:
        """Return what the model was fitted with, whatever was set since; those OF_NOW as now.

        Raises:
            ValueError: one of the latter cannot be used.
        """
        now = self._plain_hyperparameters()
        saved = {**getattr(self, "_fitted_with", now), **{name: now[name] for name in OF_NOW}}
        type(self)(**saved)._check_hyperparameters()
        return saved

    def _model(self) -> ModuleType:
        return models.get(self._model_name())


def _has_learned(state: train.State, error: BaseException) -> bool:
    """Return whether a training that ended in an error left parameters worth keeping."""
    if isinstance(error, KeyboardInterrupt):
        return state.step > 0
    return isinstance(error, FloatingPointError) and state.best_record > 0  # an epoch that was good


def _apart(mine: dict[str, Any], its: dict[str, Any]) -> str:
    """Return the settings in which a model differs from another, as name=value; long ones cut."""
    return ", ".join(
        f"{name}={cells.shown(value)}" for name, value in mine.items() if value != its.get(name)
    )


def _plain(name: str, value: Any) -> Any:
    """Return a hyper-parameter as what JSON can hold."""
    if name == "dtype":
        return validation.float_dtype(value).name
    if value is None or isinstance(value, bool | np.bool_):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    return np.asarray(value).tolist()  # an ordering: a list, a tuple, a range, a Series
