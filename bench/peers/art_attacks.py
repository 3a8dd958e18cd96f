"""Attacks of the Adversarial Robustness Toolbox on a classifier of ours: the same network."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

import chainrule as cr

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from art.attacks import evasion
    from art.estimators.classification.classifier import ClassGradientsMixin, ClassifierMixin
    from art.estimators.estimator import BaseEstimator, LossGradientsMixin

QUIET = {"verbose": False}
ROWS = 1000  # of a batch: no more are attacked


class OfOurs(ClassGradientsMixin, ClassifierMixin, LossGradientsMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted `chainrule.Classifier` of labels 0 … K - 1."""

    estimator_params = BaseEstimator.estimator_params

    def __init__(self, model: cr.Classifier) -> None:
        """Take the classifier."""
        super().__init__(model=model, clip_values=(0, 1))
        self.of, self.nb_classes = model, len(model.classes_)

    @property
    def input_shape(self) -> Any:
        """Of an image."""
        return self.of.encoder_.form

    def predict(self, x: Any, **_: Any) -> Any:
        """Return logits."""
        return self.of.logits(x)

    def fit(self, x: Any, y: Any, **_: Any) -> None:
        """Nothing is learnt here."""
        raise NotImplementedError

    def loss_gradient(self, x: Any, y: Any, **_: Any) -> Any:
        """Return the gradient of each row's cross-entropy."""
        return self.of.input_gradient(x, np.argmax(y, axis=1) if np.ndim(y) == 2 else y)

    def class_gradient(self, x: Any, label: Any = None, **_: Any) -> Any:
        """Return the gradients of logits, (N, K, …), or (N, 1, …) of a label, one or one a row."""
        rows, K = np.arange(len(x)), self.nb_classes
        wanted = (
            np.broadcast_to(np.arange(K), (len(x), K))
            if label is None
            else np.broadcast_to(np.reshape(label, (-1, 1)), (len(x), 1))
        )

        def unit(s: Any, some: Any) -> Any:
            of = wanted[some]
            ds = np.zeros((of.shape[1], *s.shape), s.dtype)
            for k, of_k in enumerate(of.T):
                ds[k, rows[: len(s)], of_k] = 1
            return ds

        with self.of._evaluating() as params:
            asked = self.of._engine(), self.of.config_, params
            _, dx = asked[0].input_gradient(*asked[1:], self.of._read(x), unit)
        return dx.swapaxes(0, 1).reshape(len(x), wanted.shape[1], *x.shape[1:])


def attacks(
    model: cr.Classifier, eps: float, steps: int, nearest: Mapping[str, Any]
) -> dict[str, Any]:
    """Return by name what makes attacked images of (x, y), all of them in one batch.

    nearest: rounds, steps, rate and first, of Carlini and Wagner's, as `cr.attacks` has them. Its
    steps go down the gradient, as far as halving and doubling the rate finds to be best.
    """
    of, K = OfOurs(model), len(model.classes_)
    all_at_once = {"batch_size": ROWS, **QUIET}
    step = {"eps": eps, "eps_step": eps / 4, "max_iter": steps, **all_at_once}
    made = {
        "fgsm": evasion.FastGradientMethod(of, eps=eps, batch_size=ROWS),
        "bim": evasion.BasicIterativeMethod(of, **step),
        "deepfool": evasion.DeepFool(of, max_iter=50, epsilon=0.02, nb_grads=K, **all_at_once),
        "carlini_wagner": evasion.CarliniL2Method(
            of, max_iter=nearest["steps"], binary_search_steps=nearest["rounds"],
            learning_rate=nearest["rate"], initial_const=nearest["first"], **all_at_once,
        ),
    }  # fmt: skip
    return {
        name: (lambda x, y, one=one: one.generate(x, np.eye(K)[y])) for name, one in made.items()
    }
