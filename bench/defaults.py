"""What densities of tables make of scikit-learn's tables by their defaults, on cuts of their own.

Iris, wine, breast_cancer and diabetes, all measures, are shuffled and cut 80 : 10 : 10, once for
each of CUTS. Every model is fitted with no setting but its seed: with the valid rows given, which
tell it when to stop, and once more without, on train and valid together. Beside them

    usual       the same with the settings of large tables: 50 epochs of minibatches of 100 rows, a
                learning rate of 0.001, the best epoch on valid
    Gaussian    of numbers the likeliest one with full covariance, on train and valid together;
                categories by their frequencies, one row of each value added
    alone       the same with each column by itself

A figure is the mean test nats a row over all cuts. Models of one cut are fitted to the same rows,
so that their differences vary less than the figures do: how far each is above the Gaussian, which
is more where it is positive, has an error of its own. Nothing is chosen here: cuts have seeds from
FIRST on, which no default was looked at on.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from bench import wine
from bench.trials import Record

TABLES = ("iris", "wine", "breast_cancer", "diabetes")
MODELS = ("TableNADE", "MADE", "OrderlessNADE")
CUTS, FIRST = 10, 100
# Whole but for one of 442 rows, which may be a test row.
TYPES: dict[str, Any] = {"diabetes": {6: "continuous"}}
USUAL = {"epochs": 50, "batch_size": 100, "learning_rate": 1e-3}

Rows = NDArray[np.float64]


def rows_of(table: str) -> Rows:
    """Return all rows of a table, (N, D)."""
    data = cr.datasets.load(table)
    return np.concatenate([part.x for part in (data.train, data.valid, data.test)])


def cut(x: Rows, seed: int) -> tuple[Rows, Rows, Rows]:
    """Return train, valid and test rows."""
    x, n = x[np.random.default_rng(seed).permutation(len(x))], len(x) // 10
    return x[2 * n :], x[:n], x[n : 2 * n]


def gaussian(train: Rows, test: Rows, categories: NDArray[np.bool_], alone: bool) -> float:
    """Return the mean nats of test rows; categories: which columns are none of numbers, (D,)."""
    numbers = np.flatnonzero(~categories)
    joint = np.split(numbers, len(numbers)) if alone else [numbers]
    nats = -sum(float(wine.gaussian(train[:, some], test[:, some]).mean()) for some in joint)
    for i in np.flatnonzero(categories):
        values, counts = np.unique(train[:, i], return_counts=True)
        p = (counts + 1) / (len(train) + len(values))
        nats -= float(np.log(p[np.searchsorted(values, test[:, i])]).mean())
    return nats


def fitted(name: str, train: Rows, valid: Rows | None, **settings: Any) -> Any:
    """Return a model, whose doubts about rounded values are not told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(cr, name)(**settings).fit(train, X_valid=valid)


def of_cut(table: str, seed: int) -> dict[str, float]:
    """Return what each model and control costs on one cut, test nats a row."""
    train, valid, test = cut(rows_of(table), seed)
    both = np.concatenate([train, valid])
    nats, said = {}, {"seed": seed, "column_types": TYPES.get(table)}
    for name in MODELS:
        model = fitted(name, train, valid, **said)
        nats[name] = -model.score(test)
        nats[f"{name}, without valid"] = -fitted(name, both, None, **said).score(test)
        nats[f"{name}, usual"] = -fitted(name, train, valid, **said, **USUAL).score(test)
    types = np.array([variable.type for variable in model.encoder_.variables])
    categories = np.isin(types, ("binary", "categorical"))
    nats["Gaussian"] = gaussian(both, test, categories, alone=False)
    return nats | {"alone": gaussian(both, test, categories, alone=True)}


def run(protocol: str, folder: Path, out: Path) -> list[Record]:
    """Fit all models to all cuts of all tables; return a result for each."""
    results = []
    for table in TABLES:
        cuts = []
        for seed in range(FIRST, FIRST + CUTS):
            cuts.append(of_cut(table, seed))
            told = "  ".join(f"{name} {nats:.2f}" for name, nats in cuts[-1].items())
            print(f"  {table}, cut {seed}: {told}", flush=True)
        results += over_cuts(table, cuts)
    return results


def over_cuts(table: str, cuts: Sequence[Mapping[str, float]]) -> list[Record]:
    """Return a result for each model and control, from what each costs on each cut."""
    results = []
    for name in cuts[0]:
        nats = np.array([one[name] for one in cuts])
        beside = nats - [one["Gaussian"] for one in cuts]
        errors = [float(x.std(ddof=1) / math.sqrt(len(cuts))) for x in (nats, beside)]
        results.append(
            {
                "data": table,
                "estimator": name,
                "nll_nats": {"test": float(nats.mean())},
                "test_standard_error": errors[0],
                "nats_above_gaussian": float(beside.mean()),
                "its_standard_error": errors[1],
                "test_nats_by_cut": nats.tolist(),
                "published_nats": {},
            }
        )
    return results
