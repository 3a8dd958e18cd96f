"""Tables of mixed columns: TableNADE's samples against the data, by `bench.likeness`.

Four tables: `wine` and `breast_cancer` of scikit-learn, some of whose measures are cut into words
as a survey would have them; `diabetes` of scikit-learn, with its column of two values; and
`census`, drawn here by a rule. Each is cut 80 : 10 : 10, TableNADE is fitted with settings chosen
on valid, and as many rows are drawn as there are to train on.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

import chainrule as cr
from bench import likeness, trials
from bench.trials import Record
from chainrule import plots
from chainrule.datasets.splits import Dataset, Split

Table = dict[str, NDArray[Any]]  # columns by name

SETTINGS: dict[str, Any] = {
    "n_hidden": 100, "epochs": 200, "batch_size": 20, "n_threads": 1, "seed": 0,
}  # fmt: skip
GRID = [
    {"n_components": K, "learning_rate": rate, **penalty}
    for K in (3, 10)
    for rate in (2e-3, 1e-2)
    for penalty in ({"weight_decay": 0.1}, {"l1": 0.2})
]
ROWS = 4000  # of the census


def wine() -> Table:
    """Return 178 Italian wines: cultivar, two measures in words, and eleven as numbers."""
    bunch = datasets.load_wine()
    table: Table = {"cultivar": bunch.target_names[bunch.target]}
    table |= {name: bunch.data[:, j] for j, name in enumerate(bunch.feature_names)}
    table["alcohol"] = in_words(table["alcohol"], ("light", "medium", "strong"))
    table["hue"] = in_words(table["hue"], ("low", "medium", "high"))
    return table


def breast_cancer() -> Table:
    """Return 569 tumours: diagnosis, texture in words, a bit for large ones, and seven means."""
    bunch = datasets.load_breast_cancer()
    table: Table = {name: bunch.data[:, j] for j, name in enumerate(bunch.feature_names[:10])}
    table["mean texture"] = in_words(table["mean texture"], ("fine", "even", "coarse", "rough"))
    table["mean area"] = (table["mean area"] > 700).astype(np.int64)
    return {"diagnosis": bunch.target_names[bunch.target], **table}


def diabetes() -> Table:
    """Return 442 patients: sex as 0 and 1, nine measures, and the progression after a year."""
    bunch = datasets.load_diabetes(scaled=False)
    table: Table = {name: bunch.data[:, j] for j, name in enumerate(bunch.feature_names)}
    table["sex"] = (table["sex"] - 1).astype(np.int64)
    return {**table, "progression": bunch.target.astype(float)}


def census(n: int = ROWS, seed: int = 0) -> Table:
    """Return made-up people whose work, hours and income depend on age, sex and schooling."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.gamma(6, 7, n), 17, 90).round()
    sex = rng.integers(0, 2, n)
    school = rng.choice(4, n, p=[0.15, 0.45, 0.25, 0.15])
    school[(age < 22) & (school > 1)] = 1
    work = (rng.random(n) * (1 + school)).astype(int)
    hours = np.where(rng.random(n) < 0.6, 40.0, rng.normal(34 + 4 * sex, 9, n)).clip(1, 90).round()
    log_income = 9.3 + 0.25 * school + 0.2 * sex + 0.015 * np.minimum(age, 50) + 0.008 * hours
    income = np.exp(log_income + rng.normal(0, 0.35, n))
    married = rng.random(n) < 1 / (1 + np.exp(-(age - 30) / 6))
    return {
        "age": age.astype(np.int64),
        "sex": np.array(["female", "male"])[sex],
        "school": np.array(["none", "school", "college", "degree"])[school],
        "work": np.array(["manual", "service", "office", "expert"])[work],
        "married": married.astype(np.int64),
        "hours a week": hours.astype(np.int64),
        "income": income,
    }


TABLES = {"wine": wine, "breast_cancer": breast_cancer, "diabetes": diabetes, "census": census}


def in_words(column: NDArray[Any], words: tuple[str, ...]) -> NDArray[Any]:
    """Return a real column as words, as many rows of each."""
    inner = np.quantile(column, np.arange(1, len(words)) / len(words))
    named: NDArray[Any] = np.array(words)[np.searchsorted(inner, column, side="right")]
    return named


def cut(name: str, table: Table, seed: int = 0) -> Dataset:
    """Return a table's rows as objects, shuffled and cut 80 : 10 : 10."""
    rows = np.stack([column.astype(object) for column in table.values()], axis=1)
    order = np.random.default_rng(seed).permutation(len(rows))
    n = len(rows) // 10
    parts = rows[order[2 * n :]], rows[order[:n]], rows[order[n : 2 * n]]
    return Dataset(name, *map(Split, parts), columns=tuple(table))


def run(protocol: str, folder: Path, out: Path) -> list[Record]:
    """Fit TableNADE to each table, draw as many rows as it saw, and compare."""
    results = []
    for name, make in TABLES.items():
        data = cut(name, make())
        model = cr.TableNADE(**SETTINGS)
        chosen, tried = trials.search(trials.settings_tried(model, GRID), data, folder)
        fitted = trials.load(chosen, folder)
        drawn = np.asarray(fitted.sample(len(data.train.x), seed=1), object)
        figures = likeness.table(data.train.x, {"samples": drawn, **likeness.others(data)})
        result = chosen | trials.evaluation(fitted, data) | {"published_nats": {}, "tried": tried}
        results.append(result | {"columns": list(data.columns or ()), "compared": figures})
        print(likeness.said(name, figures), flush=True)
        picture = plots.marginals(data.train.x, drawn, data.columns, f"TableNADE, {name}")
        plots.save(picture, out / f"likelihood_{protocol}_{name}.png")
    return results
