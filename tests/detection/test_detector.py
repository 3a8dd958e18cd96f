"""Detectors over all kinds of data: calibration, rates, groups, files, and what is refused."""

import inspect
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr
from chainrule.detection import methods, observations

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(7)
N = 300
BITS = (np.cumsum(RNG.random((N, 9)) < 0.2, axis=1) % 2).astype(np.uint8)
GREYS = RNG.integers(0, 4, (N, 4, 4)).astype(np.uint8)
REAL = RNG.normal(size=(N, 3)) * [1, 10, 0.1]
LINES = ["".join(RNG.choice(list("abc "), k)) + "." for k in RNG.integers(3, 12, N)]
FEW = {"steps": 8, "batch_size": 4, "context": 16}
KINDS = {
    "bits": (cr.NADE(4, epochs=2, ordering="random"), BITS),
    "table": (cr.TableNADE(4, n_components=2, epochs=2, ordering="random"), REAL),
    "gaps": (
        cr.OrderlessNADE((4,), epochs=1),
        np.where(RNG.random((N, 3)) < 0.1, np.nan, REAL),
    ),
    "categories": (cr.CategoricalNADE(4, epochs=1), BITS[:, :4] + 2 * BITS[:, 4:8]),
    "images": (cr.PixelCNN(1, 4, first_size=3, epochs=1, levels=2, reduce_from=4), GREYS),
    "binarized": (cr.PixelCNN(1, 4, first_size=3, epochs=1, binarize=1.5), GREYS.astype(float)),
    "colours": (cr.PixelCNN(1, 3, first_size=3, epochs=1, levels=4), np.stack([GREYS] * 3, 3)),
    "lines": (cr.RNN(6, **FEW), LINES),
    "lines of a Transformer": (cr.Transformer(1, 1, 8, **FEW), LINES),
    "ids": (cr.RNN(6, **FEW), BITS.astype(int)),
}
DENSITIES = ("table", "gaps")  # which have no lossless code
CASES = [
    (kind, method)
    for kind in KINDS
    for method in methods.METHODS
    if method != "complexity" or kind not in DENSITIES
]


def fitted(kind, method="likelihood", **settings):
    model, X = KINDS[kind]
    settings = {"false_alarm": (0.05, 0.2), "mutation": (0.1, 0.4), **settings}
    return cr.Detector(model, method=method, **settings).fit(X), X


