"""How a detector does: scores of several sets side by side, ROC curves, and a stream's drift."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.histograms import quiet
from chainrule.plots.palette import BLUE, GREY, INK, LINE, PALE, RED

Numbers = NDArray[np.float64]

COLOURS = (BLUE, RED, "#4f8a5b", "#c98a2b", "#7a5195", GREY)  # of sets and curves, in turn
BINS = 50  # of a chart, at most
USUAL = (0.002, 0.998)  # quantiles of all sets between which bars are drawn
Z = 1.96  # deviations of a 95% interval


def sets(scores: Mapping[str, Any], unit: str = "bits per dimension", title: str = "") -> Figure:
    """Return histograms of several sets of numbers in one chart, each of area one.

    Args:
        scores: (N,) each, by what the set is called; the first, clean one, is filled.
        unit: of the numbers, below the axis, which do not say it themselves: name it where it is
            another, as for scores of `Detector`: nats by likelihood, typicality and ratio, bits by
            complexity.

    Numbers beyond the chart, two in a thousand at each side, and infinite ones stand in its
    outermost bars; the legend says how many numbers a set has, and their mean.

    Raises:
        ValueError: no set, or one without a finite number.
    """
    found = {name: np.asarray(one, np.float64).ravel() for name, one in scores.items()}
    if not found or not all(np.isfinite(one).any() for one in found.values()):
        raise ValueError("each set needs one finite number or more; give {name: numbers}")
    finite = np.concatenate([one[np.isfinite(one)] for one in found.values()])
    low, high = np.quantile(finite, USUAL)
    bins = max(10, min(BINS, round(2 * sqrt(min(map(len, found.values()))))))
    edges = np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
    figure = Picture((6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for k, (name, one) in enumerate(found.items()):
        colour, inside = COLOURS[k % len(COLOURS)], np.clip(one, edges[0], edges[-1])
        height, _ = np.histogram(inside, edges, density=True)
        mean = one[np.isfinite(one)].mean()
        label = f"{visible(name)}: {len(one):,}, mean {mean:.3g}"
        if k == 0:
            axes.stairs(height, edges, fill=True, color=PALE)
        axes.stairs(height, edges, color=colour, lw=1.3, label=label)
    axes.set(xlim=(edges[0], edges[-1]), yticks=[])
    _finish(axes, title, visible(unit), "density")
    return figure


def roc(curves: Any, title: str = "") -> Figure:
    """Return ROC curves: the share of odd ones found over that of clean ones found by mistake.

    Args:
        curves: what `chainrule.detection.roc` returns, by what made the scores; or one such alone.
            The legend has each area with its interval, of 95% unless `level` was another; of up to
            three curves the band is that of 95% of each point by itself (Wilson's interval of the
            odd ones' share).

    To the left the rates of false alarms are drawn as they are, to the right logarithmically, where
    detectors are used.

    Raises:
        ValueError: no curve. TypeError: something else.
    """
    curves = {"area": curves} if hasattr(curves, "area") else curves
    if not isinstance(curves, Mapping) or not all(hasattr(c, "area") for c in curves.values()):
        raise TypeError("curves are those of detection.roc: give one, or {name: curve} of several")
    if not curves:
        raise ValueError("there is no curve; give {name: detection.roc(scores_clean, scores_odd)}")
    figure = Picture((9.6, 4.4), layout="constrained")
    whole, small = figure.subplots(1, 2)
    least = 1 / max(curve.n_clean for curve in curves.values())
    for k, (name, curve) in enumerate(curves.items()):
        colour, area = COLOURS[k % len(COLOURS)], curve.area
        said = f"{visible(name)}: {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
        low, high = _wilson(curve.true, curve.n_odd)
        for axes in (whole, small):
            axes.plot(np.maximum(curve.false, least / 10), curve.true, color=colour, lw=1.4,
                      label=said if axes is whole else None)  # fmt: skip
            if len(curves) <= 3:
                axes.fill_between(np.maximum(curve.false, least / 10), low, high, color=colour,
                                  alpha=0.15, lw=0)  # fmt: skip
    even = np.geomspace(least / 10, 1, 200)
    for axes in (whole, small):
        axes.plot(even, even, color=LINE, lw=0.8, zorder=0)
        axes.set(ylim=(0, 1.01))
        _finish(axes, "", "false alarms: share of the clean ones", "share of the odd ones found")
    whole.set(xlim=(-0.01, 1))
    small.set(xscale="log", xlim=(min(least, 0.1), 1))
    figure.suptitle(visible(title), x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def drift(found: Any, title: str = "") -> Figure:
    """Return what `chainrule.detection.drift` saw of a stream, in three charts.

    Above the fortune of the bet against clean p-values, on a logarithmic scale, with the line at
    which it is an alarm; below it the p-value of each window, red where it is below the rate of
    false alarms over the number of windows; at the bottom all p-values as a histogram, which of a
    clean stream is flat within the band of 95%. Observations are counted from 0, as `alarm` is.
    """
    N = len(found.p_values)
    figure = Picture((7.2, 5.6), layout="constrained")
    money, windows, bars = figure.subplots(3, 1, height_ratios=[1.5, 1, 1])
    line = -np.log10(found.false_alarm)
    money.plot(np.arange(N), found.log10_fortune, color=BLUE, lw=1.2)
    money.axhline(line, color=RED, lw=0.9, ls="--")
    money.axhline(0, color=LINE, lw=0.8)
    said = f"alarm at {1 / found.false_alarm:,.4g}"
    money.text(0.995, line, said, transform=money.get_yaxis_transform(), size=7, color=RED,
               ha="right", va="bottom")  # fmt: skip
    if found.alarm is not None:
        money.axvline(found.alarm, color=RED, lw=0.9)
        money.annotate(f" {found.outcome}", (found.alarm, money.get_ylim()[1]),
                       size=8, color=RED, va="top")  # fmt: skip
    _finish(money, title, "", "log₁₀ fortune")
    W = len(found.windows)
    middles = (np.arange(W) + 0.5) * found.window
    low = found.windows <= found.false_alarm / max(W, 1)
    shown = np.maximum(found.windows, 1e-16)
    windows.semilogy(middles[~low], shown[~low], "o", color=BLUE, ms=3.5)
    windows.semilogy(middles[low], shown[low], "o", color=RED, ms=3.5)
    if W:
        windows.axhline(found.false_alarm / W, color=RED, lw=0.9, ls="--")
    below = f"observation, counted from 0; windows of {found.window:,}"
    _finish(windows, "", below, "p of a window")
    for axes in (money, windows):
        axes.set_xlim(0, N)
    _flat(bars, found.p_values)
    _finish(bars, "", "p-values of all observations", "density")
    return figure


def _flat(axes: Any, p: Numbers) -> None:
    """Draw a histogram of p-values over the band that 95% of the bars of uniform ones keep to."""
    bins = 20 if len(p) >= 200 else 10
    counts, edges = np.histogram(p, bins, (0, 1))
    spread = Z * sqrt((bins - 1) / max(len(p), 1))
    axes.axhspan(max(0, 1 - spread), 1 + spread, color="#dfe6f2", lw=0)
    axes.axhline(1, color=INK, lw=0.7)
    axes.stairs(counts * bins / max(len(p), 1), edges, baseline=None, color=BLUE, lw=1.2)
    axes.set(xlim=(0, 1), ylim=(0, max(1.5, 1.05 * counts.max() * bins / max(len(p), 1))))


def _wilson(share: Numbers, n: int) -> tuple[Numbers, Numbers]:
    """Return Wilson's 95% interval of shares of n."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return middle - half, middle + half


def _finish(axes: Any, title: str, below: str, beside: str) -> None:
    """Name a chart and its axes, and say what its lines are where they have names."""
    axes.set_title(visible(title), loc="left", size=10, color=INK, **words())
    axes.set_xlabel(below, size=8, color=GREY, **words())
    axes.set_ylabel(beside, size=8, color=GREY)
    quiet(axes)
    axes.tick_params(which="minor", color=LINE)
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set(**words())
