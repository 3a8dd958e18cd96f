"""What attacks know of a classifier, what numbers are allowed, and norms of changes by row.

Slopes      loss        ∂(-log p(y | x)) / ∂x                   raised by an attack
            margin      ∂ min(m, χ) / ∂x, m = max_{k ≠ y} s_k - s_y: above 0 where y is left.
                        It does not fade where a classifier is sure, as p_y - 1 does, and is 0 once
                        m is χ: then there is nothing more to gain, and other ends may be followed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine.classifiers.functions import slopes
from chainrule.kernels.types import Array, Ids

Slope = Callable[[Array, Ids], Array]  # (x, y) -> what a step is to follow upwards, like x


class Range(NamedTuple):
    """The least and the largest number that a pixel may be."""

    low: float = 0.0
    high: float = 1.0

    def held(self, x: Array) -> Array:
        """Return x within the range."""
        kept: Array = np.clip(x, x.dtype.type(self.low), x.dtype.type(self.high))
        return kept


class Victim(NamedTuple):
    """A classifier as attacks see it.

    logits: x, (N, …), to s, (N, K). pull: (x, of_logits) to s and the gradient in x of what
    of_logits says, as `input_gradient` of `chainrule.engine.classifiers`. Both read x of any float
    dtype.
    """

    logits: Callable[[Array], Array]
    pull: Callable[[Array, Any], tuple[Array, Array]]

    def loss_slope(self, x: Array, y: Ids) -> Array:
        """Return the gradient in x of each row's -log p(y | x)."""
        dx = self.pull(x, lambda s, some: slopes(s, y[some]))[1]
        return dx.astype(x.dtype, copy=False)

    def margin_slope(self, x: Array, y: Ids, most: float = np.inf, targeted: bool = False) -> Array:
        """Return the gradient in x of each row's min(m, most); with a target, of min(-m, most)."""
        sign = -1 if targeted else 1

        def of_logits(s: Array, some: Any) -> Array:
            n, others, ds = np.arange(len(s)), s.copy(), np.zeros_like(s)
            others[n, y[some]] = -np.inf
            rival = others.argmax(axis=1)
            kept = np.where(sign * (s[n, rival] - s[n, y[some]]) < most, sign, 0)
            ds[n, rival], ds[n, y[some]] = kept, -kept
            return ds

        return self.pull(x, of_logits)[1].astype(x.dtype, copy=False)

    def right(self, x: Array, y: Ids) -> Any:
        """Return which rows are classified as y, (N,) bool."""
        return self.logits(x).argmax(axis=1) == y


def victim(model: Any, config: Any, params: Any) -> Victim:
    """Return a classifier of `chainrule.engine.classifiers` as attacks see it."""

    def logits(x: Array) -> Array:
        return model.logits(config, params, x)  # type: ignore[no-any-return]

    def pull(x: Array, of_logits: Any) -> tuple[Array, Array]:
        s, dx = model.input_gradient(config, params, x, of_logits)
        return s, dx

    return Victim(logits, pull)


def rows(x: Array) -> Array:
    """Return what is in x a row, (N, D): a view."""
    return x.reshape(len(x), -1) if x.size else x.reshape(len(x), 0)


def lengths(d: Array) -> Array:
    """Return the 2-norm of each row of changes, shaped to multiply them, (N, 1, …)."""
    norms: Array = np.sqrt((rows(d) ** 2).sum(axis=1))
    return norms.reshape(-1, *(1,) * (d.ndim - 1))


def largest(d: Array) -> Array:
    """Return the ∞-norm of each row of changes, shaped to multiply them, (N, 1, …)."""
    norms: Array = np.abs(rows(d)).max(axis=1, initial=0)
    return norms.reshape(-1, *(1,) * (d.ndim - 1))


def each(values: Any, like: Array) -> Array:
    """Return a number a row, (N,), or one for all, shaped to multiply rows, of their dtype."""
    array = np.asarray(values, like.dtype)
    return array if array.ndim == 0 else array.reshape(-1, *(1,) * (like.ndim - 1))
