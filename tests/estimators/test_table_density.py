"""What models of tables share: types, names, labels, units; held to a toy of categories."""

from dataclasses import dataclass

import numpy as np
import pytest
from support import toy

import chainrule as cr
from chainrule import registry
from chainrule.engine import models
from chainrule.estimators.table_density import TableDensity


@dataclass(kw_only=True, eq=False, repr=False)
class Tables(TableDensity):
    """Softmax regressions over columns of categories.

    Args:
        epochs: passes over the data, at most.
    """

    learning_rate: float = 0.1
    epochs: int = 5

    def _model_name(self):
        return "toy"

    def _table_config(self, values, n_classes):
        return toy.Config(values, n_classes)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The toy's two lines."""
    monkeypatch.setitem(models.HOMES, "toy", toy.__name__)
    monkeypatch.setitem(registry.HOMES, "tables", (__name__, "Tables"))


@pytest.fixture
def data(rng):
    """Return columns of words, whole numbers, bools and bits, and labels."""
    y = rng.integers(0, 2, 200)
    colour = np.where(rng.random(200) < 0.8, y, rng.integers(0, 3, 200))
    rooms = np.clip(colour + rng.integers(1, 3, 200), 1, 3)
    return {
        "colour": np.array(["blue", "green", "red"])[colour],
        "rooms": rooms,
        "smoker": rng.random(200) < 0.2 + 0.6 * (rooms > 2),
        "bit": (rng.random(200) < 0.7).astype(np.uint8),
    }, np.where(y, "yes", "no")


