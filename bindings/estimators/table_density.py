"""Densities of tables: columns of any kind, whose log-probabilities are in the users' own units.

Real columns are standardised by their encoder, z = (x - mean) / scale, and models see z alone. The
density of x is that of z times |dz/dx|, so

    log p(x) = log p(z) - Σ log scale    over the real columns,

which is added to all scores, terms and `history_`. Whole numbers have probabilities, and add none.
An atom, a number that many training rows have (`encoders.variables`), has a probability in real
columns too: where x is one, its column adds none either.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.encoders import column_types as types_of
from chainrule.encoders import frames, uniforms, validation
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.variables import Real
from chainrule.estimators import evaluating
from chainrule.estimators.few_rows import FewRows
from chainrule.estimators.fixed_density import writeable
from chainrule.estimators.in_units import InUnits
from chainrule.kernels.types import Array


@dataclass(kw_only=True, eq=False, repr=False)
class TableDensity(FewRows, InUnits):
    """Base class: a model of p(x), or of p(x | label), over columns of any kind.

    Args:
        column_types: what the columns are: None reads it off their values, whatever container and
            dtype hold them: 1.0 is a whole number, and many from 2**53 on are real ones, which a
            DataWarning says. One of "binary", "categorical", "integer" and "continuous" is for
            all. A list has one for each, a dict for some, by name or number. In place of a type
            may stand categories, a list in their order: range(17) for all columns.
            `chainrule.encoders.variables` has what the types mean.
        binarize: None takes columns as they are; a threshold t makes a bit of each, x > t.
    """

    column_types: Any = None

    _missing = False  # whether values may be missing

    def _table_config(self, values: tuple[int, ...], n_classes: int) -> Any:
        """Return the model's Config for columns of so many values, and so many classes."""
        raise NotImplementedError

    def _config(self, D: int, n_classes: int = 1) -> Any:
        return self._table_config((2,) * D, n_classes)

    def _fitted_config(self) -> Any:
        event: Any = self.encoder_.event
        config = self._table_config(event.values, self._n_classes)
        if not (event.half_steps or event.atoms):
            return config
        return replace(config, half_steps=event.half_steps, atoms=event.atoms)

    def _new_encoder(self) -> Any:
        if self.binarize is not None:
            return super()._new_encoder()
        seed, dtype = int(self.seed), self._dtype()
        return AnyColumns(self.column_types, self.ordering, seed, dtype, self._missing)

    @property
    def _of_any(self) -> bool:
        """Whether columns were learnt as they are, and not as bits by a threshold."""
        return isinstance(self.encoder_, AnyColumns)

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        self._config(1)
        types_of.check(self.column_types)
        if self.binarize is not None and self.column_types is not None:
            raise ValueError("binarize makes bits of all columns; leave it or column_types out")

    @classmethod
    def _of_json(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return hyper-parameters as they were, but for a clip_norm of None, once the default."""
        of_all = super()._of_json(settings)
        return {k: v for k, v in of_all.items() if k != "clip_norm" or v is not None}

    def _plain_hyperparameters(self) -> dict[str, Any]:
        types, self.column_types = self.column_types, None
        try:
            plain = super()._plain_hyperparameters()
        finally:
            self.column_types = types
        return plain | {"column_types": types_of.as_json(types)}

    # What comes in

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Any, Any]:
        self._shifts = dict.fromkeys(("train", "valid"), 0.0)
        if self.binarize is not None:
            return super()._learn(X, X_valid, start)
        frame, valid = frames.read(X), None
        self._config(frame.shape[1])
        more = {} if X_valid is None else {"X_valid": frames.read(X_valid, "X_valid")}
        known = {**more, **self._also_known}
        self.encoder_ = encoder = self._new_encoder().learn(frame, more=known)
        self.n_features_in_ = encoder.dims
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._name_columns(encoder.names)
        if start is not None:
            self._check_columns(start)
        rows = encoder.encode(frame)
        self._shifts["train"] = float(np.mean(self._volume(frame)))
        for name, table in more.items():
            self._check_names(X_valid, name)
            valid = writeable(encoder.encode(table, name))
            self._shifts["valid"] = float(np.mean(self._volume(table)))
        return rows, valid

    def _name_columns(self, names: Any) -> None:
        if not self._of_any:
            super()._name_columns(names)
            return
        self._columns.names = None if names is None else list(names)
        if names is not None and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, object)  # scikit-learn knows words alone

    def _check_columns(self, start: Any) -> None:
        super()._check_columns(start)
        mine, its = self.encoder_.as_json(), start.encoder_.as_json()
        if mine.get("columns") != its.get("columns"):
            raise ValueError(
                "start was fitted on columns of other types, categories or scales; give X its rows"
            )

    def _check_names(self, X: Any, name: str) -> None:
        if not frames.names_its_own(X):
            super()._check_names(X, name)
            self._check_numbers(X, name)
            return
        mine, its = getattr(self, "feature_names_in_", None), frames.read(X, name).names
        if mine is not None and its is not None:
            validation.same_names(name, its, mine)

    def _check_numbers(self, X: Any, name: str) -> None:
        """Raise ValueError if names that are whole numbers, no names to scikit-learn, are moved."""
        mine, its = self._columns.names or (), list(getattr(X, "columns", ()))
        if any(isinstance(one, int) for one in mine) and set(its) == set(mine):
            validation.same_names(name, its, mine)

    def _read(self, X: Any) -> Any:
        check_is_fitted(self, "params_")
        if not self._of_any:
            return super()._read(X)
        self._columns.check(frame := self._framed(X))  # now, not after minutes of work
        return frame

    def _framed(self, X: Any) -> frames.Frame:
        """Return a table of the width and names that were fitted; nobody has looked at cells."""
        frame = frames.read(X)
        owner, D = type(self).__name__, self.n_features_in_
        validation.check_width(frame, D, owner, known=self._columns.names)
        if frames.names_its_own(X):
            self._check_names(X, "X")
        else:
            validate_data(self, X, reset=False, skip_check_array=True)  # feature names
            self._check_numbers(X, "X")
        return frame

    def _count_variables(self, data: Any) -> int:
        if not self._missing:
            return super()._count_variables(data)
        if not (n := int(self._columns.observed(data).sum())):
            raise ValueError("X has no value at all, so no bits a variable; give rows with some")
        return n

    # What goes out

    def _volume(self, data: Any) -> Any:
        """Return log |dz/dx|, nats: of each row, (N,), where rows differ in it; else of all."""
        if not self._of_any or not (self._missing or self._columns.event.atoms):
            return self.encoder_.log_volume
        return self._columns.volumes(data).sum(axis=1)

    def _log_prob(self, data: Any, y: Any) -> Array:
        log_p = self._by_row(evaluating.log_prob, data, y)
        return (log_p + self._volume(data)).astype(log_p.dtype)  # type: ignore[no-any-return]

    def standardised_log_prob(self, X: Any, y: Any = None) -> Array:
        """Return log p of each row with its real columns standardised, (N,), in nats.

        Papers on real data quote it: columns have mean 0 and variance 1 in training, and no units.
        `log_prob` is less by Σ log scale. X, y: as there. Whole numbers count as in `log_prob`.
        """
        return self._by_row(evaluating.log_prob, self._read(X), y)

    def log_prob_terms(self, X: Any, y: Any = None) -> Any:
        """Return log p(x_i | the columns before x_i) of every column, (N, D), in nats.

        Their sum over a row is `log_prob`. X, y: as there.
        """
        terms = self._by_variable(evaluating.log_prob_terms, data := self._read(X), y)
        if not self._of_any:
            return terms
        return (terms + self._columns.volumes(data)).astype(terms.dtype)

    def conditionals(self, X: Any, y: Any = None) -> Any:
        """Return the distribution of every column given those before it.

        X, y: as in `log_prob`.

        Returns:
            (N, D, width), columns as in X, filled up with zeros: of K values, in the order of
            `encoder_.variables[i].values`, the probability of each; of a real column the weights of
            its mixture, the means and the scales, each n_components of them, in its own unit; of a
            model with labels that is given none n_components a label. Of whole numbers (`type` is
            "integer" in `encoder_.variables`) n has what the mixture has between n - 1/2 and
            n + 1/2. Of a column with an `atom` its probability π comes behind the scales, and the
            mixture is of the rest, 1 - π. Where all columns are bits p(x_i = 1 | …), (N, D), as
            of other models.
        """
        p = self._by_variable(evaluating.conditionals, self._read(X), y)
        return self._in_units(p, y) if self._of_any else p

    def _in_units(self, p: Array, y: Any) -> Array:
        """Return conditionals, (N, D, width) or of bits (N, D), real ones in columns' own units."""
        for k, variable in enumerate(self._columns.variables):
            if isinstance(variable, Real):
                K = self.config_.components * (self._n_classes if y is None else 1)
                p[:, k, K : 3 * K] *= variable.scale
                p[:, k, K : 2 * K] += variable.mean
        return p

    def to_uniforms(self, X: Any, y: Any = None, seed: Any = None) -> NDArray[np.float64]:
        """Return each row as uniform numbers, (N, D): u_i = F(x_i | the columns before x_i).

        If the model is right they are uniform in [0, 1) and independent, whatever the data: see
        `chainrule.plots.calibration`. `sample(len(X), uniforms=u, y=y)` is the inverse.

        Args:
            X, y: as in `log_prob`; of a model with labels y is needed.
            seed: of numpy.random.default_rng. A bit, category, whole number or atom has an
                interval, as long as it is likely, and u is drawn in it.

        Cost:
            One forward pass, as `log_prob_terms`.
        """
        n, D = self._size(data := self._read(X)), self.n_features_in_
        numbers = self._labels(y, n)
        if numbers is None and self.classes_ is not None:
            raise ValueError("the uniforms of a model with labels are those of one; give y")
        u, rng = np.empty((n, D)), uniforms.generator(seed)
        with self._evaluating() as params:
            for rows, x in self._batches(data, "uniforms"):
                v, some = rng.random(x.shape), None if numbers is None else numbers[rows]
                asked = self._engine(), self._config_now(), params, x, v, some
                u[rows] = self._columns.undo(evaluating.uniforms(*asked))
        return np.minimum(u, 1 - 2.0**-53)

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

        Args:
            n, seed, y: as for other models of rows.
            given: a table of n rows or of one for all, or that row. Only what is observed is read.
            observed: bool, (D,) or (n, D), True where `given` counts; or names of columns,
                ["age", "sex"], [2000, 2010]: numbers are names, never positions. The rows are draws
                of p(free | observed) if those columns come first in `order_`; if not, a UserWarning
                says what they are.
            uniforms: (n, D) in [0, 1), columns as in the data: what to draw by, in place of random
                numbers. x_i is where F(x_i | the columns before x_i) reaches u_i.

        Returns:
            n rows as the data were: a DataFrame with its columns and dtypes if one was fitted. Else
            an array: uint8 if all are 0 and 1 or bools, int64 of other whole numbers, float64 where
            a column is real, objects where one is of words. Given values come back as they are.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: n, given, observed, y or uniforms that cannot be used.

        Cost:
            About that of `log_prob` of n rows.
        """
        drawn = self._draw(n, seed, given, observed, y, uniforms)
        if not self._of_any:
            return self._columns.decode(drawn)
        columns = self._columns.decode_columns(drawn)
        if given is not None:
            self._columns.put_given(columns, given, self._mask(observed, n), n)
        return self._columns.table(columns)
