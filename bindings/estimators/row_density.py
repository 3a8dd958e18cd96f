"""Densities of rows: what knows columns, their order and their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.encoders import doubts, validation
from chainrule.encoders.bits import Bits
from chainrule.estimators.fixed_density import FixedDensity, writeable


@dataclass(kw_only=True, eq=False, repr=False)
class RowDensity(FixedDensity):
    """Base class: a model of p(x), or of p(x | label), over binary rows.

    Args:
        ordering: the order of the chain rule over the columns: None or "raster" (as they are),
            "reverse", "random", or a permutation of 0 … D-1.
        binarize: None if data are 0 and 1, else the threshold t of x > t.
    """

    ordering: Any = None
    binarize: float | None = None

    _also_known: ClassVar[Mapping[str, Any]] = {}  # tables with categories of X, by name in errors

    def _config(self, D: int, n_classes: int = 1) -> Any:
        """Return the model's Config for rows of D variables, of so many classes."""
        raise NotImplementedError

    def _fitted_config(self) -> Any:
        return self._config(self.n_features_in_, self._n_classes)

    @property
    def order_(self) -> NDArray[np.intp]:
        """(D,): the model's variable k is column order_[k] of the data."""
        order: NDArray[np.intp] = self._columns.order
        return order

    def _new_encoder(self) -> Any:
        """Return an encoder of these rows that has learnt nothing yet."""
        return Bits(self.binarize, self.ordering, int(self.seed))

    @property
    def _columns(self) -> Any:
        """The encoder, whose threshold is the one that is set now."""
        encoder: Any = self.encoder_
        encoder.binarize = self.binarize
        return encoder

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        if self.binarize is not None:
            validation.real("binarize", self.binarize)

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Any, Any]:
        table, valid = validation.as_table(X), None
        self._config(table.shape[1])
        self.encoder_ = self._new_encoder().learn(table)
        validate_data(self, X, skip_check_array=True)  # sets n_features_in_, feature_names_in_
        self._name_columns(getattr(self, "feature_names_in_", None))
        if start is not None:
            self._check_columns(start)
        rows = self.encoder_.encode(table)
        if self.binarize is not None:
            doubts.check_threshold(rows, self.binarize)
        if X_valid is not None:
            table = validation.as_table(X_valid, "X_valid")
            validation.check_width(table, self.n_features_in_, type(self).__name__, "X_valid")
            self._check_names(X_valid, "X_valid")
            valid = writeable(self.encoder_.encode(table, "X_valid"))
        return rows, valid

    def _check_columns(self, start: Any) -> None:
        """Raise ValueError if the model to start from has other columns, or another order."""
        mine, its = (getattr(model, "feature_names_in_", None) for model in (self, start))
        if mine is not None and its is not None and list(mine) != list(its):
            raise ValueError("start was fitted on columns of other names; give X with the same")
        if len(self.order_) == len(start.order_) and (self.order_ != start.order_).any():
            raise ValueError("start has another order of the columns; set ordering=start.order_")

    def _restore_encoder(self, values: dict[str, Any], config: Any) -> None:
        self.n_features_in_ = config.event.shape[0]
        self.encoder_ = encoder = self._new_encoder().of_json(values, self.n_features_in_)
        self._name_columns(encoder.names)

    def _read(self, X: Any) -> Any:
        check_is_fitted(self, "params_")
        table, name = validation.as_table(X), type(self).__name__
        named = X if hasattr(X, "columns") else table
        validation.check_width(named, self.n_features_in_, name, known=self._columns.names)
        validate_data(self, X, reset=False, skip_check_array=True)  # feature names
        self._columns.check(table)  # now, not after minutes of work
        return table

    def sample(
        self,
        n: int = 1,
        seed: Any = None,
        given: Any = None,
        observed: Any = None,
        y: Any = None,
    ) -> Any:
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
            given: (n, D), or (D,) or (1, D) for the same values in every row. Only what is
                observed is read; it must be 0 or 1 unless `binarize` is set. Of a DataFrame or
                Series the names must be those of `fit`, or those of observed columns alone.
            observed: bool, True where `given` counts: (D,), or (n, D) for each row its own; names
                as of `given`. Or names of columns, "age" or ["age", "sex"]. Both or neither.
            y: labels, (n,) or one for all, of a model that was fitted with labels; without them
                a row's is drawn first, by what is given of the first variables in the order.

        Returns:
            uint8 0 and 1, shape (n, D), columns as in the data. The same seed and backend give
            the same rows, and every backend the same but where a uniform number falls within
            rounding of a probability.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: n, given, observed or y that cannot be used.

        Cost:
            About that of `log_prob` of n rows.

        Example:
            >>> from chainrule import FVSBN
            >>> model = FVSBN(epochs=2).fit([[0, 1, 1], [1, 0, 0]] * 50)
            >>> rows = model.sample(4, seed=1, given=[1, 0, 0], observed=[True, False, False])
            >>> rows.shape, rows[:, 0].tolist()
            ((4, 3), [1, 1, 1, 1])
        """
        drawn = self._draw(n, seed, given, observed, y)
        return self._columns.decode(drawn)
