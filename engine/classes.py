"""How labels come into a model: parameters of which each class has its own.

A model of p(x | y) has, of some parameters, one set a class, chosen by the row's label; a bias, or
the state that a row begins from. With one class they have no axis for it, so that a model without
labels has the shapes, and the files, of one that knows nothing of labels.

    params[name]    (n_classes, …), or (…) where there is one class
    table           the same with the axis always there: a view
    y               (N,) int32, on the side of the parameters; (0,) where there is one class

A class chosen by a label is a one-hot vector times a matrix, y ↦ Σ_k [y = k] table_k, so that the
gradient of row k is the sum of the gradients of the rows of class k, and 0 if there are none.
"""

from typing import Any

import numpy as np

from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


def told(config: Any, params: Params, n: int, y: Any) -> Ids:
    """Return labels as kernels read them, (n,) int32; (0,) where there is one class.

    Raises:
        ValueError: labels that are missing, are not n, or, on the host, are none of the classes.
    """
    xp, n_classes = array_module(params.flat), config.n_classes
    if y is None:
        if n_classes > 1:
            raise ValueError(
                f"a model of {n_classes} classes is p(x | y): give y, each row's class;"
                " chainrule.engine.labels has the marginal"
            )
        none: Ids = xp.empty(0, np.int32)
        return none
    known: Ids = xp.ascontiguousarray(xp.asarray(y), np.int32)
    if known.shape != (n,):
        raise ValueError(f"y must hold {n} labels, one for each row, got shape {known.shape}")
    if xp is np and n and not (known.min() >= 0 and known.max() < n_classes):
        if n_classes == 1:
            raise ValueError("this model has no labels but the class 0; leave y out")
        raise ValueError(
            f"y must hold classes, 0 to {n_classes - 1}, got {known.min()} to {known.max()}"
        )
    return known if n_classes > 1 else known[:0]


def shape(config: Any, *sizes: int) -> tuple[int, ...]:
    """Return the shape of a parameter of which each class has its own of these sizes."""
    return sizes if config.n_classes == 1 else (config.n_classes, *sizes)


def table(config: Any, a: Array) -> Array:
    """Return such a parameter, or its gradient, with the axis of classes in front: a view."""
    return a[None] if config.n_classes == 1 else a


def rows(table: Array, y: Ids, n: int) -> Array:
    """Return the entry of each of n rows, (n, …), an array of their own."""
    if len(table) > 1:
        chosen: Array = table[y]
        return chosen
    out: Array = array_module(table).empty((n, *table.shape[1:]), table.dtype)
    out[...] = table
    return out


def add_up(d: Array, y: Ids, table: Array) -> None:
    """Overwrite a gradient, (n_classes, …), by the sums of d, (n, …), over each class's rows."""
    if len(table) == 1:
        d.sum(axis=0, out=table[0])
        return
    xp = array_module(d)
    one_hot = (xp.arange(len(table))[:, None] == y).astype(d.dtype)
    table[...] = (one_hot @ d.reshape(len(d), -1)).reshape(table.shape)
