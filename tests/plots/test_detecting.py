"""Pictures of detection: what is drawn is what was asked for."""

import numpy as np
import pytest

from chainrule import detection, plots
from chainrule.plots.palette import RED


def drawn(figure):
    figure.canvas.draw()
    return figure


def test_sets_have_bars_of_area_one_and_all_numbers(rng):
    sets = {"clean": rng.normal(size=400), "odd $x$": np.append(rng.normal(3, 1, 300), [np.inf])}
    axes = drawn(plots.sets(sets, title="t")).axes[0]
    for patch in axes.patches:
        values, edges, _ = patch.get_data()
        assert (values * np.diff(edges)).sum() == pytest.approx(1)
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said[0].startswith("clean: 400") and said[1].startswith("odd $x$: 301")
    assert axes.get_xlabel() == "bits per dimension"
    drawn(plots.sets({"all alike": np.ones(9)}))
    for wrong in ({}, {"none": []}, {"nan": [np.nan]}):
        with pytest.raises(ValueError, match="one finite number or more"):
            plots.sets(wrong)


def test_roc_draws_the_curves_and_says_their_areas(rng):
    curves = {
        name: detection.roc(rng.normal(shift, 1, 90), rng.normal(size=60))
        for name, shift in (("good", 2), ("poor", 0.2))
    }
    figure = drawn(plots.roc(curves))
    whole, small = figure.axes
    for line, curve in zip(whole.lines, curves.values(), strict=False):
        np.testing.assert_allclose(line.get_ydata(), curve.true)
    said = whole.get_legend().get_texts()[0].get_text()
    area = curves["good"].area
    assert said == f"good: {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
    assert small.get_xscale() == "log" and len(whole.collections) == 2
    with pytest.raises(ValueError, match="there is no curve"):
        plots.roc({})


def test_roc_draws_one_curve_without_a_name(rng):
    curve = detection.roc(rng.normal(2, 1, 90), rng.normal(size=60))
    axes = drawn(plots.roc(curve)).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), curve.true)
    said = axes.get_legend().get_texts()[0].get_text()
    assert said == f"area: {curve.area.value:.3f} [{curve.area.low:.3f}, {curve.area.high:.3f}]"
    for wrong in ([curve, curve], {"a": curve.true}, curve.area, None):
        with pytest.raises(TypeError, match=r"give one, or \{name: curve\} of several"):
            plots.roc(wrong)


def test_drift_marks_windows_and_the_alarm():
    fortune = np.linspace(0, 5, 400)
    windows = np.array([0.4, 0.3, 1e-9, 0.0])
    found = detection.Drift(np.linspace(0, 1, 400), windows, 100, fortune, 0.01, 160)
    figure = drawn(plots.drift(found, "stream"))
    money, middle, bars = figure.axes
    said = [text.get_text().strip() for text in money.texts]
    assert "an alarm at observation 160" in said and "an alarm at observation 160 at" in repr(found)
    curve, line = money.lines[0], money.lines[-1]
    assert list(curve.get_xdata()) == list(range(400)), "observations are counted from 0"
    assert list(line.get_xdata()) == [found.alarm, found.alarm]
    reds = [line for line in middle.lines if line.get_color() == RED and len(line.get_xdata())]
    assert sorted(reds[0].get_xdata()) == [250, 350]
    values = bars.patches[-1].get_data().values
    np.testing.assert_allclose(values, 1, atol=0.1)
    short = detection.Drift(np.array([0.5]), np.empty(0), 100, np.zeros(1), 0.01, None)
    drawn(plots.drift(short))


def test_costs_are_bars_red_beyond_the_usual(rng):
    usual = rng.gamma(2, 0.3, (200, 3))
    row = np.array([[0.5, 9.0, -0.2]])
    figure = drawn(plots.costs(row, [[1.0, 2.0, 3.0]], ["a", "b", "c"], usual))
    axes = figure.axes[0]
    bars = axes.patches[-3:]
    assert [round(bar.get_width() * np.log(2), 6) for bar in bars] == [0.5, 9.0, -0.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a = 1", "b = 2", "c = 3"]
    red = [bar.get_facecolor()[0] > bar.get_facecolor()[2] for bar in bars]
    assert red == [False, True, False]
    left, right = axes.get_xlim()
    assert left < min(0, -0.2 / np.log(2)) and right > 9 / np.log(2)
    many = drawn(plots.costs(rng.normal(size=(4, 100))))
    assert len(many.axes) == 6 and len(many.axes[0].get_yticks()) == 40
    with pytest.raises(ValueError, match="costs are of rows"):
        plots.costs([1.0, 2.0])
    with pytest.raises(ValueError, match="rows of the same 2 columns"):
        plots.costs([[1.0, 2.0]], usual=np.ones((3, 3)))


@pytest.mark.parametrize("usual", [None, np.ones((9, 3))])
@pytest.mark.parametrize("row", [[2.0, np.inf, 4.0], [np.inf] * 3, [-np.inf, 0.5, np.inf]])
def test_an_infinite_cost_is_drawn_as_no_finite_one_can_be(row, usual):
    axes = drawn(plots.costs([row], usual=usual)).axes[0]
    low, high = axes.get_xlim()
    assert low < high and np.isfinite((low, high)).all()
    ends, infinite = {}, np.isinf(row)
    for bar in axes.patches[-3 - infinite.sum() :]:
        ends[round(bar.get_y() + bar.get_height() / 2)] = bar
    for k, cost in enumerate(row):
        width = ends[k].get_width()
        if np.isinf(cost):
            assert width == (high if cost > 0 else low)
            assert (ends[k].get_facecolor()[0] > ends[k].get_facecolor()[2]) == (cost > 0)
        else:
            assert width == pytest.approx(cost / np.log(2)) and width < 0.97 * high
    signs = {round(text.xy[1]): text.get_text() for text in axes.texts}
    assert signs == {k: "∞" if row[k] > 0 else "-∞" for k in np.flatnonzero(infinite)}


@pytest.mark.filterwarnings("error")
def test_clean_rows_may_have_infinite_costs(rng):
    usual = rng.gamma(2, 0.5, (200, 3))
    usual[:30, 1], usual[:, 2] = np.inf, np.inf
    axes = drawn(plots.costs([[1.0, 2.0, np.inf]], usual=usual)).axes[0]
    low, high = np.quantile(usual[30:, 1], (0.05, 0.95)) / np.log(2)
    grey = axes.patches[1]
    assert (grey.get_x(), grey.get_width()) == pytest.approx((low, high - low))
    assert axes.get_yticks().tolist() == [0, 1, 2] and len(axes.texts) == 1


def test_lines_show_each_character_on_its_cost():
    texts, costs = ["a\tb", "x" * 120], [np.array([0.1, 5, np.inf, 0.3]), np.full(121, 0.5)]
    axes = drawn(plots.lines(texts, costs, ["p 0.01", "second"])).axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert shown[:5] == ["a", "·", "b", "⏎", "p 0.01"]
    cells = axes.images[0].get_array()
    assert cells.shape == (3, 100) and cells[0, 2] == cells.max() == 10
    assert np.ma.count(np.ma.masked_invalid(cells)) == 4 + 121
    for wrong in (([], []), (["ab"], [np.ones(5)])):
        with pytest.raises(ValueError, match="a number for each character"):
            plots.lines(*wrong)
