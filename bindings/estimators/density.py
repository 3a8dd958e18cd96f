"""What estimators are, but for one: densities, fitted by maximum likelihood, scored and saved.

Data come down through an encoder, once, and results go back up through it. What kind of data they
are is the business of a subclass for the kind: `row_density`, `sequence_density`; what the model
can do is what its module of `chainrule.engine.models` declares.
"""

from collections.abc import Iterator
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.utils.metaestimators import available_if

from chainrule.estimators import evaluating
from chainrule.estimators.kept import Kept
from chainrule.kernels.types import Array


def _may_have_labels(self: "Density") -> bool:
    """Return whether an estimator's model can learn p(x | label), else say that it cannot."""
    if not self._model().ABILITIES.labels:
        raise AttributeError(f"{type(self).__name__} has no labels to predict")
    return True


class Density(DensityMixin, Kept):  # type: ignore[misc]  # scikit-learn is untyped
    """Base class of the estimators of densities: a model of p(x), or of p(x | label)."""

    def _count(self, data: Any) -> int:
        """Return how many there are of what a score is a mean over."""
        raise NotImplementedError

    def _count_variables(self, data: Any) -> int:
        """Return how many variables have a value, of all observations together."""
        return self._count(data) * int(self.encoder_.dims)

    def _batches(self, data: Any, title: str) -> Iterator[tuple[Any, Any]]:
        """Yield observations in groups: which they are, and x; `title`: of a progress bar."""
        raise NotImplementedError

    def _by_variable(self, function: Any, data: Any, y: Any) -> Any:
        """Return a function of `evaluating` with a result a variable, as users have data."""
        raise NotImplementedError

    def log_prob(self, X: Any, y: Any = None) -> Array:
        """Return log p(x) of each row or sequence, in nats.

        Args:
            X: data as for `fit`. Of sequences a list of any lengths, or ids (N, T); one text
                counts as one.
            y: labels, (N,) or one for all, of a model that was fitted with labels: log p(x | y).
                Without them it is log Σ_c p(c) p(x | c), the p(c) being `class_prior_`.

        Returns:
            Shape (N,), at most 0 where no column is real; of the parameters' dtype, and of
            sequences float64. Bits per dimension of rows are -log_prob / (D · ln 2); see
            `bits_per_dim`.

            Of sequences the first symbol is included, and the end of those that have one
            (`ends_`): then the probabilities of all sequences of any length sum to one. Of others
            it is the probability that a sequence begins so, and it is those of all sequences of
            one length that sum to one.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: data that cannot be used, of another width, or with a symbol
                never seen in training.

        Cost:
            One forward pass; where sequences are longer than the context two (see
            `chainrule.engine.windows`); without y as many more as there are classes. Memory beside
            X is bounded, whatever N, its dtype and the ordering.
        """
        return self._log_prob(self._read(X), y)

    score_samples = log_prob

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `log_prob` over rows, or over the symbols of sequences, in nats.

        Higher is better: scikit-learn's cross_val_score and GridSearchCV maximise this number.
        X: as in `log_prob`, or a text of any length, read bit by bit if it is a file. y: as in
        `log_prob`. The end of a sequence that has one counts as a symbol.
        """
        data = self._read(X)
        return float(self._log_prob(data, y).sum(dtype=np.float64)) / self._count(data)

    def bits_per_dim(self, X: Any, y: Any = None) -> float:
        """Return -log₂ p of a variable on average: what it costs in an ideal code, in bits.

        A variable is a column of rows, a channel of a pixel, and a symbol of sequences: bits per
        character. The mean is over all that are known, of all rows together: a missing cell costs
        nothing and counts for nothing.
        """
        data = self._read(X)
        nats = -float(self._log_prob(data, y).sum(dtype=np.float64))
        return nats / (self._count_variables(data) * log(2))

    def log_prob_terms(self, X: Any, y: Any = None) -> Any:
        """Return log p(x_i | the variables before x_i) of every variable, in nats.

        Their sum over a row or sequence is `log_prob`. X, y: as in `log_prob`.

        Returns:
            Of rows (N, D), columns as in X. Of sequences float64: (T,) for one text, (N, T) for
            ids (N, T), a list of arrays for a list; of a model whose sequences end (`ends_`) with
            one more number each, that of the end.
        """
        return self._by_variable(evaluating.log_prob_terms, self._read(X), y)

    def conditionals(self, X: Any, y: Any = None) -> Any:
        """Return the distribution of every variable given those before it.

        X, y: as in `log_prob`.

        Returns:
            Of rows p(x_i = 1 | the variables before x_i in the order), shape (N, D), of the
            parameters' dtype, in [0, 1], columns as in X. `order_` says which come before which.

            Of sequences p(x_t = v | x_<t) of every symbol v at every place t: (T, V) for one text,
            (N, T, V) for ids (N, T), a list of (T, V) for a list. Symbol v is character v of
            `vocabulary_.characters`, or byte or id v. Where sequences end (`ends_`) there is one
            more place, behind the last symbol, and one more v, the last: the end.

        Raises:
            NotFittedError, ValueError, TypeError: as `log_prob`.

        Cost:
            One forward pass, as `log_prob`; memory beside X and the result is bounded.
        """
        return self._by_variable(evaluating.conditionals, self._read(X), y)

    @available_if(_may_have_labels)
    def predict_proba(self, X: Any) -> Array:
        """Return p(class | x) ∝ p(x | class) p(class), (N, n_classes), columns as `classes_`."""
        data = self._read(X)
        if self.classes_ is None:
            raise ValueError("this model was fitted without labels; fit it with y to predict them")
        p: Array = np.exp(self._by_row(evaluating.posterior, data, None))
        return p

    @available_if(_may_have_labels)
    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest label of each row, (N,): see `predict_proba`."""
        p = self.predict_proba(X)
        assert self.classes_ is not None
        likeliest: NDArray[Any] = self.classes_[p.argmax(axis=1)]
        return likeliest

    def _log_prob(self, data: Any, y: Any) -> Array:
        return self._by_row(evaluating.log_prob, data, y) + self.encoder_.log_volume

    def _log_prior(self) -> Any:
        """Return log p(class), (n_classes,); None of a model without labels."""
        with np.errstate(divide="ignore"):  # a class that no row had
            return None if self.class_prior_ is None else np.log(self.class_prior_)

    def _classes_to_draw(self, y: Any, n: int, rng: np.random.Generator) -> Any:
        """Return the class of each of n draws, (n,): of y, or drawn; None without labels."""
        if y is not None and self.classes_ is None:
            raise ValueError("this model was fitted without labels; leave y out")
        numbers = self._labels(y, n)
        if numbers is None and self.classes_ is not None:
            return evaluating.draw(rng.random(n), self._log_prior())
        return numbers

    def _config_now(self) -> Any:
        """Return the fitted Config, but for what may be set after the fit."""
        return self.config_

    def _each(self, function: Any, data: Any, y: Any) -> Iterator[tuple[Any, Array]]:
        """Yield a function of `evaluating` of groups of observations, and which they are."""
        numbers, prior = self._labels(y, self._size(data)), self._log_prior()
        with self._evaluating() as params:
            for rows, x in self._batches(data, function.__name__):
                some = None if numbers is None else numbers[rows]
                yield rows, function(self._engine(), self._config_now(), params, x, some, prior)

    def _by_row(self, function: Any, data: Any, y: Any) -> Array:
        """Return a function of `evaluating` with a result a row, of all of them."""
        out: Any = None
        for rows, part in self._each(function, data, y):
            if out is None:
                out = np.empty((self._size(data), *part.shape[1:]), part.dtype)
            out[rows] = part
        return out  # type: ignore[no-any-return]
