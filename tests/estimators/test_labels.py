"""Models of p(x | label): their labels told, their marginal without, and what they predict."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.engine.storage import checkpoint

SYMBOLS = {"steps": 120, "batch_size": 20, "context": 8, "learning_rate": 0.02, "seed": 1}
ROWS = {"epochs": 60, "batch_size": 20, "learning_rate": 0.05, "seed": 1}
MODELS = {
    "FVSBN": lambda: cr.FVSBN(dtype="float64", **ROWS),
    "FVSBN, reversed": lambda: cr.FVSBN(dtype="float64", ordering="reverse", **ROWS),
    "NADE": lambda: cr.NADE(5, dtype="float64", **ROWS),
    "untied NADE": lambda: cr.NADE(5, tied=False, dtype="float64", **ROWS),
    "RNN": lambda: cr.RNN(8, dtype="float64", **SYMBOLS),
    "LSTM": lambda: cr.RNN(8, cell="lstm", n_layers=2, dtype="float64", **SYMBOLS),
    "AttentionRNN": lambda: cr.AttentionRNN(8, dtype="float64", **SYMBOLS),
    "Transformer": lambda: cr.Transformer(1, 2, 8, dtype="float64", **SYMBOLS),
}


def labelled(N=60):
    """Return rows that repeat their label's bit, and word labels, two thirds of them light."""
    rng = np.random.default_rng(0)
    y = (rng.random(N) < 2 / 3).astype(int)
    x = np.where(rng.random((N, 4)) < 0.9, y[:, None], 1 - y[:, None])
    return x, np.array(["dark", "light"])[y]


def fewest(model):
    """Return the settings of a training that hardly begins."""
    return {f"{model.clock}s": 2}


@pytest.fixture(scope="module")
def all_fitted():
    return {name: make().fit(*labelled()) for name, make in MODELS.items()}


@pytest.fixture(params=MODELS)
def model(request, all_fitted):
    return all_fitted[request.param]


def draw(model, n, **how):
    """Return n rows of a model of rows or of sequences."""
    columns = hasattr(model, "order_")
    return model.sample(n, **how) if columns else model.sample(4, size=n, **how)


EVERY = np.array(list(itertools.product([0, 1], repeat=4)))


def test_the_prior_is_how_frequent_the_labels_were(model):
    _, y = labelled()
    assert_allclose(model.class_prior_, [np.mean(y == "dark"), np.mean(y == "light")])


def test_without_labels_it_is_the_marginal_which_sums_to_one(model):
    joint = [
        np.log(p) + model.log_prob(EVERY, np.full(16, c))
        for c, p in zip(model.classes_, model.class_prior_, strict=True)
    ]
    assert_allclose(model.log_prob(EVERY), np.logaddexp(*joint), rtol=1e-10)
    assert_allclose(np.exp(model.log_prob(EVERY)).sum(), 1, rtol=1e-10)
    assert_allclose(model.log_prob_terms(EVERY).sum(axis=1), model.log_prob(EVERY), rtol=1e-10)
    p = model.conditionals(EVERY)
    p = np.stack([1 - p, p], axis=2) if p.ndim == 2 else p
    chosen = np.take_along_axis(p, EVERY[..., None], axis=2)[..., 0]
    assert_allclose(np.log(chosen), model.log_prob_terms(EVERY), rtol=1e-8)
    per = 1 if hasattr(model, "order_") else 4
    assert model.score(EVERY) == pytest.approx(model.log_prob(EVERY).mean() / per)
    assert_allclose(model.log_prob(EVERY[3:4]), model.log_prob(EVERY)[3])  # one row alone


def test_one_label_may_be_given_for_all(model):
    assert_array_equal(model.log_prob(EVERY, "dark"), model.log_prob(EVERY, ["dark"] * 16))


