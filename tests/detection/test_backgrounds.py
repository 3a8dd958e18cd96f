"""Perturbed data: how much is replaced, by what, what stays; and the choice of the rate."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as cr
from chainrule.detection import AUC, backgrounds, observations

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 400
RNG = np.random.default_rng(1)
FEW = {"steps": 4, "batch_size": 4, "context": 32}


def bits():
    X = (RNG.random((N, 12)) < 0.1).astype(np.uint8)
    return cr.NADE(3, epochs=1, ordering="random").fit(X), X


def images():
    X = RNG.integers(0, 200, (N, 4, 4, 3)).astype(np.uint8)
    model = cr.PixelCNN(1, 3, first_size=3, epochs=1, levels=4, reduce_from=256)
    return model.fit(X), X // 64


def lines():
    X = ["".join(RNG.choice(list("abcdefgh"), k)) for k in RNG.integers(5, 25, N)]
    return cr.RNN(4, **FEW).fit(X), X


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize(("make", "values"), [(bits, 2), (images, 4)])
def test_levels_are_replaced_by_any_of_them(make, values, rate):
    model, X = make()
    given = X if values == 2 else X * 64
    assert_array_equal(observations.levels(model, given), X)
    found = backgrounds.mutated(model, given, rate, np.random.default_rng(0))
    changed = (found != X).mean()
    expected = rate * (1 - 1 / values)  # a value may be replaced by itself
    assert changed == pytest.approx(expected, abs=5 * np.sqrt(expected / X.size))
    drawn = np.bincount(found[found != X], minlength=values)
    assert found.shape == X.shape and len(drawn) == values and drawn.min() > 0
    again = backgrounds.mutated(model, given, rate, np.random.default_rng(0))
    assert_array_equal(again, found)


def test_symbols_are_replaced_and_the_vocabulary_stays():
    model, X = lines()
    found = backgrounds.mutated(model, X, 0.4, np.random.default_rng(0))
    assert found.vocabulary is model.vocabulary_ and list(found.lengths) == [len(x) for x in X]
    before = np.concatenate(observations.symbols(model, X))
    after = found.ids.flat
    assert (before != after).mean() == pytest.approx(0.4 * 7 / 8, abs=0.03)
    assert set(after.tolist()) == set(range(8))
    background = backgrounds.fit(model, ["a" * 9] * 30, [0.01], None, 0).model
    assert background.vocabulary_.characters == "abcdefgh" and background.ends_


def test_a_text_is_perturbed_as_one():
    text = "abcd" * 100
    model = cr.RNN(4, **FEW).fit(text)
    found = backgrounds.mutated(model, text, 0.2, np.random.default_rng(0))
    assert found.is_text and len(found.ids) == 400


def test_cells_of_tables_come_from_other_rows_of_their_column():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(
        {"a": RNG.normal(size=N), "b": RNG.choice(["x", "y"], N), "c": 100 + np.arange(N)}
    )
    model = cr.TableNADE(4, epochs=1, column_types={"c": "integer"}).fit(X)
    found = backgrounds.mutated(model, X, 0.3, np.random.default_rng(0))
    for k, name in enumerate(X):
        column = np.asarray(found.raw(k))
        assert set(column) <= set(X[name])
    assert (np.asarray(found.raw(2)) != X["c"]).mean() == pytest.approx(0.3, abs=0.08)
    background = backgrounds.fit(model, X, [0.3], None, 0).model
    assert (
        background.encoder_.types
        == model.encoder_.types
        == ("continuous", "categorical", "integer")
    )
    assert background.log_prob(X).shape == (N,)


def test_crossings_have_the_halves_of_two_rows():
    model, X = bits()
    X = np.arange(N)[:, None] // [1] % 2 * np.ones((1, 12), np.uint8)
    found = backgrounds.crossings(model, X, np.random.default_rng(0))
    assert (found[:, :6] == found[:, :1]).all() and (found[:, 6:] == found[:, 6:7]).all()
    assert 0.3 < (found[:, 0] != found[:, 6]).mean() < 0.7
    model, X = lines()
    crossed = backgrounds.crossings(model, X, np.random.default_rng(0)).ids
    rows = {tuple(row) for row in observations.symbols(model, X)}
    halves = {row[: -(-len(row) // 2)] for row in rows}
    assert all(any(tuple(crossed[k])[: len(h)] == h for h in halves) for k in range(20))


def test_the_rate_that_tells_crossings_best_is_taken(monkeypatch):
    """Of backgrounds that differ in the rate alone, by areas that are made for the test."""
    model, X = bits()
    areas = {0.1: 0.6, 0.2: 0.8, 0.4: 0.8}
    monkeypatch.setattr(backgrounds, "_fitted", lambda model, X, rate, seed: rate)
    monkeypatch.setattr(
        backgrounds, "log_prob", lambda model, one, data: np.full(len(data), one.rate)
    )
    tried = []

    def auc(clean, odd):
        tried.append(round(float((model.log_prob(X) - clean)[0]), 5))
        return AUC(areas[tried[-1]], 0, 1)

    monkeypatch.setattr(backgrounds, "auc", auc)
    found = backgrounds.fit(model, X, [0.1, 0.2, 0.4], X, 0)
    assert found.rate == 0.2 and tried == [0.1, 0.2, 0.4], "of equal areas the lowest rate"
    assert backgrounds.fit(model, X, [0.4], None, 0).rate == 0.4
