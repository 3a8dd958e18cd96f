"""Pictures: what is drawn where, in whole pixels, for images and for rows that are none."""

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from support.pictures import mosaics, titles

from chainrule import plots
from chainrule.plots import faces, images, palette, panels


def test_tiles_stand_in_reading_order_with_gaps_between(rng):
    x = rng.integers(0, 2, (5, 9))
    (grid,) = mosaics(plots.sample_grid(x, columns=3))
    assert grid.shape == (7, 11)  # two rows of tiles of 3 by 3, three columns, gaps of one
    for n in range(5):
        top, left = n // 3 * 4, n % 3 * 4
        np.testing.assert_array_equal(grid[top : top + 3, left : left + 3].data, x[n].reshape(3, 3))
    assert grid.mask[3].all() and grid.mask[:, 3].all(), "a gap is not blank"
    assert grid.mask[4:, 8:].all(), "there is no sixth tile"


def test_every_value_is_a_square_of_whole_pixels(tmp_path, rng):
    x = rng.integers(0, 2, (4, 16))
    plots.save(plots.sample_grid(x), tmp_path / "x.png")
    pixels = matplotlib.image.imread(tmp_path / "x.png")[:, :, 0]
    body = pixels[panels.TITLE : -panels.MARGIN, panels.MARGIN :]
    zoom = panels.ZOOM
    for n, (top, left) in enumerate([(0, 0), (0, 5), (5, 0), (5, 5)]):
        tile = body[top * zoom : (top + 4) * zoom, left * zoom : (left + 4) * zoom]
        blocks = tile.reshape(4, zoom, 4, zoom)
        np.testing.assert_array_equal(blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3)))
        np.testing.assert_array_equal(blocks.max(axis=(1, 3)) < 0.5, x[n].reshape(4, 4) == 1)


@pytest.mark.parametrize("D", [1, 2, 7, 64, 130, 784, 1000])
@pytest.mark.parametrize("N", [1, 3])
def test_any_width_is_drawn(N, D, rng, tmp_path):
    x, p = rng.integers(0, 2, (N, D)), rng.random((N, D))
    observed = np.arange(D) < D // 2
    for figure in (
        plots.sample_grid(x),
        plots.conditional_maps(x, p),
        plots.completions(x, observed, x[None].repeat(2, axis=0)),
        plots.weight_maps(rng.normal(size=(D, 5))),
    ):
        width, height = figure.get_size_inches() * plots.DPI
        assert 100 < width <= 3000 and 80 < height <= 4000
    plots.save(figure, tmp_path / "x.png")


