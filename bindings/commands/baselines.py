"""The likelihoods that any model of bits, or of rows of symbols, has to beat."""

from math import log
from typing import Any

import numpy as np

from chainrule.kernels.types import Array, Bits


def uniform(D: int) -> float:
    """Return the negative log-likelihood of D fair coins, nats a row."""
    return D * log(2)


def independent(train: Bits) -> Array:
    """Return p(x_i = 1) of each column on its own, (D,), from rows (N, D).

    One row of each value is added to the N (Laplace's rule), so that none is 0 or 1.
    """
    p: Array = (train.sum(axis=0, dtype=np.float64) + 1) / (len(train) + 2)
    return p


def independent_nll(p: Array, rows: Bits) -> float:
    """Return the mean negative log-likelihood of rows (N, D) under coins p (D,), nats a row."""
    ones = rows.mean(axis=0, dtype=np.float64)
    return float(-(ones @ np.log(p) + (1 - ones) @ np.log1p(-p)))


def symbol_frequencies(train: Any, n_symbols: int) -> Array:
    """Return how often each symbol is at each place of rows (N, T) of symbols: p, (T, V).

    One row of each symbol is added to the N (Laplace's rule), so that none is 0.
    """
    counts = np.ones((train.shape[1], n_symbols))
    for place, column in zip(counts, train.T, strict=True):
        place += np.bincount(column.astype(np.int64), minlength=n_symbols)
    p: Array = counts / (len(train) + n_symbols)
    return p


def symbol_nll(p: Array, rows: Any) -> float:
    """Return the mean negative log-likelihood of rows (N, T) under p (T, V), nats a row."""
    columns = zip(p, rows.T, strict=True)
    return float(-sum(np.log(place)[column.astype(np.int64)].mean() for place, column in columns))
