"""What all estimators share: hyper-parameters, and fitting them by maximum likelihood.

Data goes down once: `validation` makes it uint8 rows, `ordering` puts their columns in the
model's order, and `engine.train` does the rest.
"""

from collections.abc import Generator
from contextlib import closing
from types import ModuleType
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from chainrule import progress, runtime, validation
from chainrule.engine import models, ordering, train
from chainrule.engine.optim import SCHEDULES
from chainrule.kernels.types import Bits


class FitByLikelihood(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Hyper-parameters of a training, and `fit`, in the steps the command line takes one by one.

    A subclass says which engine model it is: `_model_name` and `_config`.
    """

    def __init__(
        self,
        *,
        epochs: int = 50,
        batch_size: int = 100,
        learning_rate: float = 1e-3,
        schedule: str = "cosine",
        warmup: float = 0.0,
        weight_decay: float = 0.0,
        l1: float = 0.0,
        clip_norm: float = 0.0,
        patience: int = 0,
        seed: int = 0,
        ordering: Any = None,
        binarize: float | None = None,
        dtype: Any = "float32",
        backend: str = "cpu",
        n_threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        """Store the hyper-parameters; `fit` checks them."""
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.l1 = l1
        self.clip_norm = clip_norm
        self.patience = patience
        self.seed = seed
        self.ordering = ordering
        self.binarize = binarize
        self.dtype = dtype
        self.backend = backend
        self.n_threads = n_threads
        self.verbose = verbose

    def _model_name(self) -> str:
        """Return the model's name in the engine's registry."""
        raise NotImplementedError

    def _config(self, D: int) -> Any:
        """Return the model's Config for rows of D variables."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None, X_valid: Any = None) -> Self:
        """Fit by maximum likelihood and keep the epoch that is best on X_valid.

        Args:
            X: array-like of 0 and 1, shape (N, D): bools, integers, floats, lists, a DataFrame.
                uint8 and bool arrays are not copied. Other values need `binarize`.
            y: ignored; scikit-learn's pipelines pass it.
            X_valid: array-like, (M, D), or None: then the last epoch is kept.

        Returns:
            The estimator itself, with `params_`, `history_`, `best_epoch_`, `order_` and
            `n_features_in_`.

        Raises:
            ValueError, TypeError: data or a hyper-parameter that cannot be used.
            RuntimeError: backend="cuda" without CuPy or without a device.
            FloatingPointError: the loss is no longer a finite number.
            KeyboardInterrupt: Ctrl-C.

            After the last two the estimator is fitted with the best parameters so far; after
            the others, or before anything was learned, it is what it was.

        Cost:
            epochs times about three times `log_prob` of X. The first call on a machine compiles
            the kernels, which takes some seconds.
        """
        before, state = self.__dict__.copy(), None
        try:
            rows, valid = self._prepare(X, X_valid)
            state = self._start()
            steps = self._training(rows, valid, state)
            with closing(progress.training(steps, bool(self.verbose))) as shown:
                for _ in shown:
                    pass
        except BaseException as error:
            if state is not None and _has_learned(state, error):
                self._finish(state)
            else:
                self.__dict__ = before
            raise
        self._finish(state)
        return self

    def _prepare(self, X: Any, X_valid: Any = None) -> tuple[Bits, Bits | None]:
        """Check everything; return X and X_valid as uint8 rows in the model's order."""
        self._check_hyperparameters()
        runtime.array_module(self.backend)  # now, not after the data have been read
        rows, valid = validation.as_bits(X, self.binarize), None
        D = rows.shape[1]
        if X_valid is not None:
            valid = validation.as_bits(X_valid, self.binarize, "X_valid")
            validation.check_width(valid, D, type(self).__name__, "X_valid")
        self._config(D)
        order = ordering.make(self.ordering, D, int(self.seed))
        validate_data(self, X, skip_check_array=True)  # sets n_features_in_, feature_names_in_
        self.order_ = order
        rows = ordering.apply(order, rows)
        if valid is not None:
            valid = writeable(ordering.apply(order, valid))
        return rows, valid

    def _start(self) -> train.State:
        """Return the state before the first minibatch, for data that `_prepare` has seen."""
        config, recipe = self._config(self.n_features_in_), self._recipe()
        return train.start(self._model(), config, recipe, validation.float_dtype(self.dtype))

    def _training(
        self, rows: Bits, valid: Bits | None, state: train.State
    ) -> Generator[train.Progress, None, None]:
        """Train `state` in place to the end, yielding after every minibatch."""
        xp = runtime.array_module(self.backend)
        if xp is not np:  # from here on the state lives on the device
            state.__dict__.update(vars(train.place(state, xp)))
            rows, valid = xp.asarray(rows), None if valid is None else xp.asarray(valid)
        config, recipe = self._config(self.n_features_in_), self._recipe()
        with closing(train.run(self._model(), config, recipe, state, rows, valid)) as steps:
            while True:
                # Only around the step: between steps the caller's own choices hold.
                with runtime.resources(self.backend, self.n_threads):
                    step = next(steps, None)
                if step is None:
                    return
                yield step

    def _finish(self, state: train.State) -> None:
        """Take the best parameters of a training, or the present ones of its first epoch."""
        host = train.place(state, np)
        self.params_ = (host.best if state.best_epoch else host.params).copy()
        self.history_ = [dict(record) for record in state.history]
        self.best_epoch_ = state.best_epoch
        self.model_ = self._model_name()
        self.config_ = self._config(self.n_features_in_)

    def _model(self) -> ModuleType:
        return models.get(self._model_name())

    def _check_hyperparameters(self) -> None:
        """Raise ValueError for one that no training could use."""
        self._recipe()
        validation.float_dtype(self.dtype)
        validation.choice("backend", self.backend, runtime.BACKENDS)
        if self.n_threads is not None:
            validation.integer("n_threads", self.n_threads, 1)
        if self.binarize is not None:
            validation.real("binarize", self.binarize)

    def _recipe(self) -> train.Recipe:
        """Return the checked settings of the training."""
        whole = {"epochs": 1, "batch_size": 1, "patience": 0, "seed": 0}
        numbers = ("learning_rate", "warmup", "weight_decay", "l1", "clip_norm")
        settings: dict[str, Any] = {
            name: validation.integer(name, getattr(self, name), low) for name, low in whole.items()
        }
        settings |= {name: validation.real(name, getattr(self, name)) for name in numbers}
        return train.Recipe(
            schedule=validation.choice("schedule", self.schedule, SCHEDULES), **settings
        )


def _has_learned(state: train.State, error: BaseException) -> bool:
    """Return whether a training that ended in an error left parameters worth keeping."""
    if isinstance(error, KeyboardInterrupt):
        return state.step > 0
    return isinstance(error, FloatingPointError) and state.best_epoch > 0  # an epoch that was good


def writeable(rows: Bits) -> Bits:
    """Return rows; a copy if read-only, for which Numba would compile every kernel once more."""
    return np.require(rows, requirements=["C", "W"])
