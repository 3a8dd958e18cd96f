"""What models of images see: a pixel's receptive field, and the first layer's window."""

import doctest

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

import chainrule as cr
from chainrule.estimators import sighted
from chainrule.estimators.sighted import DRAWN

SMALL = {"n_layers": 1, "first_size": 3, "epochs": 1, "seed": 0, "backend": "reference"}
GREYS = np.random.default_rng(0).integers(0, 256, (12, 4, 5))
COLOURS = np.random.default_rng(1).integers(0, 4, (12, 4, 5, 3))
LABELS = np.array(["a", "b", "c"] * 4)
KINDS = {"cnn": (cr.PixelCNN, {"n_features": 6}), "rnn": (cr.PixelRNN, {"n_hidden": 6})}
both = pytest.mark.parametrize("kind", KINDS)


def small(kind, **settings):
    cls, own = KINDS[kind]
    return cls(**{**SMALL, **own, **settings})


def past(shape, place):
    order = np.arange(np.prod(shape)).reshape(shape)
    return order < order[place]


@both
def test_it_is_the_mean_of_the_engine_s_gradients_of_all_images(kind, monkeypatch):
    """However many are looked at in one pass, and of each class's network."""
    model = small(kind, levels=4).fit(COLOURS, LABELS)
    engine, config, params = model._engine(), model.config_, model.params_
    ids = np.arange(12, dtype=np.int32) % 3
    with cr.use_backend("reference"):
        x = COLOURS.astype(np.uint8)
        dx = engine.input_gradient(config, params, x, (2, 3, 1), ids)
        of_b = engine.input_gradient(config, params, x, (2, 3, 1), np.full(12, 1))
    for at_once in (1, 1 << 13):
        monkeypatch.setattr("chainrule.estimators.sighted.PIXELS_AT_ONCE", at_once)
        found = model.receptive_field((2, 3, 1), COLOURS, LABELS)
        assert found.dtype == np.float64 and found.shape == (4, 5, 3)
        assert_allclose(found, np.abs(dx).mean(axis=0), rtol=1e-5)
        assert_array_equal(model.receptive_field((2, 3, 1), COLOURS), found)  # all in turn
        one = model.receptive_field([2, np.int64(3), 1], COLOURS, "b")
        assert_allclose(one, np.abs(of_b).mean(axis=0), rtol=1e-5)


@both
@pytest.mark.parametrize(
    ("settings", "x"),
    [({"levels": 4, "reduce_from": 256}, GREYS), ({"binarize": 127}, GREYS),
     ({"levels": 4}, COLOURS), ({"likelihood": "logistics", "n_logistics": 2}, GREYS),
     ({"dynamic_binarization": True}, GREYS), ({"positions": True}, (GREYS > 99).reshape(12, 20))],
    ids=str,
)  # fmt: skip
def test_images_of_every_kind_are_read_as_a_fit_does_and_drawn_where_there_are_none(
    kind, settings, x
):
    own = {"image_shape": (4, 5)} if x.ndim == 2 else {}
    model = small(kind, **settings, **own).fit(x)
    shape, C = model.encoder_.shape, model.encoder_.shape[2]
    for at in ((3, 2), (2, 0, C - 1)):
        for found in (model.receptive_field(at, x[:4]), model.receptive_field(at)):
            assert found.shape == shape
            assert not (found[~past(shape, (*at, 0)[:3])] > 0).any()
            assert (found[at[0] - 1, at[1]] > 0).all()  # above it
    assert_array_equal(model.receptive_field((3, 2)), model.receptive_field((3, 2, 0)))
    if C == 3:
        for channel in range(3):
            found = model.receptive_field((3, 2, channel), x)
            assert_array_equal(found[3, 2] > 0, np.arange(3) < channel)


