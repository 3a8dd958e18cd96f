"""The public estimator Classifier: what attacks are made on."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from chainrule.encoders import images, validation
from chainrule.encoders.reals import RealValues
from chainrule.engine.classifiers import cnn, mlp
from chainrule.engine.classifiers.functions import slopes
from chainrule.engine.layers import pooling
from chainrule.engine.training.classifying import ClassedRows
from chainrule.engine.training.sources import Source
from chainrule.estimators.kept import Kept
from chainrule.estimators.runtime import array_module, to_host
from chainrule.estimators.trainable import Callback
from chainrule.kernels.types import Array

NETWORKS = ("mlp", "cnn")


@dataclass(kw_only=True, eq=False, repr=False)
class Classifier(ClassifierMixin, Kept):  # type: ignore[misc]  # scikit-learn is untyped
    """Softmax classifier, a perceptron or a small convolutional network; no density.

    What it says of x is p(label | x). It is here to be attacked (`chainrule.attacks`), and to show
    what a density of x makes of that. X are real numbers as they are, nothing is scaled: of images
    give shares from 0 to 1.

    Args:
        network: "mlp", fully connected layers, or "cnn", 3 × 3 convolutions, each with ReLU and
            2 × 2 pooling, then a linear layer.
        hidden: units of each hidden layer of an "mlp"; () is a linear classifier.
        activation: of an "mlp", "relu" or "tanh".
        channels: features of each convolution of a "cnn".
        pooling: of a "cnn", "max" or "mean".
        image_shape: (R, S) or (R, S, C) of rows that are images; None: a square where it is one,
            else one row of pixels, which matters to a "cnn" alone.
        epochs: passes over the data, at most.

    Attributes:
        params_: mapping from name to array; `chainrule.engine.classifiers` has names and shapes.
        classes_: the distinct labels, sorted; class_prior_: how frequent each was.
        history_: a dict a record: epoch, train and valid (mean of -log p(label | x), nats; valid is
            None without X_valid), seconds, learning_rate.
        best_epoch_: the epoch whose parameters were kept, counted from 1.
        encoder_: `encoder_.shape` is (R, S, C) of images, (D,) of rows.
        n_features_in_: how many numbers a row has. feature_names_in_: as in scikit-learn.

    Example:
        >>> import numpy as np
        >>> from chainrule import Classifier
        >>> X = np.random.default_rng(0).random((400, 2))
        >>> y = np.where(X[:, 0] > X[:, 1], "below", "above")
        >>> model = Classifier(hidden=(16,), learning_rate=0.01, seed=0).fit(X, y)
        >>> model.score(X, y) > 0.9, model.predict([[0.9, 0.1]]).tolist()
        (True, ['below'])
        >>> model.input_gradient([[0.6, 0.5]], ["below"]).shape
        (1, 2)

    A finite difference may differ from `input_gradient` of a "cnn" where pixels of a patch are
    equal, as on blank paper: the largest of equals has no slope, and the first is given it all
    (`chainrule.engine.layers.pooling`). Take pooling="mean", or a little noise on X, to compare.

    Source:
        Derivations: `chainrule.engine.classifiers.mlp` and `cnn`.
    """

    network: str = "mlp"
    hidden: tuple[int, ...] = (256,)
    activation: str = "relu"
    channels: tuple[int, ...] = (16, 32)
    pooling: str = "max"
    image_shape: tuple[int, ...] | None = None
    epochs: int = 20

    clock = "epoch"
    heeds_y = True

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags; sparse matrices are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_valid: Any = None,
        y_valid: Any = None,
        *,
        callback: Callback | None = None,
        checkpoint: Any = None,
        start: Any = None,
    ) -> Self:
        """Fit p(label | x) by maximum likelihood and keep the epoch that is best on X_valid.

        Args:
            X: rows (N, D), or images (N, R, S) or (N, R, S, C), of real numbers.
            y: labels, (N,), whole numbers or words.
            X_valid, y_valid: the same, or None: then the last parameters are kept.
            callback, checkpoint, start: as in `chainrule.NADE.fit`.

        Raises:
            ValueError, TypeError: data, labels or a hyper-parameter that cannot be used.
            FloatingPointError, KeyboardInterrupt: as in `chainrule.NADE.fit`.
        """
        data = {"X": X, "y": y, "X_valid": X_valid, "y_valid": y_valid}
        return self._fit(data, callback, checkpoint, start)

    def logits(self, X: Any) -> Array:
        """Return the logit of each class, (N, n_classes), columns as `classes_`."""
        return self._logits(self._read(X))

    def decision_function(self, X: Any) -> Array:
        """Return `logits`, or of two classes by how much the second's is larger, (N,)."""
        s = self.logits(X)
        return s if s.shape[1] != 2 else s[:, 1] - s[:, 0]

    def predict_proba(self, X: Any) -> Array:
        """Return p(class | x), (N, n_classes), columns as `classes_`."""
        s = self.logits(X)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p: Array = e / e.sum(axis=1, keepdims=True)
        return p

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest label of each row, (N,)."""
        numbers = self.logits(X).argmax(axis=1)
        assert self.classes_ is not None
        likeliest: NDArray[Any] = self.classes_[numbers]
        return likeliest

    def losses(self, X: Any, y: Any) -> Array:
        """Return -log p(label | x) of each row, (N,), in nats."""
        x = self._read(X)
        numbers = self._labels(y, len(x))
        with self._evaluating() as params:
            side = array_module(self.backend).asarray
            out = self._engine().losses(self.config_, params, side(x), side(numbers))
        return to_host(out)

    def input_gradient(self, X: Any, y: Any) -> Array:
        """Return the gradient of each row's -log p(label | x) in its numbers, shaped like X."""
        x = self._read(X)
        numbers = self._labels(y, len(x))
        with self._evaluating() as params:
            side = array_module(self.backend).asarray
            on_side, classes = side(x), side(numbers)
            _, dx = self._engine().input_gradient(
                self.config_, params, on_side, lambda s, some: slopes(s, classes[some])
            )
        return to_host(dx).reshape(len(x), *images.as_images(X).shape[1:])

    # What comes in

    def _model_name(self) -> str:
        return validation.choice("network", self.network, NETWORKS)

    def _fitted_config(self) -> Any:
        return self._config(self._inputs.shape, self._n_classes)

    def _config(self, shape: tuple[int, ...], n_classes: int) -> Any:
        if self._model_name() == "mlp":
            none = isinstance(self.hidden, tuple | list) and len(self.hidden) == 0
            hidden = () if none else validation.integers("hidden", self.hidden, 1)
            kind = validation.choice("activation", self.activation, mlp.ACTIVATIONS)
            return mlp.Config(shape, n_classes, hidden, kind)
        channels = validation.integers("channels", self.channels, 1)
        kind = validation.choice("pooling", self.pooling, pooling.KINDS)
        return cnn.Config(shape, n_classes, channels, kind)

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        self._encoder()
        self._config((1, 1, 1), 1)

    def _encoder(self) -> RealValues:
        shape = self.image_shape
        if shape is not None:
            shape = validation.integers("image_shape", shape, 1)
        return RealValues(shape, flat=self._model_name() == "mlp")

    @classmethod
    def _of_json(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return hyper-parameters as they were: JSON makes a tuple a list."""
        of_all = super()._of_json(settings)
        shape = of_all.get("image_shape")
        return of_all | ({"image_shape": tuple(shape)} if isinstance(shape, list) else {})

    def _prepare(
        self, X: Any, y: Any = None, X_valid: Any = None, y_valid: Any = None, start: Any = None
    ) -> tuple[Source]:
        if y is None:
            raise ValueError(
                "Classifier requires y to be passed, but the target y is None; give each row's "
                "label"
            )
        if np.asarray(y).ndim == 2:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        return super()._prepare(X, y, X_valid, y_valid, start)

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Any, Any]:
        data, valid = images.as_images(X), None
        self.encoder_ = self._encoder().learn(data)
        self.n_features_in_ = self._inputs.dims
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if data.ndim == 2:
            validate_data(self, X, skip_check_array=True)  # sets feature_names_in_
        self._inputs.names = getattr(self, "feature_names_in_", None)
        if start is not None and start.encoder_.as_json() != self._inputs.as_json():
            raise ValueError(
                f"start was fitted on {start.encoder_.describe()}, and X holds "
                f"{self._inputs.describe()}; give it the same, of the same names"
            )
        if X_valid is not None:
            valid = self._encoded(X_valid, "X_valid")
        return self._inputs.encode(data, dtype=self._dtype()), valid

    def _encoded(self, X: Any, name: str = "X") -> Array:
        """Return X, checked against what was fitted, as the model's numbers."""
        data = images.as_images(X, name)
        if data.ndim == 2:
            owner, known = type(self).__name__, self._inputs.names
            named = X if hasattr(X, "columns") else data
            validation.check_width(named, self.n_features_in_, owner, name, known)
            if name == "X":
                validate_data(self, X, reset=False, skip_check_array=True)  # feature names
            elif hasattr(X, "columns") and known is not None:
                validation.same_names(name, list(X.columns), known)
        numbers: Array = self._inputs.encode(data, name, self._dtype())
        return numbers

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        return ClassedRows(data, y, None if valid is None else (valid, y_valid))

    def _labelled(self, data: Any) -> bool:
        return True

    def _size(self, data: Any) -> int:
        return len(data)

    def _read(self, X: Any) -> Array:
        check_is_fitted(self, "params_")
        return self._encoded(X).astype(self.params_.dtype, copy=False)

    def _few(self, X: Any) -> Array:
        return self._encoded(X)

    @property
    def _inputs(self) -> RealValues:
        encoder: Any = self.encoder_
        return encoder  # type: ignore[no-any-return]

    def _name_columns(self, names: Any) -> None:
        """Take names for the columns, of a file say."""
        self._inputs.names = None if names is None else [str(name) for name in names]
        if names is not None:
            self.feature_names_in_ = np.array(self._inputs.names, object)

    def _restore_encoder(self, values: dict[str, Any], config: Any) -> None:
        self.encoder_ = self._encoder().of_json(values, config.shape)
        self.n_features_in_ = self._inputs.dims
        self._name_columns(self._inputs.names)

    # What goes out

    def _logits(self, x: Array) -> Array:
        with self._evaluating() as params:
            side = array_module(self.backend).asarray
            return to_host(self._engine().logits(self.config_, params, side(x)))
