"""The likelihoods that any model of bits, or of rows of symbols, has to beat."""

from math import log
from typing import Any

import numpy as np

from chainrule.kernels.types import Array, Bits

MOST = 10**8  # numbers in a table of how often each symbol is at each place


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


def of_bits(train: Bits, test: Bits) -> dict[str, float]:
    """Return what rows of bits, test, cost in nats a row under each baseline of the rows train."""
    p = independent(train)
    return {"uniform": uniform(test.shape[1]), "independent": independent_nll(p, test)}


def of_symbols(train: Any, test: Any, n_symbols: int) -> dict[str, float]:
    """Return the same of rows of symbols; "frequencies" are those of a symbol anywhere."""
    D = test.shape[1]
    known = {"uniform": D * log(n_symbols)}
    if D * n_symbols <= MOST:  # else a symbol is seen too seldom for its share to mean anything
        p = symbol_frequencies(train, n_symbols)
        anywhere = np.broadcast_to(p.mean(axis=0), p.shape)
        known["frequencies"] = symbol_nll(anywhere, test)
        known["independent"] = symbol_nll(p, test)
    return known
