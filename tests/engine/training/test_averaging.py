"""The mean of the parameters over a training: what it is, that it is kept, and that it resumes."""

import numpy as np
import pytest
from sklearn.base import clone

import chainrule as cr
from chainrule.engine.models import fvsbn
from chainrule.engine.storage import checkpoint
from chainrule.engine.training import averaging, scoring, train
from chainrule.engine.training.recipe import Recipe

RECIPE = Recipe(epochs=3, batch_size=20, learning_rate=0.1, average=0.6)
CONFIG = fvsbn.Config(5)


def run(recipe, X, X_valid=None, state=None, steps=None):
    """Return the state after a training, and the parameters after each step."""
    state = state or train.start(fvsbn, CONFIG, recipe, np.float64)
    seen, training = [], train.run(fvsbn, CONFIG, recipe, state, X, X_valid)
    for progress in training:
        seen.append(state.params.flat.copy())
        if progress.step == steps:
            training.close()
            break
    return state, seen


def test_the_mean_is_that_of_the_steps_and_moves_none_of_them(X):
    state, seen = run(RECIPE, X)
    _, plain = run(Recipe(epochs=3, batch_size=20, learning_rate=0.1), X)
    np.testing.assert_array_equal(seen, plain)
    mean = train.start(fvsbn, CONFIG, RECIPE, np.float64).params.flat.copy()
    for t, flat in enumerate(seen, 1):
        a = min(0.6, (1 + t) / (10 + t))
        mean = a * mean + (1 - a) * flat
    np.testing.assert_allclose(state.average, mean, rtol=1e-12)
    np.testing.assert_array_equal(state.best.flat, state.average)


def test_the_mean_is_what_validates(X):
    state, _ = run(RECIPE, X, X[:30])
    kept = averaging.kept(state.average, state.params)
    nll = scoring.mean_nll(fvsbn, CONFIG, kept, X[:30])
    assert state.history[-1]["valid"] == pytest.approx(nll, rel=1e-12)
    assert nll != scoring.mean_nll(fvsbn, CONFIG, state.params, X[:30])


def test_a_training_goes_on_with_its_mean(X, tmp_path):
    path = tmp_path / "state.safetensors"
    whole, _ = run(RECIPE, X)
    half, _ = run(RECIPE, X, steps=11)
    checkpoint.save_state(path, "fvsbn", CONFIG, RECIPE, half)
    saved = checkpoint.load_state(path)
    assert saved.recipe == RECIPE
    again, _ = run(RECIPE, X, state=saved.state)
    np.testing.assert_array_equal(again.average, whole.average)
    np.testing.assert_array_equal(again.best.flat, whole.best.flat)
    half.average = None
    checkpoint.save_state(path, "fvsbn", CONFIG, RECIPE, half)
    with pytest.raises(checkpoint.CheckpointError, match="a mean of its parameters"):
        checkpoint.load_state(path)


def test_estimators_keep_the_mean_and_begin_from_it(X, tmp_path):
    model = cr.FVSBN(epochs=4, batch_size=20, learning_rate=0.2, average=0.9, n_threads=1).fit(X)
    plain = clone(model).set_params(average=0.0).fit(X)
    assert not np.array_equal(model.params_.flat, plain.params_.flat)
    tuned = clone(model).set_params(epochs=1, learning_rate=1e-12).fit(X, start=model)
    np.testing.assert_allclose(tuned.params_.flat, model.params_.flat, atol=1e-6)
    half = clone(model).set_params(epochs=2, schedule="constant")
    half.fit(X, checkpoint=tmp_path / "half")
    half.set_params(epochs=4).fit(X, checkpoint=tmp_path / "half")
    whole = clone(half).fit(X)
    np.testing.assert_array_equal(half.params_.flat, whole.params_.flat)
    with pytest.raises(ValueError, match=r"average must be in \[0, 1\), got 1"):
        cr.FVSBN(average=1).fit(X)
