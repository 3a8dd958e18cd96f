"""Columns of numbers of which many rows have one value: it has a probability of its own."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import goodness

import chainrule as cr
from chainrule.commands import baselines, tabular
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.variables import Real, of_json
from chainrule.engine.storage import checkpoint

MODELS = (cr.TableNADE, cr.MADE, cr.OrderlessNADE)
SHORT = {"epochs": 4, "batch_size": 50, "n_threads": 1, "seed": 0}


def amounts(rng, n, whole=True):
    """Return ages, and amounts of which 57 % are 0: in cents, or in units, of a hundred."""
    age = rng.normal(size=n)
    cents = np.round(np.exp(10.5 + rng.normal(size=n))) * (rng.random(n) > 0.57)
    return np.stack([age, cents if whole else cents / 100], axis=1)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "real"])
@pytest.mark.parametrize("estimator", MODELS)
def test_zeros_are_as_frequent_as_in_the_data_by_default(estimator, whole):
    X = amounts(np.random.default_rng(0), 600, whole)
    model = estimator(seed=0).fit(X)
    assert model.encoder_.types[1] == ("integer" if whole else "continuous")
    drawn = model.sample(5000, seed=1)[:, 1]
    assert abs((drawn == 0).mean() - (X[:, 1] == 0).mean()) < 0.04
    assert (drawn < 0).mean() < 0.04
    p = model.conditionals(X)[:, 1, 3 * model.config_.components]
    assert abs(p.mean() - (X[:, 1] == 0).mean()) < 0.04


FAST = {"epochs": 20, "batch_size": 50, "n_threads": 1}
AT_HIGH_RATES = {
    "table": cr.TableNADE(200, learning_rate=3e-3, seed=3, **FAST),
    "rnade": cr.RNADE(200, learning_rate=3e-3, seed=3, **FAST),
    "made": cr.MADE((200,), learning_rate=2e-2, seed=2, **FAST),
    "orderless": cr.OrderlessNADE((100, 100), learning_rate=3e-3, seed=3, **FAST),
}


@pytest.mark.parametrize("name", AT_HIGH_RATES)
def test_a_training_at_a_high_rate_does_not_lose_it(name):
    """A component drawn onto such a value would be thrown off it by a step of Adam, for good."""
    rng, n = np.random.default_rng(0), 3000
    age = rng.normal(size=n)
    gain = np.where(rng.random(n) < 0.6, 0.0, np.exp(rng.normal(size=n) + 8 + 0.3 * age))
    rows = np.stack([age, gain, gain / 3000 + rng.normal(size=n)], axis=1)
    model = AT_HIGH_RATES[name].fit(rows[:2000], X_valid=rows[2000:])
    valid = [record["valid"] for record in model.history_]
    assert valid[-1] < min(valid) + 0.1 and valid[-1] < 7.5
    assert abs((model.sample(3000, seed=0)[:, 1] == 0).mean() - 0.6) < 0.04


@pytest.fixture(scope="module", params=["whole", "real"])
def fitted(request):
    rng = np.random.default_rng(3)
    X = amounts(rng, 500, request.param == "whole")
    return cr.TableNADE(12, n_components=3, **SHORT).fit(X[:300], X_valid=X[300:]), X


def test_scores_are_masses_and_densities_in_the_datas_units(fitted):
    model, X = fitted
    terms, log_p = model.log_prob_terms(X), model.log_prob(X)
    assert_allclose(terms.sum(axis=1), log_p, rtol=1e-5, atol=1e-5)
    p = model.conditionals(X)[:, 1]
    w, mu, sigma, pi = *np.split(p[:, :9], 3, axis=1), p[:, 9]
    zero = X[:, 1] == 0
    if model.encoder_.types[1] == "continuous":
        assert_allclose(terms[zero, 1], np.log(pi[zero]), rtol=1e-4, atol=1e-5)
        z = (X[:, 1:] - mu) / sigma
        density = (w * np.exp(-z * z / 2) / sigma).sum(axis=1) / np.sqrt(2 * np.pi)
        expected = np.log((1 - pi) * density)[~zero]
        assert_allclose(terms[~zero, 1], expected, rtol=1e-3, atol=1e-3)
    else:
        assert (terms[zero, 1] >= np.log(pi[zero]) - 1e-5).all() and (terms[:, 1] <= 0).all()
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid"] == pytest.approx(-model.score(X[300:]), rel=1e-4)
    of_age, of_amount = (-np.log(v.scale) for v in model.encoder_.variables)
    volume = of_age + of_amount * (~zero & (model.encoder_.types[1] == "continuous"))
    assert_allclose(model.standardised_log_prob(X) + volume, log_p, rtol=1e-5, atol=1e-5)


def test_uniforms_and_back(fitted):
    model, X = fitted
    X = X[X[:, 1] < 6 * X[:, 1].std()]  # beyond, many numbers have one uniform
    u = model.to_uniforms(X, seed=0)
    again = model.sample(len(X), uniforms=u)
    assert_array_equal(again[:, 1] == 0, X[:, 1] == 0)
    assert_allclose(again, X, rtol=1e-4, atol=1e-3 * X.std(axis=0).max())
    drawn = model.sample(3000, seed=5)
    goodness.assert_uniform(model.to_uniforms(drawn, seed=1))


def test_files_keep_it(fitted, tmp_path):
    model, X = fitted
    model.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors")
    assert again.config_ == model.config_ and again.config_.atoms[1] is not None
    assert again.encoder_.variables == model.encoder_.variables
    assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert max(cr.gradcheck(model, X[:6], max_entries=6).values()) < 1e-5


def test_files_of_before(fitted, tmp_path, monkeypatch):
    """They had no atoms, and a field that is gone: read where it changed nothing, else refused."""
    rng = np.random.default_rng(0)
    X, path, described = rng.normal(size=(60, 2)), tmp_path / "model.safetensors", checkpoint.asdict
    model = cr.TableNADE(3, **SHORT).fit(X)
    for centred in (False, True):

        def of_before(config, centred=centred):
            fields = {k: v for k, v in described(config).items() if k != "atoms"}
            return fields | {"centred": centred} if "values" in fields else fields

        monkeypatch.setattr(checkpoint, "asdict", of_before)
        model.clip_norm = None
        model.save(path)
        monkeypatch.undo()
        if centred:
            with pytest.raises(checkpoint.CheckpointError, match="fit the model again"):
                cr.load(path)
        else:
            again = cr.load(path)
            assert again.clip_norm == 0
            assert_array_equal(again.log_prob(X), model.log_prob(X))


@pytest.mark.parametrize("n", [19, 20, 60])
def test_a_fifth_of_the_rows_are_an_atom(n, rng):
    x = rng.normal(3, 2, size=100)
    rows = rng.permutation(100)
    x[rows[:n]] = 17.25
    (variable,) = AnyColumns().learn(x[:, None]).variables
    assert variable.atom == (17.25 if n >= 20 else None)
    others = x[rows[n:]] if n >= 20 else x
    assert variable.mean == pytest.approx(others.mean())
    assert variable.scale == pytest.approx(others.std())
    assert of_json(variable.as_json()) == variable
    (plain,) = AnyColumns(density=False).learn(x[:, None]).variables
    assert plain.atom is None and plain.mean == pytest.approx(x.mean())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["integer", "continuous"])
def test_an_atom_is_the_same_number_everywhere(kind, dtype, rng):
    for atom in (0.0, 40.0, 1e7 + 1, -3.0) + ((0.1, 1 / 3) if kind == "continuous" else ()):
        x = np.where(rng.random(200) < 0.4, atom, np.rint(1e4 * rng.normal(size=200)) + 7)
        encoder = AnyColumns(kind, dtype=dtype).learn(x[:, None])
        z, (variable,), (of_event,) = (
            encoder.encode(x[:, None]),
            encoder.variables,
            encoder.event.atoms,
        )
        assert_array_equal(z[:, 0] == dtype(of_event), x == atom)
        assert_array_equal(encoder.decode(z)[x == atom, 0], atom)
        assert (encoder.volumes(x[:, None])[x == atom] == 0).all()
        assert variable.atom == atom


def test_rounded_measures_have_none(rng):
    """Of petals 0.2 is a fifth, among 22 widths; of rain in tenths of millimetres 0 is more."""
    width = np.round(rng.gamma(2, 0.15, 300), 1)
    assert np.unique(width, return_counts=True)[1].max() > 60
    rain = np.where(rng.random(3000) < 0.5, 0, np.ceil(rng.gamma(1, 60, 3000)) / 10)
    for x, atom in ((width, None), (rain, 0.0)):
        (variable,) = AnyColumns("continuous", density=True).learn(x[:, None]).variables
        assert variable.atom == atom


def test_columns_of_two_values_and_of_one(rng):
    x = np.r_[np.zeros(30), 2.5]
    (variable,) = AnyColumns().learn(x[:, None]).variables
    assert variable.atom == 0 and variable.scale == pytest.approx(x.std())
    (constant,) = AnyColumns("integer").learn(np.full((30, 1), 7)).variables
    assert constant.atom is None
    (few,) = AnyColumns("continuous").learn(np.array([[1.0], [1.0], [2.5], [3.5]])).variables
    assert few.atom is None
    with pytest.raises(ValueError, match="damaged"):
        of_json({"type": "continuous", "mean": 0.0, "scale": 1.0, "atom": "nan"})
    assert Real("continuous", 0.0, 2.0).atom_z is None


def test_missing_values_add_no_volume(rng):
    X = amounts(rng, 300, whole=False)
    X[:40, 1] = np.nan
    X[40:80, 0] = np.nan
    model = cr.OrderlessNADE((8,), n_components=2, **SHORT).fit(X)
    there = np.stack([~np.isnan(X[:, 0]), X[:, 1] > 0], axis=1)
    assert_array_equal(model.encoder_.volumes(X) != 0, there)
    log_p = model.log_prob(X)
    assert_allclose(
        model.standardised_log_prob(X) + there @ model.encoder_.log_volumes, log_p, rtol=1e-5
    )
    given = model.log_prob(X[80:], observed=[True, False])
    z = model.standardised_log_prob(X[80:])
    assert np.isfinite(given).all() and given.shape == z.shape
    filled = model.impute(X, seed=0)
    assert 0.2 < (filled[:40, 1] == 0).mean() < 0.95


def test_nothing_is_doubtful_about_an_atom(rng):
    X = amounts(rng, 300, whole=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        AnyColumns().learn(X)
    X[:, 1] = np.where(np.arange(300) < 250, 0, 12.5)
    with pytest.warns(DataWarning, match="12.5 the most beside 0, and a density"):
        AnyColumns().learn(X)


def test_baselines_know_the_atom(rng):
    X = amounts(rng, 2000, whole=False)
    encoder = AnyColumns().learn(X)
    z = encoder.encode(X)
    known = baselines.of_columns(encoder.event, z, z)
    assert known.keys() == {"independent"}
    p = (X[:, 1] == 0).mean()
    normal = np.log(2 * np.pi * np.e) / 2
    expected = normal * (2 - p) - p * np.log(p) - (1 - p) * np.log(1 - p)
    assert known["independent"] == pytest.approx(expected, abs=1e-3)


def test_conditionals_in_a_file_name_it(rng, tmp_path):
    """Behind the mixture, which is of all masks."""
    X = amounts(rng, 200, whole=False)
    model = cr.MADE((6,), n_masks=2, n_components=2, **SHORT).fit(X)
    tabular.write_conditionals(tmp_path / "p.csv", model.conditionals(X[:3]), model)
    header, *lines = (tmp_path / "p.csv").read_text().splitlines()
    names = header.split(",")
    assert names[-2:] == ["1 scale 4", "1=0"] and names[:2] == ["0 weight 1", "0 weight 2"]
    p = np.array([line.split(",") for line in lines], float)
    assert_allclose(p[:, 12:16].sum(axis=1), 1, rtol=1e-5)
    assert ((p[:, -1] > 0) & (p[:, -1] < 1)).all()
