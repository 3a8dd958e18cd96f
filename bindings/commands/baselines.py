"""The likelihoods that any model of columns, or of rows of symbols, has to beat."""

from collections.abc import Iterator
from math import log, pi, prod
from typing import Any

import numpy as np

from chainrule.encoders.validation import CELLS
from chainrule.engine.distributions import mixture
from chainrule.engine.event import CONTINUOUS, Columns
from chainrule.kernels.mixture import SIGMA_MIN
from chainrule.kernels.types import Array, Bits

MOST_CONDITION = 1e12  # of a covariance: beyond, its inverse is rounding
MOST = 10**8  # numbers in a table of how often each symbol is at each place


def uniform(D: int) -> float:
    """Return the negative log-likelihood of D fair coins, nats a row."""
    return D * log(2)


def blocks(x: Any) -> Iterator[Any]:
    """Yield rows, which may be in a file, some at a time."""
    step = max(1, CELLS // max(1, prod(x.shape[1:])))
    return (x[lo : lo + step] for lo in range(0, len(x), step))


def _sums(rows: Any) -> Array:
    """Return how many ones each column has, (D,) float64: whole numbers, whose sum is exact."""
    return sum((part.sum(axis=0, dtype=np.float64) for part in blocks(rows)), np.zeros(()))


def independent(train: Bits) -> Array:
    """Return p(x_i = 1) of each column on its own, (D,), from rows (N, D).

    One row of each value is added to the N (Laplace's rule), so that none is 0 or 1.
    """
    p: Array = (_sums(train) + 1) / (len(train) + 2)
    return p


def independent_nll(p: Array, rows: Bits) -> float:
    """Return the mean negative log-likelihood of rows (N, D) under coins p (D,), nats a row."""
    ones = _sums(rows) / len(rows)
    return float(-(ones @ np.log(p) + (1 - ones) @ np.log1p(-p)))


def symbol_frequencies(train: Any, n_symbols: int) -> Array:
    """Return how often each symbol is at each place of rows (N, T) of symbols: p, (T, V).

    One row of each symbol is added to the N (Laplace's rule), so that none is 0.
    """
    counts = np.ones((train.shape[1], n_symbols))
    for part in blocks(train):
        for place, column in zip(counts, part.T, strict=True):
            place += np.bincount(column.astype(np.int64), minlength=n_symbols)
    p: Array = counts / (len(train) + n_symbols)
    return p


def symbol_nll(p: Array, rows: Any) -> float:
    """Return the mean negative log-likelihood of rows (N, T) under p (T, V), nats a row."""
    columns = zip(p, np.asarray(rows).T, strict=True)
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


def of_columns(event: Columns, train: Any, test: Any) -> dict[str, float]:
    """Return what rows of columns of any kind, test, cost in nats a row under each baseline.

    "uniform" is only of columns without real ones. "independent" knows how frequent each value is,
    and of a real column the mean and the variance, by which whole numbers have the mass of their
    steps, of the rows without its atom, and the share of that; "gaussian", where all are real, none
    is whole and none has an atom, their covariances, too.
    """
    values, D = event.values, len(event.values)
    halves, atoms = event.half_steps or (0.0,) * D, event.atoms or (None,) * D
    known = {} if CONTINUOUS in values else {"uniform": event.guessing}
    known["independent"] = sum(
        _alone(K, half, atom, train[:, [i]], test[:, [i]])
        for i, (K, half, atom) in enumerate(zip(values, halves, atoms, strict=True))
    )
    plain = not (any(halves) or event.atoms)
    if set(values) == {CONTINUOUS} and plain and 1 < D < len(train):
        known["gaussian"] = _normal_nll(train, test)
    return known


def _alone(K: int, half: float, atom: float | None, train: Any, test: Any) -> float:
    """Return what one column, (N, 1), costs by the training rows' frequencies or moments."""
    if atom is not None:
        rest_of_train, rest = (
            rows[rows != rows.dtype.type(atom)][:, None] for rows in (train, test)
        )
        known = len(rest_of_train) > 1 and len(rest) > 0
        cost = _alone(K, half, None, rest_of_train, rest) * len(rest) if known else 0.0
        bits = (train == train.dtype.type(atom), test == test.dtype.type(atom))
        return independent_nll(independent(bits[0]), bits[1]) + cost / len(test)
    if K != CONTINUOUS:
        return symbol_nll(symbol_frequencies(train, K), test)
    if not half:
        return _normal_nll(train, test)
    mean, deviation = train.mean(dtype=np.float64), train.std(dtype=np.float64)
    t = np.log(max(deviation - SIGMA_MIN, SIGMA_MIN))
    s = np.tile([mean, t], (len(test), 1))
    return -float(mixture.log_prob_terms(s, test[:, 0].astype(np.float64), half=half).mean())


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


def beaten(outcome: dict[str, Any], curve: Any) -> str | None:
    """Return a sentence if what knows no other variables predicts better than what was trained.

    outcome: of a `Report`. curve: where the training's curve is.
    """
    known = outcome.get("baselines", {})
    name = "independent" if "independent" in known else "frequencies"
    nats = outcome.get("test_nll", outcome.get("valid_nats"))
    if nats is None or name not in known or nats <= known[name]:
        return None
    return (
        f"worse than {name!r}, which sees nothing else of a row; {curve} shows why: where valid "
        "rises, training rows were learned by heart (fewer epochs, --patience, a smaller model), "
        "and where it still falls, too little was learned (more epochs)"
    )
