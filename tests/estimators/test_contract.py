"""What every estimator promises, whatever its data: the same tests for all."""

import inspect
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import chainrule as cr
from chainrule.engine import models
from chainrule.engine.event import Abilities, Sequence
from chainrule.estimators.table_density import TableDensity

TEXT = "the cat sat on the mat; the rat sat on the cat. " * 8
LINES = ["the cat", "sat on", "the mat"] * 8
BITS = (np.cumsum(np.random.default_rng(0).random((70, 6)) < 0.2, axis=1) % 2).astype(np.uint8)
FEW = {"steps": 8, "batch_size": 4, "context": 8, "learning_rate": 0.02}
KINDS = {
    "FVSBN": (cr.FVSBN(epochs=3, ordering="random"), BITS),
    "NADE": (cr.NADE(4, epochs=3, ordering="reverse"), BITS),
    "untied NADE": (cr.NADE(4, epochs=3, tied=False), BITS),
    "MADE": (cr.MADE((7, 5), epochs=3, n_masks=2, direct=True, ordering="reverse"), BITS),
    "OrderlessNADE": (cr.OrderlessNADE((5, 4), epochs=3, ordering="random"), BITS),
    "PixelRNN": (cr.PixelRNN(1, 2, "diagonal", first_size=3, epochs=3, batch_size=100), BITS),
    "PixelCNN": (cr.PixelCNN(1, 4, gated=True, first_size=3, epochs=3, batch_size=100), BITS),
    "RNN": (cr.RNN(6, cell="gru", **FEW), TEXT),
    "AttentionRNN": (cr.AttentionRNN(6, **FEW), TEXT),
    "Transformer": (cr.Transformer(1, 1, 8, **FEW), TEXT),
    "RNN of lines": (cr.RNN(6, **FEW), LINES),
    "Transformer of ids": (cr.Transformer(1, 1, 8, **FEW), BITS.astype(int)),
}
SHARED = ("l1", "accumulation", "beta2", "patience", "eval_every", "weight_decay", "clip_norm")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def all_fitted():
    return {kind: clone(model).fit(X, X_valid=X) for kind, (model, X) in KINDS.items()}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def fitted(kind, all_fitted):
    return all_fitted[kind]


@pytest.fixture
def X(kind):
    return KINDS[kind][1]


def flat(parts):
    return np.concatenate([np.ravel(p) for p in parts]) if isinstance(parts, list) else parts


def test_settings_are_stored_copied_and_shown(kind):
    model = KINDS[kind][0]
    assert vars(model) == model.get_params() == clone(model).get_params()
    assert set(SHARED) <= model.get_params().keys()
    changed = clone(model).set_params(l1=0.25)
    assert repr(changed).startswith(type(model).__name__ + "(") and "l1=0.25" in repr(changed)
    assert list(model.get_params()) == sorted(model.get_params())
    with pytest.raises(TypeError, match="unexpected keyword argument 'layers'"):
        type(model)(layers=3)
    with pytest.raises(TypeError, match="positional argument"):
        type(model)(1, 2, 3, 4)


def test_every_setting_stands_in_the_help(kind):
    cls = type(KINDS[kind][0])
    told = inspect.getdoc(cls)
    assert [name for name in cls().get_params() if name not in told] == []


