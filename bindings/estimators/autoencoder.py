"""The public estimator Autoencoder, which is no density: a contrast to MADE."""

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.encoders import column_types as types_of
from chainrule.encoders import frames, validation
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.variables import Real
from chainrule.engine import bounds
from chainrule.engine.event import CONTINUOUS
from chainrule.engine.models import autoencoder
from chainrule.engine.training import divergence, train
from chainrule.engine.training.reconstructing import Reconstructions
from chainrule.engine.training.sources import Source
from chainrule.estimators import runtime
from chainrule.estimators.kept import Kept
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Table

OF_DENSITIES = {"log_prob", "log_prob_terms", "conditionals", "sample", "score_samples"} | {
    *("bits_per_dim", "to_uniforms", "predict", "predict_proba"),
}


class NoDensity(AttributeError, ValueError):
    """What a density has was asked of a model that is none."""


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Kept):  # type: ignore[misc]
    """Autoencoder: a code of each row, from which the row is made again; no density.

    The code is h = σ(W² (W¹ x + b¹) + b²), and the row made of it σ(V h + c) of bits and V h + c of
    real columns, which are standardised inside. It is trained by cross-entropy of bits and half the
    squared error of real columns. Each output sees its own input, so the outputs are no
    probabilities of a row given what came before, and there is neither `log_prob` nor `sample`:
    `MADE` is the same network under masks, and has both. What keeps it from copying every row is
    one or more of: fewer units than columns, `noise`, `weight_decay`.

    Args:
        n_hidden: H, units of the code; fewer than columns are a bottleneck.
        n_linear: M, units of the linear layer between a row and its code.
        noise: share of the inputs set to 0 in training, of real columns to their mean, from the
            rest of which the row is to be made: a denoising autoencoder.
        epochs: passes over the data, at most.
        column_types: what the columns are, "binary", "integer" or "continuous", as in `MADE`; a
            column of categories is refused.

    Attributes:
        params_: mapping from name to array: "W1" (D, M), "b1" (M,), "W2" (M, H), "b2" (H,), "V"
            (H, D), "c" (D,), of rows times matrices.
        history_: a dict a record: epoch, train and valid (mean error of a row, lower is better;
            valid is None without X_valid), seconds, learning_rate.
        best_epoch_, encoder_, n_features_in_, feature_names_in_: as in `MADE`.

    Example:
        >>> from chainrule import Autoencoder
        >>> X = [[0, 1, 1, 0], [1, 0, 0, 1]] * 100
        >>> model = Autoencoder(n_hidden=1, n_linear=4, epochs=60, learning_rate=0.05).fit(X)
        >>> model.transform(X).shape, model.reconstruct(X[:2]).round().astype(int).tolist()
        ((200, 1), [[0, 1, 1, 0], [1, 0, 0, 1]])
        >>> hasattr(model, "log_prob"), hasattr(model, "sample")  # asked for, they say why
        (False, False)

    Source:
        Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors";
        noise: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising
        Autoencoders". Derivation: `chainrule.engine.models.autoencoder`.
    """

    n_hidden: int = field(default=32, kw_only=False)
    n_linear: int = 100
    noise: float = 0.0
    epochs: int = 50
    column_types: Any = None

    clock = "epoch"
    heeds_y = False

    def __getattr__(self, name: str) -> NoReturn:
        """Say why there is none of what a density has; called for what is not there alone."""
        if name in OF_DENSITIES:
            raise NoDensity(
                f"an Autoencoder has no {name}: each output sees its own input, so that the outputs"
                " are no conditionals whose product is a p(x); take MADE, the same under masks"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags; sparse matrices are taken, codes are of the set dtype."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X: Any) -> Array:
        """Return the code of each row, (N, n_hidden), in (0, 1)."""
        return self._by_row(autoencoder.encode, self._read(X))

    def reconstruct(self, X: Any) -> Array:
        """Return each row as it is made again of its code, (N, D), columns as in X.

        Of a bit a number in (0, 1), which is no probability of the data's; a real column in its own
        unit.
        """
        r = self._by_row(autoencoder.reconstruct, self._read(X))
        for k, variable in enumerate(self._columns.variables):
            if isinstance(variable, Real):
                r[:, k] = variable.mean + variable.scale * r[:, k]
        return r

    def errors(self, X: Any) -> Array:
        """Return what each row loses, (N,): nats of bits, and half of squares of real columns.

        Those are standardised. It is no -log p(x): a network that copies every row loses nothing.
        """
        return self._by_row(autoencoder.errors, self._read(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean of `errors`, so that higher is better; y is ignored."""
        return -float(self.errors(X).mean(dtype=np.float64))

    # What comes in

    def _model_name(self) -> str:
        return "autoencoder"

    def _config(self, D: int) -> autoencoder.Config:
        return self._config_of((2,) * D)

    def _fitted_config(self) -> autoencoder.Config:
        event: Any = self._columns.event
        return self._config_of(event.values)

    def _config_of(self, values: tuple[int, ...]) -> autoencoder.Config:
        n_linear = validation.integer("n_linear", self.n_linear, 1)
        n_hidden = validation.integer("n_hidden", self.n_hidden, 1)
        return autoencoder.Config(values, n_linear, n_hidden, validation.real("noise", self.noise))

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        self._config(1)

    def _plain_hyperparameters(self) -> dict[str, Any]:
        types, self.column_types = self.column_types, None
        try:
            plain = super()._plain_hyperparameters()
        finally:
            self.column_types = types
        return plain | {"column_types": types_of.as_json(types)}

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Any, Any]:
        table, valid = frames.read(X), None
        encoder = AnyColumns(self.column_types, dtype=self._dtype(), density=False)
        self.encoder_ = encoder.learn(table)
        self._refuse_categories(table)
        self._fitted_config()
        self.n_features_in_ = self._columns.dims
        validate_data(self, X, skip_check_array=True)  # sets feature_names_in_
        if start is not None and start.encoder_.as_json() != self._columns.as_json():
            raise ValueError("start was fitted on other columns or scales; give X its rows")
        rows = _writeable(self._columns.encode(table))
        if X_valid is not None:
            table = self._checked(X_valid, "X_valid")
            valid = _writeable(self._columns.encode(table, "X_valid"))
        return rows, valid

    def _refuse_categories(self, table: frames.Frame) -> None:
        """Raise ValueError for a column that is neither bits nor numbers."""
        for k, variable in enumerate(self._columns.variables):
            if variable.n_values not in (2, CONTINUOUS):
                place = table.place(k)
                raise ValueError(
                    f"{place.text} of {place.table} is of {variable.n_values} categories, and an "
                    "Autoencoder takes bits and numbers; leave it out, or make a bit of each "
                    "category (one-hot)"
                )

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        return Reconstructions(data, None, None if valid is None else (valid, None))

    def _size(self, data: Any) -> int:
        return len(data)

    def _labelled(self, data: Any) -> bool:
        return False

    def _doubt(self, state: train.State) -> str | None:
        event = self._fitted_config().event  # a real column is guessed by its mean: z²/2 on average
        return divergence.doubt(state, event.guessing + event.values.count(CONTINUOUS) / 2)

    @property
    def _columns(self) -> AnyColumns:
        encoder: Any = self.encoder_
        return encoder  # type: ignore[no-any-return]

    def _name_columns(self, names: Any) -> None:
        """Take names for the columns, of a file say; None leaves them without."""
        self._columns.names = None if names is None else [str(name) for name in names]
        if names is not None:
            self.feature_names_in_ = np.array(names, object)

    def _checked(self, X: Any, name: str = "X") -> Any:
        """Return X as a table of the columns that were learnt."""
        table = frames.read(X, name)
        validation.check_width(table, self.n_features_in_, type(self).__name__, name)
        validate_data(self, X, reset=False, skip_check_array=True)  # feature names
        return table

    def _read(self, X: Any) -> Any:
        check_is_fitted(self, "params_")
        table = self._checked(X)
        self._columns.check(table)  # now, not after minutes of work
        return table

    def _few(self, X: Any) -> Table:
        x: Table = self._columns.encode(X)
        return x

    # What goes out

    def _by_row(self, function: Any, data: Any) -> Array:
        """Return a function of the engine's model of all rows, (N, …)."""
        x, step = self._columns.encode(data), bounds.rows_at_once(self.config_.event)
        with self._evaluating() as params:
            side = array_module(params.flat).asarray
            pieces = (side(x[at : at + step]) for at in range(0, len(x), step))
            parts = [runtime.to_host(function(self.config_, params, piece)) for piece in pieces]
        out: Array = np.concatenate(parts)
        return out

    @property
    def _n_features_out(self) -> int:
        """How many features `get_feature_names_out` names."""
        return int(self.config_.n_hidden)

    def _restore_encoder(self, values: dict[str, Any], config: Any) -> None:
        self.n_features_in_ = config.event.shape[0]
        encoder = AnyColumns(self.column_types, dtype=self._dtype())
        self.encoder_ = encoder.of_json(values, self.n_features_in_)
        if self._columns.names is not None:
            self._name_columns(self._columns.names)


def _writeable(rows: Table) -> Table:
    """Return rows; a copy if read-only, for which kernels would be compiled once more."""
    return np.require(rows, requirements=["C", "W"])
