"""Tables with odd rows among them, and detectors of rows: ours, scikit-learn's and PyOD's.

All learn from clean rows alone, with the settings that they come with; nothing is chosen. Our
models are told what the columns are: levels of grey whole numbers, bits bits, all else real. Clean
rows are shuffled by the seed, three fifths are for learning and the others are tested beside all
odd rows.

| task | clean | odd |
|---|---|---|
| breast_cancer | benign tumours | malignant ones |
| wine | cultivars 0 and 1 | cultivar 2 |
| iris | versicolor | virginica |
| digits | one digit, each in turn; the mean of ten areas | the other nine |
| digits_noise | all digits | test digits, one pixel in ten replaced by one of 0 … 16 |
| diabetes | patients, with their progression | each column of another patient in the test rows |
| binary_* | rows of binary_density.npz | each column of another test row |

In the last two every column by itself is as usual: only what columns say of each other is odd.
"""

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

import chainrule as cr

SHARE = 0.6  # of the clean rows, for learning
LEARNT, TESTED = 2000, 1000  # rows of binary_density.npz, drawn by the seed, at most
BINARY = ("nltcs", "dna", "mushrooms", "nips", "adult")
EMBEDDED = ("breast_cancer", "wine", "iris", "digits", "digits_noise", "diabetes")


class Task(NamedTuple):
    """Rows to learn from, test rows of either kind, and what their columns are."""

    train: Any
    clean: Any
    odd: Any
    types: str = "continuous"


def tasks(name: str, seed: int) -> Iterator[Task]:
    """Yield what a task is of: one cut, of digits one for each."""
    rng = np.random.default_rng(seed)
    if name in BINARY:
        data = cr.datasets.load(name)
        clean = data.test.x[rng.permutation(len(data.test.x))[:TESTED]]
        yield Task(
            data.train.x[rng.permutation(len(data.train.x))[:LEARNT]],
            clean,
            mixed(clean, rng),
            "binary",
        )
        return
    if name == "diabetes":
        bunch = datasets.load_diabetes(scaled=False)
        train, clean = _cut(np.column_stack([bunch.data, bunch.target]), rng)
        yield Task(train, clean, mixed(clean, rng))
        return
    bunch = getattr(datasets, f"load_{name.partition('_noise')[0]}")()
    X, y = bunch.data, bunch.target
    if name == "digits_noise":
        train, clean = _cut(X, rng)
        noise = rng.integers(0, 17, clean.shape)
        yield Task(train, clean, np.where(rng.random(clean.shape) < 0.1, noise, clean), "integer")
        return
    odd = {
        "breast_cancer": [(y == 1, y == 0)],
        "wine": [(y < 2, y == 2)],
        "iris": [(y == 1, y == 2)],
    }
    for ours, theirs in odd.get(name, [(y == k, y != k) for k in range(10)]):
        train, clean = _cut(X[ours], rng)
        yield Task(train, clean, X[theirs], "integer" if name == "digits" else "continuous")


def mixed(rows: Any, rng: np.random.Generator) -> Any:
    """Return rows each of whose values is that of some row drawn at random, in the same column."""
    return np.column_stack([column[rng.permutation(len(rows))] for column in rows.T])


def _cut(rows: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return the rows to learn from, and those to test."""
    order = rng.permutation(len(rows))
    n = round(SHARE * len(rows))
    return rows[order[:n]], rows[order[n:]]


def ours(estimator: Any) -> Callable[[Task, int], tuple[Any, Any]]:
    """Return how one of our densities scores the test rows of a task."""

    def scores(task: Task, seed: int) -> tuple[Any, Any]:
        model = estimator(seed=seed, n_threads=1, column_types=task.types)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that are doubtful as real ones
            model.fit(task.train)
        return model.log_prob(task.clean), model.log_prob(task.odd)

    return scores


def theirs(make: Callable[[int], Any]) -> Callable[[Task, int], tuple[Any, Any]]:
    """Return how a detector with scikit-learn's conventions scores standardised test rows."""

    def scores(task: Task, seed: int) -> tuple[Any, Any]:
        scaler = StandardScaler().fit(task.train)
        model = make(seed).fit(scaler.transform(task.train))
        return tuple(model.score_samples(scaler.transform(x)) for x in (task.clean, task.odd))

    return scores


def pyod(name: str) -> Callable[[Task, int], tuple[Any, Any]]:
    """Return how a detector of PyOD scores the test rows, whose scores are high where odd.

    Its ranks are among the training rows and all that are scored at once, so that many odd rows
    would be usual together; rows are scored in parts of a twentieth of the training rows.
    """

    def scores(task: Task, seed: int) -> tuple[Any, Any]:
        scaler = StandardScaler().fit(task.train)
        model = getattr(import_module(f"pyod.models.{name.lower()}"), name)()
        model.fit(scaler.transform(task.train))
        few = max(1, len(task.train) // 20)

        def score(x: Any) -> Any:
            rows = scaler.transform(x)
            parts = (rows[lo : lo + few] for lo in range(0, len(rows), few))
            return -np.concatenate([model.decision_function(part) for part in parts])

        return score(task.clean), score(task.odd)

    return scores


def _scott(seed: int) -> Any:
    return KernelDensity(bandwidth="scott")


DETECTORS = {
    "TableNADE": ours(cr.TableNADE),
    "OrderlessNADE": ours(cr.OrderlessNADE),
    "IsolationForest": theirs(lambda seed: IsolationForest(random_state=seed)),
    "LOF": theirs(lambda seed: LocalOutlierFactor(novelty=True)),
    "OneClassSVM": theirs(lambda seed: OneClassSVM()),
    "KernelDensity": theirs(_scott),
    "ECOD": pyod("ECOD"),
    "COPOD": pyod("COPOD"),
}
