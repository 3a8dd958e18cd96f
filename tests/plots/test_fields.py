"""Receptive fields as pictures: of arrays, and measured from the gradient of fitted models."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import plots
from chainrule.plots import palette

X = np.random.default_rng(0).integers(0, 2, (20, 6, 6))
HOW = {"n_layers": 4, "n_features": 6, "first_size": 3, "epochs": 1, "seed": 0}


@pytest.fixture(scope="module")
def nets():
    """One stack, and two."""
    kinds = {"plain": False, "gated": True}
    return {
        name: cr.PixelCNN(gated=gated, backend="reference", **HOW).fit(X)
        for name, gated in kinds.items()
    }


def lines(figure):
    return [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]


def squares(figure):
    """Return where rectangles of the first map begin, their sizes, and whether they are hatched."""
    patches = [(p.get_xy(), p.get_width(), p.get_height(), p) for p in figure.axes[0].patches]
    return [(x + 0.5, y + 0.5, w, h, bool(p.get_hatch())) for (x, y), w, h, p in patches]


def test_a_field_is_shares_of_its_largest_and_blank_where_nothing_is_seen():
    field = np.zeros((3, 4, 1))
    field[0, 1], field[1, 0] = -8, 2  # a sign is no size
    figure = plots.receptive_field(field, (1, 2))
    past, later = (image.get_array() for image in figure.axes[0].get_images())
    np.testing.assert_array_equal(~past.mask, field[..., 0] != 0)
    assert past[0, 1] == 1 and past[1, 0] == 0.25
    assert later.mask.all() and lines(figure) == ["sees 2 of 6 pixels before it"]
    hatched = [(2, 1, 2, 1, True), (0, 2, 4, 1, True)]
    assert squares(figure) == [*hatched, (2, 1, 1, 1, False)]


def test_what_it_may_not_see_is_red_if_it_does():
    field = np.zeros((3, 4, 1))
    field[0, 0], field[1, 2], field[2, 3] = 1, 1, 1e-9
    figure = plots.receptive_field({"bad": field, "good": 0 * field}, (1, 2))
    later = figure.axes[0].get_images()[1].get_array()
    np.testing.assert_array_equal(np.argwhere(~later.mask), [[1, 2], [2, 3]])
    assert lines(figure) == [
        "sees 1 of 6 pixels before it\nand 2 that it may not see",
        "sees 0 of 6 pixels before it",
    ]
    assert figure.axes[0].xaxis.label.get_color() == palette.RED
    assert figure.axes[0].get_title(loc="left") == "bad"


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_channel_may_see_those_before_it_in_its_own_pixel(channel):
    field = np.zeros((2, 2, 3))
    field[0, 1] = 1  # all of its own pixel
    figure = plots.receptive_field(field, (0, 1), channel)
    said = (
        f"sees {channel} of {3 + channel} values before it\nand {3 - channel} that it may not see"
    )
    assert lines(figure) == lines(plots.receptive_field(field, (0, 1, channel))) == [said]
    assert squares(figure)[0] == (1 + (channel > 0), 0, channel == 0, 1, True)


@pytest.mark.parametrize(
    ("field", "pixel", "channel", "says"),
    [(np.zeros((3, 3)), (0, 0), 0, r"shape of an image, \(R, S, C\), got \(3, 3\); images go with"),
     (np.zeros((3, 3, 1)), (3, 0), 0, "row 3, column 0, channel 0 lies outside images of 3×3"),
     (np.zeros((3, 3, 1)), (0, 0, 0), 0, "channel goes with a pixel .* got .0, 0, 0"),
     (np.zeros((3, 3, 1)), (0, 0), 1, "channel 1 lies outside images of 3×3 pixels and 1 channel"),
     (np.zeros((3, 3, 1)), 4, 1, r"channel goes with a pixel \(row, column\), got 4"),
     (np.zeros((3, 3, 1)), 4, None, r"pixel must be \(row, column\) or \(row, column, channel\)"),
     (np.full((3, 3, 1), np.nan), (0, 0), 0, r"gradient holds nan at \[0, 0, 0\]")],
)  # fmt: skip
def test_fields_without_the_pixel_are_refused(field, pixel, channel, says):
    with pytest.raises(ValueError, match=says) as caught:
        plots.receptive_field(field, pixel, channel)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("title", [r"a$\frac{$", "a\nb"], ids=ascii)
def test_any_name_of_a_field_is_drawn_as_it_is(title, tmp_path):
    figure = plots.receptive_field({title: np.ones((2, 2, 1))}, (1, 1), title=title)
    plots.save(figure, tmp_path / "x.png")


# --- of fitted models


def test_models_are_drawn_by_their_gradient_side_by_side(nets):
    """A blind spot of one stack, and none of two."""
    figure = plots.receptive_field(X[:9], (4, 1), model=nets)
    order = np.arange(36).reshape(6, 6)
    past, up, right = order < order[4, 1], *(np.indices((6, 6)) * [[[-1]], [[1]]] + [[[4]], [[-1]]])
    for axes, (name, net) in zip(figure.axes, nets.items(), strict=False):
        blue, red = (image.get_array() for image in axes.get_images())
        seen = past if name == "gated" else past & (right <= up)
        np.testing.assert_array_equal(~blue.mask, seen)
        assert red.mask.all() and axes.get_title(loc="left") == name
        gradient = net.receptive_field((4, 1), X[:9])[..., 0]
        np.testing.assert_allclose(blue[seen], (gradient / gradient.max())[seen])
    assert lines(figure) == ["sees 19 of 25 pixels before it", "sees 25 of 25 pixels before it"]
    assert figure.axes[-1].get_ylabel().startswith("mean |∂sₜ/∂x|, share of")


def test_a_bar_says_gradient_only_of_what_was_measured_so(nets):
    changes = plots.influence(lambda x: nets["gated"].conditionals(x), X[:3].reshape(3, 36))
    figure = plots.receptive_field(changes[25].reshape(6, 6, 1), (4, 1))
    assert lines(figure) == ["sees 25 of 25 pixels before it"]
    assert "∂" not in figure.axes[-1].get_ylabel()


def test_without_images_it_is_measured_on_some_that_the_model_draws(nets):
    figure = plots.receptive_field(None, (4, 1), model=nets["gated"], title="x")
    assert lines(figure) == ["sees 25 of 25 pixels before it"]


@pytest.mark.parametrize(
    ("model", "got"),
    [(cr.PixelCNN(), "PixelCNN"), (cr.FVSBN(epochs=1).fit(X.reshape(20, 36)), "FVSBN"), (4, "int")],
    ids=str,
)
def test_what_has_no_gradient_in_images_is_refused(model, got):
    with pytest.raises(TypeError, match=f"^model must be a fitted PixelCNN or PixelRNN, got {got}"):
        plots.receptive_field(X, (0, 0), model=model)


def test_what_the_model_cannot_see_is_refused(nets):
    for pixel, images, says in (
        ((6, 0), X, "row 6, column 0, channel 0 lies outside images of 6×6 pixels and 1 channel"),
        ((0, 0), X[:, :5], "X has images of 5×6, and the model was fitted on 6×6"),
        ((0, 0), X + 1, "X holds 2"),
    ):
        with pytest.raises(ValueError, match=says) as caught:
            plots.receptive_field(images, pixel, model=nets)
        assert "\n" not in str(caught.value)