@pytest.fixture(scope="module")
def normal():
    """A fitted model of a table, and clean rows that it has not seen."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(6000, 2)) @ [[1, 0.8], [0, 0.6]]
    return cr.RNADE(12, n_components=2, epochs=8, seed=0).fit(rows[:1000]), rows[1000:]


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_every_method_on_every_kind_of_data(kind, method, tmp_path):
    detector, X = fitted(kind, method)
    p, found, scores = detector.p_values(X), detector.predict(X), detector.score_samples(X)
    assert p.shape == (N,) and found.shape == (N, 2) and scores.dtype == np.float64
    assert_array_equal(found == -1, p[:, None] <= np.array([0.05, 0.2]) + 1e-12)
    assert_array_equal(detector.decision_function(X) < 0, found == -1)
    aside = 0.8 if method == "typicality" or method == "ratio" else 1
    assert len(detector.clean_scores_) == round(60 * aside)
    few = observations.take(X, np.arange(7))
    assert_array_equal(detector.score_samples(few), scores[:7])  # to the bit: ties are ties
    detector.save(tmp_path / "detector.safetensors")
    for again in (cr.load(tmp_path / "detector.safetensors"), pickle.loads(pickle.dumps(detector))):
        assert_array_equal(again.p_values(X), p)
        assert_array_equal(again.predict(X), found)
        assert again.p_value_group(few, 99) == detector.p_value_group(few, 99)
        assert again.method_ == method and again.false_alarm == (0.05, 0.2)
        assert_array_equal(again.held_out_, detector.held_out_)


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_scores_are_log_prob_and_surprise_sums_to_it(kind):
    detector, X = fitted(kind)
    log_p = detector.model_.log_prob(X)
    assert_array_equal(detector.score_samples(X), log_p.astype(float))
    surprise = detector.surprise(X)
    if isinstance(surprise, list):
        assert [len(row) for row in surprise] == [len(line) + 1 for line in X]
        total = [row.sum() for row in surprise]
    else:
        assert surprise.shape == np.shape(X)
        total = surprise.reshape(N, -1).sum(axis=1)
    assert_allclose(total, -log_p, rtol=2e-5, atol=1e-5)


def test_bits_are_per_symbol_end_included_and_per_known_cell():
    detector, X = fitted("lines", "bits")
    lengths = np.array([len(line) + 1 for line in X])
    assert_allclose(detector.score_samples(X), detector.model_.log_prob(X) / lengths / np.log(2))
    detector, X = fitted("gaps", "bits")
    known = (~np.isnan(X)).sum(axis=1)
    assert_allclose(
        detector.score_samples(X), detector.model_.log_prob(X) / np.maximum(known, 1) / np.log(2)
    )


def test_typicality_finds_what_is_too_likely(normal):
    model, clean = normal
    likelihood, typicality = (
        cr.Detector(model, method=method, false_alarm=0.02).fit(clean)
        for method in ("likelihood", "typicality")
    )
    middle = [[0.0, 0.0]]  # the likeliest place of all, where no row of many columns ever is
    assert likelihood.p_values(middle) > 0.95
    assert typicality.p_values(middle) < likelihood.p_values(middle)
    same = np.zeros((40, 2))
    assert typicality.predict_group(same) == -1 and likelihood.predict_group(same) == 1
    s = model.log_prob(clean).astype(float)
    assert typicality.centre_ == pytest.approx(s.mean(), abs=4 * s.std() / np.sqrt(1000))
    assert_allclose(typicality.score_samples(clean), -np.abs(s - typicality.centre_))


def test_a_ratio_forgets_what_the_background_knows_too():
    """A column that is nearly always 0 says nothing; two that go together do."""
    rng = np.random.default_rng(0)

    def rows(n):
        a = rng.integers(0, 2, n)
        return np.stack([a, a ^ (rng.random(n) < 0.02), *(rng.random((6, n)) < 0.03)], 1) * 1

    model = cr.NADE(8, epochs=60, learning_rate=0.02, batch_size=50, seed=0)
    train, clean = rows(1500), rows(1500)
    likelihood = cr.Detector(model, false_alarm=0.05).fit(train, X_clean=clean)
    ratio = cr.Detector(likelihood.model_, method="ratio", false_alarm=0.05, mutation=0.3)
    ratio.fit(train, X_clean=clean)
    apart, rare = [0, 1, *[0] * 6], [0, 0, 1, *[0] * 5]  # a broken pair; one rare column
    s = likelihood.score_samples([apart, rare]) - ratio.score_samples([apart, rare])
    assert_allclose(s, ratio.background_.model.log_prob([apart, rare]), rtol=1e-5)
    assert ratio.background_.rate == 0.3
    gap = np.diff(likelihood.score_samples([apart, rare]))[0]
    assert np.diff(ratio.score_samples([apart, rare]))[0] > gap + 0.2


def test_complexity_adds_the_length_of_a_code():
    detector, X = fitted("images", "complexity")
    code = detector.score_samples(X) - detector.model_.log_prob(X) / np.log(2)
    assert (code > 0).all() and (code % 8 == 0).all()


# Calibration


def test_a_fitted_model_is_not_fitted_again_and_all_of_X_calibrates(normal):
    model, clean = normal
    before = model.params_.flat.copy()
    detector = cr.Detector(model).fit(clean)
    assert detector.model_ is model and len(detector.clean_scores_) == len(clean)
    assert_array_equal(model.params_.flat, before)
    assert len(detector.held_out_) == 0
    assert_array_equal(detector.clean_scores_, np.sort(model.log_prob(clean).astype(float)))
    given = cr.Detector(model).fit(None, X_clean=clean[:200])
    assert len(given.clean_scores_) == 200
    frozen = clone(cr.Detector(FrozenEstimator(model))).fit(clean)
    assert frozen.model_ is model


def test_what_is_held_out_is_kept_from_the_model():
    detector, X = fitted("table", held_out=0.3)
    held = detector.held_out_
    assert len(held) == 90 == len(set(held.tolist()))
    rest = np.setdiff1d(np.arange(N), held)
    alone = clone(KINDS["table"][0]).fit(X[rest])
    assert_array_equal(alone.params_.flat, detector.model_.params_.flat)
    assert_array_equal(
        detector.clean_scores_, np.sort(detector.model_.log_prob(X[held]).astype(float))
    )
    assert not hasattr(KINDS["table"][0], "params_")
    other = cr.Detector(KINDS["table"][0], false_alarm=0.05, seed=1).fit(X)
    assert set(other.held_out_.tolist()) != set(held.tolist())


def test_rates_may_be_set_after_the_fit(normal):
    model, clean = normal
    detector = cr.Detector(model, false_alarm=0.1).fit(clean[:2000])
    assert detector.predict(clean[2000:2100]).shape == (100,)
    many = detector.set_params(false_alarm=[0.1, 0.01, 1])
    assert many.offset_.shape == (3,) and many.predict(clean[:9]).shape == (9, 3)
    assert (many.predict(clean[:9])[:, 2] == -1).all(), "a rate of 1 finds everything odd"
    assert detector.predict_group(clean[2000:2100]).shape == (3,)


def test_false_alarms_come_as_often_as_asked(normal):
    """On clean rows within what the draw of calibration and test rows allows: Beta, binomial."""
    model, clean = normal
    n = m = 2500
    detector = cr.Detector(model, false_alarm=(0.01, 0.05, 0.2)).fit(clean[:n])
    found = (detector.predict(clean[n:]) == -1).sum(axis=0)
    for count, rate in zip(found, (0.01, 0.05, 0.2), strict=True):
        k = int(rate * (n + 1))
        low, high = stats.betabinom(m, k, n + 1 - k).interval(0.999)
        assert low <= count <= high


@pytest.mark.parametrize("method", methods.METHODS[:3])
def test_p_values_of_clean_rows_are_uniform(method, normal):
    model, clean = normal
    p = []
    for k in range(40):  # calibrations of their own, so that p-values are independent
        rows = clean[k * 120 : (k + 1) * 120]
        detector = cr.Detector(model, method=method, false_alarm=0.5).fit(rows[:99])
        p.append(detector.p_values(rows[99:100], ties="random", seed=k)[0])
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    clean_p = cr.Detector(model, method=method).fit(clean[:2500]).p_values(clean[2500:])
    assert abs(clean_p.mean() - 0.5) < 0.03 and np.histogram(clean_p, 4, (0, 1))[0].min() > 520


def test_a_groups_oddity_adds_up(normal):
    model, clean = normal
    detector = cr.Detector(model).fit(clean[:2500])
    slightly = clean[2500:2600] * 1.2  # none of which is odd alone
    assert detector.p_values(slightly).mean() > 0.3
    assert detector.p_value_group(slightly) < 0.01 < detector.p_value_group(clean[2500:2600])
    assert detector.p_value_group(slightly, 999, seed=1) == detector.p_value_group(
        slightly, 999, seed=1
    )
    with pytest.raises(ValueError, match="takes 99 draws of groups or more, and there are 9"):
        detector.predict_group(slightly, n_draws=9)


def test_data_frames_pipelines_and_default_model():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": REAL[:, 0], "b": np.where(BITS[:, 0], "yes", "no")})
    detector = cr.Detector(cr.TableNADE(4, n_components=2, epochs=2), false_alarm=0.05).fit(frame)
    assert detector.feature_names_in_.tolist() == ["a", "b"] and detector.n_features_in_ == 2
    assert detector.predict(frame).shape == (N,)
    ratio = cr.Detector(cr.TableNADE(4, epochs=2), method="ratio", mutation=0.5, false_alarm=0.05)
    names = [v.values for v in ratio.fit(frame).background_.model.encoder_.variables[1:]]
    assert names == [("no", "yes")]
    piped = make_pipeline(StandardScaler(), cr.Detector(cr.RNADE(4, epochs=2), false_alarm=0.1))
    assert set(piped.fit(REAL).predict(REAL)) == {1, -1}
    assert "model=None" not in repr(piped) and repr(cr.Detector()) == "Detector()"


def test_containers_of_all_kinds_are_cut_as_they_are():
    polars, sparse = pytest.importorskip("polars"), pytest.importorskip("scipy.sparse")
    pandas = pytest.importorskip("pandas")
    nade, table = cr.NADE(4, epochs=1), cr.TableNADE(4, epochs=1)
    lines = cr.RNN(4, **FEW)
    frame = {"a": REAL[:, 0], "b": BITS[:, 0].astype(bool)}
    cases = [
        (nade, [sparse.csr_array(BITS), sparse.coo_matrix(BITS), BITS.tolist(), BITS]),
        (table, [polars.DataFrame(frame), pandas.DataFrame(frame)]),
        (
            lines,
            [LINES, tuple(LINES), pandas.Series(LINES), np.array(LINES), np.array(LINES, object)],
        ),
    ]
    for model, forms in cases:
        found = []
        for X in forms:
            detector = cr.Detector(model, false_alarm=0.05).fit(X)
            found.append(detector.p_values(X))
        for p in found[1:]:
            assert_allclose(p, found[0])


def test_what_is_held_out_is_said_where_progress_is_shown(capsys):
    cr.Detector(cr.FVSBN(epochs=1, verbose=True), false_alarm=0.1).fit(BITS)
    assert "60 of 300 observations are held out, to calibrate by" in capsys.readouterr().err


def test_settings_are_stored_copied_shown_and_stand_in_the_help():
    wrong = cr.Detector(cr.NADE(7), method="magic", false_alarm="often", mutation=-1, seed=None)
    assert vars(wrong) == wrong.get_params(deep=False) and wrong.model.n_hidden == 7
    copied = clone(wrong)
    assert copied.model is not wrong.model and copied.get_params()["model__n_hidden"] == 7
    assert copied.set_params(model__n_hidden=3, method="bits").model.n_hidden == 3
    assert repr(cr.Detector(method="bits")) == "Detector(method='bits')"
    told = inspect.getdoc(cr.Detector)
    assert [name for name in wrong.get_params(deep=False) if f"{name}: " not in told] == []
    fitted_, _ = fitted("bits")
    learnt = {name for name in vars(fitted_) if name.endswith("_") and not name.startswith("_")}
    assert [name for name in learnt if name not in told] == []
    assert not hasattr(clone(fitted_), "clean_scores_")


# What cannot be


def test_before_the_fit_it_says_so():
    detector = cr.Detector(cr.NADE())
    for call in ("score_samples", "predict", "p_values", "surprise", "p_value_group"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(detector, call)(BITS)
    with pytest.raises(NotFittedError):
        detector.save("never.safetensors")
    assert not hasattr(detector, "offset_")


@pytest.mark.parametrize(
    ("settings", "fit", "said"),
    [
        ({"false_alarm": 0}, {"X": BITS}, "infinitely many clean rows"),
        ({"false_alarm": 0.01}, {"X": BITS}, "takes 99 clean rows or more, and there are 60"),
        (
            {"false_alarm": 0.05, "method": "typicality"},
            {"X": BITS, "X_clean": BITS[:20]},
            r"takes 19 clean rows \(beside the 4 set aside to learn from\)",
        ),
        ({"false_alarm": 2}, {"X": BITS}, "at most 1, got 2"),
        ({}, {}, "nothing to calibrate on; give X_clean"),
        ({}, {"X_clean": BITS}, "nothing to calibrate on"),
        ({"method": "magic"}, {"X": BITS}, "method must be"),
        ({"held_out": 0}, {"X": BITS}, "too few to fit to some"),
        ({"held_out": 1.0}, {"X": BITS}, "held_out must be below 1"),
        ({"method": "ratio", "mutation": 0}, {"X": BITS}, "mutation must be above 0"),
        ({"method": "ratio", "mutation": ()}, {"X": BITS}, "mutation holds no rate"),
        ({"background": cr.FVSBN()}, {"X": BITS}, "background is of method='ratio', and"),
        ({}, {"X": BITS[:1]}, "n_samples=1, too few"),
        ({"false_alarm": 0.5}, {"X": np.where(BITS == 1, np.nan, BITS)}, "NaN"),
        ({"false_alarm": 0.5, "seed": -1}, {"X": BITS}, "seed must be"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_fitted(settings, fit, said, monkeypatch):
    model = cr.NADE(4, epochs=2)
    if "NaN" not in said:
        monkeypatch.setattr(cr.NADE, "fit", lambda *_: pytest.fail("fitted"))
    with pytest.raises(ValueError, match=said) as error:
        cr.Detector(model, **settings).fit(**fit)
    assert "\n" not in str(error.value)


def test_one_text_is_a_single_observation():
    for text in ("a long text " * 30, b"bytes", np.arange(9)):
        with pytest.raises(ValueError, match="one text is a single observation"):
            cr.Detector(cr.RNN(4, **FEW)).fit(text)
    model = cr.RNN(4, **FEW).fit("a long text " * 30)
    detector = cr.Detector(model, false_alarm=0.2).fit(["a text", "long", "tall on text"] * 9)
    assert detector.predict(["gnol", "a long text"]).shape == (2,)


def test_no_density_no_detector():
    for wrong in (cr.Autoencoder(), StandardScaler(), cr.NADE, "nade"):
        with pytest.raises(TypeError, match="model must be a density such as TableNADE"):
            cr.Detector(wrong).fit(BITS)


def test_rows_that_do_not_fit_are_the_models_to_refuse(normal):
    model, clean = normal
    detector = cr.Detector(model).fit(clean)
    with pytest.raises(ValueError, match="3 features, but RNADE is expecting 2 features"):
        detector.predict(clean[:, [0, 1, 1]])
    with pytest.raises(ValueError, match="NaN"):
        detector.p_values([[0.0, np.nan]])
    with pytest.raises(ValueError, match="real columns or counts; take another method"):
        cr.Detector(model, method="complexity").fit(clean)
    with pytest.raises(ValueError, match="has not seen; give these as X_clean"):
        cr.Detector(model, method="ratio").fit(clean)
    with pytest.raises(ValueError, match="ties must be"):
        detector.p_values(clean, ties="none")


def test_files_of_other_things_are_no_detectors(tmp_path, normal):
    model, clean = normal
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert type(cr.load(path)) is cr.RNADE
    cr.Detector(model).fit(clean[:200]).save(path)
    assert type(cr.load(path)) is cr.Detector
    damaged = {"settings": {}, "fitted": {}}
    model._save(path, {"detector": damaged}, {})
    with pytest.raises(cr.CheckpointError, match="no estimator that fits it"):
        cr.load(path)


def test_rare_categories_among_what_is_held_out_are_known():
    rows = np.array([["a"], ["b"]] * 60 + [["rare"], ["rarer"]], object)
    for seed in range(9):
        detector = cr.Detector(cr.TableNADE(4, epochs=2), false_alarm=0.05, seed=seed).fit(rows)
        assert detector.p_values(rows).shape == (122,)
        assert "_also_known" not in vars(detector.model_)


WORDS = {
    "size": RNG.normal(size=N),
    "fruit": RNG.choice(["apple", "pear", "quince"], N, p=[0.7, 0.2, 0.1]).astype(object),
    "number": RNG.integers(0, 3, N),
}
STRANGE = {
    "size": np.array([0.1, 0.1, 0.1, 50]),
    "fruit": np.array(["pear", "kiwi", "pear", "kiwi"], object),
    "number": np.array([1, 1, 7, 7]),
}
FORMS = {
    "pandas": lambda X: pytest.importorskip("pandas").DataFrame(X).copy(),
    "polars": lambda X: pytest.importorskip("polars").DataFrame(X),
    "array": lambda X: np.stack([column.astype(object) for column in X.values()], axis=1),
}
SAID = "'kiwi' at [1, 'fruit'], a category never seen in training, of probability 0"


@pytest.mark.parametrize("ordering", ["raster", "reverse"])
@pytest.mark.parametrize("name", FORMS)
def test_a_category_never_seen_is_as_odd_as_can_be(name, ordering):
    form = FORMS[name]
    model = cr.TableNADE(4, epochs=3, n_components=2, ordering=ordering)
    detector = cr.Detector(model, false_alarm=0.05).fit(form(WORDS))
    odd, usual = form(STRANGE), form({key: column[:1] for key, column in STRANGE.items()})
    place = "[1, 1]" if name == "array" else "[1, 'fruit']"
    with pytest.warns(cr.datasets.DataWarning) as told:
        scores = detector.score_samples(odd)
    assert_array_equal(np.isneginf(scores), [False, True, True, True])
    assert [str(one.message).startswith("X holds ") for one in told] == [True, True]
    assert SAID.replace("[1, 'fruit']", place) in str(told[0].message)
    assert "holds 7 at [2," in str(told[1].message)
    with pytest.warns(cr.datasets.DataWarning, match="of probability 0"):
        assert_array_equal(detector.p_values(odd)[1:], 1 / 61)
        assert (detector.predict(odd)[1:] == -1).all()
        assert detector.p_values(odd)[0] == detector.p_values(usual)[0]
        assert 0 < detector.p_value_group(odd, 99) <= 0.1
    with pytest.raises(ValueError, match=r"'kiwi' at .*, a category never seen in training; known"):
        detector.model_.log_prob(odd)
    surprise = detector.surprise(odd)
    assert_array_equal(np.isinf(surprise[:, 1]), [False, True, False, True])
    assert_array_equal(np.isinf(surprise[:, 2]), [False, False, True, True])
    assert np.isfinite(surprise[:, 0]).all() and surprise[3, 0] > surprise[2, 0] + 5
    assert_allclose(surprise[0], -detector.model_.log_prob_terms(usual)[0], rtol=1e-6)


def test_behind_an_unseen_category_stands_the_likeliest_one():
    rng = np.random.default_rng(2)
    first = rng.choice(["a", "b", "c"], 400, p=[0.2, 0.7, 0.1])
    X = np.stack([first, np.where(rng.random(400) < 0.9, first, "c")], axis=1).astype(object)
    detector = cr.Detector(cr.TableNADE(8, epochs=30, learning_rate=0.02), false_alarm=0.1).fit(X)
    strange = np.array([["z", "a"], ["z", "b"], ["b", "z"]], object)
    terms = -detector.model_.log_prob_terms(np.array([["b", "a"], ["b", "b"]], object))
    surprise = detector.surprise(strange)
    assert_allclose(surprise[:2, 1], terms[:, 1], rtol=1e-6)
    assert_allclose(surprise[2], [terms[0, 0], np.inf], rtol=1e-6)


def test_gaps_stay_gaps_beside_an_unseen_category():
    X, odd = (FORMS["pandas"](one) for one in (WORDS, STRANGE))
    X.loc[::7, "fruit"] = None
    detector = cr.Detector(cr.OrderlessNADE((6,), epochs=2), false_alarm=0.05).fit(X)
    odd.loc[0, "size"], odd.loc[3, "number"] = np.nan, np.nan
    with pytest.warns(cr.datasets.DataWarning, match="a category never seen in training"):
        assert_array_equal(np.isneginf(detector.score_samples(odd)), [False, True, True, True])
    surprise = detector.surprise(odd)
    assert np.isinf(surprise[[1, 2, 3], [1, 2, 1]]).all() and np.isinf(surprise).sum() == 3
    assert surprise[0, 0] == 0 and surprise[3, 2] == 0


def test_clean_rows_with_an_unseen_category_calibrate_a_fitted_model():
    """They are clean, so that as many new ones with such a category are no odder than these."""
    X, odd = (FORMS["pandas"](one) for one in (WORDS, STRANGE))
    model, clean = cr.TableNADE(4, epochs=2).fit(X[:200]), X[200:].copy()
    clean.iloc[:20, 1] = "kiwi"
    with pytest.warns(cr.datasets.DataWarning, match="a category never seen in training"):
        detector = cr.Detector(model, false_alarm=0.1).fit(X_clean=clean)
        assert_array_equal(detector.p_values(odd)[1:], 21 / 101)
        assert (detector.predict(odd)[1:] == 1).all()
    with pytest.raises(ValueError, match="X has 2 features, but TableNADE is expecting 3"):
        detector.score_samples(odd[["size", "fruit"]].to_numpy(object))
    with pytest.raises(ValueError, match=r"in the same order|other order|feature names"):
        detector.score_samples(odd[["fruit", "size", "number"]])
    bits = cr.Detector(cr.TableNADE(4, epochs=1), false_alarm=0.1).fit(BITS)
    with pytest.raises(ValueError, match="must hold only 0 and 1, got 9"):
        bits.score_samples(9 * BITS)  # another unit, and no category


def test_a_character_never_seen_is_as_odd_as_can_be():
    detector, X = fitted("lines")
    odd = ["ab.", "a?b.", "??"]
    assert_array_equal(np.isinf(detector.score_samples(odd)), [False, True, True])
    p = detector.p_values(odd)
    assert_allclose(p[1:], 1 / 61)
    assert p[0] == detector.p_values(["ab."])[0] and (detector.predict(odd)[1:] == -1).all()
    plain, strange, nothing = detector.surprise(odd)
    assert_array_equal(plain, -detector.model_.log_prob_terms(["ab."])[0])
    assert_array_equal(strange, np.insert(plain, 1, np.inf))
    assert len(nothing) == 3 and np.isinf(nothing).all()
    assert detector.p_value_group(odd, 99) <= 0.05
    among = cr.Detector(detector.model_, method="typicality", false_alarm=0.1)
    assert np.isfinite(among.fit(["a?", *X[:100]]).centre_)
    assert among.p_values(odd)[1] <= 2 / 81
