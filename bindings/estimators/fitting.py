"""What all estimators of binary data share: hyper-parameters, and fitting them.

Data goes down once: `validation` makes it uint8 rows, `ordering` puts their columns in the
model's order, and `engine.train` does the rest.
"""

import os
from collections.abc import Generator
from math import log
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import validate_data

from chainrule.encoders import validation
from chainrule.engine import ordering
from chainrule.engine.training import train
from chainrule.engine.training.recipe import SCHEDULES
from chainrule.estimators import runtime
from chainrule.estimators.trainable import Callback, Trainable
from chainrule.kernels.types import Bits


class FitByLikelihood(Trainable):
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

    def _config(self, D: int) -> Any:
        """Return the model's Config for rows of D variables."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags; sparse matrices are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_valid: Any = None,
        *,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        start: Any = None,
    ) -> Self:
        """Fit by maximum likelihood and keep the epoch that is best on X_valid.

        Args:
            X: array-like of 0 and 1, shape (N, D): bools, integers, floats, lists, a DataFrame, a
                SciPy sparse matrix. uint8 and bool arrays are not copied; of anything else, and
                for another ordering, one copy is made, a byte a value. Other values than 0 and 1
                need `binarize`.
            y: ignored; scikit-learn's pipelines pass it.
            X_valid: array-like, (M, D), columns as in X, or None: then the last epoch is kept.
            callback: f(record, estimator), called after every epoch, with the dict that will be in
                `history_`; the estimator is then fitted with the best parameters so far, so that f
                may score, sample or save it. True from it stops the training there. It must not
                change the estimator; it changes no bit of what is learnt.
            checkpoint: a file where the training is kept: after the first minibatch, then every
                30 s or after records, and at the end, Ctrl-C or another error. If it is there,
                the training goes on from it, to the same bits as if never stopped on as many
                threads. Settings and data must be the same, but for `epochs`, which may grow, also
                after the end: with schedule="constant" and warmup=0 that is as if it had been
                so long from the start; a cosine goes on where the longer one is.
            start: a fitted estimator of this class, with the same columns, order and size,
                whose parameters a new training begins with, for other data say. May be the
                estimator itself.

        Returns:
            The estimator itself, with `params_`, `history_`, `best_epoch_`, `order_` and
            `n_features_in_`.

        Raises:
            ValueError, TypeError: data, a hyper-parameter or a start that cannot be used; a
                checkpoint of another training, or one that is past `epochs`.
            CheckpointError, OSError: a checkpoint that is no good, or cannot be written.
            NotFittedError: a start before its `fit`.
            RuntimeError: backend="cuda" without CuPy or without a device.
            FloatingPointError: the loss is no longer a finite number.
            KeyboardInterrupt: Ctrl-C.

            What the callback raises, unchanged.

            After FloatingPointError and KeyboardInterrupt the estimator is fitted with the best
            parameters so far; after the others, or before anything was learned, it is what it was.

        Warns:
            ConvergenceWarning: what was learnt is worse than guessing, or than it was before.

        Cost:
            epochs times about three times `log_prob` of X. The first call on a machine compiles
            the kernels, which takes some seconds. A callback costs a copy of the parameters and
            of the history each time, a checkpoint four times the parameters on disk and a hash of
            the data.

        Example:
            >>> import os, tempfile
            >>> from chainrule import FVSBN
            >>> X, path = [[0, 1, 1], [1, 0, 0]] * 50, os.path.join(tempfile.mkdtemp(), "fit.state")
            >>> def enough(record, model):
            ...     return record["train"] < 1
            >>> few = FVSBN(epochs=99, learning_rate=1).fit(X, callback=enough).best_epoch_
            >>> few < 99
            True
            >>> model = FVSBN(epochs=2, schedule="constant").fit(X, checkpoint=path)
            >>> model = model.set_params(epochs=5).fit(X, checkpoint=path)  # three more
            >>> [record["epoch"] for record in model.history_]
            [1, 2, 3, 4, 5]
            >>> tuned = FVSBN(epochs=1).fit([[1, 1, 1]] * 20, start=model)
        """
        return self._fit(X, X_valid, callback=callback, checkpoint=checkpoint, start=start)

    def _prepare(self, X: Any, X_valid: Any = None, start: Any = None) -> tuple[Bits, Bits | None]:
        """Check everything; return X and X_valid as uint8 rows in the model's order."""
        self._check_hyperparameters()
        runtime.array_module(self.backend)  # now, not after the data have been read
        table, valid = validation.as_table(X), None
        D = table.shape[1]
        self._config(D)
        order = ordering.make(self.ordering, D, int(self.seed))
        validate_data(self, X, skip_check_array=True)  # sets n_features_in_, feature_names_in_
        self.order_ = order
        if start is not None:
            self._check_columns(start)
        rows = validation.as_bits(table, self.binarize, order=self._moved())
        if X_valid is not None:
            table = validation.as_table(X_valid, "X_valid")
            validation.check_width(table, D, type(self).__name__, "X_valid")
            self._check_names(X_valid, "X_valid")
            valid = validation.as_bits(table, self.binarize, "X_valid", self._moved())
            valid = writeable(valid)
        return rows, valid

    def _check_columns(self, start: Any) -> None:
        """Raise ValueError if the model to start from has other columns, or another order."""
        mine, its = (getattr(model, "feature_names_in_", None) for model in (self, start))
        if mine is not None and its is not None and list(mine) != list(its):
            raise ValueError("start was fitted on columns of other names; give X with the same")
        if len(self.order_) == len(start.order_) and (self.order_ != start.order_).any():
            raise ValueError("start has another order of the columns; set ordering=start.order_")

    def _moved(self) -> ordering.Order | None:
        """Return the order in which columns are taken from data; None where they stay."""
        return None if ordering.is_raster(self.order_) else self.order_

    def _check_names(self, X: Any, name: str) -> None:
        """Raise ValueError if the columns of X have other names, or another order, than in fit."""
        try:
            validate_data(self, X, reset=False, skip_check_array=True)
        except ValueError as error:
            raise ValueError(f"{name}: {' '.join(str(error).split())}") from error

    def _fitted_config(self) -> Any:
        return self._config(self.n_features_in_)

    def _guessing(self) -> float:
        return int(self.n_features_in_) * log(2)

    def _steps(
        self, state: train.State, xp: Any, *parts: Any
    ) -> Generator[train.Progress, None, None]:
        config, recipe = self._fitted_config(), self._recipe()
        rows, valid = parts
        if xp is not np:
            rows, valid = xp.asarray(rows), None if valid is None else xp.asarray(valid)
        return train.run(self._model(), config, recipe, state, rows, valid)

    def _finish(self, state: train.State) -> None:
        super()._finish(state)
        self.best_epoch_ = state.best_record

    def _check_hyperparameters(self) -> None:
        """Raise ValueError for one that no training could use."""
        super()._check_hyperparameters()
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


def writeable(rows: Bits) -> Bits:
    """Return rows; a copy if read-only, for which Numba would compile every kernel once more."""
    return np.require(rows, requirements=["C", "W"])
