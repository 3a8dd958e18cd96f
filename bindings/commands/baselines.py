"""The likelihoods that any model of columns, or of rows of symbols, has to beat."""

from collections.abc import Sequence
from math import log, pi
from typing import Any

import numpy as np

from chainrule.engine.event import CONTINUOUS, Columns
from chainrule.kernels.types import Array, Bits

MOST_CONDITION = 1e12  # of a covariance: beyond, its inverse is rounding
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


def of_columns(values: Sequence[int], train: Any, test: Any) -> dict[str, float]:
    """Return what rows of columns of any kind, test, cost in nats a row under each baseline.

    values: how many values each column has, 0 of a real one. "uniform" is only of columns without
    real ones. "independent" knows how frequent each value is, and of a real column the mean and the
    variance; "gaussian", where all are real, their covariances, too.
    """
    known = {} if CONTINUOUS in values else {"uniform": Columns(tuple(values)).guessing}
    known["independent"] = sum(
        _normal_nll(train[:, [i]], test[:, [i]])
        if K == CONTINUOUS
        else symbol_nll(symbol_frequencies(train[:, [i]], K), test[:, [i]])
        for i, K in enumerate(values)
    )
    if set(values) == {CONTINUOUS} and 1 < len(values) < len(train):
        known["gaussian"] = _normal_nll(train, test)
    return known


def _normal_nll(train: Any, test: Any) -> float:
    """Return what rows (N, D) cost under the normal distribution likeliest to other rows.

    Where columns say the same, it has no density; 1e-9 of a variance is then added to each.
    """
    x, D = np.asarray(train, np.float64), train.shape[1]
    mean, spread = x.mean(axis=0), np.atleast_2d(np.cov(x.T, bias=True))
    if np.linalg.cond(spread) > MOST_CONDITION:
        spread = spread + 1e-9 * np.trace(spread) / D * np.eye(D)
    away = test - mean
    distance = np.einsum("nd,nd->n", away, np.linalg.solve(spread, away.T).T)
    return float(D * log(2 * pi) + np.linalg.slogdet(spread)[1] + distance.mean()) / 2
