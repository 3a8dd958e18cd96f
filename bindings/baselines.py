"""The likelihoods that any model of bits has to beat."""

from math import log

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
