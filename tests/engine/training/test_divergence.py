"""Trainings that go wrong say so, and what was good before stays."""

import dataclasses
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import chainrule as cr
from chainrule.engine.models import nade
from chainrule.engine.storage import checkpoint
from chainrule.engine.training import divergence, train
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels import adam

TEXT = "the cat sat on the mat and the dog sat on the log. " * 20
GUESSING = 5 * np.log(2)
DIVERGING = {
    "NADE": (lambda **s: cr.NADE(8, epochs=3, learning_rate=1e6, **s), None),
    "FVSBN": (lambda **s: cr.FVSBN(epochs=3, learning_rate=1e6, **s), None),
    "RNN": (lambda **s: cr.RNN(8, context=8, steps=9, learning_rate=1e6, **s), TEXT),
    "Transformer": (lambda **s: cr.Transformer(1, 1, 8, steps=9, learning_rate=30, **s), TEXT),
}


@pytest.mark.parametrize("name", DIVERGING)
@pytest.mark.parametrize("validated", [False, True])
def test_a_training_that_diverged_says_so(name, validated, X):
    make, text = DIVERGING[name]
    data = X if text is None else text
    with pytest.warns(ConvergenceWarning, match=r"(diverged|astray).*learning rate") as seen:
        make().fit(data, X_valid=data if validated else None)
    assert seen[0].filename == __file__  # the line that called fit


def test_so_does_the_command_line(call, tmp_path, X):
    np.save(tmp_path / "x.npy", X)
    train = ("train", "nade", "--data", tmp_path / "x.npy", "--epochs", 2, "--set", "n_hidden=4")
    status, _, err = call(*train, "--learning-rate", 1e6, "--out", tmp_path / "a", "--quiet")
    assert status == 0 and "diverged" in err
    status, _, err = call(*train, "--out", tmp_path / "b", "--quiet")
    assert status == 0 and not err


@pytest.mark.parametrize("seed", range(5))
def test_a_short_training_that_is_sound_says_nothing(seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 2, (40, 30), dtype=np.uint8)  # nothing to be learnt
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for valid in (None, noise[::-1]):
            cr.NADE(20, epochs=1, seed=seed).fit(noise, X_valid=valid)
            cr.FVSBN(epochs=2, learning_rate=0.05, seed=seed).fit(noise, X_valid=valid)
        cr.RNN(8, context=8, steps=2, seed=seed).fit(TEXT, X_valid=TEXT)
        cr.Transformer(1, 1, 8, steps=2, seed=seed).fit(TEXT)
        cr.Transformer(1, 1, 8, steps=2, seed=seed).fit("a" * 99)  # guessing costs nothing


def state_of(*losses, valid=False):
    """Return a state whose records have these losses; the last sound, or best on valid, is kept."""
    state = train.start(nade, nade.Config(5, 2), Recipe())
    for number, loss in enumerate(losses, 1):
        record = {"epoch": number, "train": loss, "valid": loss if valid else None}
        state.history.append(record)
        sound = loss <= min(losses[:number]) + (0 if valid else divergence.ASTRAY * GUESSING)
        if sound:
            state.best_record = number
    return state


def test_what_is_doubted():
    def doubt(*losses, valid=False):
        return divergence.doubt(state_of(*losses, valid=valid), GUESSING)

    assert doubt() is None
    assert doubt(3.4, 2.0, 1.9) is None
    assert doubt(1.49 * GUESSING) is None and "ended too early" in doubt(1.51 * GUESSING)
    assert "give it more epochs" in doubt(9.8 * GUESSING, 9.6 * GUESSING)  # it fell
    assert "diverged" in doubt(1.6 * GUESSING, 1.7 * GUESSING)
    assert "diverged" in doubt(11 * GUESSING) and "diverged" in doubt(12 * GUESSING, 11 * GUESSING)
    assert doubt(2.0, 2.8) is None  # as losses do
    assert doubt(2.0, 2.9, 1.9) is None  # it came back
    assert doubt(2.0, 2.9, valid=True) is None  # by choice
    said = doubt(3.0, 2.0, 2.9)  # good, then not, and nothing to choose by
    assert "went astray" in said and "2 nats in epoch 2, whose parameters were kept" in said
    assert "2.9 in the end" in said


