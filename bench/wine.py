"""Red wine by the paper's ten folds: mean test log-likelihood of real variables, standardised.

The data are the 11 physical measures of 1,599 red wines, without the quality that tasters gave
(uci_continuous.npz, `red_wine`), and a fold of each row, `red_wine_fold`, as Uria, Murray and
Larochelle 2013 cut them. For each fold:

    1.  Standardise by mean and deviation of the nine training parts. The density is quoted in these
        units.
    2.  Choose settings and epoch on one of the nine, the part that is the next fold's test.
    3.  Fit once more on all nine, stopped after as many epochs as were best, and score the tenth.

So no test row decides anything of its own fold. But two things let a density gain that has learnt
nothing of wines: a quarter of the test rows have a copy among the training rows, and all values are
rounded, so that components narrower than the step of rounding may stand where values can be, the
narrower the better. The published figures, and so the first ones here, are of the rows as they are;
told beside them are the mean over test rows without a copy, and that over test rows which are moved
at random by up to half a step.

The control is a Gaussian with full covariance, fitted to the nine parts: it needs no choice, and
must give the -13.18 that the paper prints, or else the data, the folds or the units are others.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

import chainrule as cr
from bench import trials
from bench.trials import Record
from chainrule.datasets import downloads, readers
from chainrule.datasets.splits import Dataset, Split

Rows = NDArray[np.float64]
LogProb = Callable[[Rows], NDArray[Any]]

COLUMNS = 11  # the twelfth is quality
FOLDS = 10
SAME = 1e-6  # deviations between two values that are one, written in other digits
CONTROL, TOLERANCE = -13.18, 0.005  # log-likelihood of the Gaussian, as published
PUBLISHED = {"RNADE-MoG": -9.36}

SETTINGS: dict[str, Any] = {
    "n_hidden": 100, "batch_size": 20, "epochs": 200, "learning_rate": 1e-2,
    "mixture_weights": "learned", "n_threads": 1, "seed": 0,
}  # fmt: skip
GRID = [{"n_components": K, "l1": l1} for K in (10, 20) for l1 in (0.1, 0.15)]


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
    folds = [whole(cut(x, fold, k)) for k in range(FOLDS)]
    fitted = [partial(gaussian, data.train.x) for data in folds]
    result = over_folds("Gaussian", folds, fitted, {"Gaussian, full covariance": CONTROL})
    found = -result["nll_nats"]["test"]
    if abs(found - CONTROL) > TOLERANCE:
        raise ValueError(
            f"the Gaussian control gives {found:.3f} where {CONTROL} is published: these are not "
            "the data, folds or units that the paper's numbers are of"
        )
    return result


def copied(data: Dataset) -> NDArray[np.bool_]:
    """Return which test rows, (N,), stand among the training rows too, number for number."""
    known = {row.tobytes() for row in np.ascontiguousarray(data.train.x)}
    return np.array([row.tobytes() in known for row in np.ascontiguousarray(data.test.x)])


def dithered(data: Dataset, seed: int = 0) -> Rows:
    """Return test rows, (N, 11), moved evenly within the steps that their columns are rounded to.

    A step is the least distance between two values of a column, of all rows.
    """
    every = np.concatenate([data.train.x, data.test.x])
    steps = []
    for column in every.T:
        apart = np.diff(np.unique(column))
        steps.append(apart[apart > SAME].min())
    moves = np.random.default_rng(seed).uniform(-0.5, 0.5, data.test.x.shape)
    moved: Rows = data.test.x + moves * np.array(steps)
    return moved


def over_folds(
    estimator: str, folds: Sequence[Dataset], log_prob: Sequence[LogProb], published: Any
) -> Record:
    """Return a result from each fold's log-density, by test rows.

    The figure is the mean of the folds' means; its error is that of ten such means. folds: of which
    train is all nine parts. published: log-likelihoods, by whom.
    """
    pairs = list(zip(folds, log_prob, strict=True))
    means = np.array([f(data.test.x).mean() for data, f in pairs])
    single = [f(data.test.x[~copied(data)]).mean() for data, f in pairs]
    moved = [f(dithered(data)).mean() for data, f in pairs]
    return {
        "data": "red_wine",
        "estimator": estimator,
        "nll_nats": {"test": -float(means.mean())},
        "test_standard_error": float(means.std(ddof=1) / math.sqrt(len(means))),
        "test_log_likelihood_by_fold": means.tolist(),
        "test_log_likelihood_of_rows_without_copies": float(np.mean(single)),
        "test_log_likelihood_of_dithered_rows": float(np.mean(moved)),
        "published_nats": {whose: -nats for whose, nats in published.items()},
    }


def run(protocol: str, folder: Path, out: Path) -> list[Record]:
    """Print the control, then fit RNADE to each fold; return both results.

    What is kept of RNADE beside the figures: of each fold the nats on valid of all that was tried,
    and the learning curve of what was chosen. Its own valid is their mean.
    """
    first = control()
    print(f"control: Gaussian, full covariance {-first['nll_nats']['test']:.2f}, as published")
    x, fold = load()
    model = cr.RNADE(**SETTINGS)
    folds, fitted, chosen = [], [], []
    for k in range(FOLDS):
        data = cut(x, fold, k)
        choice, tried = trials.search(trials.settings_tried(model, GRID), data, folder)
        best = {name: choice["hyperparameters"][name] for name in GRID[0]}
        folds.append(whole(data))
        last = trials.run(
            clone(model).set_params(**best), folds[k], folder, stop=choice["best_epoch"]
        )
        fitted.append(trials.load(last, folder))
        kept = {"valid_nats": choice["valid_nats"], "history": choice["history"], "tried": tried}
        chosen.append(last | kept)
        print(f"fold {k}: test {fitted[k].score(data.test.x):.3f}", flush=True)
    densities = [one.log_prob for one in fitted]
    result = over_folds("RNADE", folds, densities, PUBLISHED)
    valid = float(np.mean([one["valid_nats"] for one in chosen]))
    seconds = sum(one["fit_seconds"] for one in chosen)
    return [first, result | {"valid_nats": valid, "fit_seconds": seconds, "folds": chosen}]
