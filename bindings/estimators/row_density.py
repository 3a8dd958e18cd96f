"""Densities of rows: what knows columns, their order and names, and values that are given."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import progress
from chainrule.encoders import doubts, partial, validation
from chainrule.encoders.bits import Bits
from chainrule.encoders.masks import as_mask
from chainrule.encoders.uniforms import of_rows
from chainrule.engine import bounds, ordering
from chainrule.engine.training.sources import RowSource, Source
from chainrule.estimators import evaluating
from chainrule.estimators.density import Density
from chainrule.kernels import types

NOT_EXACT = (
    "the observed variables do not come first in the model's order: they are clamped, and a drawn "
    "value heeds those before it, never those after it"
)


@dataclass(kw_only=True, eq=False, repr=False)
class RowDensity(Density):
    """Base class: a model of p(x), or of p(x | label), over binary rows.

    Args:
        epochs: passes over the data, at most.
        ordering: the order of the chain rule over the columns: None or "raster" (as they are),
            "reverse", "random", or a permutation of 0 … D-1.
        binarize: None if data are 0 and 1, else the threshold t of x > t.
    """

    epochs: int = 50
    ordering: Any = None
    binarize: float | None = None

    clock = "epoch"
    heeds_y = False
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

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags; sparse matrices are taken, and labels of any number."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags = ClassifierTags()  # read of all that have predict_proba
        return tags

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
            valid = _writeable(self.encoder_.encode(table, "X_valid"))
        return rows, valid

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        return RowSource(data, y, None if valid is None else (valid, y_valid))

    def _labelled(self, data: Any) -> bool:
        return True

    def _name_columns(self, names: Any) -> None:
        """Take names for the columns; None leaves them without."""
        self._columns.names = None if names is None else [str(name) for name in names]
        if names is not None:
            self.feature_names_in_ = np.array(names, object)

    def _check_columns(self, start: Any) -> None:
        """Raise ValueError if the model to start from has other columns, or another order."""
        mine, its = (getattr(model, "feature_names_in_", None) for model in (self, start))
        if mine is not None and its is not None and list(mine) != list(its):
            raise ValueError("start was fitted on columns of other names; give X with the same")
        if len(self.order_) == len(start.order_) and (self.order_ != start.order_).any():
            raise ValueError("start has another order of the columns; set ordering=start.order_")

    def _check_names(self, X: Any, name: str) -> None:
        """Raise ValueError if X names its columns, and not as those of the fit."""
        if hasattr(X, "to_frame"):  # a Series, one row
            X = X.to_frame().T
        try:
            validate_data(self, X, reset=False, skip_check_array=True)
        except ValueError as error:
            raise ValueError(f"{name}: {' '.join(str(error).split())}") from error

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

    def _few(self, X: Any) -> types.Bits:
        x: types.Bits = self._columns.encode(X)
        return x

    def _size(self, data: Any) -> int:
        return int(data.shape[0])

    _count = _size

    def _batches(self, data: Any, title: str) -> Iterator[tuple[slice, types.Bits]]:
        for rows in self._groups(self._size(data), title):
            yield rows, _writeable(self._columns.encode(data[rows]))

    def _groups(self, n: int, title: str) -> Iterator[slice]:
        """Yield which of n rows are worked on at once, with a bar where it takes long."""
        step = bounds.rows_of(self.config_)
        parts = (slice(lo, min(lo + step, n)) for lo in range(0, n, step))
        return progress.track(parts, title, bool(self.verbose), total=-(-n // step), lines=True)

    def _by_variable(self, function: Any, data: Any, y: Any) -> Any:
        out: Any = None
        for rows, part in self._each(function, data, y):
            if out is None:
                out = np.empty((self._size(data), *part.shape[1:]), part.dtype)
            out[rows] = self._columns.undo(part)
        return out

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

    def _draw(
        self, n: int, seed: Any, given: Any, observed: Any, y: Any, uniforms: Any = None
    ) -> NDArray[Any]:
        """Return n rows in the model's order, (n, D): see `sample`.

        uniforms: (n, D), what to draw by, columns as in the data; None: random numbers.
        """
        check_is_fitted(self, "params_")
        n, D = validation.integer("n", n, 1), self.n_features_in_
        x, mask = self._given(given, observed, n)
        if mask is not None and (why := self._inexact(mask)):
            warnings.warn(why, UserWarning, stacklevel=3)
        rng = np.random.default_rng(seed)
        numbers = self._classes_of(x, mask, y, n, rng)
        by = None if uniforms is None else self._columns.arrange(of_rows(uniforms, n, D))
        drawn = np.empty((n, D), self._columns.dtype)
        with self._evaluating() as params:
            dtype = self._uniform_dtype(drawn.dtype)
            for rows in self._groups(n, "sample"):
                u = rng.random((rows.stop - rows.start, D), dtype) if by is None else by[rows]
                kept = None if x is None else x[rows]
                if mask is not None:
                    u[np.broadcast_to(mask if mask.ndim == 1 else mask[rows], u.shape)] = -1
                some = None if numbers is None else numbers[rows]
                asked = self._engine(), self._config_now(), params, u, kept, some
                drawn[rows] = evaluating.sample(*asked)
        return drawn

    def _uniform_dtype(self, drawn: np.dtype[Any]) -> Any:
        """Return of which dtype random numbers are to be, to draw values of a dtype."""
        return np.float64 if drawn.kind == "f" else self.params_.dtype

    def _inexact(self, observed: NDArray[np.bool_]) -> str:
        """Return why rows drawn with these variables kept, in order, are not of p(free | kept)."""
        return "" if ordering.comes_first(observed) else NOT_EXACT

    def _classes_of(self, x: Any, mask: Any, y: Any, n: int, rng: np.random.Generator) -> Any:
        """Return the class of each of n rows, of whose x, (n, D), the mask marks what is given.

        Without y it is drawn by what is given of the first variables, up to the first that is not.
        """
        nothing = np.zeros(self.n_features_in_, np.bool_)
        if y is not None or mask is None or self.classes_ is None or self._inexact(nothing):
            return self._classes_to_draw(y, n, rng)
        ahead = np.logical_and.accumulate(mask, axis=-1).sum(axis=-1)
        k, u, drawn = np.broadcast_to(ahead, n), rng.random(n), np.empty(n, np.int32)
        with self._evaluating() as params:
            for rows in self._groups(n, "labels"):
                asked = self._engine(), self._config_now(), params, x[rows], k[rows]
                known = evaluating.posterior_after(*asked, self._log_prior())
                drawn[rows] = evaluating.draw_given(u[rows], known)
        return drawn

    def _mask(self, observed: Any, n: int | None = None) -> NDArray[np.bool_]:
        """Return which variables are observed, (D,) or (n, D), columns as in the data."""
        return as_mask(observed, self.n_features_in_, n, self._columns.names)

    def _given(
        self, given: Any, observed: Any, n: int
    ) -> tuple[types.Bits | None, NDArray[np.bool_] | None]:
        """Return given values, (n, D), and which are observed, in the model's order; or None."""
        if (given is None) != (observed is None):
            raise ValueError("given and observed go together: give both or neither")
        if given is None:
            return None, None
        mask = self._mask(observed, n)
        for what, name in ((given, "given"), (observed, "observed")):
            named = hasattr(what, "columns") or hasattr(what, "to_frame")
            if named and not partial.is_part(what, self._columns.names):
                self._check_names(what, name)
        return self._columns.encode_given(given, mask, n), self._columns.arrange(mask)


def _writeable(rows: types.Bits) -> types.Bits:
    """Return rows; a copy if read-only, for which Numba would compile every kernel once more."""
    return np.require(rows, requirements=["C", "W"])
