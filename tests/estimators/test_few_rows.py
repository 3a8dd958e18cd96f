"""Tables are trained by how many rows they have, unless told: seen, said, resumed, and worth it."""

import inspect

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.naive_bayes import BernoulliNB

import chainrule as cr
from chainrule.commands import baselines
from chainrule.engine.event import CONTINUOUS, Columns

TABLES = (cr.RNADE, cr.MADE, cr.OrderlessNADE, cr.TableNADE, cr.CategoricalNADE)


def recipe_of(cls, n, valid=True, y=None, most=5, **settings):
    """Return epochs, batch size and learning rate for n rows."""
    X = np.random.default_rng(0).integers(0, most, (n, 2))
    model, labels = cls(**settings), None if y is None else {"y": y, "y_valid": y[:9]}
    given = {} if labels is None else labels if valid else {"y": y}
    model._prepare(X, X_valid=X[:9] if valid else None, **given)
    recipe = model._recipe()
    return recipe.epochs, recipe.batch_size, recipe.learning_rate


@pytest.mark.parametrize("cls", TABLES)
def test_few_rows_have_small_minibatches_and_a_higher_rate(cls):
    late = cls is cr.OrderlessNADE  # to overfit
    alone, least, rate = (50, 20, 3e-3) if late else (10 if cls is cr.MADE else 20, 10, 1e-2)
    assert recipe_of(cls, 120) == (50, least, rate)
    assert recipe_of(cls, 120, valid=False) == (alone, least, rate)
    assert recipe_of(cls, 120, batch_size=50) == (50, 50, rate)
    assert recipe_of(cls, 120, learning_rate=5e-3) == (50, least, 5e-3)
    assert recipe_of(cls, 120, valid=False, epochs=70) == (70, least, rate)
    params = cls().get_params()
    assert params["batch_size"] is params["learning_rate"] is None
    told = ("or without X_valid", "a fiftieth but 20 at least", "and 0.003")
    for words in told if late else ("a fiftieth of them", "of fewer than 5,000 rows 0.01"):
        assert words in " ".join(inspect.getdoc(cls).split())


@pytest.mark.parametrize(
    ("n", "expected"), [(1300, (26, 1e-2)), (4999, (99, 1e-2)), (5000, (100, 1e-3))]
)
def test_more_rows_have_larger_minibatches(n, expected):
    assert recipe_of(cr.RNADE, n)[1:] == expected
    assert recipe_of(cr.RNADE, n, valid=False)[0] == (20 if n < 5000 else 50)


@pytest.mark.parametrize("cls", [cr.FVSBN, cr.NADE])
def test_bits_with_labels_are_trained_by_their_number_and_without_as_ever(cls):
    for n in (100, 6000):
        assert recipe_of(cls, n, most=2) == recipe_of(cls, n, False, most=2) == (50, 100, 1e-3)
    y = np.arange(6000) % 3
    alone = 50 if cls is cr.FVSBN else 20
    assert recipe_of(cls, 1500, y=y[:1500], most=2) == (50, 30, 1e-2)
    assert recipe_of(cls, 1500, False, y[:1500], 2) == (alone, 30, 1e-2)
    assert recipe_of(cls, 1500, False, y[:1500], 2, epochs=7, learning_rate=0.1) == (7, 30, 0.1)
    assert recipe_of(cls, 5000, False, y[:5000], 2) == (50, 100, 1e-3)


@pytest.mark.parametrize("cls", [cr.FVSBN, cr.NADE])
@pytest.mark.parametrize("n", [100, 300])
def test_bits_with_labels_recognise_classes_of_few_rows(cls, n):
    x, y = load_digits(return_X_y=True)
    x, right, yardstick = x >= 8, [], []
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(len(x))
        few, others = rows[:n], rows[n : n + 300]
        model = cls(seed=seed).fit(x[few], y[few])
        right.append(np.mean(model.predict(x[others]) == y[others]))
        yardstick.append(BernoulliNB().fit(x[few], y[few]).score(x[others], y[others]))
    assert np.mean(right) > np.mean(yardstick) - 0.02 > 0.75


