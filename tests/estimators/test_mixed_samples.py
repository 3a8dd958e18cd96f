"""Samples of mixed tables against the data: frequencies, correlations, tables of two columns."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine

from chainrule import TableNADE

WORDS = "UOS"  # kinds of dtype


def census(rng, n=4000):
    """Return an adult-like table, whose columns hang together, and are of every kind."""
    age = np.clip(rng.gamma(6, 7, n), 17, 90).astype(int)
    school = np.digitize(rng.normal(size=n) + (age < 30) * 0.5, [-0.8, 0.3, 1.2])
    married = rng.random(n) < 1 / (1 + np.exp(-(age - 32) / 6))
    work = (rng.random(n)[:, None] > np.array([0.5, 0.8]) - 0.1 * school[:, None]).sum(axis=1)
    hours = 5 * np.clip(rng.normal(8 + work, 1.5, n).round(), 1, 16).astype(int)
    earned = 0.3 * school + 0.02 * np.minimum(age, 55) + 0.4 * work
    income = np.exp(earned + 0.35 * rng.normal(size=n))
    names = np.array([["none", "school", "college", "doctor"][k] for k in school])
    trades = np.array(["private", "public", "self"])[work]
    return {
        "age": age,
        "school": names,
        "married": married,
        "work": trades,
        "hours": hours,
        "income": income,
        "rich": income > 3,
    }


def flowers(rng):
    """Return iris as a table of words, classes of size, whole and real numbers."""
    bunch = load_iris()
    x = np.repeat(bunch.data, 4, axis=0) + 0.05 * rng.normal(size=(600, 4))
    return {
        "species": np.asarray(bunch.target_names)[np.repeat(bunch.target, 4)],
        "petal": x[:, 2],
        "width": np.array(["small", "middle", "wide"])[np.digitize(x[:, 3], [0.8, 1.7])],
        "sepal": (10 * x[:, 0]).astype(int),
        "broad": x[:, 1] > 3,
    }


def wines(rng):
    """Return wine likewise."""
    bunch = load_wine()
    x, y = np.repeat(bunch.data, 4, axis=0), np.repeat(bunch.target, 4)
    x = x * (1 + 0.02 * rng.normal(size=x.shape))
    return {
        "sort": np.array(["a", "b", "c"])[y],
        "alcohol": x[:, 0],
        "proline": x[:, 12].astype(int),
        "dark": x[:, 9] > 5,
        "flavanoids": np.array(["low", "high"])[(x[:, 6] > 2).astype(int)],
        "hue": x[:, 10],
    }


def as_table(columns):
    table = np.empty(len(next(iter(columns.values()))), [(k, v.dtype) for k, v in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def binned(column, edges):
    """Return classes of a column: its words, or quarters of a number's range by the data."""
    if edges is None:
        return column.astype(str)
    return np.digitize(column.astype(float), edges).astype(str)


def shares(classes):
    """Return how often each class is."""
    found, counts = np.unique(classes, return_counts=True)
    return dict(zip(found.tolist(), (counts / len(classes)).tolist(), strict=True))


def farthest(a, b):
    """Return the total variation distance of two tables of shares."""
    return sum(abs(a.get(key, 0) - b.get(key, 0)) for key in a.keys() | b.keys()) / 2


def compare(columns, drawn, allowed):
    """Hold samples against data: each column, each two of them, and real ones' correlations."""
    kinds, numbers = {}, {}
    for k, (name, column) in enumerate(columns.items()):
        few = column.dtype.kind in "b" + WORDS
        edges = None if few else np.quantile(column, [0.25, 0.5, 0.75])
        kinds[name] = binned(column, edges), binned(drawn[:, k], edges)
        if column.dtype.kind not in WORDS:
            numbers[name] = column.astype(float), drawn[:, k].astype(float)
    for name, (data, ours) in kinds.items():
        assert farthest(shares(data), shares(ours)) < allowed, name
    for one, two in combinations(kinds, 2):
        tables = [np.char.add(np.char.add(kinds[one][k], "|"), kinds[two][k]) for k in (0, 1)]
        assert farthest(*map(shares, tables)) < 1.5 * allowed, (one, two)
    data, ours = (np.corrcoef([pair[k] for pair in numbers.values()]) for k in (0, 1))
    assert np.abs(data - ours).max() < 1.5 * allowed, np.round(ours - data, 3)


def test_samples_of_a_census_are_like_it(rng):
    columns = census(rng, 2000)
    model = TableNADE(24, n_components=5, epochs=25, learning_rate=0.02, seed=0)
    drawn = model.fit(as_table(columns)).sample(4000, seed=1)
    assert model.encoder_.types == (
        *("integer", "categorical", "binary", "categorical", "categorical", "continuous", "binary"),
    )
    compare(columns, drawn, 0.06)
    agree = (drawn[:, 5].astype(float) > 3) == drawn[:, 6].astype(bool)
    assert agree.mean() > 0.92  # what one column says of the next is learnt


@pytest.mark.slow
@pytest.mark.parametrize("ordering", [None, "reverse", "random"])
@pytest.mark.parametrize(("make", "allowed"), [(census, 0.04), (flowers, 0.04), (wines, 0.06)])
def test_samples_are_like_the_data_in_any_order(make, allowed, ordering, rng):
    columns = make(rng)
    table = as_table(columns)
    recipe = {"epochs": 400, "batch_size": 50, "learning_rate": 0.003}  # 600 rows: enough steps
    model = TableNADE(64, **recipe, ordering=ordering)
    drawn = model.fit(table).sample(20_000, seed=1)
    compare(columns, drawn, allowed)


@pytest.mark.slow
def test_what_follows_from_what_is_given(rng):
    columns = census(rng)
    model = TableNADE(64, epochs=100, learning_rate=0.01).fit(as_table(columns))
    seen = np.arange(7) < 2
    for school in ("none", "doctor"):
        given = [35, school, False, "private", 40, 1.0, False]
        drawn = model.sample(8000, seed=0, given=given, observed=seen)
        like = (np.abs(columns["age"] - 35) < 5) & (columns["school"] == school)
        assert abs(drawn[:, 2].astype(bool).mean() - columns["married"][like].mean()) < 0.1
        assert abs(drawn[:, 6].astype(bool).mean() - columns["rich"][like].mean()) < 0.12


def test_an_arrays_samples_are_of_what_its_values_are():
    rng = np.random.default_rng(0)
    few, bits = rng.integers(0, 5, (80, 2)), rng.integers(0, 2, (80, 2))
    real = rng.normal(size=(80, 2))
    named = np.zeros(80, [("n", "i8"), ("x", "f4"), ("b", "?")])
    named["n"], named["x"], named["b"] = few[:, 0], real[:, 0], bits[:, 0]
    for dtype, cases in {
        np.uint8: (bits, bits.astype(bool), bits.astype(np.float32)),
        np.int64: (few, few.astype(np.int16), few.astype(np.float32), few[:, :1] * bits),
        np.float64: (real, real.astype(np.float32), np.c_[few[:, 0], real[:, 0]], named),
        object: ([["a", 1, True, 2.5], ["b", 2, False, 1.5]] * 40,),
    }.items():
        for X in cases:
            model = TableNADE(2, epochs=1).fit(X)
            assert model.sample(3, seed=0).dtype == dtype
