"""CategoricalNADE, RNADE and TableNADE: in the data's own units, with words, names and labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

import chainrule as cr
from chainrule import RNADE, CategoricalNADE, TableNADE

N = 300
SMALL = {"n_hidden": 6, "n_components": 2, "epochs": 4, "batch_size": 50, "learning_rate": 0.02}
COLUMNS = {"sort": "U5", "age": int, "weight": float, "male": bool, "legs": int}


def animals(seed, n=N):
    """Return a table whose columns depend on each other, and a label that moves them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    sort = np.where(rng.random(n) < 0.8, y, 2)
    table = np.empty(n, list(COLUMNS.items()))
    table["sort"] = np.array(["cat", "dog", "horse"])[sort]
    table["age"] = rng.integers(0, 90, n)
    table["weight"] = np.array([4.0, 20, 500])[sort] * np.exp(0.2 * rng.normal(size=n))
    table["male"] = rng.random(n) < 0.5
    table["legs"] = np.where(rng.random(n) < 0.1, 3, 4)
    return table, np.where(y, "barks", "purrs")


@pytest.fixture(scope="module")
def fitted():
    """Return a model of the animals, one told the label, and the animals."""
    X, y = animals(0)
    settings = SMALL | {"ordering": "random", "seed": 3}
    model = TableNADE(**settings).fit(X, X_valid=X[:40])
    return model, TableNADE(**settings, dtype="float64").fit(X, y), X, y


def test_types_are_read_off_the_table_and_kept(fitted, tmp_path):
    model, _, X, _ = fitted
    assert model.encoder_.types == ("categorical", "integer", "continuous", "binary", "categorical")
    model.save(tmp_path / "m")
    again = cr.load(tmp_path / "m")
    assert again.encoder_.types == model.encoder_.types
    assert again.feature_names_in_.tolist() == list(COLUMNS)
    assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert_array_equal(again.sample(20, seed=1), model.sample(20, seed=1))
    assert again.history_ == model.history_


def test_losses_are_in_the_units_of_the_scores(fitted):
    model, labelled, X, y = fitted
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid"] == pytest.approx(-model.score(X[:40]), rel=1e-5)
    assert labelled.history_[-1]["train"] == pytest.approx(-labelled.score(X, y), rel=0.05)


def test_terms_add_up_and_the_volume_is_counted(fitted):
    model, labelled, X, y = fitted
    assert_allclose(labelled.log_prob_terms(X, y).sum(axis=1), labelled.log_prob(X, y), rtol=1e-9)
    assert_allclose(labelled.log_prob_terms(X).sum(axis=1), labelled.log_prob(X), rtol=1e-9)
    scales = [v.scale for v in model.encoder_.variables if v.type == "continuous"]
    difference = model.standardised_log_prob(X) - model.log_prob(X)
    assert_allclose(difference, np.log(scales).sum(), rtol=1e-4)


@pytest.mark.parametrize("factor", [1e-20, 1000.0])
def test_another_unit_moves_a_density_by_its_logarithm(factor):
    X = animals(1)[0]["weight"][:, None]
    first, second = (RNADE(**SMALL, seed=0, dtype="float64").fit(X * k) for k in (1, factor))
    assert_allclose(first.log_prob(X) - second.log_prob(X * factor), np.log(factor), rtol=1e-9)
    assert_allclose(second.sample(9, seed=0), factor * first.sample(9, seed=0), rtol=1e-9)


def test_a_density_in_its_own_units_integrates_to_one():
    X = animals(2)[0]["weight"][:, None]
    model = RNADE(**SMALL, dtype="float64", mixture_weights="learned").fit(X)
    x = np.linspace(-3000, 4000, 200_001)
    p = np.exp(model.log_prob(x[:, None]))
    assert np.trapezoid(p, x) == pytest.approx(1, abs=1e-4)


def test_a_mixed_table_sums_and_integrates_to_one():
    table, _ = animals(3)
    X = [[sort, weight] for sort, weight in table[["sort", "weight"]].tolist()]
    model = TableNADE(**SMALL, dtype="float64", ordering="reverse").fit(X)
    x = np.linspace(-3000, 4000, 50_001)
    total = 0.0
    for sort in ("cat", "dog", "horse"):
        rows = np.empty((len(x), 2), object)
        rows[:, 0], rows[:, 1] = sort, x
        total += np.trapezoid(np.exp(model.log_prob(rows)), x)
    assert total == pytest.approx(1, abs=1e-4)


