"""The order in which a model sees the variables: a permutation applied once, at the door.

Models always factorise p(x) in the order 0 … D-1. With an ordering o, column k of what the model
sees is column o[k] of the data, so the chain rule runs over x_{o[0]}, x_{o[1]}, …. Any order is
exact; a different one is a different model.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

Order = NDArray[np.intp]


def make(ordering: Any, D: int, seed: int) -> Order:
    """Return the permutation that `ordering` names, shape (D,).

    ordering: None or "raster" (0 … D-1), "reverse", "random" (drawn from seed), or the D
    indices themselves.
    """
    if ordering is None or (isinstance(ordering, str) and ordering == "raster"):
        return np.arange(D)
    if isinstance(ordering, str) and ordering == "reverse":
        return np.arange(D)[::-1].copy()
    if isinstance(ordering, str) and ordering == "random":
        return np.random.default_rng([seed, 0x0DE2]).permutation(D)
    if isinstance(ordering, str):
        raise ValueError(
            f"ordering must be None, 'raster', 'reverse', 'random' or {D} indices, got {ordering!r}"
        )
    order = np.asarray(ordering)
    if order.shape != (D,) or not np.array_equal(np.sort(order), np.arange(D)):
        raise ValueError(f"ordering must hold each of 0 … {D - 1} once")
    return order.astype(np.intp)


def several(n: int, D: int) -> Order:
    """Return n orderings of D variables, (n, D), always the same: the first is 0 … D-1.

    The others are random: the k-th is how the k-th stream's D words of 64 bits sort. NumPy
    promises these streams for good, so that a mean over orderings is the same everywhere.
    """
    drawn = [np.argsort(np.random.PCG64([0x0DE2, k]).random_raw(D)) for k in range(1, n)]
    return np.stack([np.arange(D), *drawn])


def choose(uniforms: Array, K: int) -> tuple[Array, Any]:
    """Return the uniforms, and which of K each row is drawn by, (N,): by its first that draws.

    uniforms: (N, D) float64, negative where nothing is drawn. Of u in [0, 1), k = ⌊K u⌋ is uniform
    on 0 … K - 1, and K u - k on [0, 1), whatever k: that is the uniform returned in u's place.
    """
    xp, u = array_module(uniforms), uniforms.copy()
    rows, first = xp.arange(len(u)), (u >= 0).argmax(axis=1)
    word = K * xp.maximum(u[rows, first], 0)
    chosen = xp.minimum(word.astype(np.int32), K - 1)
    u[rows, first] = xp.where(u[rows, first] < 0, u[rows, first], word - chosen)
    return u, chosen


def is_raster(order: Order) -> bool:
    """Return whether `order` is the identity, so that nothing need be moved."""
    return bool(np.array_equal(order, np.arange(len(order))))


def apply(order: Order, x: Any) -> Any:
    """Return x with its last axis in the model's order; x itself for raster order."""
    return x if is_raster(order) else np.ascontiguousarray(x[..., order])


def undo(order: Order, x: Any, axis: int = -1) -> Any:
    """Return x, in the model's order, with one axis, the last, back in the data's order."""
    if is_raster(order):
        return x
    return np.ascontiguousarray(np.take(x, np.argsort(order), axis))


def comes_first(observed: Any) -> bool:
    """Return whether all observed variables precede the others in every row.

    observed: (D,) or (N, D) bool, in order.
    """
    return not (observed[..., 1:] & ~observed[..., :-1]).any()