def as_records(columns):
    table = np.empty(200, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def test_a_table_goes_through_everything(data, tmp_path):
    columns, y = data
    X = as_records(columns)
    model = Tables(ordering="reverse").fit(X, y, X_valid=X[:20], y_valid=y[:20])
    assert model.config_.values == (2, 2, 3, 3) and model.config_.n_classes == 2
    assert model.feature_names_in_.tolist() == list(columns)
    assert model.score(X, y) > model.score(X)
    np.testing.assert_allclose(model.log_prob_terms(X).sum(axis=1), model.log_prob(X), rtol=1e-4)
    np.testing.assert_array_equal(model.standardised_log_prob(X, y), model.log_prob(X, y))
    p = model.conditionals(X[:5])
    assert p.shape == (5, 4, 3)
    np.testing.assert_allclose(p.sum(axis=2), 1, rtol=1e-5)
    assert (model.predict(X) == y).mean() > 0.7
    model.save(tmp_path / "m")
    again = cr.load(tmp_path / "m")
    np.testing.assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert again.feature_names_in_.tolist() == list(columns)
    drawn = again.sample(50, seed=1, y="yes")
    np.testing.assert_array_equal(drawn, model.sample(50, seed=1, y="yes"))
    assert drawn.dtype == object and set(drawn[:, 0]) <= {"blue", "green", "red"}
    assert {type(value) for value in drawn[0]} == {str, int, bool}
    given, mask = ["red", 0, True, 0], [True, False, True, False]
    with pytest.warns(UserWarning, match="do not come first"):
        kept = model.sample(3, seed=1, given=given, observed=mask)
    assert [(row[0], row[2]) for row in kept] == [("red", True)] * 3


def test_dataframes_go_in_and_come_out(data):
    pandas = pytest.importorskip("pandas")
    frame, y = pandas.DataFrame(data[0]), data[1]
    model = Tables(epochs=1).fit(frame, y, X_valid=frame, y_valid=y)
    drawn = model.sample(9, seed=0)
    assert drawn.dtypes.equals(frame.dtypes) and list(drawn.columns) == list(frame.columns)
    assert model.log_prob(drawn).shape == (9,)
    with pytest.raises(ValueError, match="feature names"):
        model.log_prob(frame[[*frame.columns[::-1]]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.log_prob(frame.to_numpy())
    numbered = frame.set_axis(range(4), axis=1)
    model = Tables(epochs=1).fit(numbered)
    assert not hasattr(model, "feature_names_in_")
    assert list(model.sample(2, seed=0).columns) == [0, 1, 2, 3]


def test_names_are_held_against_those_of_the_fit(data):
    X = as_records(data[0])
    model = Tables(epochs=1).fit(X)
    renamed = as_records({name.replace("ou", "o"): column for name, column in data[0].items()})
    with pytest.raises(ValueError, match=r"X has columns of other names .*give it colour, rooms"):
        model.log_prob(renamed)
    with pytest.raises(ValueError, match="X_valid has columns of other names"):
        Tables(epochs=1).fit(X, X_valid=renamed)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert model.log_prob(X.tolist()).shape == (200,)


def test_column_types_are_kept_in_files(data, tmp_path):
    types = {"rooms": [3, 2, 1], 3: "categorical", "colour": None}
    X = as_records(data[0])
    model = Tables(epochs=1, column_types=types).fit(X)
    assert model.encoder_.variables[1].values == (3, 2, 1)
    model.save(tmp_path / "m")
    again = cr.load(tmp_path / "m")
    assert again.column_types == {"rooms": [3, 2, 1], "3": "categorical", "colour": None}
    np.testing.assert_array_equal(again.log_prob(X), model.log_prob(X))
    again.fit(X)
    np.testing.assert_array_equal(again.log_prob(X), model.log_prob(X))


def test_a_threshold_makes_bits_of_all_columns(rng, tmp_path):
    X = rng.normal(size=(60, 3))
    model = Tables(epochs=1, binarize=0.5).fit(X, X_valid=X)
    assert model.config_.values == (2, 2, 2)
    assert set(np.unique(model.sample(20, seed=0))) <= {0, 1}
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(cr.load(tmp_path / "m").log_prob(X), model.log_prob(X))
    with pytest.raises(ValueError, match="binarize makes bits of all columns; leave it or col"):
        Tables(binarize=0.5, column_types="binary").fit(X)


def test_a_training_begins_from_another_of_the_same_columns(data):
    X = as_records(data[0])
    model = Tables(epochs=1).fit(X)
    assert Tables(epochs=1).fit(X, start=model).score(X) != model.score(X)
    other = X.copy()
    other["colour"][X["colour"] == "red"] = "violet"
    with pytest.raises(ValueError, match="columns of other types, categories or scales"):
        Tables(epochs=1).fit(other, start=model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("colour", "pink"), r"X holds 'pink' at \[3, 'colour'\], a category never s"),
        (("rooms", 7), r"X holds 7 at \[3, 'rooms'\], a category never seen"),
    ],
)
def test_what_was_never_seen_is_named(change, says, data):
    X = as_records(data[0])
    model, good = Tables(epochs=1).fit(X), X.copy()
    X[change[0]][3] = change[1]
    with pytest.raises(ValueError, match=says):
        model.log_prob(X)
    with pytest.raises(ValueError, match="X has 2 features, but Tables is expecting 4"):
        model.log_prob([["blue", 1]])
    with pytest.raises(ValueError, match="a label never seen"):
        Tables(epochs=1).fit(good, data[1]).log_prob(good, "maybe")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_categories_that_only_the_validation_rows_have_are_the_models_too():
    """As `fit` says: so these rows have a likelihood, a poor one; column_types refuses them."""
    X, other = np.array([["x"], ["y"]] * 50), np.array([["z"]] * 50)
    model = cr.TableNADE(4, epochs=5, learning_rate=0.1, seed=0).fit(X, X_valid=other)
    assert model.encoder_.variables[0].values == ("x", "y", "z")
    assert model.score(other) < model.score(X) - 1
    with pytest.raises(ValueError, match=r"X_valid holds 'z' at .* in column_types lack"):
        cr.TableNADE(4, column_types={0: ["x", "y"]}).fit(X, X_valid=other)