def test_conditionals_are_in_the_units_of_their_columns(fitted):
    model, labelled, X, y = fitted
    p, K = model.conditionals(X), 2
    weights, means, scales = (p[:, 2, k * K : (k + 1) * K] for k in range(3))
    x = X["weight"][:, None]
    density = weights / scales / np.sqrt(2 * np.pi) * np.exp(-(((x - means) / scales) ** 2) / 2)
    assert_allclose(np.log(density.sum(axis=1)), model.log_prob_terms(X)[:, 2], rtol=2e-3)
    assert_allclose(p[:, [0, 3, 4]].sum(axis=2), 1, rtol=1e-5)
    sorts = np.searchsorted(["cat", "dog", "horse"], X["sort"])
    assert_allclose(np.log(p[np.arange(N), 0, sorts]), model.log_prob_terms(X)[:, 0], atol=1e-5)
    assert labelled.conditionals(X, y).shape == p.shape
    p = labelled.conditionals(X)
    K = labelled.n_components * len(labelled.classes_)
    weights, means, scales = (p[:, 2, k * K : (k + 1) * K] for k in range(3))
    density = weights / scales / np.sqrt(2 * np.pi) * np.exp(-(((x - means) / scales) ** 2) / 2)
    assert_allclose(np.log(density.sum(axis=1)), labelled.log_prob_terms(X)[:, 2], rtol=2e-3)
    assert_allclose(p[:, [0, 3, 4]].sum(axis=2), 1, rtol=1e-5)


@pytest.mark.parametrize("told", [False, True])
def test_uniforms_draw_the_very_rows_again(told, fitted):
    model, labelled, X, y = fitted
    model, y = (labelled, y) if told else (model, None)
    u = model.to_uniforms(X, y, seed=0)
    assert u.shape == (N, 5) and u.dtype == np.float64 and 0 <= u.min() and u.max() < 1
    back = model.sample(N, uniforms=u, y=y)
    for k, name in enumerate(COLUMNS):
        if name == "weight":
            assert_allclose(back[:, k].astype(float), X[name], rtol=1e-6 if told else 1e-3)
        else:
            assert_array_equal(back[:, k].astype(X[name].dtype), X[name])
    if told:
        with pytest.raises(ValueError, match="uniforms of a model with labels are those of one"):
            model.to_uniforms(X)
    with pytest.raises(ValueError, match=r"uniforms must be numbers in \[0, 1\) of shape"):
        model.sample(N, uniforms=u[:3], y=y)
    with pytest.raises(ValueError, match=r"uniforms must be numbers in \[0, 1\)"):
        model.sample(N, uniforms=u + 1, y=y)


def test_the_farthest_uniforms_draw_finite_numbers():
    X = animals(4)[0]["weight"][:, None]
    model = RNADE(**SMALL).fit(X)
    u = np.array([[0.0], [5e-324], [1e-300], [1 - 2.0**-53]])
    drawn = model.sample(4, uniforms=u)
    assert np.isfinite(drawn).all() and (np.diff(drawn[:, 0]) >= 0).all()
    assert np.isfinite(model.log_prob(drawn)).all()


def test_a_sample_is_a_frame_where_a_frame_came_in(fitted):
    pandas = pytest.importorskip("pandas")
    model, _, X, y = fitted
    frame = pandas.DataFrame({name: X[name] for name in COLUMNS})
    model = TableNADE(**SMALL | {"epochs": 1}).fit(frame, y, X_valid=frame, y_valid=y)
    drawn = model.sample(20, seed=0)
    assert drawn.dtypes.equals(frame.dtypes) and list(drawn.columns) == list(COLUMNS)
    assert model.log_prob(drawn, "barks").shape == (20,)
    given = frame.iloc[[5]].assign(weight=7.25)
    kept = model.sample(3, seed=0, given=given, observed=np.array([1, 1, 1, 0, 0], bool))
    assert kept["weight"].tolist() == [7.25] * 3
    assert kept["age"].tolist() == [frame["age"][5]] * 3


def test_labels_are_told_apart(fitted):
    _, labelled, X, y = fitted
    p = labelled.predict_proba(X)
    assert_allclose(p.sum(axis=1), 1)
    assert labelled.score(X, y) > labelled.score(X)
    assert (labelled.predict(X) == y).mean() > 0.55
    both = np.stack([labelled.log_prob(X, label) for label in labelled.classes_])
    joint = both + np.log(labelled.class_prior_)[:, None]
    assert_allclose(np.logaddexp(*joint), labelled.log_prob(X), rtol=1e-9)
    assert labelled.sample(3, seed=0, y="purrs").shape == (3, 5)


