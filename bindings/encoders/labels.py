"""Labels of observations: the words or whole numbers y, and the classes 0 … n_classes - 1."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import cells, validation

KNOWN = 20  # labels that an error names at most

Classes = NDArray[Any]  # the distinct labels, sorted: class c is classes[c]


def learn(y: Any, n: int, name: str = "y") -> Classes:
    """Return the classes of n labels.

    Raises:
        ValueError: what are no n labels.
    """
    return np.unique(_column(y, n, name))


def encode(y: Any, n: int, classes: Classes, name: str = "y") -> NDArray[np.int32]:
    """Return labels, n of them or one for all, as the numbers of classes, (n,) int32.

    Raises:
        ValueError: what are no n labels, or one that is none of the classes.
    """
    labels = _column(np.full(n, y) if np.asarray(y).ndim == 0 else y, n, name)
    at = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    if (classes[at] != labels).any():
        other = labels[classes[at] != labels][0].item()
        known = [repr(label) for label in classes[:KNOWN].tolist()]
        more = ", …" if len(classes) > KNOWN else ""
        raise ValueError(
            f"{name} holds {cells.shown(other)}, a label never seen in training; leave it out or "
            f"give one of {', '.join(known)}{more}"
        )
    return at.astype(np.int32)


def prior(numbers: NDArray[np.int32], n_classes: int) -> NDArray[np.float64]:
    """Return how frequent each class is among labels, (n_classes,), which sum to 1."""
    return np.bincount(numbers, minlength=n_classes) / len(numbers)


def as_json(classes: Classes | None, prior: Any) -> dict[str, Any]:
    """Return what a file keeps of classes and their prior; None of a model without."""
    if classes is None:
        return {"classes": None}
    return {"classes": classes.tolist(), "class_prior": prior.tolist()}


def of_json(values: dict[str, Any]) -> tuple[Classes | None, Any]:
    """Return what `as_json` made `values` of; chainrule 0.1.0's have a uniform prior.

    Raises:
        ValueError: values that it does not make.
    """
    found = values.get("classes")
    if found is None:
        return None, None
    classes = np.array(found)
    plain = classes.ndim == 1 and classes.dtype.kind in "biuU"
    if not plain or not np.array_equal(classes, np.unique(classes)):
        raise ValueError("its labels are damaged")
    n = len(classes)
    p = np.asarray(values.get("class_prior", [1 / n] * n), np.float64)
    if p.shape != (n,) or not (p >= 0).all() or abs(p.sum() - 1) > 1e-6:
        raise ValueError("its prior of the labels is damaged")
    return classes, p


def _column(y: Any, n: int, name: str) -> NDArray[Any]:
    """Return labels as an array of n whole numbers or words."""
    labels = validation.unmasked(y, name)
    if labels.ndim == 2 and labels.shape[1] == 1:  # a DataFrame of one column
        labels = labels[:, 0]
    if labels.dtype.kind in "OT" and labels.ndim == 1:  # of a list, a Series or a Categorical
        labels = _numbers_or_words(labels.tolist(), name)
    elif labels.dtype.kind == "U" and isinstance(y, list | tuple) and labels.ndim == 1:
        labels = _numbers_or_words(list(y), name)  # NumPy makes words of what stands among words
    if labels.dtype.kind == "f" and np.isnan(labels).any() and labels.ndim == 1:
        gap = int(np.argmax(np.isnan(labels)))
        raise ValueError(f"{name} contains NaN at {gap}; fill it in or leave that row out")
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        labels = labels.astype(np.int64)  # pandas' whole numbers, where one was missing once
    if labels.shape != (n,) or labels.dtype.kind not in "biuU":
        raise ValueError(
            f"{name} must hold {n} labels, whole numbers or words, one for each row; got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    return labels


def _numbers_or_words(labels: list[Any], name: str) -> NDArray[Any]:
    """Return labels that came as objects as an array, if all are words or all whole numbers."""
    kind = str if isinstance(labels[0], str) else Integral
    for k, label in enumerate(labels):
        if not isinstance(label, kind):
            raise ValueError(
                f"{name} must hold words alone or whole numbers alone, got {label!r} at {k}; fill "
                "it in or leave that row out"
            )
    return np.array(labels)
