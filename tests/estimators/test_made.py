"""MADE as people meet it: orders, masks, tables of any columns, files and the command line."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness

import chainrule as cr

FEW = {"epochs": 3, "learning_rate": 0.02, "seed": 0}


def seen(model, X):
    """Return which column's conditional moves with which column, (D, D): [from, to]."""
    before, moves = model.conditionals(X), []
    for i in range(X.shape[1]):
        other = X.copy()
        other[:, i] = 1 - other[:, i]
        moves.append((model.conditionals(other) != before).any(axis=0))
    return np.array(moves)


def test_the_textbooks_order(rng):
    """x_2, x_3, x_1: p(x_2), p(x_3 | x_2), p(x_1 | x_2, x_3), read off what moves what."""
    X = rng.integers(0, 2, (60, 3))
    model = cr.MADE((8, 8), ordering=[1, 2, 0], activation="tanh", **FEW).fit(X)
    expected = np.zeros((3, 3), bool)
    expected[1, [2, 0]] = expected[2, 0] = True
    assert_array_equal(seen(model, X), expected)
    assert_array_equal(model.order_, [1, 2, 0])


@pytest.mark.parametrize("seed", range(3))
def test_random_orders_are_causal_both_ways(seed, rng):
    X = rng.integers(0, 2, (60, 6))
    options = {"direct": True, "activation": "tanh", "ordering": "random", "n_masks": 2}
    model = cr.MADE(20, **{**FEW, **options, "seed": seed}).fit(X)
    place = np.argsort(model.order_)
    assert_array_equal(seen(model, X), place[:, None] < place)


def test_masks_are_those_of_the_weights(rng):
    X = rng.integers(0, 2, (80, 5))
    model = cr.MADE((7, 6), direct=True, n_masks=2, order_agnostic=True, **FEW).fit(X)
    assert len(model.masks_) == 2
    for name, *masks in zip(["W", "W2", "V", "A"], *model.masks_, strict=True):
        assert masks[0].shape == model.params_[name].shape
        either = masks[0] | masks[1]
        assert not model.params_[name][~either].any() and model.params_[name][either].any()


def test_masks_that_are_averaged_need_not_agree_on_an_order(rng):
    X = rng.integers(0, 2, (80, 4))
    model = cr.MADE(16, n_masks=3, order_agnostic=True, **FEW).fit(X)
    rows = np.array([[i >> k & 1 for k in range(4)] for i in range(16)])
    assert_allclose(np.exp(model.log_prob(rows)).sum(), 1, rtol=1e-5)
    goodness.assert_frequencies(model.sample(5000, seed=1), model.log_prob, (2,) * 4)
    for call in (model.conditionals, model.log_prob_terms, model.to_uniforms):
        with pytest.raises(ValueError, match="ask for log_prob"):
            call(X)
    with pytest.warns(UserWarning, match="has several orders of its columns"):
        kept = model.sample(9, 1, given=X[0], observed=[True, False, False, False])
    assert (kept[:, 0] == X[0, 0]).all()
    apart = cr.MADE(16, n_masks=3, **FEW).fit(X)
    assert_allclose(apart.log_prob_terms(X).sum(axis=1), apart.log_prob(X), rtol=1e-4)


@pytest.fixture
def table(rng):
    """Return rows of a word, a number that goes by it, a bit and a level, and labels."""
    word = rng.choice(["cat", "dog", "eel"], 300)
    size = rng.normal(np.array([4.0, 20, 50])[np.searchsorted(["cat", "dog", "eel"], word)], 2)
    bit = rng.integers(0, 2, 300)
    rows = [list(row) for row in zip(word, size, bit, rng.integers(0, 4, 300), strict=True)]
    return rows, np.where(size > 10, "large", "small")


@pytest.mark.parametrize("n_masks", [1, 2])
def test_tables_of_any_columns(table, n_masks, tmp_path):
    X, _ = table
    settings = {**FEW, "epochs": 40, "n_components": 2, "n_masks": n_masks, "activation": "tanh"}
    model = cr.MADE((20, 20), column_types={3: "categorical"}, direct=True, **settings).fit(X)
    assert model.encoder_.types == ("categorical", "continuous", "binary", "categorical")
    assert model.score(X) > cr.MADE(5, **{**settings, "epochs": 1}).fit(X).score(X) + 1
    p = model.conditionals(X)
    width = 2 * n_masks
    assert_allclose(p[:, 0, :3].sum(axis=1), 1, rtol=1e-5)
    assert_allclose(p[:, 1, :width].sum(axis=1), 1, rtol=1e-5)
    means = (p[:, 1, :width] * p[:, 1, width : 2 * width]).sum(axis=1)
    size = np.array([row[1] for row in X], float)
    assert np.abs(means - size).mean() < 4  # in the data's own unit
    goodness.assert_uniform(model.to_uniforms(model.sample(2000, seed=3), seed=1))
    u = model.to_uniforms(X, seed=1)
    again = model.sample(len(X), uniforms=u)
    assert_allclose([row[1] for row in again], size, rtol=1e-3)
    assert [row[0] for row in again] == [row[0] for row in X]
    model.save(tmp_path / "m.safetensors")
    loaded = cr.load(tmp_path / "m.safetensors")
    assert loaded.hidden == (20, 20)
    assert_array_equal(loaded.log_prob(X), model.log_prob(X))
    assert loaded.sample(3, seed=1).tolist() == model.sample(3, seed=1).tolist()


def test_labels(table):
    X, y = table
    model = cr.MADE(20, **{**FEW, "epochs": 20}).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.95
    drawn = model.sample(50, seed=1, y="large")
    assert np.mean([row[1] > 10 for row in drawn]) > 0.8
    joint = [
        log_p + model.log_prob(X, np.full(300, c))
        for c, log_p in zip(model.classes_, np.log(model.class_prior_), strict=True)
    ]
    assert_allclose(model.log_prob(X), np.logaddexp(*joint), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": ()}, "hidden needs a layer where there are no direct connections"),
        ({"hidden": (3, 0)}, "hidden must be"),
        ({"hidden": "many"}, "hidden must be"),
        ({"activation": "swish"}, "activation must be one of"),
        ({"n_masks": 0}, "n_masks must be"),
    ],
)
def test_settings_that_cannot_be_used(settings, message, rng):
    with pytest.raises((ValueError, TypeError), match=message):
        cr.MADE(**settings).fit(rng.integers(0, 2, (9, 3)))


def test_on_the_command_line(call, tmp_path, rng):
    np.save(tmp_path / "x.npy", rng.integers(0, 2, (60, 5)))
    folder = tmp_path / "run"
    options = ["--set", "hidden=9,8", "--set", "n_masks=2", "--epochs", "2"]
    status, _, err = call("train", "made", "--data", tmp_path / "x.npy", "--out", folder, *options)
    assert status == 0, err
    model = cr.load(folder)
    assert model.hidden == (9, 8) and model.params_["W2"].shape == (9, 8)
    assert call("score", folder, tmp_path / "x.npy", "--out", tmp_path / "p.npy")[0] == 0
    assert call("sample", folder, "-n", "4", "--out", tmp_path / "s.npy")[0] == 0
    assert np.load(tmp_path / "s.npy").shape == (4, 5)
    status, _, err = call(
        *("train", "made", "--data", tmp_path / "x.npy", "--out", tmp_path / "other"),
        *("--set", "hidden=nine"),
    )
    assert status == 2
    assert "hidden must be whole numbers with commas between them, got 'nine'" in err
