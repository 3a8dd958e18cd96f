"""A classifier of ours as the Adversarial Robustness Toolbox sees one: the referee of attacks."""

import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from art.estimators.classification.classifier import (
        ClassGradientsMixin,
        ClassifierMixin,
    )
    from art.estimators.estimator import BaseEstimator, LossGradientsMixin


class ArtClassifier(ClassGradientsMixin, ClassifierMixin, LossGradientsMixin, BaseEstimator):
    """The same network and parameters; logits, and gradients in the inputs."""

    estimator_params = BaseEstimator.estimator_params

    def __init__(self, model):
        """Take a fitted `chainrule.Classifier`, whose labels are 0 … K - 1."""
        super().__init__(model=model, clip_values=(0, 1))
        self.of, self.nb_classes = model, len(model.classes_)

    @property
    def input_shape(self):
        """Of an image, without the images' axis."""
        return self.of.encoder_.form

    def predict(self, x, **_):
        """Return logits."""
        return self.of.logits(x)

    def fit(self, x, y, **_):
        """Nothing is learnt here."""
        raise NotImplementedError

    def loss_gradient(self, x, y, **_):
        """Return the gradient of each row's cross-entropy."""
        return self.of.input_gradient(x, np.argmax(y, axis=1) if np.ndim(y) == 2 else y)

    def class_gradient(self, x, label=None, **_):
        """Return the gradients of logits, (N, K or 1, …)."""
        wanted = range(self.nb_classes) if label is None else [label]
        with self.of._evaluating() as params:
            encoded = self.of._read(x)
            columns = []
            for k in wanted:
                ds = np.zeros((len(x), self.nb_classes), params.dtype)
                ds[np.arange(len(x)), k] = 1
                _, dx = self.of._engine().input_gradient(
                    self.of.config_, params, encoded, lambda s, some, ds=ds: ds[some]
                )
                columns.append(dx.reshape(x.shape))
        return np.stack(columns, axis=1)
