"""Densities of sequences: what knows texts, ends, contexts, and measures a symbol."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from chainrule.encoders import validation
from chainrule.encoders.sequences import Sequences, read
from chainrule.encoders.symbols import Symbols
from chainrule.encoders.vocabulary import Vocabulary
from chainrule.engine import ragged
from chainrule.engine.params import Params
from chainrule.engine.training import scoring
from chainrule.engine.training.sources import Source, Streams, SymbolRows, Windows
from chainrule.estimators import evaluating
from chainrule.estimators.density import Density
from chainrule.kernels.threads import serial_blas
from chainrule.kernels.types import Array


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceDensity(Density):
    """Base class: a model of p(x_t | x_<t) over sequences of symbols.

    Args:
        context: symbols in a piece of text, as far as a gradient reaches back.
        ends: whether sequences end: a symbol of its own, numbered after all others, is learnt
            behind each, so that the probabilities of all strings sum to one and samples stop.
            None: lists of texts do, rows of ids and a single text do not.
        steps: minibatches of the training. X_valid is measured at each record on about 16,384 of
            its symbols, or 256 rows, from all over it.
    """

    context: int = 64
    ends: bool | None = None
    steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup: float = 0.05
    clip_norm: float = 1.0
    beta2: float = 0.99

    clock = "step"
    heeds_y = True

    def _config(self, n_symbols: int, n_classes: int) -> Any:
        """Return the model's Config for so many symbols and classes of rows."""
        raise NotImplementedError

    def _fitted_config(self) -> Any:
        return self._config(self._symbols.n_symbols, self._n_classes)

    @property
    def _symbols(self) -> Symbols:
        encoder: Symbols = self.encoder_  # type: ignore[assignment]
        return encoder

    @property
    def vocabulary_(self) -> Vocabulary:
        """What the symbols are: `kind`, `size`, and `characters` of a text."""
        return self._symbols.vocabulary

    @property
    def ends_(self) -> bool:
        """Whether sequences end with a symbol of their own, numbered vocabulary_.size."""
        return bool(self._symbols.ends)

    def perplexity(self, X: Any, y: Any = None) -> float:
        """Return exp(-score): among how many symbols the model wavers, as it were."""
        return float(np.exp(-self.score(X, y)))

    def bits_per_symbol(self, X: Any, y: Any = None) -> float:
        """Return -score / ln 2: what a symbol costs in an ideal code; bits per character."""
        return self.bits_per_dim(X, y)

    def symbol_log_prob(self, X: Any, y: Any = None) -> Any:
        """Return `log_prob_terms`: log p(x_t | x_<t) of every symbol, in nats."""
        return self.log_prob_terms(X, y)

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        validation.integer("context", self.context, 1)
        if self.ends not in (None, True, False):
            raise ValueError(f"ends must be None, True or False, got {self.ends!r}")
        self._config(2, 1)

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Sequences, Sequences | None]:
        data = read(X, None if start is None else start.vocabulary_)
        valid = None if X_valid is None else read(X_valid, data.vocabulary, "X_valid")
        _check_same_columns(X, X_valid)
        if valid is not None and valid.is_text != data.is_text:
            raise ValueError("X and X_valid must both be a text or both be rows; make them alike")
        ends = self.ends
        if start is not None and start.ends_ and data.is_text:
            raise ValueError("start was fitted on a list of sequences that end; give X as a list")
        if ends is None and start is not None:
            ends = start.ends_
        self.encoder_ = Symbols(ends).learn(data)
        if valid is not None:
            valid = self._symbols.encode(valid, "X_valid")
        return self._symbols.encode(data), valid

    def _labelled(self, data: Sequences) -> bool:
        return not data.is_text

    def _source(self, data: Sequences, y: Any, valid: Sequences | None, y_valid: Any) -> Source:
        if data.lengths is None:
            return self._text_source(data, valid)
        longest = int(data.lengths.max())
        if self._model().ABILITIES.context and longest > self.context:
            what = "symbols, the end included," if self.ends_ else "symbols,"
            raise ValueError(
                f"X has rows of {longest} {what} more than context={self.context}; set "
                f"context={longest}, or give one long text instead of rows"
            )
        return SymbolRows(data.ids, y, None if valid is None else (valid.ids, y_valid))

    def _text_source(self, data: Sequences, valid: Sequences | None) -> Source:
        """Return one text, to be learnt in windows or in streams."""
        context = int(self.context)
        if len(data.ids) < max(2, context):
            raise ValueError(
                f"X has {len(data.ids)} symbols, fewer than context={context}; give a longer text "
                f"or set context to at most {len(data.ids)}"
                if context > 1
                else "X has 1 symbol, of which nothing can be learnt; give a longer text"
            )
        kind = Streams if self._model().ABILITIES.state else Windows
        return kind(data.ids, context, None if valid is None else valid.ids)

    def _restore_encoder(self, values: dict[str, Any], config: Any) -> None:
        self.encoder_ = Symbols().of_json(values)

    def _read(self, X: Any) -> Sequences:
        check_is_fitted(self, "params_")
        return self._symbols.encode(X)

    def _begin(self, X: Any, name: str = "X") -> Sequences:
        """Return X in the symbols of the fit, with no end behind it."""
        check_is_fitted(self, "params_")
        return read(X, self.vocabulary_, name)

    def _few(self, X: Any) -> Any:
        return ragged.table(read(X, self.vocabulary_).rows(), slice(None))[:, : self.context]

    def _count(self, data: Sequences) -> int:
        return data.n_symbols

    def _size(self, data: Sequences) -> int:
        return 1 if data.lengths is None else len(data.lengths)

    def _batches(self, data: Sequences, title: str) -> Iterator[tuple[Any, Any]]:
        return scoring.by_length(data.rows())

    @contextmanager
    def _evaluating(self) -> Iterator[Params]:
        with super()._evaluating() as params, serial_blas():  # threads share sequences
            yield params

    def _is_stream(self, data: Sequences) -> bool:
        """Return whether data are a text that can be scored part by part, of any length."""
        return data.is_text and self.classes_ is None

    def _stream(self, data: Sequences, y: Any) -> Iterator[Array]:
        """Yield log p of a text's symbols, part by part."""
        self._labels(y, 1)  # refuses them
        with self._evaluating() as params:
            yield from scoring.log_probs(self._engine(), self.config_, params, data.ids)

    def _by_row(self, function: Any, data: Sequences, y: Any) -> Array:
        if function is evaluating.log_prob and self._is_stream(data):
            return np.array([sum(part.sum() for part in self._stream(data, y))])
        return super()._by_row(function, data, y)

    def _by_variable(self, function: Any, data: Sequences, y: Any) -> Any:
        if function is evaluating.log_prob_terms and self._is_stream(data):
            return np.concatenate(list(self._stream(data, y)))
        out: list[Any] = [None] * self._size(data)
        for group, part in self._each(function, data, y):
            for n, row in zip(group.tolist(), part, strict=True):
                out[n] = row if not data.ragged else row[: data.ids.lengths[n]].copy()
        if data.single:
            return out[0]
        return out if data.ragged else np.stack(out)


def _check_same_columns(X: Any, X_valid: Any) -> None:
    """Raise a ValueError if both name their columns and the names or their order differ."""
    if not hasattr(X, "columns") or not hasattr(X_valid, "columns"):
        return
    if list(X.columns) != list(X_valid.columns):
        raise ValueError(
            "X_valid has other columns than X, or in another order; give it those of X as they are"
        )
