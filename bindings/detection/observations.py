"""What a detector needs to know of data, whatever they are: rows, tables, images or sequences."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import frames, unseen
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.texts import Text
from chainrule.encoders.variables import Category
from chainrule.engine import event


def of_sequences(model: Any) -> bool:
    """Return whether a model's observations are sequences."""
    return bool(model._model().EVENT is event.Sequence)


def of_table(model: Any) -> bool:
    """Return whether a fitted model's observations are rows of columns of any kind."""
    return isinstance(model.encoder_, AnyColumns)


def opened(X: Any) -> Any:
    """Return what says itself how to become an array as one; anything else as it is."""
    return np.asarray(X) if hasattr(X, "__array__") and not hasattr(X, "shape") else X


def count(X: Any, model: Any) -> int:
    """Return how many observations there are, before a model has read them.

    Raises:
        TypeError: X has no length. ValueError: it is one text, which is one observation.
    """
    text = isinstance(X, str | bytes | bytearray | Text | os.PathLike)
    if text or (of_sequences(model) and _plain_ids(X)):
        raise ValueError(
            "one text is a single observation, among which nothing can be odd; give a list of "
            "texts, a line each, or X_clean with such a list"
        )
    if hasattr(X, "shape") and len(X.shape):
        return int(X.shape[0])
    if not hasattr(X, "__len__"):
        raise TypeError(f"X must be rows, images or sequences, got {type(X).__name__}")
    return len(X)


def _plain_ids(X: Any) -> bool:
    """Return whether X are numbers alone, (T,): one text of ids."""
    if hasattr(X, "ndim"):
        return bool(X.ndim == 1 and getattr(X.dtype, "kind", "O") in "biuf")
    return isinstance(X, list | tuple) and bool(X) and np.isscalar(X[0]) and not _word(X[0])


def _word(value: Any) -> bool:
    return isinstance(value, str | bytes)


def take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Return some of the observations, by number, in the container that they came in."""
    if isinstance(X, list | tuple):
        return [X[k] for k in rows.tolist()]
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return (X.tocsr() if hasattr(X, "tocsr") else X)[rows]


def sizes(model: Any, X: Any) -> NDArray[np.float64]:
    """Return how many variables of each observation are known, (N,): columns, channels, symbols.

    Ends of sequences count as symbols.
    """
    data = model._read(X)
    n = model._size(data)
    if of_sequences(model):
        lengths = [len(data.ids)] if data.lengths is None else data.lengths
        return np.asarray(lengths, np.float64)
    if getattr(model, "_missing", False):
        return np.asarray(model._columns.observed(data).sum(axis=1), np.float64)
    return np.full(n, float(model._columns.dims))


def readable(model: Any, X: Any, loud: bool = False) -> NDArray[np.bool_] | None:
    """Return which observations hold only what the model knows, (N,); None: all do.

    Any other, a text with another character, a row of a table with another category, has a
    probability of 0: a model says that it cannot read it, and a detector that it is odd.

    loud: whether categories are warned of.
    """
    if of_table(model):
        frame = model._framed(X)
        cells = unseen.where(model.encoder_, frame, bool(model._missing))
        if cells is not None and loud:
            unseen.warn(frame, cells)
        return None if cells is None else ~cells.any(axis=1)
    if not of_sequences(model) or model.vocabulary_.kind != "character":
        return None
    texts = X.to_numpy() if hasattr(X, "to_numpy") else X
    if not isinstance(texts, list | tuple | np.ndarray) or np.ndim(texts) != 1:
        return None
    if not all(isinstance(text, str) for text in texts):
        return None
    known = set(model.vocabulary_.characters)
    found = np.array([known.issuperset(text) for text in texts])
    return None if found.all() else found


def terms(model: Any, X: Any) -> Any:
    """Return -log p(x_i | x_<i) of every variable, nats, shaped as `log_prob_terms` has them.

    Of a character or a category that the model does not know it is infinite. Characters behind it
    are as if it were not there, and columns as if the likeliest category were in its place.
    """
    if of_table(model):
        frame = model._framed(X)
        cells = unseen.where(model.encoder_, frame, bool(model._missing))
        if cells is not None:
            return np.where(cells, np.inf, -model.log_prob_terms(_known(model, frame, cells)))
    elif readable(model, X) is not None:
        return _of_unknown(model, list(X))
    found = model.log_prob_terms(X)
    return [-row for row in found] if isinstance(found, list) else -found


def _known(model: Any, frame: frames.Frame, cells: NDArray[np.bool_]) -> frames.Frame:
    """Return a table with the likeliest category, given those before it, in some of its cells.

    Of a model that reads rows of which values are missing these are.
    """
    values = np.full(cells.shape, None, object)
    if model._missing:
        return unseen.filled(frame, cells, values)
    for k in np.flatnonzero(cells.any(axis=0)):
        values[:, k] = model.encoder_.variables[k].values[0]  # until its turn comes
    for k in model.encoder_.order:
        rows = np.flatnonzero(cells[:, k])
        if len(rows):
            some = unseen.filled(frame[rows], cells[rows], values[rows])
            known = model.encoder_.variables[k].values
            best = model.conditionals(some)[:, k, : len(known)].argmax(axis=1)
            values[rows, k] = [known[code] for code in best]
    return unseen.filled(frame, cells, values)


def _of_unknown(model: Any, texts: list[str]) -> list[Any]:
    """Return the terms of texts of which some have characters that the model does not know."""
    characters = set(model.vocabulary_.characters)
    marks = [np.array([c in characters for c in text], np.bool_) for text in texts]
    rest = ["".join(c for c in text if c in characters) for text in texts]
    filled = [k for k, text in enumerate(rest) if text]
    scored = dict(zip(filled, model.log_prob_terms([rest[k] for k in filled]), strict=True))
    ends, found = int(model.ends_), []
    for k, there in enumerate(marks):
        row = np.full(len(there) + ends, np.inf)
        if k in scored:
            row[np.append(there, np.ones(ends, np.bool_))] = -scored[k]
        found.append(row)
    return found


def levels(model: Any, X: Any) -> NDArray[np.uint8]:
    """Return bits, or images' levels, as the model sees them, shaped like X and in its order."""
    data = model._read(X)
    encoder = model._columns
    x = encoder.encode(data)
    found: NDArray[np.uint8] = encoder.undo(x)
    return found.reshape(len(found), *shape(model))


def shape(model: Any) -> tuple[int, ...]:
    """Return the shape of one observation of a model of bits, (D,), or of images, (R, S, C)."""
    own = getattr(model.encoder_, "shape", None)
    return (int(model.encoder_.dims),) if own is None else tuple(own)


def n_levels(model: Any) -> int:
    """Return how many values a bit or a pixel has."""
    return int(getattr(model.encoder_, "levels", 2))


def symbols(model: Any, X: Any) -> list[NDArray[Any]]:
    """Return each sequence as the numbers of its symbols, without its end."""
    data = model._begin(X)
    rows = data.rows()
    return [np.asarray(rows[k]) for k in range(len(rows))]


def codes(model: Any, X: Any) -> NDArray[Any] | None:
    """Return a table as numbers of categories, (N, D); None where a column is real or counts."""
    if not all(isinstance(one, Category) for one in model.encoder_.variables):
        return None
    frame = frames.read(X)
    if getattr(model, "_missing", False) and not model.encoder_.observed(frame).all():
        return None
    found: NDArray[Any] = model.encoder_.undo(model.encoder_.encode(frame))
    return found