def test_pickles_and_files_give_the_same_estimator(fitted, X, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    for again in (
        pickle.loads(pickle.dumps(fitted)),
        cr.load(tmp_path / "model.safetensors"),
        cr.load(str(tmp_path)),  # as the folder of a run
    ):
        assert type(again) is type(fitted) and again.get_params() == fitted.get_params()
        assert again.history_ == fitted.history_
        assert again.encoder_.as_json() == fitted.encoder_.as_json()
        assert again.encoder_.describe() == fitted.encoder_.describe()
        assert_array_equal(again.log_prob(X), fitted.log_prob(X))
        assert_array_equal(again.sample(4, seed=1), fitted.sample(4, seed=1))


def test_terms_sum_to_log_prob_and_scores_follow(fitted, X):
    terms, log_p = fitted.log_prob_terms(X), fitted.log_prob(X)
    n = np.size(flat(terms))
    if isinstance(terms, list):
        sums = [row.sum() for row in terms]
    else:
        sums = np.reshape(terms, (len(log_p), -1)).sum(axis=1)
        assert np.shape(terms)[:2] in (BITS.shape, (len(TEXT),))
    assert_allclose(log_p, sums, rtol=1e-5)
    assert fitted.bits_per_dim(X) == pytest.approx(-log_p.sum() / n / np.log(2), rel=1e-5)
    per = n if models.get(fitted.model_).EVENT is Sequence else len(log_p)
    assert fitted.score(X) == pytest.approx(log_p.sum() / per, rel=1e-5)
    assert_array_equal(fitted.score_samples(X), log_p)


def test_conditionals_are_those_of_the_terms(fitted, X):
    p, terms = fitted.conditionals(X), fitted.log_prob_terms(X)
    if models.get(fitted.model_).EVENT is not Sequence:
        assert p.shape == X.shape
        assert_allclose(np.log(np.where(X == 1, p, 1 - p)), terms, rtol=1e-3, atol=1e-5)
        return
    V = fitted.config_.n_symbols
    for one, its in zip(p, terms, strict=True) if isinstance(p, list) else [(p, terms)]:
        assert one.shape == (*np.shape(its), V)
        assert_allclose(one.sum(axis=-1), 1, rtol=1e-5)


def test_samples_follow_the_seed(fitted):
    one, same, other = (fitted.sample(30, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(one, same)
    assert np.any(np.asarray(one) != np.asarray(other))


def test_a_second_fit_is_as_the_first(kind, X):
    model = clone(KINDS[kind][0]).set_params(n_threads=1)
    first = model.fit(X).params_.flat.copy()
    assert_array_equal(model.fit(X).params_.flat, first)


def test_accumulation_changes_rounding_alone(kind, X):
    one, parts = (
        clone(KINDS[kind][0]).set_params(dtype="float64", accumulation=n).fit(X) for n in (1, 3)
    )
    assert_allclose(one.params_.flat, parts.params_.flat, rtol=1e-6, atol=1e-9)


def test_eval_every_says_when_records_are_made(kind, X):
    model = clone(KINDS[kind][0]).set_params(eval_every=1, batch_size=40).fit(X, X_valid=X)
    n_steps = 6 if model.clock == "epoch" else 8
    assert len(model.history_) == n_steps
    steps = [record["step"] for record in model.history_]
    assert steps == list(range(1, n_steps + 1))
    best = steps[int(np.argmin([record["valid"] for record in model.history_]))]
    expected = -(-best // 2) if model.clock == "epoch" else best  # the epoch that it is in
    assert getattr(model, f"best_{model.clock}_") == expected


def test_l1_makes_weights_zero(kind, X):
    model = clone(KINDS[kind][0]).set_params(l1=50.0, learning_rate=0.05, warmup=0.0).fit(X)
    names = models.get(model.model_).WEIGHTS
    weights = [model.params_[name] for name in names if name in model.params_]
    assert max(np.mean(w == 0) for w in weights if w.size) > 0.2


def test_the_encoder_speaks_for_the_data(fitted, kind):
    encoder = fitted.encoder_
    event = models.get(fitted.model_).EVENT
    assert isinstance(encoder.event, event) and encoder.log_volume == 0
    assert encoder.unit in ("bit", "column", "pixel", "character", "symbol")
    assert encoder.per == ("row" if encoder.unit in ("bit", "column", "pixel") else encoder.unit)
    any_columns = isinstance(fitted, TableDensity)  # here bits
    said = "bit" if any_columns else encoder.unit
    assert said in encoder.describe()


def test_what_was_fitted_without_labels_predicts_none(fitted, X):
    assert fitted.classes_ is None and fitted.class_prior_ is None
    with pytest.raises(ValueError, match="fitted without labels; fit it with y to predict them"):
        fitted.predict_proba(X)


@pytest.mark.parametrize("kind", ["FVSBN", "RNN"])
def test_what_cannot_have_labels_says_so(kind, all_fitted, monkeypatch):
    """A model that declares none: rows leave y alone, as pipelines pass it, sequences refuse it."""
    model, X = KINDS[kind]
    monkeypatch.setattr(models.get(model._model_name()), "ABILITIES", Abilities())
    assert not hasattr(all_fitted[kind], "predict")
    with pytest.raises(AttributeError):
        all_fitted[kind].predict_proba(X)
    if kind == "FVSBN":
        again = clone(model).fit(X, np.arange(len(X)), X_valid=X)
        assert_array_equal(again.log_prob(X), all_fitted[kind].log_prob(X))
    else:
        with pytest.raises(ValueError, match="leave y out"):
            clone(model).fit(["ab", "ba"], [0, 1])


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is a folder without a model\.safetensors"):
        cr.load(tmp_path)