def test_bayes_predicts_the_labels(model):
    x, y = labelled()
    p = model.predict_proba(x)
    assert p.shape == (60, 2)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-10)
    joint = model.log_prob(x, "dark") + np.log(model.class_prior_[0]) - model.log_prob(x)
    assert_allclose(np.log(p[:, 0]), joint, rtol=1e-6, atol=1e-9)
    assert_array_equal(model.predict(x), model.classes_[p.argmax(axis=1)])
    assert np.mean(model.predict(x) == y) > 0.85


def test_draws_without_labels_are_of_all_classes(model):
    rows = draw(model, 4000, seed=1)
    code = rows @ [8, 4, 2, 1]
    expected = 4000 * np.exp(model.log_prob(EVERY))
    chi2 = ((np.bincount(code, minlength=16) - expected) ** 2 / expected).sum()
    assert chi2 < 37.7  # 15 degrees of freedom: one in a thousand
    assert_array_equal(rows, draw(model, 4000, seed=1))


@pytest.mark.parametrize("name", ["FVSBN", "FVSBN, reversed", "NADE", "MADE"])
def test_what_is_given_says_which_label_a_draw_has(name):
    """Rows drawn without labels are those of p(free | given) that the marginal has."""
    made = cr.MADE(16, dtype="float64", **ROWS)
    model = (MODELS[name]() if name in MODELS else made).fit(*labelled())
    first, second = model.order_[:2]
    rows = np.array(list(itertools.product([0, 1], repeat=4)))
    p, ones = np.exp(model.log_prob(rows)), rows[:, first] == 1
    exact = p[ones & (rows[:, second] == 1)].sum() / p[ones].sum()
    mask, n = np.arange(4) == first, 20_000
    drawn = model.sample(n, seed=1, given=np.ones(4), observed=mask)[:, second].mean()
    assert abs(drawn - exact) < 5 * np.sqrt(exact * (1 - exact) / n)
    each = np.repeat([mask, np.zeros(4, bool)], n, axis=0)  # one half given, one free
    half = model.sample(2 * n, seed=2, given=np.ones(4), observed=each)[:, second].reshape(2, n)
    free = p[rows[:, second] == 1].sum()
    for share, exactly in zip(half.mean(axis=1), (exact, free), strict=True):
        assert abs(share - exactly) < 5 * np.sqrt(exactly * (1 - exactly) / n)


def test_draws_are_of_the_label_that_is_told(model):
    """One for all, or each row its own; what is given is kept."""
    for label, bit in (("dark", 0), ("light", 1)):
        assert abs(draw(model, 400, y=label, seed=1).mean() - bit) < 0.25
    rows = draw(model, 400, y=["dark", "light"] * 200, seed=1)
    assert rows[::2].mean() < 0.25 and rows[1::2].mean() > 0.75
    expected = 4000 * np.exp(model.log_prob(EVERY, "light"))
    counts = np.bincount(draw(model, 4000, y="light", seed=2) @ [8, 4, 2, 1], minlength=16)
    assert ((counts - expected) ** 2 / expected).sum() < 37.7  # as above
    if hasattr(model, "order_"):
        kept = model.sample(9, y="dark", seed=1, given=[1] * 4, observed=model.order_ < 2)
        assert (kept[:, model.order_ < 2] == 1).all()


def test_the_prior_survives_a_file_and_is_uniform_in_one_without(model, tmp_path):
    path = tmp_path / "m.safetensors"
    model.save(path)
    assert_array_equal(cr.load(path).class_prior_, model.class_prior_)
    saved = checkpoint.load(path)
    for prior, word in (([0.5, 0.6], "prior"), ([1.0], "prior"), ([2, -1], "prior")):
        changed = saved.metadata | {"class_prior": prior}
        checkpoint.save(path, saved.model, saved.config, saved.params, changed)
        with pytest.raises(cr.CheckpointError, match=word):
            cr.load(path)
    changed = {k: v for k, v in saved.metadata.items() if k != "class_prior"}
    changed[f"best_{model.clock}"] = 0
    checkpoint.save(path, saved.model, saved.config, saved.params, changed)
    assert_array_equal(cr.load(path).class_prior_, [0.5, 0.5])


