"""Classifier: scikit-learn's conventions, what it learns and keeps, and its gradient in inputs."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr

FAST = {"learning_rate": 0.02, "batch_size": 20}


@parametrize_with_checks(
    [
        cr.Classifier(hidden=(16,), epochs=60, **FAST),
        cr.Classifier(network="cnn", channels=(6, 6), epochs=80, **FAST),
    ]
)
def test_conventions(estimator, check):
    check(estimator)


def pictures(rng, N=240, colours=0):
    """Return noisy images with a bar that stands, lies, or is not there, and which."""
    y = rng.integers(0, 3, N)
    x = 0.2 * rng.random((N, 6, 6))
    for image, kind in zip(x, y, strict=True):
        at = rng.integers(6)
        if kind == 1:
            image[at] += 0.7
        elif kind == 2:
            image[:, at] += 0.7
    x = x[..., None] * np.ones(colours) if colours else x
    return x, np.array(["none", "lies", "stands"])[y]


@pytest.mark.parametrize(
    "how",
    [
        {"network": "mlp", "hidden": (32,)},
        {"network": "mlp", "hidden": (24, 12), "activation": "tanh"},
        {"network": "cnn", "channels": (8, 8)},
        {"network": "cnn", "channels": (8,), "pooling": "mean", "dtype": "float64"},
    ],
    ids=lambda how: f"{how['network']} {how.get('activation', how.get('pooling', ''))}",
)
@pytest.mark.parametrize("colours", [0, 3])
def test_it_learns_what_images_show(how, colours, rng):
    x, y = pictures(rng, colours=colours)
    model = cr.Classifier(**how, epochs=40, **FAST).fit(x[:160], y[:160], x[160:], y[160:])
    assert model.score(x[160:], y[160:]) > 0.85
    assert model.encoder_.shape == (6, 6, colours or 1)
    assert model.classes_.tolist() == ["lies", "none", "stands"]
    assert model.history_[model.best_epoch_ - 1]["valid"] == min(
        record["valid"] for record in model.history_
    )
    p = model.predict_proba(x)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(x))
    assert_allclose(
        model.losses(x, y),
        -np.log(p[range(240), np.searchsorted(model.classes_, y)]),
        rtol=1e-3,
        atol=1e-6,
    )
    assert model.decision_function(x).shape == (240, 3)


@pytest.mark.parametrize("network", ["mlp", "cnn"])
@pytest.mark.parametrize("form", [(6, 6), (6, 6, 1), (36,)])
def test_the_input_gradient_is_that_of_the_losses(network, form, rng):
    x, y = pictures(rng, 60)
    x = x.reshape(60, *form)
    model = cr.Classifier(network=network, epochs=3, dtype="float64", **FAST).fit(x, y)
    dx, way = model.input_gradient(x, y), rng.normal(size=x.shape)
    assert dx.shape == x.shape and dx.dtype == np.float64
    numeric = (model.losses(x + 1e-6 * way, y) - model.losses(x - 1e-6 * way, y)) / 2e-6
    assert_allclose((dx * way).reshape(60, -1).sum(axis=1), numeric, rtol=1e-4, atol=1e-7)


def test_two_classes_have_one_number_a_row(rng):
    x, y = pictures(rng)
    some = y != "none"
    model = cr.Classifier(epochs=2).fit(x[some], y[some])
    assert_allclose(
        model.decision_function(x), np.diff(model.logits(x))[:, 0], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_it_is_kept_whole_and_goes_on(network, rng, tmp_path):
    x, y = pictures(rng)
    model = cr.Classifier(network=network, epochs=2, hidden=(5,), channels=(3,)).fit(x, y)
    model.save(tmp_path / "c.safetensors")
    for again in (cr.load(tmp_path / "c.safetensors"), pickle.loads(pickle.dumps(model))):
        assert again.get_params() == model.get_params()
        assert_array_equal(again.logits(x), model.logits(x))
        assert_array_equal(again.classes_, model.classes_)
    path = tmp_path / "b.state"
    longer = clone(model).set_params(schedule="constant").fit(x, y, checkpoint=path)
    resumed = longer.set_params(epochs=4).fit(x, y, checkpoint=path)
    assert_array_equal(resumed.params_.flat, clone(longer).fit(x, y).params_.flat)
    begun = clone(model).fit(x, y, start=model)
    assert begun.history_[0]["train"] < model.history_[0]["train"]
    assert max(cr.gradcheck(model, x[:9], y=y[:9]).values()) < 1e-5


def test_rows_of_pixels_are_images_where_that_is_said(rng):
    x, y = pictures(rng, colours=3)
    rows = x.reshape(len(x), -1)
    as_rows = cr.Classifier(network="cnn", image_shape=(6, 6, 3), epochs=2).fit(rows, y)
    assert_array_equal(
        as_rows.logits(rows), cr.Classifier(network="cnn", epochs=2).fit(x, y).logits(x)
    )


def test_names_and_cross_validation(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.random((90, 3)), columns=list("abc"))
    y = (frame["a"] > frame["b"]).to_numpy().astype(int)
    model = cr.Classifier(hidden=(8,), epochs=20, **FAST)
    assert cross_val_score(model, frame, y, cv=3).mean() > 0.7
    model.fit(frame, y, frame, y)
    assert model.feature_names_in_.tolist() == list("abc")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("cba")])
    with pytest.raises(ValueError, match="columns of other names than those of the fit"):
        model.fit(frame, y, frame[list("cba")], y)


@pytest.mark.parametrize(
    ("how", "x", "y", "words"),
    [
        ({"network": "vgg"}, None, None, "network must be one of 'mlp', 'cnn'; got 'vgg'"),
        ({"hidden": (0,)}, None, None, "hidden must be a whole number of at least 1, got 0"),
        ({"activation": "relu6"}, None, None, "activation must be one of 'relu', 'tanh'"),
        ({"network": "cnn", "channels": ()}, None, None, "channels must hold a whole number"),
        ({"network": "cnn", "pooling": "sum"}, None, None, "pooling must be one of 'max', 'mean'"),
        ({"image_shape": (5, 5)}, None, None, "image_shape says"),
        ({}, np.full((3, 6, 6), np.nan), [0, 1, 2], r"NaN \(first at \[0, 0, 0\]\)"),
        ({}, None, [0.5, 1.5], "Unknown label type"),
        ({}, None, [0, 1], "must hold 9 labels"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(how, x, y, words, rng):
    some, labels = pictures(rng, 9)
    with pytest.raises(ValueError, match=words):
        cr.Classifier(**how).fit(some if x is None else x, labels if y is None else y)


def test_other_images_are_refused(rng):
    x, y = pictures(rng)
    model = cr.Classifier(epochs=1).fit(x, y)
    with pytest.raises(ValueError, match="X has images of 5×6, and the model was fitted on 6×6"):
        model.predict(x[:, :5])
    with pytest.raises(ValueError, match="a label never seen in training"):
        model.input_gradient(x, np.full(len(x), "leans"))
    with pytest.raises(ValueError, match="start was fitted on images of 6×6 pixels of 1 channel"):
        cr.Classifier(epochs=1).fit(x[:, :5], y, start=model)
