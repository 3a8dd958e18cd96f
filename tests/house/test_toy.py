"""CONTRIBUTING's "How to add a model", done: one engine file, two lines, one estimator.

What the toy must be as a model is in `tests/engine/models/test_contract.py`, beside all others;
here it is fitted, saved, loaded, and used from Python and from the command line.
"""

import numpy as np
import pytest
from sklearn.base import clone
from support import toy, toy_estimator

import chainrule as cr
from chainrule import registry
from chainrule.engine import models


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The toy's two lines."""
    monkeypatch.setitem(models.HOMES, "toy", toy.__name__)
    monkeypatch.setitem(registry.HOMES, "toy", (toy_estimator.__name__, "Toy"))


@pytest.fixture
def data(rng):
    """Return columns of 3, 2 and 4 values, and labels that move all of them."""
    y = rng.integers(0, 2, 400)
    first = (rng.random(400) < 0.2 + 0.6 * y).astype(int) + (rng.random(400) < 0.1)
    second = np.where(rng.random(400) < 0.9, first > 0, rng.integers(0, 2, 400))
    third = (second * 2 + rng.integers(0, 2, 400)) % 4
    return np.column_stack([first, second, third]), np.where(y, "yes", "no")


def every_row():
    return np.stack(np.meshgrid(range(3), range(2), range(4), indexing="ij"), -1).reshape(-1, 3)


@pytest.mark.filterwarnings("ignore:the observed variables do not come first")
@pytest.mark.parametrize("ordering", [None, "reverse"])
def test_an_estimator(ordering, data, tmp_path):
    X, y = data
    model = clone(toy_estimator.Toy(epochs=30, batch_size=20, ordering=ordering))
    model.fit(X, y, X_valid=X[:50], y_valid=y[:50])
    assert model.config_.values == ((3, 2, 4) if ordering is None else (4, 2, 3))
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(model.class_prior_, [(y == "no").mean(), (y == "yes").mean()])
    assert model.score(X, y) > model.score(X) > -np.log(3 * 2 * 4) + 0.5
    for label in ("no", "yes", None):  # given a label, and without one
        assert np.exp(model.log_prob(every_row(), label)).sum() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(
        model.log_prob_terms(X[:9]).sum(axis=1), model.log_prob(X[:9]), rtol=1e-5
    )
    assert model.conditionals(X[:9]).shape == (9, 3, 4)
    assert model.conditionals(X[:9])[:, 1, 2:].max() == 0  # the second column has two values
    assert (model.predict(X) == y).mean() > 0.7
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "toy.safetensors")
    again = cr.load(tmp_path / "toy.safetensors")
    np.testing.assert_array_equal(again.log_prob(X), model.log_prob(X))
    for one in (model, again):
        rows = one.sample(300, seed=1, given=[2, 0, 0], observed=[True, False, False])
        assert rows.shape == (300, 3) and (rows[:, 0] == 2).all() and rows.max() == 3
    np.testing.assert_array_equal(
        rows, model.sample(300, 1, given=X[0] * 0 + 2, observed=np.arange(3) < 1)
    )


def test_gradients_by_the_public_check(data):
    errors = cr.gradcheck(toy_estimator.Toy(), data[0][:10])
    assert set(errors) == {"A", "b"} and max(errors.values()) < 1e-6


def test_the_command_line(data, call, tmp_path):
    X, y = data
    np.save(tmp_path / "x.npy", X.astype(np.uint8))
    (tmp_path / "y.txt").write_text("\n".join(y))
    run = tmp_path / "run"
    learn = ("train", "toy", "--data", tmp_path / "x.npy", "--out", run, "--epochs", 5)
    status, out, err = call(*learn, "--labels-from", tmp_path / "y.txt")
    assert (status, err) == (0, "") and "toy" in out and "categor" in out
    assert call("train", "toy", "--out", run, "--resume", "--epochs", 7)[0] == 0
    status, out, _ = call("score", run, tmp_path / "x.npy", "--quiet")
    by_command = np.array(out.split(), float)
    np.testing.assert_allclose(by_command, cr.load(run).log_prob(X), atol=1e-5)
    status, out, _ = call("score", run, tmp_path / "x.npy", "--quiet", "--label", "yes")
    by_command = np.array(out.split(), float)
    np.testing.assert_allclose(by_command, cr.load(run).log_prob(X, "yes"), atol=1e-5)
    assert call("sample", run, "-n", 5, "--label", "no", "--out", tmp_path / "s.npy")[0] == 0
    assert np.load(tmp_path / "s.npy").shape == (5, 3)
    status, out, _ = call("info", run)
    assert status == 0 and "no, yes" in out
