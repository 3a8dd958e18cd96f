"""OrderlessNADE over tables of any columns: units, categories, and tables that are filled in."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from support import goodness

import chainrule as cr
from chainrule import OrderlessNADE
from chainrule.encoders import frames
from chainrule.engine.models import orderless_nade
from chainrule.engine.noise import Noise

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
nan = np.nan
PETS = ("cat", "dog", "mouse")
WEIGHT = {"cat": 4.0, "dog": 20.0, "mouse": 0.5}


def pets(N=600, seed=0):
    """Return rows: a pet, its weight in kg, whether it barks."""
    rng = np.random.default_rng(seed)
    table = np.empty((N, 3), object)
    table[:, 0] = rng.choice(PETS, N, p=[0.5, 0.3, 0.2])
    table[:, 1] = [WEIGHT[pet] * np.exp(0.2 * rng.normal()) for pet in table[:, 0]]
    table[:, 2] = [int(pet == "dog") for pet in table[:, 0]]
    return table


def with_gaps(table, share=0.3, seed=1):
    gaps = np.random.default_rng(seed).random(table.shape) < share
    out = table.copy()
    out[gaps] = None
    return out, gaps


@pytest.fixture(scope="module")
def model():
    X, _ = with_gaps(pets(1500), 0.2)
    options = {"epochs": 60, "batch_size": 50, "learning_rate": 0.01, "n_components": 3}
    return OrderlessNADE((24, 24), activation="tanh", **options).fit(X, X_valid=pets(2000, 5))


def test_columns_are_what_the_values_that_are_there_say(model):
    assert model.encoder_.types == ("categorical", "continuous", "binary")
    # The kept epoch's loss is one estimate of the mean over all orders; here are twenty others.
    x = model.encoder_.encode(frames.read(pets(2000, 5)))
    others = [
        orderless_nade.nll_estimates(model.config_, model.params_, x, Noise(1, step, 0)).mean()
        for step in range(20)
    ]
    exact = np.mean(others) - model.encoder_.log_volume
    kept = min(record["valid"] for record in model.history_)
    assert abs(kept - exact) < 5 * np.std(others) < 0.25, "losses are in other units than scores"


def test_conditionals_and_scores_are_in_the_datas_units(model):
    row = np.array([["dog", 20.0, 1]], object)
    observed = np.array([True, False, False])
    p = model.conditionals(row, observed=observed)[0]
    K = 3
    assert_array_equal(p[0, :3], [0, 1, 0])
    mean = p[1, :K] @ p[1, K : 2 * K]
    assert 17 < mean < 23
    assert p[2, 1] > 0.9
    w, mu, sigma = p[1, :K], p[1, K : 2 * K], p[1, 2 * K : 3 * K]
    own = np.log(w @ norm.pdf(20.0, mu, sigma)) + np.log(
        model.conditionals(row, observed=[True, True, False])[0, 2, 1]
    )
    assert_allclose(model.log_prob(row, observed=observed), [own], rtol=1e-4)
    part = np.array([["dog", 20.0, None]], object)
    assert_allclose(
        model.log_prob(part, observed=observed), [np.log(w @ norm.pdf(20.0, mu, sigma))], rtol=1e-4
    )
    certain = model.conditionals(row, observed=[False, True, False])[0, 1]
    assert_allclose(certain[: 3 * K], [1, 0, 0, 20, 20, 20, 0, 0, 0], rtol=1e-5)
    terms = model.log_prob_terms(part)
    assert_allclose(terms.sum(axis=1), model.log_prob(part), rtol=1e-5)
    assert terms[0, 2] == 0
    volume = model.encoder_.log_volume
    assert_allclose(model.log_prob(row) - volume, model.standardised_log_prob(row), rtol=1e-4)


def test_tables_are_filled_in_by_draws_given_what_is_there(model):
    X, gaps = with_gaps(pets(300, 7), 0.4)
    full = model.impute(X, seed=0)
    assert full.shape == X.shape and full.dtype == object
    assert (full[~gaps] == X[~gaps]).all(), "what is there comes back as it was given"
    assert set(full[:, 0]) <= set(PETS) and set(full[:, 2]) <= {0, 1}
    for pet in PETS:
        new = full[(X[:, 0] == pet) & gaps[:, 1], 1].astype(float)
        assert len(new) > 10 and abs(np.median(new) - WEIGHT[pet]) < 0.35 * WEIGHT[pet] + 0.5
    agree = (full[:, 0] == "dog") == full[:, 2]
    assert agree.mean() > 0.9
    assert (model.impute(X, n_draws=2, seed=0)[1] != full).any()


def test_draws_of_a_real_column_follow_its_conditional(model):
    N = 4000
    X = np.repeat(np.array([["cat", None, 0]], object), N, axis=0)
    drawn = model.impute(X, seed=3)[:, 1].astype(float)
    p = model.conditionals(X[:1], observed=[True, False, True])[0, 1].astype(float)
    w, mu, sigma = p[:3], p[3:6], p[6:9]
    goodness.assert_follows(drawn, lambda x: norm.cdf(x[:, None], mu, sigma) @ w)


def test_draws_of_a_word_follow_its_conditional(model):
    N = 4000
    X = np.repeat(np.array([[None, 2.0, None]], object), N, axis=0)
    drawn = model.impute(X, seed=3)
    p = model.conditionals(X[:1], observed=[False, True, False])[0, 0, :3].astype(float)
    counts = [(drawn[:, 0] == pet).sum() for pet in PETS]
    assert goodness.chisquare(counts, N * p / p.sum()) > 1e-4


def test_uniforms_are_the_other_way_round_and_uniform(model):
    X = pets(400, 9)
    u = model.to_uniforms(X, seed=0)
    again = model.sample(400, uniforms=u)
    assert (again[:, [0, 2]] == X[:, [0, 2]]).all()
    assert_allclose(again[:, 1].astype(float), X[:, 1].astype(float), rtol=1e-4)
    drawn = model.sample(1500, seed=1)
    goodness.assert_uniform(model.to_uniforms(drawn, seed=2))
    lacking = model.to_uniforms(np.array([["cat", None, 0]], object), seed=0)
    assert np.isnan(lacking[0]).tolist() == [False, True, False]


def test_labels_beside_real_columns_are_wanted_or_drawn():
    X = pets(400)
    y = X[:, 0].astype(str)
    fresh = OrderlessNADE((16,), epochs=30, batch_size=50, learning_rate=0.02, n_components=2)
    fresh.fit(X[:, 1:], y)
    assert (fresh.predict(X[:, 1:]) == y).mean() > 0.9
    lacking = np.repeat(np.array([[None, 1]], object), 200, axis=0)
    drawn = fresh.impute(lacking, seed=0)[:, 0].astype(float)
    assert abs(np.median(drawn) - 20) < 4, "the label is drawn by what is known: it barks"
    assert np.isfinite(fresh.log_prob(lacking, observed=[False, True])).all()
    p = fresh.conditionals(lacking, observed=[False, True])[0, 0]
    K, dog = 2 * len(fresh.classes_), fresh.classes_.tolist().index("dog")
    barks = fresh.predict_proba(lacking)[0, dog]
    assert p.shape == (3 * K,) and abs(p[2 * dog : 2 * dog + 2].sum() - barks) < 1e-5
    assert_allclose(p[:K] @ p[K : 2 * K], drawn.mean(), rtol=0.1)
    assert fresh.conditionals(lacking, y="dog", observed=[False, True]).shape == (200, 2, 6)


def test_a_frame_comes_back_as_a_frame(model):
    pd = pytest.importorskip("pandas")
    X, gaps = with_gaps(pets(300), 0.3)
    frame = pd.DataFrame({"pet": X[:, 0], "kg": X[:, 1].astype(float), "barks": X[:, 2]})
    fresh = OrderlessNADE((8,), epochs=3, n_components=2).fit(frame)
    full = fresh.transform(frame)
    assert list(full.columns) == ["pet", "kg", "barks"] and not full.isna().any().any()
    assert list(fresh.get_feature_names_out()) == ["pet", "kg", "barks"]
    for k, name in enumerate(full.columns):
        there = ~gaps[:, k]
        assert (full[name].to_numpy()[there] == frame[name].to_numpy()[there]).all()
    some = frame[frame["kg"].isna()]
    assert (fresh.impute(some, seed=0).index == some.index).all()  # `fillna` goes by it
    assert not some.fillna(fresh.impute(some, seed=0)).isna().any().any()
    p = fresh.log_prob(frame, observed=pd.DataFrame(~gaps, columns=full.columns))
    assert np.isfinite(p).all()


def test_a_file_keeps_columns_that_may_lack_values(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    X, _ = with_gaps(pets(50), 0.4)
    assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert (again.transform(X) == model.transform(X)).all()


def test_a_category_never_seen_is_named(model):
    with pytest.raises(ValueError, match="'horse'"):
        model.impute(np.array([["horse", None, 0]], object))


def test_known_cells_of_a_categorical_of_bools_or_numbers_come_back_as_they_were(rng, tmp_path):
    pandas = pytest.importorskip("pandas")
    columns = {"b": [True, False], "r": [1.5, 9.0], "w": [7, 2]}
    table = pandas.DataFrame({k: pandas.Categorical(v * 50) for k, v in columns.items()})
    table["z"] = rng.normal(size=100)
    OrderlessNADE(8, epochs=1).fit(table).save(tmp_path / "model.npz")
    model = cr.load(tmp_path / "model.npz")
    assert model.impute(table, seed=0).equals(table)
    holes = table.copy()
    holes.loc[:9, "b"], holes.loc[5:20, "r"] = None, None
    filled = model.impute(holes, seed=0)
    assert filled.dtypes.equals(table.dtypes) and model.sample(3).dtypes.equals(table.dtypes)
    assert filled.iloc[21:].equals(table.iloc[21:]) and filled.notna().all(axis=None)
    sampled = cr.MADE(8, epochs=1).fit(table).sample(5, seed=0)
    assert sampled.dtypes.equals(table.dtypes)
