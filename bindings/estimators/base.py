"""What all estimators of binary data do once fitted: score, conditionals, sample, save.

Results come back with their columns in the data's order.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import progress
from chainrule.encoders import validation
from chainrule.engine import models, ordering
from chainrule.engine.storage import checkpoint
from chainrule.estimators import runtime
from chainrule.estimators.fitting import FitByLikelihood, writeable
from chainrule.kernels.types import Array, Bits

NOT_EXACT = (
    "the observed variables do not come first in the model's order: they are clamped, and a drawn "
    "value heeds those before it, never those after it"
)
CHUNK = 4096  # rows evaluated or drawn at once: bounds memory, and Ctrl-C is heard between


class BinaryDensity(DensityMixin, FitByLikelihood):  # type: ignore[misc]  # scikit-learn is untyped
    """Base class: a model of p(x) over binary rows, fitted by maximum likelihood."""

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
            One forward pass; memory beside X is bounded, whatever N, its dtype and the ordering.
        """
        return self._evaluate("log_prob", *self._parts(X))

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
            One forward pass; memory beside X and the result is bounded.
        """
        return self._evaluate("conditionals", *self._parts(X))

    def sample(self, n: int = 1, seed: Any = None, given: Any = None, observed: Any = None) -> Bits:
        """Draw n rows; variables marked as observed keep their given values.

        Variables are drawn one after another in the model's order, each from its distribution
        given all values before it, drawn or observed. So if the observed variables come first
        in that order (`order_`; for pixels in raster order, the top of the picture), the rows
        are exact samples of p(free | observed). For any other pattern they are not, and a
        UserWarning says so: a free variable heeds the observed values before it and never those
        after it.

        Args:
            n: how many rows, at least 1.
            seed: of numpy.random.default_rng; None draws fresh entropy.
            given: (n, D), or (D,) or (1, D) for the same values in every row. Only observed
                columns are read; they must be 0 or 1 unless `binarize` is set. Of a DataFrame or
                Series the names must be those of `fit`.
            observed: (D,) bool, True where `given` counts; names as of `given`. Both or neither.

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
            self._check_given(given, "given")
            self._check_given(observed, "observed")
            fixed = ordering.apply(self.order_, validation.as_given(given, mask, n, self.binarize))
            mask = ordering.apply(self.order_, mask)
            if not ordering.comes_first(mask):
                warnings.warn(NOT_EXACT, UserWarning, stacklevel=2)
        rng = np.random.default_rng(seed)

        def inputs() -> Iterator[tuple[Any, ...]]:
            for lo in range(0, n, CHUNK):
                hi = min(lo + CHUNK, n)
                uniforms = rng.random((hi - lo, D), self.params_.dtype)
                if mask is not None:
                    uniforms[:, mask] = -1  # kept as given
                yield uniforms, None if fixed is None else fixed[lo:hi]

        return self._evaluate("sample", inputs(), n)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to `path` as safetensors; `chainrule.load` reads it.

        The file is written whole or not at all: an existing one survives any failure.

        What was fitted is saved, whatever `set_params` changed since, but for backend, n_threads
        and verbose.

        Raises:
            NotFittedError: before `fit`.
            OSError: the folder is missing or not writable, or the disk is full.
            ValueError: names too long to be read again; a backend or n_threads that is none.
        """
        check_is_fitted(self, "params_")
        names = getattr(self, "feature_names_in_", None)
        metadata = {
            "estimator": type(self).__name__,
            "hyperparameters": self._hyperparameters_to_save(),
            "order": self.order_.tolist(),
            "best_epoch": self.best_epoch_,
            "feature_names": None if names is None else [str(name) for name in names],
        }
        checkpoint.save(
            path, self.model_, self.config_, self.params_, metadata, history=self.history_
        )

    def _check_saved(self, model: str, config: Any) -> None:
        """Raise ValueError unless the hyper-parameters make this model and config."""
        self._check_hyperparameters()
        if self._model_name() != model or self._config(config.n_visible) != config:
            raise ValueError("its hyper-parameters are of another model")

    def _table(self, X: Any) -> Any:
        """Return X as a table whose width and names are those that were fitted."""
        check_is_fitted(self, "params_")
        table = validation.as_table(X)
        validation.check_width(table, self.n_features_in_, type(self).__name__)
        validate_data(self, X, reset=False, skip_check_array=True)  # feature names
        return table

    def _rows(self, X: Any) -> Bits:
        """Return X, checked against what was fitted, as uint8 rows in the model's order."""
        return validation.as_bits(self._table(X), self.binarize, order=self._moved())

    def _parts(self, X: Any) -> tuple[Iterator[tuple[Bits]], int]:
        """Return X, all of it checked, as chunks of what `_rows` returns; and how many rows."""
        table, order = self._table(X), self._moved()
        validation.check_bits(table, self.binarize)  # now, not after minutes of work
        n_rows = table.shape[0]

        def chunks() -> Iterator[tuple[Bits]]:
            for lo in range(0, n_rows, CHUNK):
                part = table[lo : lo + CHUNK]
                yield (writeable(validation.as_bits(part, self.binarize, order=order)),)

        return chunks(), n_rows

    def _check_given(self, given: Any, name: str) -> None:
        """Raise ValueError if what is given names its columns and not as those of the fit."""
        if hasattr(given, "to_frame"):  # a Series, one row
            given = given.to_frame().T
        if hasattr(given, "columns"):
            self._check_names(given, name)

    def _evaluate(
        self, function: str, inputs: Iterator[tuple[Any, ...]], n_rows: int
    ) -> NDArray[Any]:
        """Return the rows of a function of the model over chunks of its inputs.

        Rows of variables come back with their columns in the data's order.
        """
        validation.choice("backend", self.backend, runtime.BACKENDS)
        xp = runtime.array_module(self.backend)
        call: Callable[..., Any] = getattr(models.get(self.model_), function)
        params = runtime.parameters(self.params_, self.backend)
        n_chunks, at = -(-n_rows // CHUNK), 0
        with runtime.resources(self.backend, self.n_threads):
            shown = progress.track(inputs, function, bool(self.verbose), total=n_chunks, lines=True)
            for chunk in shown:
                arrays = (None if a is None else xp.asarray(a) for a in chunk)
                part = runtime.to_host(call(self.config_, params, *arrays))
                part = part if part.ndim == 1 else ordering.undo(self.order_, part)
                if at == 0:
                    out = np.empty((n_rows, *part.shape[1:]), part.dtype)
                out[at : at + len(part)] = part
                at += len(part)
        return out
