"""OrderlessNADE: any variables of a row, given any others."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from chainrule.encoders import cells, dataframes, uniforms, validation
from chainrule.encoders.bits import Bits
from chainrule.engine.event import Columns
from chainrule.engine.models import orderless_nade
from chainrule.estimators import evaluating
from chainrule.estimators.table_density import TableDensity
from chainrule.kernels.types import Array


@dataclass(kw_only=True, eq=False, repr=False)
class OrderlessNADE(OneToOneFeatureMixin, TransformerMixin, TableDensity):  # type: ignore[misc]
    """NADE for all orderings at once: the distribution of any variables given any others.

    One deep network sees which variables are known, and their values, and gives the distribution
    of each of the others. Each ordering of the variables makes an exact, normalised density of it:
    p(x) = Π_i p(x_i | the variables before x_i). It is trained on random orderings, so whatever is
    known of a row, the rest is drawn given all of it, never clamped: `sample`, `impute`,
    `log_prob(X, observed=…)`, `conditionals(X, observed=…)`. Columns are of any kind, as those of
    `TableNADE`; with labels y it is a model of p(x | label).

    All these densities are no single one. p(a) p(b | a) and p(b) p(a | b) are of two orderings, and
    nothing but training makes them agree: of a table of three columns, 500 rows and 24 cells the
    log-probability of one cell differed by up to 2.6 nats between two orderings. What is asked of
    one ordering is consistent, here `log_prob` and `sample` as they are, or given the same columns;
    a score of some columns and a conditional of the others need not add up to that of all.
    `n_orderings` averages over orderings, in scores and in samples alike.

    Rows may lack values, NaN, None or NA, everywhere but among observed ones: in `fit` a missing
    value is neither learnt from nor learnt, and `log_prob` is that of the values that are there.

    Args:
        hidden: units of each hidden layer, a tuple, or a number for one layer.
        activation: "relu", "tanh" or "sigmoid", of hidden units.
        n_orderings: of how many orderings the density is the mean: the first is `order_`, the
            others are the same random ones always. `log_prob` averages over them, at so many times
            the cost; `sample` and `impute` choose one for each row, at no cost. May be set after
            `fit`. Many tell a better likelihood than one. What is of one order only, the
            conditionals given the columns before, `log_prob_terms` and `to_uniforms`, is then
            refused.
        ordering: as of other models, but "random" by default: rows are drawn, and scored first, in
            an order like those learnt from. One in which neighbours come together, such as that of
            pixels, is unlike them all, and the likelihood in it may be much worse.
        epochs, batch_size, learning_rate: as of other tables, but of fewer than 5,000 rows 50 with
            or without X_valid, for it overfits late, a fiftieth but 20 at least, and 0.003.
        n_components: of the mixture of a real column.
        family: what they are, "gaussian" or "laplace".
        mixture_weights: "equal", 1 / n_components each, or "learned", as the network says.

    Attributes:
        params_: mapping from name to array, columns in the model's order: "W" (R + D, H_1), what
            each of R inputs adds, one a bit or real column and K of K categories, and then what
            knowing each column adds; "W2" (H_1, H_2) … of further layers; "V" (S, H_L), "b" (S,),
            of S outputs, a bit's one, of K categories K, and of a real column 2 or, with learned
            weights, 3 a component; "c", "c2", …, hidden biases, "c" (n_classes, H_1) with labels.
        history_: as in `FVSBN`. Losses, of validation too, are unbiased estimates of the mean over
            all orderings, by one pass a row: the exact likelihood would cost D.
        encoder_: its `variables` say of each column what it is, as in `TableNADE`.
        classes_, class_prior_, best_epoch_, order_, n_features_in_, feature_names_in_: as in
            `FVSBN`.

    Cost:
        Training O(N·n) for N rows and n parameters. `log_prob`, `sample` and `impute` O(N·D·Σ H_l
        H_{l+1}): a variable at a time, of which the first layer is only extended; `log_prob` times
        n_orderings. `conditionals(X, observed=…)` one pass, O(N·n).

    Example:
        >>> import numpy as np
        >>> from chainrule import OrderlessNADE
        >>> X = np.array([[0, 1, 1, 0], [1, 0, 0, 1]] * 100)
        >>> model = OrderlessNADE((16, 16), epochs=100, learning_rate=0.02, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7
        >>> model.transform([[np.nan, np.nan, np.nan, 0]]).tolist()
        [[0, 1, 1, 0]]
        >>> last = [False, False, False, True]
        >>> model.conditionals([[0, 0, 0, 1]], observed=last).round().tolist()
        [[1.0, 0.0, 0.0, 1.0]]

    Source:
        Uria, Murray and Larochelle 2014, "A Deep and Tractable Density Estimator". Derivation:
        `chainrule.engine.models.orderless_nade`.
    """

    hidden: int | Sequence[int] = field(default=(500, 500), kw_only=False)
    activation: str = "relu"
    n_orderings: int = 1
    ordering: Any = "random"
    epochs: int = 50
    n_components: int = 10
    family: str = "gaussian"
    mixture_weights: str = "learned"

    _missing = True
    _least, _rate = 20, 3e-3

    def _model_name(self) -> str:
        return "orderless_nade"

    def _table_config(self, values: tuple[int, ...], n_classes: int) -> orderless_nade.Config:
        words = orderless_nade.WORDS
        return orderless_nade.Config(
            values,
            validation.integers("hidden", self.hidden, 1),
            validation.choice("activation", self.activation, words["activation"]),
            validation.integer("n_components", self.n_components, 1),
            validation.choice("family", self.family, words["family"]),
            validation.choice("mixture_weights", self.mixture_weights, words["mixture_weights"]),
            n_classes,
        )

    def _config_now(self) -> Any:
        n = validation.integer("n_orderings", self.n_orderings, 1)
        return replace(self.config_, n_orderings=n)

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        validation.integer("n_orderings", self.n_orderings, 1)

    def _new_encoder(self) -> Any:
        if self.binarize is not None:
            return Bits(self.binarize, self.ordering, int(self.seed), missing=True)
        return super()._new_encoder()

    def _inexact(self, observed: NDArray[np.bool_]) -> str:
        return ""

    def _uniform_dtype(self, drawn: np.dtype[Any]) -> Any:
        if int(self.n_orderings) > 1:  # the first also chooses an order
            return np.float64
        return super()._uniform_dtype(drawn)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: rows may lack values, and come back as 0 and 1."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def log_prob(self, X: Any, y: Any = None, observed: Any = None) -> Array:
        """Return log p(x) of each row, or log p(free | observed), in nats.

        Args:
            X: (N, D). A missing value is left out: it is log p of the others.
            y: labels, (N,) or one for all, of a model that was fitted with labels.
            observed: bool, (D,) or (N, D): True where a value is given, not scored; or names of
                columns, ["age", "sex"]. The free ones come after them in `order_`, or in
                n_orderings random orders.

        Returns:
            (N,), of the parameters' dtype: the logarithm of the mean density over n_orderings
            orderings, in the data's own units; at most 0 where no column is real. It is what
            `sample` with the same columns given draws from.

        Raises:
            NotFittedError, ValueError, TypeError: as for other models; an observed value is
                missing.

        Cost:
            n_orderings times D passes through all layers but the first.
        """
        if observed is None:
            return super().log_prob(X, y)
        log_p = self._given_observed(evaluating.log_prob_given, X, y, observed)
        if not self._of_any:
            return log_p
        free = ~self._mask(observed, len(log_p))
        shifted: Array = (log_p + (free * self._columns.volumes(X)).sum(axis=1)).astype(log_p.dtype)
        return shifted

    score_samples = log_prob

    def conditionals(self, X: Any, y: Any = None, observed: Any = None) -> Array:
        """Return the distribution of every variable given those before it, or those observed.

        Args:
            X, y: as in `log_prob`.
            observed: as in `log_prob`: the distribution is then that of each variable alone given
                the values observed, from one pass: of an order in which it comes next, whatever
                n_orderings. Those observed themselves are certain.

        Returns:
            As other models do of tables: (N, D, width), of bits alone p(x_i = 1 | …), (N, D). A
            real column that is observed has means of what it is, and scales of 0.

        Raises:
            NotFittedError, ValueError, TypeError: as `log_prob`; nothing is observed and
                n_orderings is not 1.
        """
        if observed is None:
            return super().conditionals(X, y)  # type: ignore[no-any-return]
        p = self._columns.undo(self._given_observed(evaluating.marginals, X, y, observed))
        return self._in_units(p, y) if self._of_any else p

    def sample(
        self,
        n: int = 1,
        seed: Any = None,
        given: Any = None,
        observed: Any = None,
        y: Any = None,
        uniforms: Any = None,
    ) -> Any:
        """Draw n rows; columns marked as observed keep their given values.

        They are of p(free | observed) as `log_prob(X, observed=…)` has it: free columns are drawn
        one after another, each given all that is observed and what was drawn before, in the order
        of `order_`, or in one of n_orderings, drawn for each row first.

        Args, Returns, Raises: as for `TableNADE`. Without y labels are drawn by what is observed.

        Cost:
            As many passes through all layers but the first as columns are free.
        """
        return super().sample(n, seed, given, observed, y, uniforms)

    def impute(self, X: Any, n_draws: int | None = None, seed: Any = None, y: Any = None) -> Any:
        """Fill in what X lacks, by draws given all that each row has.

        Args:
            X: (N, D), NaN or None where a value is missing.
            n_draws: how many completions of each row, from which the spread of what is unknown can
                be told; None: one.
            seed: of numpy.random.default_rng; None draws fresh entropy.
            y: labels, as for `sample`.

        Returns:
            Rows as `sample` returns them, with X's index and known values; a list with n_draws.

        Raises:
            NotFittedError, ValueError, TypeError: as `log_prob`.

        Cost:
            That of `sample` of the rows that lack something.

        Example:
            >>> import numpy as np
            >>> from chainrule import OrderlessNADE
            >>> X = np.array([[0, 1, 1], [1, 0, 0]] * 100)
            >>> model = OrderlessNADE((8,), epochs=60, learning_rate=0.05).fit(X)
            >>> model.impute([[np.nan, np.nan, 1], [1, 0, 0]], seed=0).tolist()
            [[0, 1, 1], [1, 0, 0]]
        """
        times = 1 if n_draws is None else validation.integer("n_draws", n_draws, 1)
        data, rng = self._read(X), uniforms.generator(seed)
        known, n = self._columns.observed(data), self._size(data)
        drawn = (self.sample(n, rng, given=data, observed=known, y=y) for _ in range(times))
        tables = [dataframes.with_index(table, X) for table in drawn]
        return tables[0] if n_draws is None else tables

    def _given_observed(self, function: Any, X: Any, y: Any, observed: Any) -> Array:
        """Return a function of `evaluating` of rows of which some variables are observed."""
        data = self._read(X)
        n = self._size(data)
        if hasattr(observed, "columns") or hasattr(observed, "to_frame"):
            self._check_names(observed, "observed")
        mask = self._columns.arrange(self._mask(observed, n))
        mask = np.broadcast_to(mask, (n, self.n_features_in_))
        numbers, prior, parts = self._labels(y, n), self._log_prior(), []
        with self._evaluating() as params:
            for rows, x in self._batches(data, function.__name__):
                self._check_there(x, mask[rows], rows.start)
                some = None if numbers is None else numbers[rows]
                asked = self._engine(), self._config_now(), params, x, mask[rows], some, prior
                parts.append(function(*asked))
        return np.concatenate(parts)

    def _check_there(self, x: Any, mask: NDArray[np.bool_], first: int) -> None:
        """Raise ValueError if an observed value of rows `first` … is missing."""
        lacking = mask & ~Columns.known(x)
        if lacking.any():
            row, k = np.argwhere(lacking)[0]
            at = first + row, self.order_[k]
            raise cells.missing("NaN among observed values", "X", *at, advice=cells.DROP)

    def _classes_of(self, x: Any, mask: Any, y: Any, n: int, rng: np.random.Generator) -> Any:
        if y is not None or mask is None or self.classes_ is None:
            return super()._classes_of(x, mask, y, n, rng)
        rows = np.where(mask, x, x.dtype.type(self.config_.event.missing))
        with self._evaluating() as params:
            asked = self._engine(), self._config_now(), params, rows, None, self._log_prior()
            return evaluating.draw_given(rng.random(n), evaluating.posterior(*asked))

    def transform(self, X: Any) -> Any:
        """Return X with what it lacks filled in: one draw of `impute`, by the estimator's seed.

        A draw and no mean: the rows are like those learnt from, of the same kinds of values and
        with their spread and dependences, which a mean would lack. The same X gives the same rows.
        """
        return self.impute(X, seed=int(self.seed))
