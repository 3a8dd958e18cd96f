"""What all estimators of binary data share: hyper-parameters, and fitting them.

Data goes down once: `validation` makes it uint8 rows, `ordering` puts their columns in the
model's order, and `engine.train` does the rest.
"""

from collections.abc import Generator
from math import log
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import validate_data

from chainrule import runtime, validation
from chainrule.engine import ordering, train
from chainrule.engine.optim import SCHEDULES
from chainrule.kernels.types import Bits
from chainrule.trainable import Trainable


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

    def fit(self, X: Any, y: Any = None, X_valid: Any = None) -> Self:
        """Fit by maximum likelihood and keep the epoch that is best on X_valid.

        Args:
            X: array-like of 0 and 1, shape (N, D): bools, integers, floats, lists, a DataFrame, a
                SciPy sparse matrix. uint8 and bool arrays are not copied; of anything else, and
                for another ordering, one copy is made, a byte a value. Other values than 0 and 1
                need `binarize`.
            y: ignored; scikit-learn's pipelines pass it.
            X_valid: array-like, (M, D), columns as in X, or None: then the last epoch is kept.

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

        Warns:
            ConvergenceWarning: what was learnt is worse than guessing, or than it was before.

        Cost:
            epochs times about three times `log_prob` of X. The first call on a machine compiles
            the kernels, which takes some seconds.
        """
        return self._fit(X, X_valid)

    def _prepare(self, X: Any, X_valid: Any = None) -> tuple[Bits, Bits | None]:
        """Check everything; return X and X_valid as uint8 rows in the model's order."""
        self._check_hyperparameters()
        runtime.array_module(self.backend)  # now, not after the data have been read
        table, valid = validation.as_table(X), None
        D = table.shape[1]
        self._config(D)
        order = ordering.make(self.ordering, D, int(self.seed))
        validate_data(self, X, skip_check_array=True)  # sets n_features_in_, feature_names_in_
        self.order_ = order
        rows = validation.as_bits(table, self.binarize, order=self._moved())
        if X_valid is not None:
            table = validation.as_table(X_valid, "X_valid")
            validation.check_width(table, D, type(self).__name__, "X_valid")
            self._check_names(X_valid, "X_valid")
            valid = validation.as_bits(table, self.binarize, "X_valid", self._moved())
            valid = writeable(valid)
        return rows, valid

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
        self.best_epoch_ = state.best_epoch

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