@pytest.mark.parametrize("name", MODELS)
def test_one_label_alone_makes_the_model_that_none_makes(name):
    x, _ = labelled()
    plain, told = (MODELS[name]() for _ in range(2))
    plain.set_params(**fewest(plain)).fit(x)
    told.set_params(**fewest(told)).fit(x, np.full(60, 7))
    assert plain.params_.shapes == told.params_.shapes
    assert_array_equal(plain.params_.flat, told.params_.flat)
    assert told.classes_.tolist() == [7] and plain.classes_ is None
    assert_array_equal(plain.log_prob(x), told.log_prob(x, 7))
    assert_array_equal(plain.log_prob(x), told.log_prob(x))


def test_each_class_has_parameters_of_its_own_and_no_others(all_fitted):
    own = {"FVSBN": ("b",), "NADE": ("c",), "untied NADE": ("c",), "RNN": ("b_0",)}
    own |= {"LSTM": ("b_0", "c_0"), "AttentionRNN": ("b_0", "c_0")}
    for name, arrays in own.items():
        shapes = dict(all_fitted[name].params_.shapes)
        model = MODELS[name]()
        plain = dict(model.set_params(**fewest(model)).fit(EVERY).params_.shapes)
        for array in arrays:
            assert shapes.pop(array) == (2, *plain.pop(array)), name
        assert shapes == plain


def test_the_gradient_of_a_labelled_model_is_checked_with_its_labels():
    x, y = labelled()
    for model in (cr.FVSBN(epochs=1), cr.NADE(3, epochs=1)):
        fitted = model.fit(x, y)
        for errors in (cr.gradcheck(fitted, x[:9], y=y[:9]), cr.gradcheck(fitted, x[:9])):
            assert max(errors.values()) < 1e-6


def test_whole_numbers_may_come_as_floats_and_fractions_may_not():
    """Pandas makes floats of a column that once lacked a value."""
    x, y = labelled()
    model = cr.FVSBN(epochs=1).fit(x, (y == "dark") * 2.0)
    assert model.classes_.dtype.kind == "i" and model.classes_.tolist() == [0, 2]
    assert_array_equal(model.log_prob(EVERY, 2.0), model.log_prob(EVERY, 2))
    for wrong, why in ((0.5, "whole numbers or words"), (np.nan, "contains NaN at 0; fill it in")):
        with pytest.raises(ValueError, match=why):
            model.log_prob(EVERY, np.full(16, wrong))


@pytest.mark.parametrize("other", [np.nan, 1, True, 0.5])
def test_a_list_of_words_holds_words_alone(other):
    """NumPy would make the word "nan" of what is missing."""
    words = ["light", "dark"] * 8
    for wrong in ([other, *words[1:]], [*words[:-1], other], (other, *words[1:])):
        with pytest.raises(ValueError, match="words alone or whole numbers alone"):
            cr.FVSBN(epochs=1).fit(EVERY, wrong)
    assert cr.FVSBN(epochs=1).fit(EVERY, words).classes_.tolist() == ["dark", "light"]


def test_a_draw_of_a_label_that_cannot_be_is_refused():
    rows = cr.FVSBN(epochs=1).fit(EVERY)
    with pytest.raises(ValueError, match="fitted without labels; leave y out"):
        rows.sample(2, y=1)


def test_a_pickle_of_an_older_version_says_so_when_it_is_opened(all_fitted):
    state = all_fitted["Transformer"].__getstate__()
    state = {name: value for name, value in state.items() if name != "encoder_"}
    with pytest.raises(ValueError, match="pickled by an older chainrule; let that one save it"):
        cr.Transformer().__setstate__(state)
