"""What all estimators of sequences do once fitted: score, conditionals, save.

`generating` has what draws from them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from chainrule.encoders import symbols, validation
from chainrule.encoders.symbols import Symbols
from chainrule.encoders.vocabulary import Vocabulary
from chainrule.engine.params import Params
from chainrule.engine.storage import checkpoint
from chainrule.engine.training import scoring
from chainrule.estimators import runtime
from chainrule.estimators.sequence_fitting import FitSequences
from chainrule.kernels.threads import serial_blas
from chainrule.kernels.types import Array, Ids


class SequenceDensity(DensityMixin, FitSequences):  # type: ignore[misc]  # scikit-learn is untyped
    """Base class: a model of p(x_t | x_<t) over sequences of symbols, fitted by likelihood."""

    def log_prob(self, X: Any, y: Any = None) -> Array:
        """Return log p of each sequence, in nats, its first symbol included.

        Of a model whose sequences end (`ends_`) the end is included too: the probabilities of all
        sequences of any length sum to one. Of any other it is the probability that a sequence
        begins so, and it is those of all sequences of one length that sum to one.

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
        data = self._whole(self._read(X))
        if data.lengths is None and y is None:
            self._labels(None, 1)
            return np.array([sum(part.sum() for part in self._log_probs(data))])
        rows = data.rows()
        labels, out = self._labels(y, len(rows)), np.empty(len(rows))
        with self._evaluating() as params:
            for group, x in scoring.by_length(rows):
                some = None if labels is None else labels[group]
                log_p = scoring.symbol_log_probs(self._model(), self.config_, params, x, some)
                out[group] = log_p.sum(axis=1)
        return out

    score_samples = log_prob

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log p of a symbol, in nats: negative, higher is better.

        X: a text of any length, read bit by bit if it is a file; or rows. y: as in `log_prob`.
        The end of a sequence that has one counts as a symbol.
        """
        data = self._whole(self._read(X))
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
            float64: (T,) for one text, (N, T) for ids (N, T), a list of arrays for a list; of a
            model whose sequences end (`ends_`) with one more number each, that of the end.
        """
        given = self._read(X)
        data = self._whole(given)
        if data.lengths is None and y is None:
            self._labels(None, 1)
            return np.concatenate(list(self._log_probs(data)))
        return self._by_symbol(scoring.symbol_log_probs, data, y, given.lengths is None)

    def conditionals(self, X: Any, y: Any = None) -> Any:
        """Return p(x_t = v | x_<t) of every symbol v at every place t.

        Returns:
            (T, V) for one text, (N, T, V) for ids (N, T), a list of (T, V) for a list. Symbol v is
            character v of `vocabulary_.characters`, or byte or id v. Where sequences end (`ends_`)
            there is one more place, behind the last symbol, and one more v, the last: the end.

        Cost:
            Memory for all of it: T · V numbers.
        """
        given = self._read(X)
        return self._by_symbol(self._conditionals, self._whole(given), y, given.lengths is None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to `path` as safetensors; `chainrule.load` reads it.

        The file is written whole or not at all: an existing one survives any failure.

        What was fitted is saved, whatever `set_params` changed since, but for backend, n_threads
        and verbose.

        Raises:
            NotFittedError: before `fit`.
            OSError: the folder is missing or not writable, or the disk is full.
            ValueError: more symbols or labels than can be read again; a backend or n_threads that
                is none.
        """
        check_is_fitted(self, "params_")
        metadata = {
            "estimator": type(self).__name__,
            "hyperparameters": self._hyperparameters_to_save(),
            "vocabulary": self.vocabulary_.as_json(),
            "ends": self.ends_,
            "classes": None if self.classes_ is None else self.classes_.tolist(),
            "best_step": self.best_step_,
        }
        checkpoint.save(
            path, self.model_, self.config_, self.params_, metadata, history=self.history_
        )

    @classmethod
    def _restored(cls, saved: checkpoint.Checkpoint) -> Self:
        """Return the estimator that a checkpoint's metadata describes, if it fits."""
        metadata = saved.metadata
        model = cls(**metadata["hyperparameters"])
        model._check_hyperparameters()
        model.vocabulary_ = Vocabulary.of_json(metadata["vocabulary"])
        model.ends_ = metadata.get("ends", False)  # which files before it lack
        if not isinstance(model.ends_, bool):
            raise TypeError("its metadata are damaged")
        model.classes_ = _classes(metadata["classes"])
        if model._model_name() != saved.model or model._fitted_config() != saved.config:
            raise ValueError("its hyper-parameters are of another model")
        model.params_, model.model_, model.config_ = saved.params, saved.model, saved.config
        model.history_, model._fitted_with = saved.history, model._plain_hyperparameters()
        model.best_step_ = validation.integer("best_step", metadata["best_step"], 0)
        if model.best_step_ not in (0, *(record["step"] for record in saved.history)):
            raise ValueError("it names a best step that its history lacks")
        return model

    def _read(self, X: Any, name: str = "X") -> Symbols:
        """Return X in the symbols of the fit."""
        check_is_fitted(self, "params_")
        return symbols.read(X, self.vocabulary_, name, self.ends_ and name == "X")

    @contextmanager
    def _evaluating(self) -> Iterator[Params]:
        """Yield the parameters on the backend's side, and run the block there."""
        validation.choice("backend", self.backend, runtime.BACKENDS)
        with runtime.resources(self.backend, self.n_threads), serial_blas():
            yield runtime.parameters(self.params_, self.backend)

    def _log_probs(self, data: Symbols) -> Iterator[Array]:
        """Yield log p of a text's symbols, part by part."""
        with self._evaluating() as params:
            yield from scoring.log_probs(self._model(), self.config_, params, data.ids)

    def _whole(self, data: Symbols) -> Symbols:
        """Return sequences with their ends, where they have any."""
        return data.ended() if self.ends_ else data

    def _conditionals(self, model: Any, config: Any, params: Params, x: Ids, labels: Any) -> Any:
        xp = runtime.array_module(self.backend)
        rest = () if labels is None else (xp.asarray(labels),)
        return runtime.to_host(model.conditionals(config, params, xp.asarray(x), *rest))

    def _by_symbol(self, function: Any, data: Symbols, y: Any, single: bool) -> Any:
        """Return a function of the model with a result a symbol, shaped like what came in."""
        rows = data.rows()
        labels = self._labels(y, len(rows))
        out: list[Any] = [None] * len(rows)
        with self._evaluating() as params:
            for group, x in scoring.by_length(rows):
                some = None if labels is None else labels[group]
                part = function(self._model(), self.config_, params, x, some)
                for n, row in zip(group.tolist(), part, strict=True):
                    out[n] = row if not data.ragged else row[: data.ids.lengths[n]].copy()
        if single:
            return out[0]
        return out if data.ragged else np.stack(out)


def _classes(labels: Any) -> NDArray[Any] | None:
    """Return the labels that a checkpoint's metadata hold, as `fit` made them."""
    if labels is None:
        return None
    classes = np.array(labels)
    plain = classes.ndim == 1 and classes.dtype.kind in "biuU"
    if not plain or not np.array_equal(classes, np.unique(classes)):
        raise ValueError("its labels are damaged")
    return classes
