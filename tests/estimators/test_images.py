"""PixelCNN as users meet it: images in, densities, samples, files, and the same in every form."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import chainrule as cr
from chainrule.engine.event import Image

X, Y = load_digits(return_X_y=True)
X, Y = X[:80].reshape(80, 8, 8)[:, ::2, ::2].astype(np.uint8), Y[:80]  # (80, 4, 4), 0 … 16
BITS = (X > 8).astype(np.uint8)
COLOUR = np.random.default_rng(0).integers(0, 256, (24, 3, 2, 3), np.uint8)
SMALL = {"n_layers": 1, "n_features": 6, "first_size": 3, "epochs": 2, "batch_size": 20}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def small(**settings):
    return cr.PixelCNN(**SMALL | settings)


KINDS = {
    "bits": (small(gated=True), BITS),
    "levels": (small(levels=17), X),
    "logistics": (small(levels=17, likelihood="logistics", n_logistics=2), X.astype(float)),
    "threshold": (small(binarize=8), X.astype(np.int64)),
    "colour": (
        small(levels=4, reduce_from=256, horizontal_flips=True, positions=True),
        COLOUR,
    ),
    "placed": (small(gated=True, positions=True, first_size=7), BITS),
    "greys": (small(dynamic_binarization=True, reduce_from=17), X),
    "shares": (small(dynamic_binarization=True), (X / 16).astype(np.float32)),
    "rows": (small(image_shape=(2, 8)), BITS.reshape(80, 16)),
}


@pytest.fixture(scope="module")
def all_fitted():
    return {kind: clone(model).fit(x, X_valid=x[:20]) for kind, (model, x) in KINDS.items()}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def fitted(kind, all_fitted):
    return all_fitted[kind]


@pytest.fixture
def x(kind):
    return KINDS[kind][1]


# What every kind of image promises


def test_terms_sum_to_log_prob_and_scores_follow(fitted, x):
    log_p, terms = fitted.log_prob(x), fitted.log_prob_terms(x)
    assert log_p.shape == (len(x),) and terms.shape == x.shape
    assert_allclose(terms.reshape(len(x), -1).sum(axis=1), log_p, rtol=1e-4)
    assert fitted.score(x) == pytest.approx(log_p.mean(), rel=1e-5)
    assert fitted.bits_per_dim(x) == pytest.approx(-log_p.mean() / x[0].size / np.log(2), rel=1e-4)
    assert_array_equal(fitted.score_samples(x), log_p)
    assert_allclose(fitted.log_prob(x[5:9]), log_p[5:9], rtol=1e-4)


def test_conditionals_are_those_of_the_terms(fitted, x):
    p, terms, levels = fitted.conditionals(x), fitted.log_prob_terms(x), fitted.encoder_.levels
    seen = fitted.encoder_.encode(x).reshape(x.shape)
    if levels == 2:
        assert p.shape == x.shape
        chosen = np.where(seen == 1, p, 1 - p)
    else:
        assert p.shape == (*x.shape, levels)
        assert_allclose(p.sum(axis=-1), 1, rtol=1e-4)
        chosen = np.take_along_axis(p, seen[..., None].astype(int), axis=-1)[..., 0]
    assert_allclose(np.log(chosen), terms, rtol=1e-3, atol=1e-4)


def test_samples_are_as_the_images_were(fitted, kind, x):
    drawn = fitted.sample(7, seed=1)
    assert drawn.shape == (7, *x.shape[1:])
    assert drawn.dtype == (np.uint8 if kind == "threshold" else x.dtype)
    assert_array_equal(drawn, fitted.sample(7, seed=1))
    assert (drawn != fitted.sample(7, seed=2)).any()
    assert 0 <= drawn.min() and drawn.max() <= fitted.encoder_.highest
    if kind != "threshold":  # whose bits are no pixels above 8
        assert fitted.log_prob(drawn).shape == (7,)


def test_what_is_observed_first_is_kept(fitted, kind, x):
    R, S, C = fitted.encoder_.shape
    marks = np.arange(R)[:, None] < np.full(S, R // 2)
    given = x[:5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = fitted.sample(5, seed=1, given=given, observed=marks)
    flat = np.repeat(marks[..., None], C, axis=-1).reshape(x.shape[1:])
    encoder = fitted.encoder_
    seen = drawn if kind == "threshold" else encoder.encode(drawn).reshape(x[:5].shape)
    if kind not in ("greys", "shares"):  # bits of greys are drawn by all that is given
        assert_array_equal(seen[:, flat], encoder.encode(given).reshape(x[:5].shape)[:, flat])
    other = clone(fitted)
    other.__dict__ = fitted.__dict__
    for mask in (flat.reshape(-1), np.repeat(flat[None], 5, axis=0)):
        assert_array_equal(other.sample(5, seed=1, given=given, observed=mask), drawn)


def test_files_and_settings_come_back(fitted, x, tmp_path):
    fitted.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert type(again) is cr.PixelCNN and again.get_params() == fitted.get_params()
    assert again.history_ == fitted.history_ and again.best_epoch_ == fitted.best_epoch_
    assert_array_equal(again.log_prob(x), fitted.log_prob(x))
    assert_array_equal(again.sample(3, seed=1), fitted.sample(3, seed=1))
    assert again.encoder_.as_json() == fitted.encoder_.as_json()


@pytest.mark.parametrize("kind", ["colour", "greys", "bits"], scope="module")  # those that draw
def test_a_stopped_training_goes_on_to_the_same_bits(kind, x, tmp_path):
    path, model = tmp_path / "state", clone(KINDS[kind][0]).set_params(schedule="constant")
    model.set_params(epochs=1, average=0.9, n_threads=2).fit(x, checkpoint=path)
    model.set_params(epochs=3).fit(x, checkpoint=path)
    whole = clone(model).fit(x)
    assert_array_equal(model.params_.flat, whole.params_.flat)
    assert [one["epoch"] for one in model.history_] == [1, 2, 3]


# What the settings mean


def test_a_form_is_but_a_form():
    """The same images as rows, grey or with an axis of channels make the same model."""
    one = small().fit(BITS)
    for form in ((16,), (4, 4, 1)):
        other = small().fit(BITS.reshape(80, *form).astype(float))
        assert_array_equal(other.params_.flat, one.params_.flat)
        assert_array_equal(other.log_prob(BITS), one.log_prob(BITS))
        assert other.sample(2, seed=0).shape == (2, *form)
    assert one.config_.event == Image(4, 4, 1, 2) and one.n_features_in_ == 16


def test_pixels_depend_on_what_comes_before_alone():
    model = small(levels=17, epochs=1).fit(X)
    terms = model.log_prob_terms(X[:1]).reshape(-1)
    for at in (0, 5, 15):
        changed = X[:1].reshape(1, 16).copy()
        changed[0, at] = (changed[0, at] + 9) % 17
        others = model.log_prob_terms(changed)[0]
        assert_allclose(others[:at], terms[:at], rtol=1e-5)


def test_the_masses_of_all_images_sum_to_one():
    x = np.array([[i >> k & 1 for k in range(6)] for i in range(64)], np.uint8)
    model = small(image_shape=(2, 3), gated=True, dtype="float64").fit(x[::3])
    assert np.exp(model.log_prob(x)).sum() == pytest.approx(1, rel=1e-9)


def test_the_mean_over_steps_is_kept():
    mean, last = (small(average=a, epochs=3).fit(BITS) for a in (0.9, 0.0))
    assert not np.array_equal(mean.params_.flat, last.params_.flat)
    assert [one["train"] for one in mean.history_] == [one["train"] for one in last.history_]


def test_greys_are_drawn_anew_in_each_epoch_and_flips_are_seen():
    plain = small(n_threads=1).fit(BITS)
    for settings in ({"horizontal_flips": True}, {"dynamic_binarization": True, "reduce_from": 2}):
        if "dynamic_binarization" in settings:
            settings, x = {"dynamic_binarization": True, "reduce_from": 17}, X
        else:
            x = BITS
        one, other = (small(n_threads=n, **settings).fit(x) for n in (1, 2))
        assert_allclose(one.params_.flat, other.params_.flat, atol=1e-5)  # any cut draws the same
        assert not np.array_equal(one.params_.flat, plain.params_.flat)
    symmetric = np.concatenate([BITS, BITS[:, :, ::-1]])
    model = small(horizontal_flips=True, epochs=12, learning_rate=0.01).fit(BITS)
    mirrored = model.score(symmetric[80:])
    assert abs(mirrored - model.score(BITS)) < 0.5
    unmirrored = small(epochs=12, learning_rate=0.01).fit(BITS)
    assert mirrored > unmirrored.score(symmetric[80:])


def test_labels():
    y = np.where(BITS.mean(axis=(1, 2)) > np.median(BITS.mean(axis=(1, 2))), "full", "thin")
    model = small(epochs=15, learning_rate=0.02, gated=True).fit(BITS, y, X_valid=BITS, y_valid=y)
    assert model.classes_.tolist() == ["full", "thin"]
    p = model.predict_proba(BITS)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (model.predict(BITS) == y).mean() > 0.7
    log_p = np.logaddexp.reduce(
        [
            np.log(model.class_prior_[c]) + model.log_prob(BITS, c_)
            for c, c_ in enumerate(model.classes_)
        ]
    )
    assert_allclose(model.log_prob(BITS), log_p, rtol=1e-4)
    assert_allclose(model.log_prob_terms(BITS).sum(axis=(1, 2)), log_p, rtol=1e-4)
    assert model.conditionals(BITS).shape == BITS.shape
    assert model.sample(3, y="thin", seed=0).shape == (3, 4, 4)
    marks = np.arange(4)[:, None] < np.full(4, 2)
    drawn = model.sample(30, seed=0, given=BITS[0], observed=marks)
    assert (drawn[:, :2] == BITS[0, :2]).all()


def test_gradients_by_the_public_check():
    for model, x, y in (
        (small(levels=17, dropout=0.2), X[:4], None),
        (small(gated=True), COLOUR[:3] % 2, [0, 1, 1]),
    ):
        errors = cr.gradcheck(model, x, 20, y)
        assert max(errors.values()) < 1e-6
    assert max(cr.gradcheck(small().fit(BITS), BITS[:4], 20).values()) < 1e-6


def test_rows_in_colour_are_learnt_by_their_shape_and_without_it_that_is_said():
    rows = COLOUR[:, :2].reshape(24, 12)
    with pytest.warns(cr.datasets.DataWarning, match=r"images of 1×12; if they are in colour, say"):
        small(epochs=1).fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error", cr.datasets.DataWarning)
        model = small(epochs=1, image_shape=(2, 2, 3)).fit(rows)
        assert model.config_.event == small(epochs=1).fit(COLOUR[:, :2]).config_.event
        small(epochs=1, image_shape=(1, 12)).fit(rows)


def test_one_image_alone_is_told_how_to_be_one_of_several(all_fitted):
    for kind in ("bits", "colour"):
        model, x = all_fitted[kind], KINDS[kind][1]
        for alone in (x[0], x[0].reshape(model.encoder_.shape)):
            for ask in (model.log_prob, model.log_prob_terms, model.conditionals):
                with pytest.raises(ValueError, match=r"shape of one image, .* give X\[None\]"):
                    ask(alone)
        assert_allclose(model.log_prob(x[0][None]), model.log_prob(x[:1]), rtol=1e-5)


def test_frames_pipelines_and_starts():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(BITS.reshape(80, 16), columns=[f"p{k}" for k in range(16)])
    model = small().fit(frame, X_valid=frame)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert_array_equal(model.log_prob(frame), small().fit(BITS, X_valid=BITS).log_prob(BITS))
    with pytest.raises(ValueError, match="feature names"):
        model.log_prob(frame[frame.columns[::-1]])
    assert not hasattr(clone(model).fit(BITS), "feature_names_in_")
    drawn = model.sample(2, seed=0, given=frame.iloc[:1], observed=["p0", "p1"])
    assert drawn.shape == (2, 16)
    pipeline = make_pipeline(FunctionTransformer(lambda x: x // 64), small(levels=4)).fit(COLOUR)
    assert np.isfinite(pipeline.score(COLOUR))
    tuned = small(epochs=1).fit(BITS, start=small().fit(BITS))
    assert len(tuned.history_) == 1


@pytest.mark.parametrize("cls", [cr.PixelCNN, cr.PixelRNN])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_defaults_are_for_images_of_any_channels(cls, channels):
    assert cls()._image_config(Image(4, 4, channels), 1).event.channels == channels


# What cannot be


@pytest.mark.parametrize(
    ("settings", "x", "says"),
    [
        ({"likelihood": "logistics"}, BITS, "likelihood='logistics' is of more than 2 levels"),
        ({"likelihood": "normal"}, X, "likelihood must be one of 'softmax', 'logistics'"),
        ({"n_features": 8}, COLOUR, "n_features must be a multiple of the 3 channels"),
        ({"n_layers": 0}, BITS, "n_layers must be a whole number of at least 1, got 0"),
        ({"kernel_size": 2}, BITS, "odd"),
        ({"dropout": 1.0}, BITS, "dropout must be below 1"),
        ({"levels": 300}, X, "levels must be from 2 to 256, got 300"),
        ({"levels": 4}, X, r"X holds \d+ at \[0, .*\], and of levels=4 .* reduce_from=17$"),
        ({}, X / 16, r"X holds 0\.\d+ at \[0, \d, \d\], and levels are whole numbers from 0 on"),
        ({"average": 1.0}, BITS, r"average must be in \[0, 1\)"),
        ({"image_shape": 5}, BITS.reshape(80, 16), "image_shape must be rows and pixels of a row"),
        ({"image_shape": (3, 5)}, BITS.reshape(80, 16), r"image_shape says \(3, 5\)"),
        ({}, BITS[0, 0], "Reshape your data"),
        ({}, np.zeros((3, 0, 2)), "images are"),
        ({"backend": "abacus"}, BITS, "backend must be one of"),
        ({"gated": "yes"}, BITS, "gated must be True or False, got 'yes'"),
        ({"dynamic_binarization": "no"}, X, "dynamic_binarization must be True or False, got"),
        ({"horizontal_flips": 2}, BITS, "horizontal_flips must be True or False, got 2"),
        ({"kernel_size": 99}, BITS, "kernel_size=99 reaches past images of 4×4 pixels; give 7 at"),
        ({"first_size": 4}, BITS, "first_size must be odd, so that there is a middle, got 4"),
        ({"kernel_size": 2}, BITS, "kernel_size must be odd"),
        ({"first_size": 9}, BITS, "first_size=9 reaches past images of 4×4 pixels; give 7 at most"),
        ({}, [[1, 0], [1]], "X must be a rectangular table of numbers; its parts differ in len"),
        ({}, [[[1, 0], [1]], [[1, 0], [1, 0]]], "X must be a rectangular table of numbers; its"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_fitted_is_one_sentence_and_changes_nothing(settings, x, says):
    model = small(**settings)
    with pytest.raises(ValueError, match=says) as caught:
        model.fit(x)
    assert "\n" not in str(caught.value) and not hasattr(model, "params_")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda m: m.log_prob(BITS[:, :3]), "images of 3×4, and the model was fitted on 4×4"),
        (lambda m: m.log_prob(BITS.reshape(80, 16)[:, 1:]), "X has 15 features, but PixelCNN is"),
        (lambda m: m.log_prob(X), r"holds \d+ at \[.*\], and those of the fit are from 0 to 1,"),
        (
            lambda m: m.log_prob(BITS[0]),
            r"one image, 4×4, and is to hold several; .* give X\[None\]",
        ),
        (lambda m: m.sample(2, given=BITS[0]), "given and observed go together"),
        (
            lambda m: m.sample(2, given=BITS[0, :, :3], observed=np.zeros((4, 4), bool)),
            r"given must be an image of shape \(4, 4\), or 2 of them; got shape \(4, 3\)",
        ),
        (
            lambda m: m.sample(2, given=BITS[:3], observed=np.zeros((4, 4), bool)),
            r"given must be an image of shape \(4, 4\), or 2 of them; got shape \(3, 4, 4\)",
        ),
        (
            lambda m: m.sample(2, seed=-1),
            "seed must be None, a whole number of at least 0, or .*-1",
        ),
        (
            lambda m: m.sample(2, given=BITS[0], observed=np.zeros((4, 3), bool)),
            r"observed must be a bool array of shape \(4, 4\) or \(4, 4, 1\), or 2 of them",
        ),
        (
            lambda m: m.sample(2, given=BITS[0], observed=np.zeros((4, 4))),
            "observed must be a bool array of shape",
        ),
        (lambda m: m.sample(2, given=X[:2], observed=np.ones((4, 4), bool)), r"given holds \d+ at"),
        (lambda m: m.sample(0), "n must be a whole number of at least 1, got 0"),
        (lambda m: m.log_prob(BITS, Y), "fitted without labels; leave y out"),
        (lambda m: small().fit(BITS, start=small(levels=17).fit(X)), "start was fitted on images"),
        (lambda m: small().fit(BITS, X_valid=X), r"X_valid holds \d+ at"),
        (lambda m: small().fit(BITS, X_valid=BITS[:, :2]), "X_valid has images of 2×4, and"),
    ],
)
def test_what_a_fitted_model_cannot_use_is_one_sentence(all_fitted, asked, says):
    with pytest.raises(ValueError, match=says) as caught:
        asked(all_fitted["bits"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "x", "other", "says"),
    [
        ({"levels": 17}, X, X + 1, "holds 17 at .*, and those of the fit are from 0 to 16, whole"),
        ({"levels": 17}, X, X + 0.5, "from 0 to 16, whole numbers; give such alone"),
        ({"levels": 17}, X, -X, "from 0 to 16, whole numbers; give such alone"),
        ({"levels": 17}, X, 99 * X, "from 0 to 16, whole numbers; give such alone"),
        ({}, BITS, X / 16, "from 0 to 1, whole numbers; give such alone"),
        ({"levels": 4, "reduce_from": 17}, X, X + 1, "are from 0 to 16, whole numbers; give such"),
        ({"dynamic_binarization": True}, X / 16, X, "are shares from 0 to 1; give such alone"),
    ],
)
def test_a_fitted_model_advises_no_settings(settings, x, other, says, tmp_path):
    model = small(**{**settings, "epochs": 1}).fit(x)
    model.save(tmp_path / "m.safetensors")
    observed, k = np.ones((4, 4), bool), other.max(axis=(1, 2)).argmax()
    for one in (model, cr.load(tmp_path / "m.safetensors")):
        for ask in (one.score, lambda o, m=one: m.sample(1, given=o[k], observed=observed)):
            with pytest.raises(ValueError, match=says) as caught:
                ask(other)
            for setting in ("binarize", "reduce_from=", "levels="):
                assert setting not in str(caught.value)
    with pytest.raises(ValueError, match="X_valid holds") as caught:  # while it is fitted it does
        small(**settings).fit(x, X_valid=other)


@pytest.mark.parametrize("model", [cr.PixelCNN, cr.PixelRNN])
@pytest.mark.parametrize(("shape", "most"), [((1, 1), 7), ((1, 6), 11), ((9, 2), 17)])
def test_small_images_are_learnt_and_windows_reach_no_further(model, shape, most):
    x = np.random.default_rng(0).integers(0, 2, (20, *shape))
    fitted = model(1, 4, epochs=1, first_size=most, seed=0).fit(x)
    assert fitted.sample(3, seed=0).shape == (3, *shape)
    assert np.isfinite(fitted.score(x))
    with pytest.raises(ValueError, match=rf"give {most} at most"):
        model(1, 4, epochs=1, first_size=most + 2).fit(x)


PLACED = [
    cr.PixelCNN(1, 4, positions=True),
    cr.PixelCNN(1, 4, positions=True, gated=True),
    cr.PixelRNN(1, 2, "row", positions=True),
    cr.PixelRNN(1, 2, "diagonal", positions=True),
]


@pytest.mark.parametrize("model", PLACED, ids=str)
def test_what_depends_on_the_place_alone_is_learnt_by_positions(model, rng):
    """Pixels alone, each with a probability of its own: the best that is possible, nearly."""
    p = np.where(rng.random((6, 6)) < 0.5, 0.1, 0.9)
    x = (rng.random((600, 6, 6)) < p).astype(np.uint8)
    best = -36 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    how = {"first_size": 3, "epochs": 12, "batch_size": 20, "learning_rate": 0.02, "seed": 0}
    placed = clone(model).set_params(**how).fit(x)
    blind = clone(model).set_params(**how, positions=False).fit(x)
    assert -placed.score(x) < best + 1
    assert -blind.score(x) > best + 2
    assert placed.params_["b_p"].shape[:2] == (6, 6)
    assert "b_p" not in blind.params_


def test_pixels_that_do_not_come_first_are_clamped_and_that_is_said(all_fitted):
    marks = np.zeros((4, 4), bool)
    marks[3] = True
    with pytest.warns(UserWarning, match="do not come first in the model's order"):
        drawn = all_fitted["bits"].sample(5, seed=0, given=BITS[:5], observed=marks)
    assert_array_equal(drawn[:, 3], BITS[:5, 3])
