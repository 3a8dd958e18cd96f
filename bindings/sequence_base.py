"""What all estimators of sequences do: fit, score, save; `generating` has what draws from them."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from chainrule import runtime, symbols, validation
from chainrule.engine import checkpoint, models, scoring, train
from chainrule.engine.optim import SCHEDULES
from chainrule.engine.params import Params
from chainrule.engine.sources import Source, Streams, SymbolRows, Windows
from chainrule.kernels.threads import serial_blas
from chainrule.kernels.types import Array
from chainrule.symbols import Symbols
from chainrule.trainable import Trainable
from chainrule.vocabulary import Vocabulary

WHOLE = {"steps": 1, "batch_size": 1, "accumulation": 1, "patience": 0, "eval_every": 0, "seed": 0}
NUMBERS = ("learning_rate", "warmup", "weight_decay", "clip_norm", "beta2")


class SequenceDensity(DensityMixin, Trainable):  # type: ignore[misc]  # scikit-learn is untyped
    """Base class: a model of p(x_t | x_<t) over sequences of symbols, fitted by likelihood."""

    def _config(self, n_symbols: int, n_classes: int) -> Any:
        """Return the model's Config for so many symbols and classes of rows."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None, X_valid: Any = None, y_valid: Any = None) -> Self:
        """Fit by maximum likelihood and keep the parameters that are best on X_valid.

        Args:
            X: a text: str, bytes, whole numbers (T,), a path or what `datasets.load_text` returns,
                which are read from the file bit by bit; or rows, each a sequence of its own: a
                list of str, of bytes or of lists of ids, or whole numbers (N, T).
            y: labels of rows, (N,), for a Transformer that is to learn p(x | label); else None.
            X_valid, y_valid: the same, or None: then the last parameters are kept.

        Returns:
            The estimator itself, with `params_`, `history_`, `best_step_`, `vocabulary_` and
            `classes_`.

        Raises:
            ValueError, TypeError: data or a hyper-parameter that cannot be used; a text shorter
                than `context`; rows longer than the context of a model that has one; a symbol of
                X_valid that X lacks.
            RuntimeError: backend="cuda" without CuPy or without a device.
            FloatingPointError: the loss is no longer a finite number.
            KeyboardInterrupt: Ctrl-C.

            After the last two the estimator is fitted with the best parameters so far; after
            the others, or before anything was learned, it is what it was.

        Cost:
            steps · batch_size · context symbols, each about three times as much as in `log_prob`.
            The first call on a machine compiles the kernels, which takes some seconds.
        """
        return self._fit(X, y, X_valid, y_valid)

    def log_prob(self, X: Any, y: Any = None) -> Array:
        """Return log p of each sequence, in nats, its first symbol included.

        Args:
            X: a list of str, bytes or ids of any lengths, or ids (N, T); one text counts as one.
            y: labels, (N,), of a model that was fitted with labels.

        Returns:
            Shape (N,), float64, at most 0.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: what is no sequence, or a symbol never seen in training.

        Cost:
            One forward pass; where sequences are longer than the context, two (see
            `chainrule.engine.windows`).
        """
        data, labels = self._read(X), None
        if data.lengths is None:
            self._labels(y, 1)
            if y is None:
                return np.array([sum(part.sum() for part in self._log_probs(data))])
        rows = data.rows()
        labels = self._labels(y, len(rows))
        out = np.empty(len(rows))
        lengths = (rows >= 0).sum(axis=1) if data.lengths is None else data.lengths
        with self._evaluating() as params:
            for chosen in _alike(lengths):
                part = rows[chosen, : lengths[chosen].max()].astype(np.int32)
                some = None if labels is None else labels[chosen]
                log_p = scoring.symbol_log_probs(self._model(), self.config_, params, part, some)
                out[chosen] = log_p.sum(axis=1)
        return out

    score_samples = log_prob

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log p of a symbol, in nats: negative, higher is better.

        X: a text of any length, read bit by bit if it is a file; or rows. y: as in `log_prob`.
        """
        data = self._read(X)
        if data.lengths is not None or y is not None:
            return float(self.log_prob(X, y).sum()) / data.n_symbols
        self._labels(None, 1)
        return float(sum(part.sum() for part in self._log_probs(data))) / data.n_symbols

    def perplexity(self, X: Any, y: Any = None) -> float:
        """Return exp(-score): among how many symbols the model wavers, as it were."""
        return float(np.exp(-self.score(X, y)))

    def bits_per_symbol(self, X: Any, y: Any = None) -> float:
        """Return -score / ln 2: what a symbol costs in an ideal code; bits per character."""
        return -self.score(X, y) / float(np.log(2))

    def symbol_log_prob(self, X: Any, y: Any = None) -> Any:
        """Return log p(x_t | x_<t) of every symbol, in nats.

        Returns:
            float64: (T,) for one text, (N, T) for ids (N, T), a list of arrays for a list.
        """
        data = self._read(X)
        if data.lengths is None and y is None:
            self._labels(None, 1)
            return np.concatenate(list(self._log_probs(data)))
        return self._by_symbol("symbol_log_prob", data, y)

    def conditionals(self, X: Any, y: Any = None) -> Any:
        """Return p(x_t = v | x_<t) of every symbol v at every place t.

        Returns:
            (T, V) for one text, (N, T, V) for ids (N, T), a list of (T, V) for a list. Symbol v is
            character v of `vocabulary_.characters`, or byte or id v.

        Cost:
            Memory for all of it: T · V numbers.
        """
        return self._by_symbol("conditionals", self._read(X), y)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to `path` as safetensors; `chainrule.load` reads it.

        The file is written whole or not at all: an existing one survives any failure.

        Raises:
            NotFittedError: before `fit`.
            OSError: the folder is missing or not writable, or the disk is full.
        """
        check_is_fitted(self, "params_")
        metadata = {
            "estimator": type(self).__name__,
            "hyperparameters": {
                name: np.dtype(value).name if name == "dtype" else value
                for name, value in self.get_params().items()
            },
            "vocabulary": self.vocabulary_._asdict(),
            "classes": None if self.classes_ is None else self.classes_.tolist(),
            "history": self.history_,
            "best_step": self.best_step_,
        }
        checkpoint.save(path, self.model_, self.config_, self.params_, metadata)

    @classmethod
    def _restored(cls, saved: checkpoint.Checkpoint) -> Self:
        """Return the estimator that a checkpoint's metadata describes, if it fits."""
        metadata = saved.metadata
        model = cls(**metadata["hyperparameters"])
        model._check_hyperparameters()
        vocabulary = Vocabulary(**metadata["vocabulary"])
        if vocabulary != Vocabulary.of(vocabulary.characters) and vocabulary.kind == "character":
            raise ValueError("its characters are damaged")
        classes, history = metadata["classes"], metadata["history"]
        if not isinstance(history, list) or not isinstance(classes, list | None):
            raise TypeError("its metadata are damaged")
        model.vocabulary_ = vocabulary
        model.classes_ = None if classes is None else np.array(classes)
        if model._model_name() != saved.model or model._fitted_config() != saved.config:
            raise ValueError("its hyper-parameters are of another model")
        model.params_, model.model_, model.config_ = saved.params, saved.model, saved.config
        model.history_ = [dict(record) for record in history]
        model.best_step_ = validation.integer("best_step", metadata["best_step"], 0)
        return model

    def _prepare(
        self, X: Any, y: Any = None, X_valid: Any = None, y_valid: Any = None
    ) -> tuple[Source]:
        """Check everything; return what is learnt from."""
        self._check_hyperparameters()
        runtime.array_module(self.backend)  # now, not after the data have been read
        data = symbols.read(X)
        valid = None if X_valid is None else symbols.read(X_valid, data.vocabulary, "X_valid")
        if valid is not None and (valid.lengths is None) != (data.lengths is None):
            raise ValueError("X and X_valid must both be a text or both be rows; make them alike")
        if y is not None and (data.lengths is None or not hasattr(self, "rotary")):
            raise ValueError(
                "y are the labels of rows, of which a Transformer can be a model; leave y out"
            )
        if y_valid is not None and X_valid is None:
            raise ValueError("y_valid are the labels of X_valid; give both")
        self.vocabulary_ = data.vocabulary
        self.classes_ = None if y is None else np.unique(_column(y, len(data.ids), "y"))
        if data.lengths is None:
            return (self._text_source(data, valid),)
        labels = self._labels(y, len(data.ids))
        pair = None
        if valid is not None:
            pair = valid.ids, self._labels(y_valid, len(valid.ids), "y_valid")
        if hasattr(self._fitted_config(), "context") and data.ids.shape[1] > self.context:
            raise ValueError(
                f"X has rows of {data.ids.shape[1]} symbols, more than context={self.context}; set "
                f"context={data.ids.shape[1]}, or give one long text instead of rows"
            )
        return (SymbolRows(data.ids, labels, pair),)

    def _text_source(self, data: Symbols, valid: Symbols | None) -> Source:
        """Return one text, to be learnt in windows or in streams."""
        context = int(self.context)
        if len(data.ids) < max(2, context):
            raise ValueError(
                f"X has {len(data.ids)} symbols, fewer than context={context}; give a longer text "
                f"or set context to at most {len(data.ids)}"
                if context > 1
                else "X has 1 symbol, of which nothing can be learnt; give a longer text"
            )
        kind = Streams if hasattr(self._model(), "state_size") else Windows
        return kind(data.ids, context, None if valid is None else valid.ids)

    def _fitted_config(self) -> Any:
        return self._config(
            self.vocabulary_.size, 1 if self.classes_ is None else len(self.classes_)
        )

    def _steps(
        self, state: train.State, xp: Any, *parts: Any
    ) -> Generator[train.Progress, None, None]:
        config, recipe = self._fitted_config(), self._recipe()
        return train.run(self._model(), config, recipe, state, *parts)

    def _finish(self, state: train.State) -> None:
        super()._finish(state)
        best = state.best_epoch
        self.best_step_ = state.history[best - 1]["step"] if best else 0

    def _check_hyperparameters(self) -> None:
        """Raise ValueError for one that no training could use."""
        super()._check_hyperparameters()
        validation.integer("context", self.context, 1)
        self._config(2, 1)

    def _recipe(self) -> train.Recipe:
        """Return the checked settings of the training."""
        settings: dict[str, Any] = {
            name: validation.integer(name, getattr(self, name), low) for name, low in WHOLE.items()
        }
        settings |= {name: validation.real(name, getattr(self, name)) for name in NUMBERS}
        schedule = validation.choice("schedule", self.schedule, SCHEDULES)
        return train.Recipe(schedule=schedule, **settings)

    def _read(self, X: Any, name: str = "X") -> Symbols:
        """Return X in the symbols of the fit."""
        check_is_fitted(self, "params_")
        return symbols.read(X, self.vocabulary_, name)

    def _labels(self, y: Any, n: int, name: str = "y") -> NDArray[np.int32] | None:
        """Return labels as the numbers of classes, (n,); None for a model without."""
        if self.classes_ is None:
            if y is not None:
                raise ValueError(f"this model was fitted without labels; leave {name} out")
            return None
        if y is None:
            raise ValueError(f"this model was fitted with labels; give {name}, one for each row")
        labels = _column(np.full(n, y) if np.ndim(y) == 0 else y, n, name)
        at = np.minimum(np.searchsorted(self.classes_, labels), len(self.classes_) - 1)
        if (self.classes_[at] != labels).any():
            other = labels[self.classes_[at] != labels][0]
            raise ValueError(
                f"{name} holds {other!s}, a label never seen in training; leave it out"
            )
        return at.astype(np.int32)

    @contextmanager
    def _evaluating(self) -> Iterator[Params]:
        """Yield the parameters on the backend's side, and run the block there."""
        validation.choice("backend", self.backend, runtime.BACKENDS)
        xp = runtime.array_module(self.backend)
        with runtime.resources(self.backend, self.n_threads), serial_blas():
            yield Params(self.params_.shapes, xp.asarray(self.params_.flat))

    def _log_probs(self, data: Symbols) -> Iterator[Array]:
        """Yield log p of a text's symbols, part by part."""
        with self._evaluating() as params:
            yield from scoring.log_probs(self._model(), self.config_, params, data.ids)

    def _by_symbol(self, function: str, data: Symbols, y: Any) -> Any:
        """Return a function of the model with a result a symbol, shaped like what came in."""
        rows = data.rows()
        labels = self._labels(y, len(rows))
        with self._evaluating() as params:
            xp = runtime.array_module(self.backend)
            x = xp.asarray(rows.astype(np.int32))
            rest = () if labels is None else (xp.asarray(labels),)
            call = getattr(models.get(self.model_), function)
            out = runtime.to_host(call(self.config_, params, x, *rest))
        if data.lengths is None:
            return out[0]
        if not data.ragged:
            return out
        return [row[:length] for row, length in zip(out, data.lengths, strict=True)]


def _column(y: Any, n: int, name: str) -> NDArray[Any]:
    """Return labels as an array of n whole numbers or words."""
    labels = np.asarray(y)
    if labels.shape != (n,) or labels.dtype.kind not in "biuU":
        raise ValueError(
            f"{name} must hold {n} labels, whole numbers or words, one for each row; got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    return labels


def _alike(lengths: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the numbers of rows in groups of like lengths, a bounded number of symbols each."""
    order = np.argsort(lengths, kind="stable")
    lo = 0
    while lo < len(order):
        n = max(1, scoring.POSITIONS * 4 // int(lengths[order[lo]]))
        yield order[lo : lo + n]
        lo += n
