"""A real column of which many rows have one value: it is not lost, and the density is honest."""

import numpy as np
import pytest

import chainrule as cr

SHORT = {"epochs": 20, "batch_size": 50, "n_threads": 1}
MODELS = {  # and what a training that loses the value stays above, nats a row
    "table_nade": (cr.TableNADE(200, learning_rate=3e-3, seed=3, **SHORT), 10.0),
    "rnade": (cr.RNADE(200, learning_rate=3e-3, seed=3, **SHORT), 11.5),
    "made": (cr.MADE((200,), learning_rate=2e-2, seed=2, **SHORT), 9.7),
    "orderless": (cr.OrderlessNADE((100, 100), learning_rate=3e-3, seed=3, **SHORT), 9.4),
}


@pytest.fixture(scope="module")
def rows():
    """Return people's age, gain and wealth; six in ten have no gain at all."""
    rng, n = np.random.default_rng(0), 3000
    age = rng.normal(size=n)
    gain = np.where(rng.random(n) < 0.6, 0.0, np.exp(rng.normal(size=n) + 8 + 0.3 * age))
    return np.stack([age, gain, gain / 3000 + rng.normal(size=n)], axis=1)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_does_not_lose_a_value_that_many_rows_have(name, rows):
    model, lost = MODELS[name]
    model.fit(rows[:2000], X_valid=rows[2000:])
    valid = [record["valid"] for record in model.history_]
    assert valid[-1] < min(valid) + 0.1 and valid[-1] < lost


@pytest.fixture(scope="module")
def fitted(rows):
    return cr.TableNADE(30, n_components=4, seed=0, learning_rate=1e-2, **SHORT).fit(rows[:2000])


def test_scores_and_samples_are_of_one_density(fitted, rows):
    """One component is the narrowest there can be, and u = F(x) leads back to x all the same."""
    few = rows[2000:2200]
    u = fitted.to_uniforms(few, seed=0)
    again = fitted.sample(len(few), uniforms=u)
    np.testing.assert_allclose(again, few, rtol=1e-3, atol=1e-3 * rows.std(axis=0).max())
    p = fitted.conditionals(few[:1])[0, 1]
    weights, means, sigmas = p[:4], p[4:8], p[8:12]
    grid = (means[:, None] + sigmas[:, None] * np.linspace(-9, 9, 4001)).ravel()
    grid.sort()
    X = np.column_stack([np.full(len(grid), few[0, 0]), grid, np.zeros(len(grid))])
    density = np.exp(fitted.log_prob_terms(X)[:, 1].astype(float))
    assert abs(np.trapezoid(density, grid) - 1) < 1e-3
    assert sigmas.min() < 0.05 * rows[:, 1].std() and abs(weights.sum() - 1) < 1e-5


def test_other_tables_are_trained_as_they_were(fitted, rows, tmp_path):
    assert fitted.encoder_.clumped and fitted._clip_norm() == 10 and fitted.config_.centred
    assert fitted.set_params(clip_norm=0.0)._clip_norm() == 0
    fitted.set_params(clip_norm=None).save(tmp_path / "model")
    again = cr.load(tmp_path / "model")
    assert again.encoder_.clumped and again.config_ == fitted.config_
    np.testing.assert_array_equal(again.log_prob(rows), fitted.log_prob(rows))
    for X, rate in ((rows[:, [0, 2]], 1e-2), (np.where(rows > 1, 1, 0), 1e-2), (rows, 1e-3)):
        other = cr.TableNADE(3, epochs=1, learning_rate=rate).fit(X)
        assert other._clip_norm() == 0 and not other.config_.centred


@pytest.mark.parametrize(("n", "clumped"), [(19, False), (20, True), (60, True)])
def test_a_fifth_of_the_rows_are_a_clump(n, clumped, rng):
    x = rng.normal(size=100)
    x[rng.permutation(100)[:n]] = rng.normal()
    model = cr.TableNADE(2, n_components=2, epochs=1).fit(np.stack([x, rng.normal(size=100)], 1))
    assert model.encoder_.clumped is clumped
