"""Autoencoder: a transformer by scikit-learn's conventions, and in a sentence why no density."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr
from chainrule.estimators.autoencoder import OF_DENSITIES

SETTINGS = {"n_linear": 6, "epochs": 60, "batch_size": 20, "learning_rate": 0.05}


@parametrize_with_checks([cr.Autoencoder(3, n_linear=4, epochs=2, column_types="continuous")])
def test_conventions(estimator, check):
    check(estimator)


def two_patterns(rng, N=200):
    """Return rows of six bits, each the one pattern or its opposite, a bit in twenty flipped."""
    one = np.array([0, 1, 1, 0, 1, 0])
    x = np.where(rng.random((N, 1)) < 0.5, one, 1 - one)
    return (x ^ (rng.random(x.shape) < 0.05)).astype(np.uint8)


def on_a_line(rng, N=200):
    """Return rows of three real columns of different units, all of one hidden number."""
    hidden, noise = rng.normal(size=(N, 1)), rng.normal(size=(N, 3))
    return [5.0, 300.0, 0.0] + (hidden * [1, -1, 1] + 0.05 * noise) * [1.0, 20.0, 0.01]


def test_bits_go_through_a_bottleneck(rng):
    x = two_patterns(rng)
    model = cr.Autoencoder(1, **SETTINGS).fit(x, X_valid=x[:50])
    code = model.transform(x)
    assert code.shape == (200, 1) and (code >= 0).all() and (code <= 1).all()
    r = model.reconstruct(x)
    assert ((r > 0.5) == x).mean() > 0.9
    assert model.score(x) == pytest.approx(-model.errors(x).mean())
    assert model.score(x) > cr.Autoencoder(1, **SETTINGS | {"epochs": 1}).fit(x).score(x) + 1
    assert len(model.history_) == 60 and model.history_[-1]["valid"] < model.history_[0]["valid"]
    assert model.get_feature_names_out().tolist() == ["autoencoder0"]


def test_real_columns_come_back_in_their_own_units(rng):
    x = on_a_line(rng)
    model = cr.Autoencoder(1, **SETTINGS).fit(x)
    r, scale = model.reconstruct(x), x.std(axis=0)
    assert (np.abs(r - x).mean(axis=0) < 0.3 * scale).all()
    assert_allclose(model.errors(x), (((r - x) / scale) ** 2).sum(axis=1) / 2, rtol=2e-3)


def test_without_a_limit_it_copies_and_noise_keeps_it_from_that(rng):
    """Independent bits have nothing in common: what a wide network makes of them is a copy."""
    x = rng.integers(0, 2, (200, 6), dtype=np.uint8)
    wide = {**SETTINGS, "n_linear": 30, "epochs": 100}
    copies = cr.Autoencoder(30, **wide).fit(x)
    held = cr.Autoencoder(30, noise=0.5, **wide).fit(x)
    assert copies.errors(x).mean() < 0.2 < 0.5 < held.errors(x).mean()


def test_a_density_is_asked_in_vain(rng):
    model = cr.Autoencoder(1, **SETTINGS | {"epochs": 1}).fit(two_patterns(rng))
    for name in OF_DENSITIES:
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=rf"no {name}: .* are no conditionals .*take MADE"):
            getattr(model, name)
    with pytest.raises(AttributeError, match="'Autoencoder' object has no attribute 'samples'"):
        model.samples  # noqa: B018
    assert all(hasattr(cr.MADE(), name) for name in ("log_prob", "sample", "conditionals"))


def test_it_is_kept_whole(rng, tmp_path):
    x = np.hstack([two_patterns(rng), on_a_line(rng)])
    types = ["binary"] * 6 + ["continuous"] * 3
    settings = {**SETTINGS, "epochs": 2, "noise": 0.25}
    model = cr.Autoencoder(2, column_types=types, **settings).fit(x)
    model.save(tmp_path / "a.safetensors")
    for again in (cr.load(tmp_path / "a.safetensors"), pickle.loads(pickle.dumps(model))):
        assert again.get_params() == model.get_params()
        assert_array_equal(again.reconstruct(x), model.reconstruct(x))
    begun = clone(model).fit(x, checkpoint=tmp_path / "fit.state")
    assert_array_equal(begun.params_.flat, model.params_.flat)
    longer = clone(model).set_params(schedule="constant")
    longer.fit(x, checkpoint=tmp_path / "b.state")
    resumed = longer.set_params(epochs=4).fit(x, checkpoint=tmp_path / "b.state")
    assert_array_equal(resumed.params_.flat, clone(longer).fit(x).params_.flat)
    assert max(cr.gradcheck(model, x[:9]).values()) < 1e-5


def test_it_stands_in_pipelines_and_searches(rng):
    x = on_a_line(rng)
    coded = make_pipeline(StandardScaler(), cr.Autoencoder(1, **SETTINGS)).fit_transform(x)
    assert coded.shape == (200, 1)
    grid = {"n_hidden": [1, 2], "weight_decay": [0, 0.1]}
    found = GridSearchCV(cr.Autoencoder(**SETTINGS | {"epochs": 2}), grid, cv=2).fit(x)
    assert found.best_score_ < 0


@pytest.mark.parametrize(
    ("settings", "x", "words"),
    [
        ({}, [["a"], ["b"], ["c"]] * 4, "make a bit of each category"),
        ({"noise": 1.0}, [[0], [1]], r"noise must be a share in \[0, 1\), got 1"),
        ({"n_hidden": 0}, [[0], [1]], "n_hidden must be"),
        ({}, [[0.5, np.nan], [1.0, 2.0]], "NaN"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(settings, x, words):
    with pytest.raises(ValueError, match=words):
        cr.Autoencoder(**settings).fit(x)


def test_the_command_line(call, tmp_path, rng):
    np.save(tmp_path / "x.npy", two_patterns(rng))
    run, x = tmp_path / "run", tmp_path / "x.npy"
    begin = ("train", "autoencoder", "--data", x, "--out", run, "--epochs", 2)
    status, out, _ = call(*begin, "--set", "n_hidden=2", "--set", "noise=0.1", "--quiet")
    assert status == 0
    status, out, _ = call("info", run)
    assert status == 0 and "test error" in out and "NLL" not in out
    assert type(cr.load(run)) is cr.Autoencoder
    for words in (
        ("sample", run),
        ("score", run, x),
        ("conditionals", run, x, "--out", tmp_path / "p.npy"),
        ("complete", run, x, "--observed", "top", "--out", tmp_path / "c.npy"),
    ):
        status, _, err = call(*words)
        assert status == 2 and err.count("\n") == 1 and "take" in err and "made" in err.lower()