def test_a_trained_model_sees_all_but_a_blind_spot_and_a_gated_one_all():
    x, fields = GREYS[:, :4, :4] > 99, {}
    for gated in (False, True):
        how = {"n_layers": 3, "epochs": 3, "gated": gated}
        fields[gated] = small("cnn", **how).fit(x).receptive_field((3, 0), x)[..., 0] > 0
    up, right = 3 - np.indices((4, 4))[0], np.indices((4, 4))[1]
    assert_array_equal(fields[True], up > 0)
    assert_array_equal(fields[False], (up > 0) & (right <= up))


def test_the_example_does_what_it_says():
    failed, tried = doctest.testmod(sighted)
    assert (failed, tried) == (0, 5)


def test_saved_and_loaded_it_sees_the_same(tmp_path):
    model = small("rnn", cell="diagonal").fit(GREYS > 99)
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert_array_equal(again.receptive_field((3, 2)), model.receptive_field((3, 2)))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda m: m.receptive_field((4, 0), GREYS), "row 4, column 0, channel 0 lies outside ima"),
        (lambda m: m.receptive_field((0, 0, 1), GREYS), "images of 4×5 pixels and 1 channel, each"),
        (lambda m: m.receptive_field(7), r"pixel must be \(row, column\) or \(row, column, channe"),
        (lambda m: m.receptive_field((0, 0), GREYS[:, :3]), "X has images of 3×5, and the model"),
        (lambda m: m.receptive_field((0, 0), GREYS, "a"), "fitted without labels; leave y out"),
    ],
)
def test_what_cannot_be_seen_is_one_sentence(ask, says):
    model = small("cnn").fit(GREYS)
    with pytest.raises(ValueError, match=says) as caught:
        ask(model)
    assert "\n" not in str(caught.value)
    with pytest.raises(NotFittedError):
        ask(small("cnn"))


def test_labels_that_are_none_or_too_few_are_refused():
    model = small("cnn", levels=4).fit(COLOURS, LABELS)
    with pytest.raises(ValueError, match="a label never seen in training"):
        model.receptive_field((0, 0), COLOURS, "d")
    for X, n in ((COLOURS[:5], 5), (None, DRAWN)):
        with pytest.raises(ValueError, match=f"y .*{n}"):
            model.receptive_field((0, 0), X, LABELS)


# The first layer's window


@both
def test_a_first_map_of_one_pixel_is_for_colours(kind, tmp_path):
    """Blue, the last channel, is then seen by nothing; the fit, files and draws go through."""
    model = small(kind, levels=4, first_size=1).fit(COLOURS)
    seen = model.receptive_field((2, 1, 2), COLOURS) > 0
    assert seen[1, 1, :2].all() and seen[2, 1].tolist() == [True, True, False]
    assert not seen[..., 2].any()
    assert model.config_.first_size == 1 and model.sample(2, seed=0).shape == (2, 4, 5, 3)
    assert max(cr.gradcheck(small(kind, levels=4, first_size=1), COLOURS[:3], 10).values()) < 1e-5
    model.save(tmp_path / "m.safetensors")
    assert cr.load(tmp_path / "m.safetensors").first_size == 1


@both
def test_in_grey_a_first_map_of_one_pixel_would_see_nothing(kind):
    model = small(kind, first_size=1)
    with pytest.raises(
        ValueError, match="first_size must be at least 3 to see a pixel of images in"
    ):
        model.fit(GREYS)
    assert not hasattr(model, "params_")
    one = small(kind, first_size=1).fit(np.array([0, 1, 1, 1] * 5).reshape(20, 1, 1))
    assert one.log_prob([[[1]]]).shape == (1,)  # of one pixel there is nothing to see at all


def test_gated_layers_need_a_row_above():
    for x in (GREYS, COLOURS):
        with pytest.raises(ValueError, match="first_size must be at least 3 of gated layers"):
            small("cnn", gated=True, first_size=1).fit(x)
    with pytest.raises(ValueError, match="first_size must be odd"):
        small("cnn", first_size=2).fit(GREYS)
