"""Columns of whole numbers: probabilities that sum to one, and no better than the source allows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import norm
from support import goodness

import chainrule as cr
from chainrule.engine.storage import checkpoint

SHARE, RATE = 0.6, 0.02  # of zeros; of the geometric distribution of the others
ENTROPY = (
    -(SHARE * np.log(SHARE) + (1 - SHARE) * np.log(1 - SHARE))
    - (1 - SHARE) * (RATE * np.log(RATE) + (1 - RATE) * np.log(1 - RATE)) / RATE
)
KINDS = {
    "table": lambda **more: cr.TableNADE(20, seed=0, **more),
    "laplace": lambda **more: cr.TableNADE(20, seed=0, family="laplace", **more),
    "made": lambda **more: cr.MADE((20,), seed=0, **more),
    "orderless": lambda **more: cr.OrderlessNADE((20,), seed=0, **more),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def counts(rng, n, columns=1):
    """Return whole numbers most of which are 0, of the entropy ENTROPY a column."""
    shape = (n, columns)
    return np.where(rng.random(shape) < SHARE, 0, rng.geometric(RATE, shape))


def fitted(kind, X, **more):
    types = ["integer"] * X.shape[1]
    rate = 5e-3 if kind in ("table", "laplace") else 0.02  # of one column MADE has biases alone
    return KINDS[kind](epochs=60, learning_rate=rate, column_types=types, **more).fit(X)


def close_to_the_entropy(log_p, columns=1):
    """Check that scores of fresh rows are below minus the entropy, but for what chance allows."""
    error = log_p.std() / len(log_p) ** 0.5
    assert -log_p.mean() > columns * ENTROPY - 4 * error
    assert -log_p.mean() < columns * (ENTROPY + 0.25)


@every_kind
@pytest.mark.parametrize("first", [0, 100])
def test_a_probability_no_better_than_the_source(kind, first, rng):
    model = fitted(kind, first + counts(rng, 2400))
    every = first + np.arange(-3000, 9000)[:, None]
    log_p = model.log_prob(every).astype(np.float64)
    assert log_p.max() <= 0 and np.exp(log_p).sum() == pytest.approx(1, abs=1e-3)
    close_to_the_entropy(model.log_prob(first + counts(rng, 4000)).astype(np.float64))
    drawn = model.sample(20_000, seed=1)
    assert drawn.dtype == np.int64
    hit = np.bincount(drawn[:, 0] - first + 3000, minlength=12_000)
    assert goodness.chisquare(hit, np.exp(log_p) / np.exp(log_p).sum() * 20_000) > goodness.RARE


def test_several_columns_with_others(rng):
    X = counts(rng, 1500, 3).astype(object)
    X[:, 1] = rng.choice(["a", "b"], 1500)
    types = ["integer", None, "integer"]
    model = cr.TableNADE(20, epochs=40, learning_rate=5e-3, seed=0, column_types=types).fit(X)
    log_p = model.log_prob(X)
    assert log_p.max() < 0
    assert np.abs(model.log_prob_terms(X).sum(axis=1) - log_p).max() < 1e-4
    u = model.to_uniforms(X, seed=0)
    assert_array_equal(model.sample(len(X), uniforms=u), X)
    fresh = counts(rng, 3000, 3).astype(object)
    fresh[:, 1] = rng.choice(["a", "b"], 3000)
    terms = model.log_prob_terms(fresh)[:, [0, 2]].sum(axis=1)
    close_to_the_entropy(terms.astype(np.float64), 2)


def test_the_conditionals_say_it_by_their_steps(rng):
    X = counts(rng, 600)
    model = fitted("table", X, dtype="float64")
    *mixture, zero = model.conditionals(X[:1])[0, 0]
    w, mu, sigma = np.reshape(mixture, (3, -1))
    n = np.arange(0, 300)[:, None]
    p = (w * (norm.cdf((n + 0.5 - mu) / sigma) - norm.cdf((n - 0.5 - mu) / sigma))).sum(axis=1)
    p = (1 - zero) * p + zero * (n[:, 0] == 0)
    assert np.abs(np.exp(model.log_prob(n)) - p).max() < 1e-12


def test_losses_are_those_of_the_score_and_files_keep_the_steps(rng, tmp_path):
    X, valid = counts(rng, 600), counts(rng, 300)
    model = KINDS["table"](epochs=3, column_types="integer").fit(X, X_valid=valid)
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid"] == pytest.approx(-model.score(valid), rel=1e-5)
    model.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors")
    assert again.config_.half_steps == model.config_.half_steps != ()
    assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert max(cr.gradcheck(model, X[:4], max_entries=4).values()) < 1e-5


@pytest.mark.parametrize("types", ["integer", "continuous"])
def test_a_file_without_steps_is_refused_where_numbers_are_whole(types, rng, tmp_path, monkeypatch):
    """As earlier versions wrote them: there is no such field in their Configs."""
    X, path = rng.geometric(RATE, (60, 1)), tmp_path / "model.safetensors"
    model = cr.TableNADE(3, epochs=1, column_types=types).fit(X)
    described = checkpoint.asdict

    def of_before(config):
        return {k: v for k, v in described(config).items() if k not in ("half_steps", "atoms")}

    monkeypatch.setattr(checkpoint, "asdict", of_before)
    model.config_ = type(model.config_)(**{**vars(model.config_), "half_steps": ()})
    model.save(path)
    if types == "integer":
        with pytest.raises(checkpoint.CheckpointError, match="no probability; fit the model again"):
            cr.load(path)