def test_a_row_that_is_no_square_becomes_a_strip(rng):
    x = rng.integers(0, 2, (3, 12))
    (grid,) = mosaics(plots.sample_grid(x))
    assert grid.shape[1] == 12
    rows = grid.data[~grid.mask.all(axis=1)]
    np.testing.assert_array_equal(rows[:: len(rows) // 3], x)


def test_a_shape_may_be_given_and_must_fit(rng):
    x = rng.integers(0, 2, (1, 12))
    (grid,) = mosaics(plots.sample_grid(x, (3, 4)))
    np.testing.assert_array_equal(grid, x.reshape(3, 4))
    with pytest.raises(ValueError, match="not images of 3 by 5"):
        plots.sample_grid(x, (3, 5))
    with pytest.raises(ValueError, match=r"x must not be empty, got shape \(0, 4\)"):
        plots.sample_grid(np.zeros((0, 4)))


@pytest.mark.parametrize("D", [9, 12])
def test_the_rows_of_a_class_stand_behind_its_name(D, rng):
    """Images side by side, strips below each other; a long name is cut."""
    x = rng.integers(0, 2, (6, D))
    figure = plots.class_grid(x, [3, "a" * 40 + "$"], title="drawn")
    (grid,) = mosaics(figure)
    names = [text for text in figure.texts if text.get_text() not in ("drawn", "")]
    assert [text.get_text() for text in names] == ["3", "a" * 15 + "…"]
    places = [1 - text.get_position()[1] for text in names]
    assert 0 < places[0] < places[1] < 1
    np.testing.assert_array_equal(grid[~grid.mask.all(axis=1)].compressed().sum(), _shown(x, D))
    with pytest.raises(ValueError, match="6 rows are not equally many of 4 classes"):
        plots.class_grid(x, range(4))


def _shown(x, D):
    return x.sum() * (1 if D == 9 else 2)  # a strip of 12 is two pixels tall


def test_nearest_and_probabilities_stand_beside_the_samples(rng):
    x, p, real = rng.integers(0, 2, (4, 9)), rng.random((4, 9)), rng.integers(0, 2, (4, 9))
    figure = plots.with_nearest(x, p, real)
    assert titles(figure) == ["samples", images.PROBABILITY, "nearest in the training data"]
    for rows, grid in zip((x, p, real), mosaics(figure), strict=True):
        np.testing.assert_array_equal(grid[4:7, 4:7], rows[3].reshape(3, 3))
    assert titles(plots.samples_with_probabilities(x, p)) == titles(figure)[:2]


def test_surprise_is_the_cost_of_each_value_in_nats():
    x, p = np.array([[1, 0, 1, 0]]), np.array([[0.5, 0.5, 1.0, 1.0]])
    surprise = mosaics(plots.conditional_maps(x, p))[2]
    np.testing.assert_allclose(surprise[0], np.log(2))
    assert surprise[1, 0] == 0, "a certain value costs nothing"
    assert 80 < surprise[1, 1] < np.inf, "an impossible one a lot, but it can be drawn"


def test_completions_veil_what_the_model_did_not_see():
    x, observed = np.array([[1, 1, 0, 0]]), np.array([True, False, True, False])
    drawn = np.array([[[1, 0, 0, 0]], [[1, 1, 0, 1]]])
    data, seen, completed = mosaics(plots.completions(x, observed, drawn))
    np.testing.assert_array_equal(data, [[1, 1], [0, 0]])
    np.testing.assert_array_equal(seen, [[1, faces.UNSEEN], [0, faces.UNSEEN]])
    np.testing.assert_array_equal(completed[:, :2], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(completed[:, 3:], [[1, 1], [0, 1]])


def test_weights_come_largest_first_with_zero_in_the_middle(rng):
    W = rng.normal(size=(4, 3)) * [1.0, 100.0, 10.0]
    figure = plots.weight_maps(W, count=2)
    (grid,) = mosaics(figure)
    np.testing.assert_array_equal(grid[:2, :2], W[:, 1].reshape(2, 2))
    np.testing.assert_array_equal(grid[:2, 3:], W[:, 2].reshape(2, 2))
    low, high = figure.axes[0].get_images()[0].get_clim()
    assert low == -high
    plots.weight_maps(np.zeros((4, 2)))  # no weights yet, no division by zero


def test_the_curve_marks_the_best_epoch():
    history = [
        {"epoch": k, "train": 9.0 - k, "valid": v} for k, v in enumerate([8.0, 6.5, 7.0], start=1)
    ]
    axes = plots.training_curve(history, "nade").axes[0]
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [8, 7, 6])
    assert axes.texts[0].get_text() == "6.50" and axes.texts[0].xy == (2, 6.5)
    no_valid = [{**record, "valid": None} for record in history]
    assert len(plots.training_curve(no_valid).axes[0].lines) == 1
    assert to_hex(axes.spines["left"].get_edgecolor()) == palette.LINE, "louder than the curve"
    plots.training_curve([])


def test_saving_replaces_whole_or_not_at_all(tmp_path, rng):
    figure, path = plots.sample_grid(rng.integers(0, 2, (2, 4))), tmp_path / "x.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="breaks"):
        broken = plots.sample_grid(rng.integers(0, 2, (2, 4)))
        broken.savefig = lambda *_, **__: (_ for _ in ()).throw(ValueError("breaks"))
        plots.save(broken, path)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x.png"]
    plots.save(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    plots.save(figure, tmp_path / "x.svg")
    assert b"<svg" in (tmp_path / "x.svg").read_bytes()
    with pytest.raises(OSError, match="could not write"):
        plots.save(figure, tmp_path / "none" / "x.png")


def test_no_window_and_no_global_figure_is_made():
    import subprocess
    import sys

    code = (
        "import numpy as np, sys; from chainrule import plots; plots.sample_grid(np.eye(4));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- notebooks, and words that are not ours

HISTORY = [{"epoch": 1, "train": 3.0, "valid": 2.0}, {"epoch": 2, "train": 2.0, "valid": 1.5}]
PICTURES = {
    "curve": lambda title: plots.training_curve(HISTORY, title),
    "attention": lambda title: plots.attention_maps(np.eye(2), [title, title], title),
    "samples": lambda title: plots.sample_grid(np.eye(4), title=title),
}
every_picture = pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)


@every_picture
def test_a_notebook_gets_a_png_of_each_picture(draw):
    assert draw("title")._repr_png_().startswith(b"\x89PNG")


@every_picture
@pytest.mark.parametrize("title", [r"a$\frac{$", "$5 or $6", "a\nb", "\x00", "\ud800"], ids=ascii)
def test_any_name_of_a_file_or_symbol_is_drawn_as_it_is(draw, title, tmp_path):
    figure = draw(title)
    plots.save(figure, tmp_path / "x.png")
    written = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert all(not text.get_parse_math() for text in written) and bool(written) == ("$" in title)


def test_characters_that_the_font_lacks_come_from_another(monkeypatch):
    from chainrule.plots import canvas

    monkeypatch.setattr(canvas, "FONTS", ("No Such Font", "STIXGeneral"))  # comes with matplotlib
    assert "STIXGeneral" in canvas.words()["fontfamily"]
    assert "No Such Font" not in canvas.words()["fontfamily"], "it would warn at every word"


# --- attention


def causal(rng, heads, T):
    scores = np.tril(rng.random((heads, T, T)))
    return scores / scores.sum(axis=2, keepdims=True)


@pytest.mark.parametrize(("heads", "T"), [(1, 1), (3, 5), (4, 30), (2, 100)])
def test_each_head_is_a_map_that_leaves_the_future_blank(heads, T, rng, tmp_path):
    weights = causal(rng, heads, T)
    figure = plots.attention_maps(weights, title="where it looks")
    shown = [axes.get_images()[0].get_array() for axes in figure.axes]
    assert len(shown) == heads
    for seen, given in zip(shown, weights, strict=True):
        np.testing.assert_array_equal(seen.mask, np.triu(np.ones((T, T), bool), 1))
        np.testing.assert_array_equal(seen.data, given)
    plots.save(figure, tmp_path / "x.png")


def test_symbols_stand_along_both_axes_so_that_they_can_be_seen(rng, tmp_path):
    figure = plots.attention_maps(causal(rng, 1, 4)[0], "a \n$")
    (axes,) = figure.axes
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["a", "␣", "↵", "$"]
    plots.save(figure, tmp_path / "x.png")


@pytest.mark.parametrize(
    ("shape", "symbols", "text"),
    [((2, 3), None, "shape"), ((2, 3, 4), None, "shape"), ((1, 3, 3), "ab", "3 positions and 2")],
)
def test_maps_of_another_shape_are_refused(shape, symbols, text):
    with pytest.raises(ValueError, match=text):
        plots.attention_maps(np.zeros(shape), symbols)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_levels_are_drawn_as_they_are(channels, rng):
    x = rng.integers(0, 4, (6, 5, 4, channels))
    (grid,) = mosaics(plots.sample_grid(x, columns=3, levels=4))
    tile = x[4] / 3 if channels == 3 else x[4, ..., 0] / 3
    np.testing.assert_allclose(grid[6:11, 5:9], tile)
    if channels == 1:
        np.testing.assert_array_equal(grid, mosaics(plots.sample_grid(x[..., 0], None, 3))[0])
    (grid,) = mosaics(plots.class_grid(x, ["a", "b"], levels=4))
    np.testing.assert_allclose(grid[6:11, 5:9], tile)


def test_each_row_may_have_seen_something_else():
    x = np.zeros((2, 4))
    observed = np.array([[True] * 4, [False] * 4])
    _, seen, _ = mosaics(plots.completions(x, observed, x[None]))
    assert (seen[:2] == 0).all() and (seen[-2:] == -1).all()
