"""What all estimators of binary data share: fit, score, conditionals, sample, save.

Data goes down once: `validation` makes it uint8 rows, `ordering` puts their columns in the
model's order, the engine does the rest; results come back in the data's order.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import progress, runtime, validation
from chainrule.engine import checkpoint, models, ordering, train
from chainrule.engine.optim import SCHEDULES
from chainrule.engine.params import Params
from chainrule.kernels.types import Array, Bits

CHUNK = 4096  # rows evaluated or drawn at once: bounds memory, and Ctrl-C is heard between


class BinaryDensity(DensityMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base class: a model of p(x) over binary rows, fitted by maximum likelihood.

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

    # Fitting, in the steps that the command line takes one by one.

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
            FloatingPointError: the loss is no longer a finite number.
            RuntimeError: backend="cuda" without CuPy or without a device.
            KeyboardInterrupt: Ctrl-C. In this case and the last but one nothing is lost: the
                estimator is fitted with the best parameters so far.

        Cost:
            epochs times about three times `log_prob` of X. The first call on a machine compiles
            the kernels, which takes some seconds.
        """
        rows, valid = self._prepare(X, X_valid)
        state = self._start()
        steps = self._training(rows, valid, state)
        try:
            with closing(progress.training(steps, bool(self.verbose))) as shown:
                for _ in shown:
                    pass
        except (KeyboardInterrupt, FloatingPointError):
            self._finish(state)
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
            valid = _writeable(ordering.apply(order, valid))
        return rows, valid

    def _start(self) -> train.State:
        """Return the state before the first minibatch, for data that `_prepare` has seen."""
        config, recipe = self._config(self.n_features_in_), self._recipe()
        return train.start(self._model(), config, recipe, validation.float_dtype(self.dtype))

    def _training(
        self, rows: Bits, valid: Bits | None, state: train.State
    ) -> Iterator[train.Progress]:
        """Train `state` in place to the end, yielding after every minibatch."""
        xp = runtime.array_module(self.backend)
        if xp is not np:  # from here on the state lives on the device
            vars(state).update(vars(train.place(state, xp)))
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
        numbers = ("learning_rate", "warmup", "weight_decay", "clip_norm")
        settings: dict[str, Any] = {
            name: validation.integer(name, getattr(self, name), low) for name, low in whole.items()
        }
        settings |= {name: validation.real(name, getattr(self, name)) for name in numbers}
        return train.Recipe(
            schedule=validation.choice("schedule", self.schedule, SCHEDULES), **settings
        )

    # Using what was fitted.

    def log_prob(self, X: Any) -> Array:
        """Return log p(x) of each row, in nats.

        Args:
            X: array-like, shape (N, D), as for `fit`.

        Returns:
            Shape (N,), of the parameters' dtype, at most 0. Bits per dimension are
            -log_prob / (D · ln 2).

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: data that cannot be used, or of another width.

        Cost:
            One forward pass; memory beside X is bounded, whatever N.
        """
        rows = self._rows(X)
        return self._evaluate("log_prob", ((part,) for part in _chunks(rows)), len(rows))

    score_samples = log_prob

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `log_prob` over the rows of X, in nats: higher is better.

        y is ignored. scikit-learn's cross_val_score and GridSearchCV maximise this number.
        """
        return float(np.mean(self.log_prob(X), dtype=np.float64))

    def conditionals(self, X: Any) -> Array:
        """Return p(x_i = 1 | the variables before x_i in the order) for every row and variable.

        Args:
            X: array-like, shape (N, D), as for `fit`.

        Returns:
            Shape (N, D), of the parameters' dtype, in [0, 1], columns as in X. `order_` says
            which variables come before which.

        Raises:
            NotFittedError, ValueError, TypeError: as `log_prob`.

        Cost:
            One forward pass.
        """
        rows = self._rows(X)
        ones = self._evaluate("conditionals", ((part,) for part in _chunks(rows)), len(rows))
        return np.asarray(ordering.undo(self.order_, ones))

    def sample(self, n: int = 1, seed: Any = None, given: Any = None, observed: Any = None) -> Bits:
        """Draw n rows; variables marked as observed keep their given values.

        Variables are drawn one after another in the model's order, each from its distribution
        given all values before it, drawn or observed. So if the observed variables come first
        in that order (`order_`; for pixels in raster order, the top of the picture), the rows
        are exact samples of p(free | observed). For any other pattern they are not: a free
        variable heeds the observed values before it and never those after it.

        Args:
            n: how many rows, at least 1.
            seed: of numpy.random.default_rng; None draws fresh entropy.
            given: (n, D), or (D,) or (1, D) for the same values in every row. Only observed
                columns are read; they must be 0 or 1 unless `binarize` is set.
            observed: (D,) bool, True where `given` counts. Both or neither.

        Returns:
            uint8 0 and 1, shape (n, D), columns as in the data. The same seed and backend give
            the same rows, and every backend the same but where a uniform number falls within
            rounding of a probability.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: n, given or observed that cannot be used.

        Cost:
            About that of `log_prob` of n rows.

        Example:
            >>> from chainrule import FVSBN
            >>> model = FVSBN(epochs=2).fit([[0, 1, 1], [1, 0, 0]] * 50)
            >>> rows = model.sample(4, seed=1, given=[1, 0, 0], observed=[True, False, False])
            >>> rows.shape, rows[:, 0].tolist()
            ((4, 3), [1, 1, 1, 1])
        """
        check_is_fitted(self, "params_")
        n, D = validation.integer("n", n, 1), self.n_features_in_
        if (given is None) != (observed is None):
            raise ValueError("given and observed go together: give both or neither")
        fixed: Bits | None = None
        mask = None
        if given is not None:
            mask = validation.as_mask(observed, D)
            fixed = ordering.apply(self.order_, validation.as_given(given, mask, n, self.binarize))
            mask = ordering.apply(self.order_, mask)
        rng = np.random.default_rng(seed)

        def inputs() -> Iterator[tuple[Any, ...]]:
            for lo in range(0, n, CHUNK):
                hi = min(lo + CHUNK, n)
                uniforms = rng.random((hi - lo, D), self.params_.dtype)
                yield uniforms, None if fixed is None else fixed[lo:hi], mask

        rows = self._evaluate("sample", inputs(), n)
        return np.asarray(ordering.undo(self.order_, rows))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to `path` as safetensors; `chainrule.load` reads it.

        The file is written whole or not at all: an existing one survives any failure.

        Raises:
            NotFittedError: before `fit`.
            OSError: the folder is missing or not writable, or the disk is full.
        """
        check_is_fitted(self, "params_")
        names = getattr(self, "feature_names_in_", None)
        metadata = {
            "estimator": type(self).__name__,
            "hyperparameters": {name: _plain(v) for name, v in self.get_params().items()},
            "order": self.order_.tolist(),
            "history": self.history_,
            "best_epoch": self.best_epoch_,
            "feature_names": None if names is None else [str(name) for name in names],
        }
        checkpoint.save(path, self.model_, self.config_, self.params_, metadata)

    def _check_saved(self, model: str, config: Any) -> None:
        """Raise ValueError unless the hyper-parameters make this model and config."""
        self._check_hyperparameters()
        if self._model_name() != model or self._config(config.n_visible) != config:
            raise ValueError("its hyper-parameters are of another model")

    def _rows(self, X: Any) -> Bits:
        """Return X, checked against what was fitted, as uint8 rows in the model's order."""
        check_is_fitted(self, "params_")
        rows = validation.as_bits(X, self.binarize)
        validation.check_width(rows, self.n_features_in_, type(self).__name__)
        validate_data(self, X, reset=False, skip_check_array=True)  # feature names
        ordered: Bits = ordering.apply(self.order_, rows)
        return ordered

    def _evaluate(
        self, function: str, inputs: Iterator[tuple[Any, ...]], n_rows: int
    ) -> NDArray[Any]:
        """Return the rows of a function of the model over chunks of its inputs."""
        validation.choice("backend", self.backend, runtime.BACKENDS)
        xp = runtime.array_module(self.backend)
        call: Callable[..., Any] = getattr(models.get(self.model_), function)
        params = Params(self.params_.shapes, xp.asarray(self.params_.flat))
        n_chunks = -(-n_rows // CHUNK)
        parts = []
        with runtime.resources(self.backend, self.n_threads):
            for chunk in progress.track(inputs, function, bool(self.verbose), total=n_chunks):
                arrays = (None if a is None else xp.asarray(a) for a in chunk)
                parts.append(runtime.to_host(call(self.config_, params, *arrays)))
        return np.concatenate(parts)


def _chunks(rows: Bits) -> Iterator[Bits]:
    for lo in range(0, len(rows), CHUNK):
        yield _writeable(rows[lo : lo + CHUNK])


def _writeable(rows: Bits) -> Bits:
    """Return rows; a copy if read-only, for which Numba would compile every kernel once more."""
    return np.require(rows, requirements=["C", "W"])


def _plain(value: Any) -> Any:
    """Return a hyper-parameter as what JSON can hold."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, type | np.dtype):
        return np.dtype(value).name
    return value