def test_a_training_that_was_only_too_short_did_not_diverge():
    x = np.random.default_rng(0).standard_t(2, (200, 3))
    for cls in (cr.TableNADE, cr.MADE, cr.OrderlessNADE):
        with pytest.warns(ConvergenceWarning, match=r"ended too early: .* give it more epochs"):
            cls(8, epochs=2, learning_rate=1e-6).fit(x)


def test_validation_rows_unlike_the_others_are_no_divergence():
    x = np.random.default_rng(0).normal(size=(40, 2))
    says = r"of validation data alone: they are unlike those it learnt from"
    with pytest.warns(ConvergenceWarning, match=says):
        cr.RNADE(4, epochs=2, learning_rate=1e-6).fit(x, X_valid=x + 9)


def test_parameters_that_are_not_finite_are_not_kept(monkeypatch, X):
    """The last minibatch's loss is that before its step."""
    real = adam.step
    spoiled = []

    def step(params, *rest, t, **named):
        real(params, *rest, t=t, **named)
        if t == spoiled[0]:
            params[0] = np.nan

    monkeypatch.setattr(adam, "step", step)
    for at, kept in ((4, 1), (2, 0)):  # the last step of the second epoch, and of the first
        spoiled[:] = [at]
        model = cr.NADE(4, epochs=2, batch_size=75)
        with pytest.raises(FloatingPointError, match="parameter that is not a finite number"):
            model.fit(X)
        if kept:
            assert len(model.history_) == model.best_epoch_ == 1
            assert np.isfinite(model.log_prob(X)).all()
        else:
            assert not hasattr(model, "params_")


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("interrupted", [False, True])
def test_what_was_good_before_a_training_diverged_stays(validated, interrupted, X, tmp_path):
    """Also where it goes on from a file, to the same bits."""
    good = Recipe(epochs=6, batch_size=25, learning_rate=0.05, schedule="constant")
    bad = dataclasses.replace(good, epochs=9, learning_rate=1e6)
    config, valid = nade.Config(5, 8), X[:40].copy() if validated else None
    state = train.start(nade, config, good)
    for recipe in (good, dataclasses.replace(bad, epochs=8), bad):
        for _ in train.run(nade, config, recipe, state, X, valid):
            pass
        if recipe is good:
            kept, best = state.best.flat.copy(), state.best_record
            assert validated or best == 6
            assert divergence.doubt(state, GUESSING) is None
        if interrupted:
            checkpoint.save_state(tmp_path / "s", "nade", config, recipe, state)
            state = checkpoint.load_state(tmp_path / "s").state
    assert state.history[-1]["train"] > 10 * state.history[5]["train"]
    assert state.best_record == best
    np.testing.assert_array_equal(state.best.flat, kept)
    said = divergence.doubt(state, GUESSING)
    assert said is None if validated else "in epoch 6, whose parameters were kept" in said


def test_real_columns_go_astray_in_their_own_units(monkeypatch):
    real, steps = adam.step, []

    def step(params, *rest, lr, **named):
        steps.append(0)
        real(params, *rest, lr=lr if len(steps) <= 60 else 30.0, **named)

    monkeypatch.setattr(adam, "step", step)
    x = np.random.default_rng(0).normal(0, 1e6, (100, 2))
    model = cr.RNADE(8, epochs=9, batch_size=10, learning_rate=0.01, clip_norm=0)
    with pytest.warns(ConvergenceWarning, match=r"in epoch 6, whose .* and .* in the end") as seen:
        model.fit(x)
    assert model.best_epoch_ == 6
    assert -model.score(x) < model.history_[5]["train"] + 0.1
    assert f"it cost {model.history_[5]['train']:.4g} nats" in str(seen[0].message)


@pytest.mark.parametrize("name", ["m", "v"])
def test_means_that_are_not_finite_end_a_training(name, monkeypatch, X):
    """The square of a gradient can overflow, and its parameters would never move again."""
    real = adam.step

    def step(params, grad, m, v, *, t, **named):
        real(params, grad, m, v, t=t, **named)
        if t == 4:
            (m if name == "m" else v)[0] = np.inf

    monkeypatch.setattr(adam, "step", step)
    model = cr.NADE(4, epochs=2, batch_size=75)
    with pytest.raises(FloatingPointError, match=r"a mean of .* not a finite number"):
        model.fit(X)
    assert len(model.history_) == model.best_epoch_ == 1
