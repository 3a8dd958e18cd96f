"""Densities beside data, columns beside columns, and calibration."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm, poisson

import chainrule as cr
from chainrule import plots
from chainrule.plots import calibrating


def test_a_curve_over_the_data(rng, tmp_path):
    x = rng.normal(3, 2, 500)
    figure = plots.density(lambda g: norm.logpdf(g[:, 0], 3, 2), x, x[:50], ["cm $"], "bell $")
    (axes,) = figure.axes
    grid, p = axes.lines[0].get_data()
    np.testing.assert_allclose(p, norm.pdf(grid, 3, 2))
    assert grid[0] < x.min() and grid[-1] > x.max()
    said = axes.get_title("left")
    assert said.startswith("bell $: ") and float(said.split()[2][:-1]) > 99
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["data", "samples", "density"]
    plots.save(figure, tmp_path / "x.png")


def test_two_variables_and_their_marginals(rng, tmp_path):
    bell = multivariate_normal([0, 5], [[1, 0.5], [0.5, 2]])
    x = bell.rvs(400, random_state=rng)
    figure = plots.density(bell.logpdf, x, x[:100])
    assert len(figure.axes) == 9
    top = figure.axes[1].lines[0]
    np.testing.assert_allclose(top.get_ydata(), norm.pdf(top.get_xdata(), 0, 1), atol=0.01)
    side = figure.axes[2].lines[0]
    np.testing.assert_allclose(side.get_xdata(), norm.pdf(side.get_ydata(), 5, 2**0.5), atol=0.01)
    (image,) = figure.axes[3].get_images()
    left, right, bottom, high = image.get_extent()
    column, row = np.argmax(image.get_array().max(axis=0)), np.argmax(image.get_array().max(axis=1))
    assert abs(left + (right - left) * (column + 0.5) / 200) < 0.1
    assert abs(bottom + (high - bottom) * (row + 0.5) / 200 - 5) < 0.1
    plots.save(figure, tmp_path / "x.png")
    assert len(plots.density(bell.logpdf, x).axes) == 6


def test_a_data_frame_names_the_variables_and_is_asked_with_one(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.normal(size=(50, 2)), columns=["width", "height"])

    def log_prob(x):
        assert list(x.columns) == ["width", "height"]
        return norm.logpdf(x["width"]) + norm.logpdf(x["height"])

    figure = plots.density(log_prob, frame)
    assert figure.axes[0].get_xlabel() == "width" and figure.axes[0].get_ylabel() == "height"


def test_a_single_point_and_one_value_can_be_drawn(tmp_path):
    figure = plots.density(lambda g: norm.logpdf(g[:, 0], 2), [2.0])
    plots.save(figure, tmp_path / "x.png")


@pytest.mark.parametrize(
    ("x", "samples", "text"),
    [
        (np.zeros((3, 3)), None, "one or two variables"),
        (np.zeros((3, 1)), np.zeros((3, 2)), "the same columns of both"),
        (np.zeros((3, 1)), np.zeros((3, 9)), "samples has 9 columns"),
        (["a", "b"], None, "x holds words"),
        ([np.nan], None, "finite"),
        (np.zeros((0, 1)), None, "not empty"),
    ],
)
def test_what_is_no_density_of_one_or_two(x, samples, text):
    with pytest.raises(ValueError, match=text):
        plots.density(lambda g: np.zeros(len(g)), x, samples)


def test_arguments_in_another_order_are_said(rng):
    x, model = rng.normal(size=(40, 1)), cr.RNADE(2, epochs=1)
    model.fit(x)
    says = r"takes a function, rows, .*: density\(model\.log_prob, X, samples\); got "
    for asked in ((model, x), (x, model.log_prob), (x, model), (model.log_prob, model), (x, x)):
        with pytest.raises(TypeError, match=says):
            plots.density(*asked)
    with pytest.raises(TypeError, match=says + "RNADE, ndarray$"):
        plots.density(model, x)


def test_a_density_must_be_a_number():
    with pytest.raises(ValueError, match="no number"):
        plots.density(lambda g: np.full(len(g), np.nan), [1.0, 2.0])
    with pytest.raises(ValueError, match="1 columns and 2 names"):
        plots.density(lambda g: np.zeros(len(g)), [1.0, 2.0], names=["a", "b"])


def title_of(figure):
    return figure.axes[0].get_title("left") or figure.get_suptitle()


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4, 1e-6])
def test_a_narrow_peak_is_seen_or_said_to_be_too_narrow(width):
    """Half of the density in a peak, of which a grid sees its top or nothing."""
    x = np.concatenate([np.zeros(50), np.linspace(-1, 1, 51)])

    def bell(g):
        parts = [norm.logpdf(g[:, 0], 0, scale) for scale in (width, 0.4)]
        return np.logaddexp(*parts) - np.log(2)

    said = title_of(plots.density(bell, x))
    assert said.startswith("99.") if width > 1e-5 else "too narrow" in said


@pytest.mark.parametrize("width", [1e-2, 1e-4])
def test_a_narrow_ridge_is_seen_or_said_to_be_too_narrow(width):
    x = np.concatenate([np.zeros(50), np.linspace(-1, 1, 51)])
    both = np.stack([x, 3 * x], axis=1)

    def ridge(g):
        return norm.logpdf(g[:, 0], 0, width) + norm.logpdf(g[:, 1])

    said = title_of(plots.density(ridge, both))
    assert said.startswith(("99.", "100.0%")) if width > 5e-3 else "too narrow" in said


@pytest.mark.parametrize("D", [1, 2])
def test_a_peak_between_all_points_of_the_grid_is_said(D, rng):
    """The integral converges without it: every second point says the same of the rest."""
    x = np.concatenate([np.full(55, 0.0123), rng.normal(size=45) * 0.3])
    rows = np.stack([x, rng.normal(size=100)], axis=1)[:, :D]

    def spiked(g):
        parts = [norm.logpdf(g[:, 0], mean, s) for mean, s in ((0.0123, 1e-7), (0, 0.3))]
        return np.logaddexp(*np.log([[0.55], [0.45]]) + parts) + norm.logpdf(g[:, 1:]).sum(axis=1)

    assert "too narrow" in title_of(plots.density(spiked, rows))


@pytest.mark.parametrize("D", [1, 2])
def test_an_atom_has_a_probability_that_is_said(D, rng, tmp_path):
    """At 0 alone it is p(0) that is asked for, elsewhere a density: the curve leaves it out."""
    x = np.where(rng.random(300) < 0.6, 0.0, rng.normal(5, 1, 300))
    rows = np.stack([x, rng.normal(size=300)], axis=1)[:, :D]

    def log_prob(g):
        first = np.where(g[:, 0] == 0, np.log(0.6), np.log(0.4) + norm.logpdf(g[:, 0], 5))
        return first + norm.logpdf(g[:, 1:]).sum(axis=1)

    figure = plots.density(log_prob, rows, names=["gain", "y"][:D])
    plots.save(figure, tmp_path / "x.png")
    share, atom = title_of(figure).split(", ")
    assert float(share.split("%")[0]) > 99 and atom.endswith(" at gain = 0 itself")
    assert abs(float(atom.split("%")[0]) - 60) < 0.5
    line = figure.axes[D - 1].lines[0]
    assert line.get_ydata().max() == pytest.approx(0.4 * norm.pdf(0), abs=0.002)


def test_an_atom_may_stand_where_no_density_is(rng):
    def log_prob(g):
        inside = (g[:, 0] > 1) & (g[:, 0] < 2)
        return np.log(np.where(g[:, 0] == 0, 0.5, np.where(inside, 0.5, 1e-300)))

    def none(g):  # not even beside it
        return np.where(log_prob(g) < -600, -np.inf, log_prob(g))

    x = np.where(rng.random(200) < 0.5, 0, 1 + rng.random(200))
    for density in (log_prob, none):
        assert "50.0% at x1 = 0 itself" in title_of(plots.density(density, x))


@pytest.mark.parametrize("known", [range(-9, 99), [0, 1, 2, 3, 5]])
def test_whole_numbers_have_probabilities(known, tmp_path):
    """A model that refuses halves, and one that also refuses what it has never seen."""

    def log_prob(g):
        if not np.isin(g, known).all():
            raise ValueError("never seen")
        return poisson.logpmf(g[:, 0], 2)

    figure = plots.density(log_prob, [0, 1, 1, 2, 3, 3, 5.0], [1, 2], ["visits"])
    plots.save(figure, tmp_path / "x.png")
    (axes,) = figure.axes
    n, p = axes.lines[0].get_data()
    np.testing.assert_array_equal(n, [0, 1, 2, 3, 5] if len(known) == 5 else range(7))
    np.testing.assert_allclose(p, poisson.pmf(n, 2))
    said = axes.get_title("left")
    assert said == f"{100 * p.sum():.1f}% of the probability lies in the picture"
    assert axes.get_ylabel() == "probability"
    data, _ = axes.patches
    np.testing.assert_allclose(data.get_data().values, [0, *np.array([1, 2, 1, 2, 0, 1]) / 7, 0])


def test_dots_beside_whole_numbers_say_nothing_of_the_other_column():
    """Rows drawn with a small seed hold the very numbers of that generator."""

    def log_prob(g):
        if (g[:, 0] % 1).any():
            raise ValueError("whole numbers")
        return np.full(len(g), np.log(0.2))

    for seed in range(5):
        u = np.random.default_rng(seed).random((300, 2))
        x = np.stack([np.floor(5 * u[:, 0]), u[:, 1]], axis=1)
        figure = plots.density(log_prob, x)
        beside = figure.axes[0].lines[-1].get_xdata() - x[:, 0]
        assert np.abs(beside).max() > 0.1
        assert max(abs(np.corrcoef(beside, v)[0, 1]) for v in u.T) < 0.3


def test_whole_numbers_beside_real_ones(rng, tmp_path):
    x = np.stack([rng.poisson(3, 300), rng.normal(size=300)], axis=1)

    def log_prob(g):
        if (g[:, 0] % 1).any():
            raise ValueError("whole numbers")
        return poisson.logpmf(g[:, 0], 3) + norm.logpdf(g[:, 1])

    figure = plots.density(log_prob, x, x[:9])
    plots.save(figure, tmp_path / "x.png")
    top, side = figure.axes[1].lines[0], figure.axes[2].lines[0]
    np.testing.assert_allclose(top.get_ydata(), poisson.pmf(top.get_xdata(), 3), atol=0.01)
    np.testing.assert_allclose(side.get_xdata(), norm.pdf(side.get_ydata()), atol=0.01)
    assert float(title_of(figure).split("%")[0]) > 98


def test_a_model_that_refuses_the_rows_themselves_says_why():
    def log_prob(g):
        raise ValueError("of other columns")

    with pytest.raises(ValueError, match="of other columns"):
        plots.density(log_prob, [1.0, 2.0])


def test_numbers_below_the_squares_do_not_run_into_each_other(rng):
    x = 5e5 + rng.normal(size=(99, 2)) * 1e5
    figure = plots.density(lambda g: norm.logpdf((g - 5e5) / 1e5).sum(axis=1) - 2 * np.log(1e5), x)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) > 2 and all(a.x1 + 5 < b.x0 for a, b in pairwise(boxes))


# Columns


def heights(axes):
    return [patch.get_height() for patch in axes.patches]


def test_each_column_as_what_it_is(tmp_path):
    pandas = pytest.importorskip("pandas")
    n = 100
    data = pandas.DataFrame(
        {
            "word": ["a", "b"] * (n // 2),
            "bit": [0, 1, 1, 1] * (n // 4),
            "real": np.arange(n) / 7,
            "many": [f"w{k % 20:02d}" for k in range(n)],
            "flag $": [True, False] * (n // 2),
        }
    )
    drawn = data.iloc[: n // 2].copy()
    drawn["bit"] = drawn["bit"].astype(float)
    figure = plots.marginals(data, drawn, title="$")
    plots.save(figure, tmp_path / "x.png")
    word, bit, real, many, flag = figure.axes[:5]
    assert heights(word) == [0.5] * 4
    assert np.allclose(heights(bit), [0.25, 0.75, 0.26, 0.74])  # 50 rows: 13 and 37
    assert [t.get_text() for t in bit.get_xticklabels()] == ["0", "1"]
    assert len(many.get_xticklabels()) == 13 and many.get_xticklabels()[-1].get_text() == "others"
    assert np.isclose(sum(heights(many)), 2) and len(heights(flag)) == 4
    assert real.get_title("left") == "real" and len(real.patches) == 2


def test_arrays_have_columns_too(rng, tmp_path):
    figure = plots.marginals(rng.normal(size=(90, 6)), rng.normal(size=(40, 6)))
    assert figure.axes[5].get_title("left") == "x6"
    plots.save(figure, tmp_path / "x.png")
    with pytest.raises(ValueError, match="6 and of 5 columns"):
        plots.marginals(np.zeros((2, 6)), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="not empty"):
        plots.marginals(np.zeros(3), np.zeros(3))


def notes(axes):
    return [text.get_text() for text in axes.texts]


def test_samples_beyond_the_data_are_told(rng, tmp_path):
    data = np.linspace(0, 1, 200)[:, None]
    drawn = np.concatenate([np.full(370, -5.0), np.full(4, 9.0), rng.random(626)])[:, None]
    figure = plots.marginals(data, drawn)
    plots.save(figure, tmp_path / "x.png")
    assert notes(figure.axes[0]) == ["← 37%", "0.4% →"]
    huge = rng.normal(size=(200, 1)) * 1e30  # whole numbers all, as floats go
    assert notes(plots.marginals(huge, huge).axes[0]) == []
    near = np.linspace(-0.05, 1.05, 300)[:, None]  # a bit beyond: in the picture
    axes = plots.marginals(data, near).axes[0]
    assert notes(axes) == []
    edges = axes.patches[1].get_data().edges
    assert edges[0] == -0.05 and edges[-1] == 1.05
    one = plots.density(lambda g: norm.logpdf(g[:, 0]), rng.normal(size=99), [9.0] + [0.0] * 3000)
    assert notes(one.axes[0]) == ["<0.1% →"]


def test_a_power_of_ten_is_no_larger_than_the_numbers(rng):
    x = rng.normal(size=(90, 2)) * 1e30
    figures = plots.marginals(x, x), plots.density(lambda g: np.full(len(g), -140.0), x)
    for axes in (figures[0].axes[0], figures[1].axes[0]):
        for axis in (axes.xaxis, axes.yaxis):
            assert axis.get_offset_text().get_size() == 7


# Calibration


@pytest.mark.parametrize("power", [1.0, 1.1, 2.0])
@pytest.mark.parametrize("N", [20, 300])
def test_distance_and_p_value_are_those_of_kolmogorov_and_smirnov(N, power, rng):
    u = rng.random(N) ** power
    known = kstest(u, "uniform")
    assert calibrating.distance(u) == pytest.approx(known.statistic)
    assert calibrating.p_value(u) == pytest.approx(known.pvalue, abs=0.02)


def test_one_in_twenty_uniforms_leaves_the_band(rng):
    away = [calibrating.distance(rng.random(100)) > calibrating.band(100) for _ in range(4000)]
    assert 0.04 < np.mean(away) < 0.06


def test_columns_that_are_not_uniform_are_red(rng, tmp_path):
    u = rng.random((500, 3))
    u[:, 1] = u[:, 1] ** 2
    figure = plots.calibration(u, ["a", "b $", "c"], "model $")
    plots.save(figure, tmp_path / "x.png")
    assert figure.get_suptitle() == "" and len(figure.subfigs) == 2
    assert figure.subfigs[0].get_suptitle() == "model $: 1 of 3 columns outside the 95% band"
    below = figure.subfigs[1].axes
    for axes in (figure.subfigs[0].axes[0], *below[::2]):  # a fill would veil the band behind it
        bars = [patch for patch in axes.patches if hasattr(patch, "get_data")]
        assert len(bars) == 1 and not bars[0].get_fill()
    colours = [axes.lines[-1].get_color() for axes in below[1::2]]
    assert colours[1] not in (colours[0], colours[2]) and colours[0] == colours[2]
    q, away = below[3].lines[-1].get_data()
    np.testing.assert_allclose(away, np.sqrt(q) - q, atol=0.07)


@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 2), (5, 50), (1, 1)])
def test_any_number_of_columns_is_drawn(shape, rng, tmp_path):
    figure = plots.calibration(rng.random(shape))
    plots.save(figure, tmp_path / "x.png")
    shown = sum(len(part.axes) for part in figure.subfigs[1:]) // 2
    assert shown == (min(shape[1], calibrating.SHOWN) if len(shape) > 1 and shape[1] > 1 else 0)


@pytest.mark.parametrize("u", [[1.5], [np.nan], [], np.zeros((0, 3)), np.zeros((1, 1, 1))])
def test_what_is_no_probability_is_refused(u):
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\]"):
        plots.calibration(u)


def test_numbers_among_words_are_numbers(rng):
    rows = np.stack([rng.normal(size=90).astype(object), rng.choice(["a", "b"], 90)], axis=1)
    real, word = plots.marginals(rows, rows[:40]).axes[:2]
    assert len(real.patches) == 2 and len(word.get_xticklabels()) == 2
    two = np.stack([rng.integers(0, 2, 90).astype(object), rng.choice(["a", "b"], 90)], axis=1)
    bit = plots.marginals(two, two).axes[0]
    assert [t.get_text() for t in bit.get_xticklabels()] == ["0", "1"]


def test_cells_without_a_value_are_left_out_and_counted(tmp_path):
    pandas = pytest.importorskip("pandas")
    n = 60
    data = pandas.DataFrame(
        {
            "real": np.arange(n) / 7,
            "word": ["a", "b", "b"] * (n // 3),
            "flag": pandas.Series([True, False] * (n // 2), dtype=object),
            "count": pandas.Series(range(n), dtype="Int64"),
        }
    )
    whole = data.copy()
    data.iloc[::3] = None  # of words every "a"
    figure = plots.marginals(data, whole.iloc[:12])
    plots.save(figure, tmp_path / "x.png")
    real, word, flag, count = figure.axes[:4]
    for axes in (real, word, flag, count):
        assert axes.get_title("right") == "20 | 0 missing"
    bars = real.patches[0].get_data()
    assert np.isclose((bars.values * np.diff(bars.edges)).sum(), 1)
    assert np.allclose(heights(word), [1, 0, 2 / 3, 1 / 3])  # b, and others
    assert [t.get_text() for t in flag.get_xticklabels()] == ["False", "True"]
    assert len(count.patches) == 2 and len(count.get_xticklabels()) < 9
    assert plots.marginals(whole, whole).axes[0].get_title("right") == ""
    with pytest.raises(ValueError, match="x2 has no value in one"):
        plots.marginals([[1, 2.0]], [[1, np.nan]])


def test_bars_of_whole_numbers_hold_as_many_each():
    """Else some would hold two of them and their neighbours one: teeth that are not in the data."""
    ages = np.arange(73)[:, None]
    bars = plots.marginals(ages, ages).axes[0].patches[0].get_data()
    np.testing.assert_array_equal(np.diff(bars.edges), 2)
    np.testing.assert_allclose(bars.values[:-1], 1 / 73)
    assert bars.edges[0] == -0.5 and bars.edges[-1] == 73.5
    wide = np.tile([[0.0], [1e30]], (7, 1)) + np.arange(14)[:, None] * 1e28
    assert np.isfinite(plots.marginals(wide, wide).axes[0].patches[0].get_data().values).all()
