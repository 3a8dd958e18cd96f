"""Red wine by the paper's ten folds: mean test log-likelihood of real variables, standardised.

The data are the 11 physical measures of 1,599 red wines, without the quality that tasters gave
(uci_continuous.npz, `red_wine`), and a fold of each row, `red_wine_fold`, as Uria, Murray and
Larochelle 2013 cut them. For each fold:

    1.  Standardise by mean and deviation of the nine training parts. The density is quoted in these
        units.
    2.  Choose settings and epoch on one of the nine, the part that is the next fold's test.
    3.  Fit once more on all nine, stopped after as many epochs as were best, and score the tenth.

The control is a Gaussian with full covariance, fitted to the nine parts: it needs no choice, and
must give the -13.18 that the paper prints, or else the data, the folds or the units are others.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from bench import trials
from bench.trials import Record
from chainrule.datasets import downloads, readers
from chainrule.datasets.splits import Dataset, Split

Rows = NDArray[np.float64]

COLUMNS = 11  # the twelfth is quality
FOLDS = 10
CONTROL, TOLERANCE = -13.18, 0.005  # log-likelihood of the Gaussian, as published
PUBLISHED = {"RNADE-MoG": -9.36, "Gaussian, full covariance": CONTROL}

SETTINGS: dict[str, Any] = {"batch_size": 20, "epochs": 200, "n_hidden": 100, "seed": 0}
GRID = [
    {"n_components": K, "mixture_weights": weights, "learning_rate": rate, "weight_decay": decay}
    for K in (10, 20)
    for weights in ("equal", "learned")
    for rate in (2e-3,)
    for decay in (0.01, 0.1)
]


def load() -> tuple[Rows, NDArray[np.int64]]:
    """Return the rows, (1599, 11), and the fold of each."""
    path = downloads.find("uci_continuous.npz")
    if path is None:
        raise FileNotFoundError(
            "red wine is read from uci_continuous.npz, which is not here: put it into a folder and "
            "set CHAINRULE_DATA to it; it holds red_wine, (1599, 12), and red_wine_fold"
        )
    arrays = readers.read_npz(path)
    return arrays["red_wine"][:, :COLUMNS].astype(np.float64), arrays["red_wine_fold"].astype(int)


def cut(x: Rows, fold: NDArray[Any], k: int) -> Dataset:
    """Return fold k's data, standardised by all rows but its test: train is eight parts."""
    rest, choosing = fold != k, fold == (k + 1) % FOLDS
    mean, deviation = x[rest].mean(axis=0), x[rest].std(axis=0)
    z = (x - mean) / deviation
    parts = z[rest & ~choosing], z[choosing], z[fold == k]
    return Dataset(f"red_wine-{k}", *map(Split, parts))


def whole(data: Dataset) -> Dataset:
    """Return a fold's data with nothing held out for choosing: train is nine parts."""
    both = np.concatenate([data.train.x, data.valid.x])
    return data._replace(name=f"{data.name}-whole", train=Split(both), valid=Split(both[:0]))


def gaussian(train: Rows, test: Rows) -> Rows:
    """Return log N(x; mean, covariance of train) of test rows, (N,), nats.

    The covariance is the likeliest one, which divides by N.
    """
    D = train.shape[1]
    L = np.linalg.cholesky(np.cov(train.T, bias=True).reshape(D, D))
    z = np.linalg.solve(L, (test - train.mean(axis=0)).T)
    log_det = 2 * float(np.log(np.diag(L)).sum())
    log_p: Rows = -0.5 * (np.square(z).sum(axis=0) + log_det + D * math.log(2 * math.pi))
    return log_p


def control() -> Record:
    """Return the Gaussian's result; raise if it is not the published one."""
    x, fold = load()
    by_fold = [
        gaussian(d.train.x, d.test.x) for d in (whole(cut(x, fold, k)) for k in range(FOLDS))
    ]
    result = over_folds("Gaussian", by_fold)
    found = -result["nll_nats"]["test"]
    if abs(found - CONTROL) > TOLERANCE:
        raise ValueError(
            f"the Gaussian control gives {found:.3f} where {CONTROL} is published: these are not "
            "the data, folds or units that the paper's numbers are of"
        )
    return result


def over_folds(estimator: str, by_fold: list[Rows]) -> Record:
    """Return a result from log-probabilities of the test rows, fold by fold.

    The figure is the mean of the folds' means; its error is that of ten such means.
    """
    means = np.array([rows.mean() for rows in by_fold])
    return {
        "data": "red_wine",
        "estimator": estimator,
        "nll_nats": {"test": -float(means.mean())},
        "test_standard_error": float(means.std(ddof=1) / math.sqrt(len(means))),
        "test_log_likelihood_by_fold": means.tolist(),
        "published_nats": {whose: -nats for whose, nats in PUBLISHED.items()},
    }


def run(protocol: str, folder: Path) -> list[Record]:
    """Print the control, then fit RNADE to each fold; return both results."""
    first = control()
    print(f"control: Gaussian, full covariance {-first['nll_nats']['test']:.2f}, as published")
    x, fold = load()
    model = cr.RNADE(**SETTINGS)
    by_fold, chosen = [], []
    for k in range(FOLDS):
        data = cut(x, fold, k)
        choice, tried = trials.search(trials.settings_tried(model, GRID), data, folder)
        again = type(model)(**choice["hyperparameters"])
        last = trials.run(again, whole(data), folder, stop=choice["best_epoch"])
        by_fold.append(trials.load(last, folder).log_prob(data.test.x).astype(np.float64))
        chosen.append(trials.summary(last) | {"valid_nats": choice["valid_nats"], "tried": tried})
        print(f"fold {k}: test {by_fold[-1].mean():.3f}", flush=True)
    result = over_folds("RNADE", by_fold)
    result["fit_seconds"] = sum(one["fit_seconds"] for one in chosen)
    return [first, result | {"folds": chosen}]
