"""Small data of every kind, and a use of what was fitted on them: what `compilation` calls."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engine.event import Columns, Image, RealInputs, Sequence


def _use_rows(model: Any, X: Any) -> None:
    model.score(X)
    if not hasattr(model, "log_prob"):
        model.reconstruct(X)
        return
    model.conditionals(X)
    model.sample(1, seed=0)
    model.sample(300, seed=0, given=X[0], observed=np.arange(X.shape[1]) < 9)


def _use_images(model: Any, X: Any) -> None:
    model.score(X)
    model.conditionals(X[:9])
    model.sample(2, seed=0, given=X[0], observed=np.arange(9)[:, None] < np.full(9, 5))


def _use_classifier(model: Any, X: Any) -> None:
    model.predict(X)
    model.input_gradient(X, LABELS)


def table(types: Any) -> Any:
    """Return rows of 16 columns: of categories, of real numbers, or where None is asked of both."""
    rng = np.random.default_rng(0)
    reals, codes = rng.normal(size=(150, 8)), rng.integers(0, 3, (150, 8))
    if types == "categorical":
        return np.hstack([codes, codes])
    return np.hstack([reals, reals if types == "continuous" else codes])


def _use_text(model: Any, text: str) -> None:
    model.score(text)
    model.log_prob([text[:20], text[:30]])
    model.conditionals(text[:70])
    model.sample(9, text[:4], seed=0)
    model.sample(70, size=8, seed=0)  # so many that samplers lay the weights out anew


_RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 3  # of a classifier's rows
OF_EVENT: dict[type, tuple[Any, Callable[[Any, Any], None]]] = {
    # Some minibatches with many ones and some with few: there may be kernels for either.
    Columns: ((_RNG.random((150, 64)) < _RNG.random((150, 1)) / 2).astype(np.uint8), _use_rows),
    Image: (_RNG.integers(0, 2, (16, 9, 9), np.uint8), _use_images),
    RealInputs: (_RNG.random((40, 9, 9)), _use_classifier),
    Sequence: ("to be or not to be, that is the question. " * 20, _use_text),
}