def test_a_training_of_bits_before_goes_on_as_it_was(tmp_path):
    X = np.random.default_rng(0).integers(0, 2, (120, 4))
    before = {"batch_size": 100, "learning_rate": 1e-3, "schedule": "constant"}
    cr.FVSBN(epochs=2, **before).fit(X, checkpoint=tmp_path / "c")
    model = cr.FVSBN(epochs=5, schedule="constant").fit(X, checkpoint=tmp_path / "c")
    whole = cr.FVSBN(epochs=5, **before).fit(X)
    np.testing.assert_array_equal(model.params_.flat, whole.params_.flat)
    y = np.arange(120) % 2
    cr.FVSBN(epochs=2, **before).fit(X, y, checkpoint=tmp_path / "d")
    with pytest.raises(ValueError, match="begun with batch_size=100, not None"):
        cr.FVSBN(epochs=5, schedule="constant").fit(X, y, checkpoint=tmp_path / "d")


def test_what_was_chosen_is_said(capsys):
    X = np.random.default_rng(0).normal(size=(120, 2))
    settings = {"n_hidden": 2, "epochs": 1, "verbose": True}
    cr.RNADE(**settings).fit(X, X_valid=X)
    said = capsys.readouterr().err
    assert "batch_size=10, learning_rate=0.01: as there are 120 rows\n" in said
    cr.RNADE(batch_size=9, **settings).fit(X, X_valid=X)
    assert "\nlearning_rate=0.01: as there are" in "\n" + capsys.readouterr().err
    cr.RNADE(2, batch_size=9, verbose=True).fit(X)
    assert "epochs=20, learning_rate=0.01: as there are 120 rows alone" in capsys.readouterr().err
    cr.RNADE(batch_size=9, learning_rate=0.1, **settings).fit(X)
    assert "as there are" not in capsys.readouterr().err
    bits = X > 0
    cr.FVSBN(epochs=1, verbose=True).fit(bits)
    assert "as there are" not in capsys.readouterr().err
    cr.FVSBN(epochs=1, verbose=True).fit(bits, bits[:, 0].astype(int))
    said = "batch_size=10, learning_rate=0.01: as there are 120 rows with labels alone"
    assert said in capsys.readouterr().err


def test_a_training_that_chose_goes_on_to_the_same_bits(tmp_path):
    X = np.random.default_rng(0).normal(size=(120, 2))
    whole = cr.RNADE(3, epochs=6, schedule="constant").fit(X, X_valid=X[:30])
    for epochs in (2, 6):
        model = cr.RNADE(3, epochs=epochs, schedule="constant")
        model.fit(X, X_valid=X[:30], checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(model.params_.flat, whole.params_.flat)
    with pytest.raises(ValueError, match="begun with batch_size=None, not 20"):
        cr.RNADE(3, batch_size=20, epochs=6, schedule="constant").fit(
            X, X_valid=X[:30], checkpoint=tmp_path / "c"
        )


def test_the_command_line_says_so_and_resumes(call, tmp_path):
    run, train = tmp_path / "run", ("train", "rnade", "--data", "iris", "--set", "n_hidden=3")
    status, out, err = call(*train, "--epochs", 2, "--out", run)
    assert status == 0 and "learning_rate=0.01: as there are 120 rows" in out + err
    status, out, err = call("train", "rnade", "--out", run, "--resume", "--epochs", 3)
    assert status == 0 and "as there are 120 rows" in out + err


def test_a_training_that_was_too_short_says_so(capsys):
    X = np.random.default_rng(0).normal(size=(300, 1)) ** 3
    short = {"n_hidden": 9, "batch_size": 50, "schedule": "constant", "verbose": True}
    cr.RNADE(epochs=8, learning_rate=3e-3, **short).fit(X, X_valid=X[:100])
    assert "still falling when the training ended" in capsys.readouterr().err
    model = cr.RNADE(epochs=60, learning_rate=0.05, **short).fit(X[:30], X_valid=X[30:])
    assert model.best_epoch_ < 60 and "still falling" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["iris", "wine"])
def test_defaults_beat_a_gaussian(name):
    data = cr.datasets.load(name)
    x = data.train.x.astype(float), data.test.x.astype(float)
    fitted = data.train.x, None, data.valid.x
    known = baselines.of_columns(Columns((CONTINUOUS,) * x[0].shape[1]), *x)
    costs = {  # the mean over seeds: one alone varies by 0.2
        cls: np.mean([-cls(seed=k).fit(*fitted).score(data.test.x) for k in range(3)])
        for cls in (cr.MADE, cr.RNADE)
    }
    best = min(costs.values())
    assert best < known["gaussian"] - 0.2 and best < known["independent"]