def test_categories_of_any_number_make_a_model_of_digits():
    X = np.random.default_rng(0).integers(0, 17, (60, 4))
    X[:, 0] = 5
    model = CategoricalNADE(6, epochs=2).fit(X)
    assert model.config_.values[0] == 1 and (model.conditionals(X)[:, 0, 0] == 1).all()
    assert (model.sample(9, seed=0)[:, 0] == 5).all()
    every = [[5, a, b, c] for a, b, c in np.ndindex(17, 17, 17)]
    known = [set(v.values) for v in model.encoder_.variables]
    every = [row for row in every if all(v in k for v, k in zip(row, known, strict=True))]
    assert np.exp(model.log_prob(every)).sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("model", [CategoricalNADE(5), RNADE(5), TableNADE(5), TableNADE(4)])
def test_gradients(model, rng):
    X, y = animals(5, 12)
    if isinstance(model, CategoricalNADE):
        X = X[["sort", "male", "legs"]].tolist()
    elif isinstance(model, RNADE):
        X = rng.normal(50, 9, (12, 3))
    errors = cr.gradcheck(model, X, 20, None if model.n_hidden == 4 else y)
    assert max(errors.values()) < 1e-6


WRONG = [
    (RNADE(), [[1.0, 2.0], [1.0, 3.0]], r"column \[:, 0\] of X is 1.0 in every row, and the densi"),
    (RNADE(), [["a"], ["b"]], "holds 'a' .* so that column cannot be continuous"),
    (CategoricalNADE(), [[0.5], [1.0]], "holds 0.5 .* which is no category"),
    (
        TableNADE(),
        [[0.5, None], [1.5, None]],
        r"NaN alone in column \[:, 1\], which says nothing; leave",
    ),
    (TableNADE(), [[0.5, "a"], [1.5, None]], r"NaN \(first at \[1, 1\]\); fill in or drop"),
    (TableNADE(family="cauchy"), [[1], [0]], "family must be one of 'gaussian', 'laplace'"),
    (TableNADE(mixture_weights="free"), [[1], [0]], "mixture_weights must be one of 'equal'"),
    (TableNADE(n_components=0), [[1], [0]], "n_components must be a whole number of at least 1"),
    (TableNADE(column_types="real"), [[1], [0]], "column_types takes 'binary'"),
    (TableNADE(column_types=["binary"]), [[3], [4], [5]], "cannot be binary: it has 3 different"),
]


@pytest.mark.parametrize(("model", "X", "says"), WRONG, ids=[says for *_, says in WRONG])
def test_what_no_model_can_learn_is_said_in_a_sentence(model, X, says):
    with pytest.raises(ValueError, match=says) as caught:
        model.fit(X)
    assert "\n" not in str(caught.value)


def test_what_a_model_was_not_fitted_on_is_named(fitted):
    model, labelled, X, _ = fitted
    far = X.copy()
    far["weight"][7] = 1e30
    with pytest.raises(ValueError, match=r"1e\+30 at \[7, 'weight'\], over 1e\+15 st"):
        model.log_prob(far)
    with pytest.raises(ValueError, match="'meows', a label never seen in training"):
        labelled.log_prob(X, "meows")
    with pytest.raises(ValueError, match="y holds 'meows'"):
        labelled.sample(2, y="meows")
    with pytest.raises(ValueError, match="fitted without labels"):
        model.predict(X)
    with pytest.raises(ValueError, match=r"given holds 'cow' at \[0, 0\]"):
        model.sample(2, given=["cow", 1, 1.0, True, 4], observed=np.arange(5) < 1)


def test_numbers_as_large_as_there_are_can_be_learnt():
    X = 1e30 * np.random.default_rng(0).normal(size=(N, 2))
    model = RNADE(**SMALL).fit(X)
    assert np.isfinite(model.log_prob(X)).all()
    assert np.abs(model.sample(50, seed=0)).max() > 1e29


def test_learned_weights_are_better_on_a_small_table():
    """As RNADE's docstring says, which leaves them equal by default."""
    X = load_iris().data
    rest, test = train_test_split(X, test_size=0.2, random_state=0)
    equal, learned = (RNADE(mixture_weights=w).fit(rest).score(test) for w in ("equal", "learned"))
    assert RNADE().mixture_weights == "equal" and learned - equal > 1
