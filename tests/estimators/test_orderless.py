"""OrderlessNADE: whatever is known of a row, the rest is drawn, scored and filled in given it."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from support import goodness

import chainrule as cr
from chainrule import OrderlessNADE

pytestmark = [
    pytest.mark.filterwarnings("error::UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
nan = np.nan
EVERY = np.array(list(product([0, 1], repeat=4)), np.uint8)
DTYPE = {"dtype": "float64"}


def rows(N=400, seed=0):
    """Return rows of a coin, its likely copy, another coin, and which of the two differ."""
    rng = np.random.default_rng(seed)
    a, c = rng.integers(0, 2, (2, N))
    b = a ^ (rng.random(N) < 0.2)
    return np.stack([a, b, c, a ^ c], axis=1).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    options = {"epochs": 150, "batch_size": 50, "learning_rate": 0.01, "ordering": [2, 0, 3, 1]}
    return OrderlessNADE((24, 24), activation="tanh", **options, **DTYPE).fit(rows())


# --- what is given


def test_any_variables_given_any_others_are_learnt(model):
    X = rows()
    for pattern in product([False, True], repeat=4):
        observed = np.array(pattern)
        p = model.conditionals(EVERY, observed=observed)
        assert_array_equal(p[:, observed], EVERY[:, observed])
        for row, ahead in zip(EVERY, p, strict=True):
            like = X[(X[:, observed] == row[observed]).all(axis=1)]
            if len(like) > 30:
                assert_allclose(ahead[~observed], like[:, ~observed].mean(axis=0), atol=0.12)


def test_scores_given_some_are_a_distribution_of_the_rest(model):
    observed = np.array([False, True, False, True])
    log_p = model.log_prob(EVERY, observed=observed)
    for group in product([0, 1], repeat=2):
        same = (EVERY[:, observed] == group).all(axis=1)
        assert_allclose(np.exp(log_p[same]).sum(), 1, rtol=1e-10)
    assert_array_equal(model.log_prob(EVERY, observed=np.zeros(4, bool)), model.log_prob(EVERY))
    each = np.array([[True] * 4, [False] * 4])
    assert_allclose(
        model.score_samples(EVERY[:2], observed=each), [0, model.log_prob(EVERY[1:2])[0]]
    )


def test_samples_keep_what_is_given_in_each_row_and_follow_its_distribution(model):
    N = 8000
    given = np.repeat([[1, 0, 1, 0], [0, 1, 0, 0]], N, axis=0)
    observed = np.repeat([[False, True, False, True], [True, True, False, False]], N, axis=0)
    drawn = model.sample(2 * N, seed=1, given=given, observed=observed)
    assert_array_equal(drawn[observed], given[observed])
    for part in (slice(0, N), slice(N, None)):
        mask = observed[part][0]

        def log_p(free, mask=mask, row=given[part][0]):
            full = np.tile(row, (len(free), 1))
            full[:, ~mask] = free
            return model.log_prob(full, observed=mask)

        goodness.assert_frequencies(drawn[part][:, ~mask], log_p, (2, 2))


def test_an_observed_value_must_be_there(model):
    X = [[0, 1, nan, 1], [nan, 1, 1, 0]]
    assert model.log_prob(X, observed=[False, True, False, False]).shape == (2,)
    for call in (model.log_prob, model.conditionals):
        with pytest.raises(ValueError, match=r"X contains NaN among observed values.*\[1, "):
            call(X, observed=[True, False, False, False])
    with pytest.raises(ValueError, match="observed must be a bool array"):
        model.log_prob(X, observed=[1, 0, 0, 0])


# --- several orderings


def test_orderings_may_be_set_after_the_fit(model):
    one = model.log_prob(EVERY)
    model.set_params(n_orderings=12)
    try:
        many = model.log_prob(EVERY)
        assert_allclose(np.exp(many).sum(), 1, rtol=1e-10)
        assert (many != one).any() and np.abs(many - one).max() < 2
        nothing = np.zeros(4, bool)
        assert model.conditionals(EVERY, observed=nothing).shape == (16, 4)
        for of_one_order in (model.log_prob_terms, model.conditionals, model.to_uniforms):
            with pytest.raises(ValueError, match="set n_orderings=1"):
                of_one_order(EVERY)
        model.set_params(n_orderings=0)
        with pytest.raises(ValueError, match="n_orderings must be"):
            model.log_prob(EVERY)
    finally:
        model.set_params(n_orderings=1)
    assert_array_equal(model.log_prob(EVERY), one)


@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("observed", [[False] * 4, [False, True, False, False]])
def test_samples_follow_the_mean_over_orderings(observed, K):
    """Of parameters whose orderings differ, so that draws by one of them alone are told apart."""
    X, observed = rows(), np.array(observed)
    rough = OrderlessNADE((5,), n_orderings=K, epochs=1, **DTYPE).fit(X)
    rough.params_.flat[...] = np.random.default_rng(4).normal(size=rough.params_.size)
    given, N = np.tile([1, 1, 0, 1], (60_000, 1)), 60_000
    drawn = rough.sample(N, seed=1, given=given, observed=observed)
    assert_array_equal(drawn, rough.sample(N, seed=1, given=given, observed=observed))

    def log_p(free):
        row = np.tile(given[0], (len(free), 1))
        row[:, ~observed] = free
        return rough.log_prob(row, observed=observed)

    free, values = drawn[:, ~observed], (2,) * int((~observed).sum())
    goodness.assert_frequencies(free, log_p, values)
    rough.set_params(n_orderings=1)
    with pytest.raises(AssertionError, match="frequencies are not the probabilities"):
        goodness.assert_frequencies(free, log_p, values)


# --- missing values


def test_what_is_filled_in_follows_the_conditionals_and_what_is_there_stays(model):
    N = 8000
    X = np.repeat([[nan, 1, nan, 0]], N, axis=0)
    full = model.impute(X, seed=2)
    assert full.dtype == np.uint8 and (full[:, [1, 3]] == [1, 0]).all()

    def log_p(free):
        row = np.tile([0, 1, 0, 0], (len(free), 1))
        row[:, [0, 2]] = free
        return model.log_prob(row, observed=[False, True, False, True])

    goodness.assert_frequencies(full[:, [0, 2]], log_p, (2, 2))


def test_several_draws_are_several_and_the_same_by_their_seed(model):
    X = np.where(np.random.default_rng(0).random((60, 4)) < 0.4, nan, rows(60))
    draws = model.impute(X, n_draws=3, seed=5)
    again = model.impute(X, n_draws=3, seed=5)
    assert len(draws) == 3 and all((a == b).all() for a, b in zip(draws, again, strict=True))
    for full in draws:
        assert_array_equal(full[~np.isnan(X)], X[~np.isnan(X)])
    assert (draws[0] != draws[1]).any()
    assert_array_equal(draws[0], model.impute(X, seed=5))
    whole = rows(10)
    assert_array_equal(model.impute(whole), whole)
    with pytest.raises(ValueError, match="n_draws must be"):
        model.impute(X, n_draws=0)


def test_it_is_a_transformer(model):
    X = np.where(np.random.default_rng(0).random((60, 4)) < 0.4, nan, rows(60))
    full = model.transform(X)
    assert_array_equal(full, model.impute(X, seed=model.seed))
    assert list(model.get_feature_names_out()) == ["x0", "x1", "x2", "x3"]
    fresh = OrderlessNADE((4,), epochs=2, batch_size=20)
    assert_array_equal(fresh.fit_transform(X), fresh.transform(X))


def test_missing_values_are_not_learnt_and_not_scored(model):
    rng = np.random.default_rng(3)
    X = rows(600).astype(float)
    X[rng.random(X.shape) < 0.3] = nan
    X[0] = nan  # says nothing, and does no harm
    fresh = OrderlessNADE((16,), epochs=100, batch_size=50, learning_rate=0.02, seed=1)
    fresh.fit(X, X_valid=X[:100])
    p = fresh.conditionals(EVERY, observed=[True, False, False, False])[:, 1]
    assert_allclose(p, np.where(EVERY[:, 0], 0.8, 0.2), atol=0.15)
    assert fresh.log_prob(X)[0] == 0
    alone = fresh.log_prob([[nan, 0, nan, nan], [nan, 1, nan, nan]])
    assert_allclose(np.exp(alone).sum(), 1, rtol=1e-5)
    as_objects = X[:9].astype(object)
    as_objects[np.isnan(X[:9])] = None
    assert_array_equal(fresh.log_prob(as_objects), fresh.log_prob(X[:9]))


def test_rows_may_be_thresholded_or_sparse():
    X = np.random.default_rng(0).normal(size=(80, 3))
    X[:20, 1] = nan
    fresh = OrderlessNADE((4,), epochs=2, binarize=0.0).fit(X)
    full = fresh.transform(X)
    assert_array_equal(full[:, [0, 2]], X[:, [0, 2]] > 0)
    assert set(full[:, 1]) == {0, 1}
    table = csr_array(rows(40))
    sparse = OrderlessNADE((4,), epochs=2).fit(table)
    assert_array_equal(sparse.log_prob(table), sparse.log_prob(table.toarray()))
    assert_array_equal(sparse.transform(table), table.toarray())


def test_a_column_of_nothing_is_refused():
    X = rows(20).astype(float)
    X[:, 2] = nan
    says = r"NaN alone in column \[:, 2\], which says nothing; leave that column out of the fit"
    for cls in (OrderlessNADE, cr.TableNADE, cr.MADE, cr.CategoricalNADE, cr.NADE, cr.RNADE):
        if cls is cr.RNADE:
            X = X + np.random.default_rng(0).normal(size=X.shape)
        for table in (X, X.astype(object), np.where(np.isnan(X), None, X)):
            with pytest.raises(ValueError, match=says):
                cls(4, epochs=1).fit(table)
        if cls not in (cr.CategoricalNADE, cr.RNADE):
            with pytest.raises(ValueError, match=says):
                cls(4, epochs=1, binarize=0.5).fit(X)
    with pytest.raises(ValueError, match=r"NaN alone in column \[:, 0\]"):
        OrderlessNADE((4,), epochs=1).fit([[nan, 1]])
    valid = rows(20).astype(float)
    valid[:, 2] = nan
    OrderlessNADE((4,), epochs=1).fit(rows(20), X_valid=valid)  # which has no cell of it


def test_what_is_observed_must_be_given(model):
    says = (
        r"given contains NaN among observed values \(first at \[0, 1\]\); give a value there, or "
    )
    table, bits = cr.TableNADE(4, epochs=1).fit(rows(20)), cr.NADE(4, epochs=1).fit(rows(20))
    thresholded = OrderlessNADE((4,), epochs=1, binarize=0.5).fit(rows(20))
    for one in (model, table, bits, thresholded):
        with pytest.raises(ValueError, match=says):
            one.sample(2, given=[0, nan, 1, 1], observed=[False, True, False, False])


def test_a_cell_that_is_missing_has_no_bits():
    X = np.array([[0, 1, 1, 0], [1, 0, 0, 1]] * 20, float)
    fresh = OrderlessNADE((4,), epochs=1, **DTYPE).fit(X)
    gaps = X[:4].copy()
    gaps[0, 1:] = gaps[2, :2] = nan  # 11 of 16 are there
    for table in (gaps, np.where(np.isnan(gaps), None, gaps)):
        expected = -fresh.log_prob(table).sum() / (11 * np.log(2))
        assert fresh.bits_per_dim(table) == pytest.approx(expected, rel=1e-12)
    assert fresh.bits_per_dim(X) == pytest.approx(-fresh.score(X) / (4 * np.log(2)), rel=1e-12)
    with pytest.raises(ValueError, match="X has no value at all"):
        fresh.bits_per_dim(np.full((2, 4), nan))


def test_other_models_refuse_missing_values():
    X = rows(20).astype(float)
    X[3, 1] = nan
    with pytest.raises(ValueError, match="NaN"):
        cr.NADE(4, epochs=1).fit(X)


# --- labels


def test_labels_are_told_or_found_by_what_is_known():
    X, rng = rows(600), np.random.default_rng(1)
    y = np.array(["no", "yes"])[X[:, 0] ^ (rng.random(600) < 0.1)]
    options = {"epochs": 60, "batch_size": 50, "learning_rate": 0.02, **DTYPE}
    fresh = OrderlessNADE((16,), **options).fit(X, y, X_valid=X[:50], y_valid=y[:50])
    assert fresh.params_["c"].shape == (2, 16)
    assert (fresh.predict(X) == y).mean() > 0.85
    assert_allclose(np.exp(fresh.log_prob(EVERY)).sum(), 1, rtol=1e-10)
    told = fresh.conditionals(EVERY[:1], y="yes", observed=np.zeros(4, bool))
    assert told[0, 0] > 0.75
    observed = np.array([False, True, False, False])
    given = np.where(observed, [1, 1, 1, 1], nan)
    full = fresh.impute(np.repeat([given], 8000, axis=0), seed=0)

    def log_p(free):
        row = np.ones((len(free), 4), np.uint8)
        row[:, ~observed] = free
        return fresh.log_prob(row, observed=observed)

    goodness.assert_frequencies(full[:, ~observed], log_p, (2, 2, 2))
    full = fresh.impute(np.repeat([given], 500, axis=0), seed=0, y="no")
    expected = fresh.conditionals([[0, 1, 0, 0]], y="no", observed=observed)[0, 0]
    assert abs(full[:, 0].mean() - expected) < 0.1


# --- settings and files


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"hidden": ()}, "hidden must hold a whole number"),
        ({"hidden": (4, 0)}, "hidden must be"),
        ({"hidden": 2.5}, "hidden must be"),
        ({"activation": "relish"}, "activation must be one of"),
        ({"n_orderings": 0}, "n_orderings must be"),
    ],
)
def test_settings_are_checked_when_fitted(options, match):
    with pytest.raises((TypeError, ValueError), match=match):
        OrderlessNADE(**{"epochs": 1} | options).fit(rows(10))


def test_a_file_keeps_it_all(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert again.hidden == (24, 24) and again.get_params() == model.get_params()
    X = np.where(np.random.default_rng(0).random((20, 4)) < 0.4, nan, rows(20))
    assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert_array_equal(again.transform(X), model.transform(X))
    one = OrderlessNADE(5, epochs=1).fit(rows(20))
    one.save(tmp_path / "one.safetensors")
    assert cr.load(tmp_path / "one.safetensors").hidden == 5
