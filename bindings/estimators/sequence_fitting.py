"""Hyper-parameters and fitting of estimators of sequences: a text step by step, or rows of symbols.

Data goes down once: `symbols` makes numbers of it, a source of `engine.sources` cuts minibatches,
and `engine.train` does the rest.
"""

import os
from collections.abc import Generator
from math import log
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import symbols, validation
from chainrule.encoders.symbols import Symbols
from chainrule.engine.training import train
from chainrule.engine.training.recipe import SCHEDULES
from chainrule.engine.training.sources import Source, Streams, SymbolRows, Windows
from chainrule.estimators import runtime
from chainrule.estimators.trainable import Callback, Trainable

WHOLE = {"steps": 1, "batch_size": 1, "accumulation": 1, "patience": 0, "eval_every": 0, "seed": 0}
NUMBERS = ("learning_rate", "warmup", "weight_decay", "clip_norm", "beta2")


class FitSequences(Trainable):
    """Base class: `fit`. A subclass says which engine model it is: `_model_name` and `_config`."""

    def _config(self, n_symbols: int, n_classes: int) -> Any:
        """Return the model's Config for so many symbols and classes of rows."""
        raise NotImplementedError

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_valid: Any = None,
        y_valid: Any = None,
        *,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        start: Any = None,
    ) -> Self:
        """Fit by maximum likelihood and keep the parameters that are best on X_valid.

        Args:
            X: a text: str, bytes, whole numbers (T,), a pathlib.Path to a text file, or what
                `datasets.load_text` returns, the last two read from the file part by part; or
                rows, each a sequence of its own: a list, a Series or an array of str, of bytes or
                of lists of ids, or whole numbers (N, T). A str is a text, never a path.
                Each text of a list ends with a symbol of its own, unless `ends` says otherwise.
            y: labels of rows, (N,), for a Transformer that is to learn p(x | label); else None.
                Whole numbers or words, as an array, a list, a Series or a Categorical.
            X_valid, y_valid: the same, or None: then the last parameters are kept.
            callback: f(record, estimator), called after every record, with the dict that will be
                in `history_`; the estimator is then fitted with the best parameters so far, so
                that f may score, sample or save it. True from it stops the training there. It
                must not change the estimator; it changes no bit of what is learnt.
            checkpoint: a file where the training is kept: after the first minibatch, then every
                30 s or after records, and at the end, Ctrl-C or another error. If it is there,
                the training goes on from it, to the same bits as if never stopped on as many
                threads. Settings and data must be the same, but for `steps`, which may grow, also
                after the end: with schedule="constant" and warmup=0 that is as if it had been
                so long from the start; a cosine goes on where the longer one is. With
                eval_every=0 records then come every tenth of the new steps.
            start: a fitted estimator of this class, with the same size and vocabulary,
                whose parameters a new training begins with, for other data say. May be the
                estimator itself.

        Returns:
            The estimator itself, with `params_`, `history_`, `best_step_`, `vocabulary_` and
            `classes_`.

        Raises:
            ValueError, TypeError: data or a hyper-parameter that cannot be used; a text shorter
                than `context`; rows longer than the context of a model that has one; a symbol of
                X_valid that X lacks, or of X that `start` lacks; a checkpoint of another training,
                or one that is past `steps`.
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
            steps · batch_size · context symbols, each about three times as much as in `log_prob`.
            The first call on a machine compiles the kernels, which takes some seconds. A callback
            costs a copy of the parameters and of the history each time, a checkpoint four times
            the parameters on disk and a hash of the data.

        Example:
            >>> import os, tempfile
            >>> from chainrule import RNN
            >>> text, path = "to be or not to " * 9, os.path.join(tempfile.mkdtemp(), "fit.state")
            >>> seen = []
            >>> model = RNN(8, context=8, steps=4, eval_every=2, schedule="constant")
            >>> model = model.fit(
            ...     text, checkpoint=path, callback=lambda record, _: seen.append(record["step"])
            ... )
            >>> model = model.set_params(steps=6).fit(text, checkpoint=path)  # two more
            >>> seen, [record["step"] for record in model.history_]
            ([2, 4], [2, 4, 6])
            >>> tuned = RNN(8, context=8, steps=2).fit("not to be " * 9, start=model)
        """
        return self._fit(
            X, y, X_valid, y_valid, callback=callback, checkpoint=checkpoint, start=start
        )

    def _prepare(
        self,
        X: Any,
        y: Any = None,
        X_valid: Any = None,
        y_valid: Any = None,
        start: Any = None,
    ) -> tuple[Source]:
        """Check everything; return what is learnt from."""
        self._check_hyperparameters()
        runtime.array_module(self.backend)  # now, not after the data have been read
        data = symbols.read(X, None if start is None else start.vocabulary_)
        valid = None if X_valid is None else symbols.read(X_valid, data.vocabulary, "X_valid")
        validation.check_same_columns(X, X_valid)
        if valid is not None and (valid.lengths is None) != (data.lengths is None):
            raise ValueError("X and X_valid must both be a text or both be rows; make them alike")
        if y is not None and (data.lengths is None or not hasattr(self, "rotary")):
            raise ValueError(
                "y are the labels of rows, of which a Transformer can be a model; leave y out"
            )
        if y_valid is not None and X_valid is None:
            raise ValueError("y_valid are the labels of X_valid; give both")
        self.vocabulary_, self.ends_ = data.vocabulary, self._decide_ends(data, start)
        if start is not None:
            self.classes_ = start.classes_
            self._labels(y, len(data.ids))  # before a text is taken for rows with labels
        else:
            self.classes_ = None if y is None else np.unique(_column(y, len(data.ids), "y"))
        if data.lengths is None:
            return (self._text_source(data, valid),)
        labels, pair = self._labels(y, len(data.ids)), None
        if self.ends_:
            data, valid = data.ended(), None if valid is None else valid.ended()
        if valid is not None:
            pair = valid.ids, self._labels(y_valid, len(valid.ids), "y_valid")
        assert data.lengths is not None
        longest = int(data.lengths.max())
        if hasattr(self._fitted_config(), "context") and longest > self.context:
            what = "symbols, the end included," if self.ends_ else "symbols,"
            raise ValueError(
                f"X has rows of {longest} {what} more than context={self.context}; set "
                f"context={longest}, or give one long text instead of rows"
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

    def _decide_ends(self, data: Symbols, start: Any) -> bool:
        """Return whether a symbol for the end is behind each sequence: by default, each text."""
        if self.ends and data.lengths is None:
            raise ValueError("ends=True is for lists of sequences, and X is one; leave it out")
        if start is not None and start.ends_ and data.lengths is None:
            raise ValueError("start was fitted on a list of sequences that end; give X as a list")
        if self.ends is None and start is not None:
            return bool(start.ends_)
        if self.ends is None:
            return data.lengths is not None and data.vocabulary.kind != "id"
        return bool(self.ends)

    def _fitted_config(self) -> Any:
        n_symbols = self.vocabulary_.size + self.ends_
        return self._config(n_symbols, 1 if self.classes_ is None else len(self.classes_))

    def _guessing(self) -> float:
        return log(self._fitted_config().n_symbols)

    def _steps(
        self, state: train.State, xp: Any, *parts: Any
    ) -> Generator[train.Progress, None, None]:
        config, recipe = self._fitted_config(), self._recipe()
        return train.run(self._model(), config, recipe, state, *parts)

    def _finish(self, state: train.State) -> None:
        super()._finish(state)
        best = state.best_record
        self.best_step_ = state.history[best - 1]["step"] if best else 0

    def _check_hyperparameters(self) -> None:
        """Raise ValueError for one that no training could use."""
        super()._check_hyperparameters()
        validation.integer("context", self.context, 1)
        if self.ends not in (None, True, False):
            raise ValueError(f"ends must be None, True or False, got {self.ends!r}")
        self._config(2, 1)

    def _recipe(self) -> train.Recipe:
        """Return the checked settings of the training."""
        settings: dict[str, Any] = {
            name: validation.integer(name, getattr(self, name), low) for name, low in WHOLE.items()
        }
        settings |= {name: validation.real(name, getattr(self, name)) for name in NUMBERS}
        schedule = validation.choice("schedule", self.schedule, SCHEDULES)
        return train.Recipe(schedule=schedule, **settings)

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


def _column(y: Any, n: int, name: str) -> NDArray[Any]:
    """Return labels as an array of n whole numbers or words."""
    labels = validation.unmasked(y, name)
    if labels.dtype.kind in "OT" and labels.ndim == 1:  # of a list, a Series or a Categorical
        labels = _numbers_or_words(labels.tolist(), name)
    if labels.shape != (n,) or labels.dtype.kind not in "biuU":
        raise ValueError(
            f"{name} must hold {n} labels, whole numbers or words, one for each row; got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    return labels


def _numbers_or_words(labels: list[Any], name: str) -> NDArray[Any]:
    """Return labels that came as objects as an array, if all are words or all whole numbers."""
    kind = str if isinstance(labels[0], str) else Integral
    for k, label in enumerate(labels):
        if not isinstance(label, kind):
            raise ValueError(
                f"{name} must hold words alone or whole numbers alone, got {label!r} at {k}; fill "
                "it in or leave that row out"
            )
    return np.array(labels)
