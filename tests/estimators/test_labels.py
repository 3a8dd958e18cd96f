"""Models of p(x | label): their labels told, their marginal without, and what they predict."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.engine.storage import checkpoint

TRAINING = {"steps": 80, "batch_size": 20, "context": 8, "learning_rate": 0.02, "seed": 1}


def labelled(N=60):
    """Return rows that repeat their label's bit, and word labels, two thirds of them light."""
    rng = np.random.default_rng(0)
    y = (rng.random(N) < 2 / 3).astype(int)
    x = np.where(rng.random((N, 4)) < 0.9, y[:, None], 1 - y[:, None])
    return x, np.array(["dark", "light"])[y]


@pytest.fixture(scope="module")
def model():
    x, y = labelled()
    return cr.Transformer(1, 2, 8, dtype="float64", **TRAINING).fit(x, y)


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
    chosen = np.take_along_axis(p, EVERY[..., None], axis=2)[..., 0]
    assert_allclose(np.log(chosen), model.log_prob_terms(EVERY), rtol=1e-8)
    assert model.score(EVERY) == pytest.approx(model.log_prob(EVERY).mean() / 4)
    assert_allclose(model.log_prob(EVERY[3]), model.log_prob(EVERY)[3])  # one sequence alone


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
    rows = model.sample(4, size=4000, seed=1)
    code = rows @ [8, 4, 2, 1]
    expected = 4000 * np.exp(model.log_prob(EVERY))
    chi2 = ((np.bincount(code, minlength=16) - expected) ** 2 / expected).sum()
    assert chi2 < 37.7  # 15 degrees of freedom: one in a thousand
    assert_array_equal(rows, model.sample(4, size=4000, seed=1))
    assert model.sample(4, seed=2).shape == (4,)


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
    changed["best_step"] = 0
    checkpoint.save(path, saved.model, saved.config, saved.params, changed)
    assert_array_equal(cr.load(path).class_prior_, [0.5, 0.5])


def test_a_model_fitted_without_labels_predicts_none():
    model = cr.Transformer(1, 1, 8, steps=2, context=8).fit(labelled()[0])
    with pytest.raises(ValueError, match="fitted without labels; fit it with y"):
        model.predict(labelled()[0])


def test_whole_numbers_may_come_as_floats_and_fractions_may_not():
    """Pandas makes floats of a column that once lacked a value."""
    x, y = labelled()
    model = cr.Transformer(1, 1, 4, **{**TRAINING, "steps": 2}).fit(x, (y == "dark") * 2.0)
    assert model.classes_.dtype.kind == "i" and model.classes_.tolist() == [0, 2]
    assert_array_equal(model.log_prob(EVERY, 2.0), model.log_prob(EVERY, 2))
    for wrong in (0.5, np.nan):
        with pytest.raises(ValueError, match="whole numbers or words"):
            model.log_prob(EVERY, np.full(16, wrong))


def test_a_draw_of_a_label_that_cannot_be_is_refused():
    rows = cr.FVSBN(epochs=1).fit(EVERY, np.zeros(16))  # pipelines pass y
    assert rows.score(EVERY, np.zeros(16)) == rows.score(EVERY)
    with pytest.raises(ValueError, match="fitted without labels; leave y out"):
        rows.sample(2, y=1)


def test_a_pickle_of_an_older_version_says_so_when_it_is_opened(model):
    state = {name: value for name, value in model.__getstate__().items() if name != "encoder_"}
    with pytest.raises(ValueError, match="pickled by an older chainrule; let that one save it"):
        cr.Transformer().__setstate__(state)
