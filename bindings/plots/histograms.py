"""Histograms of data and of samples in one chart, and the names of columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.plots.palette import GREY, LINE, PALE, RED

BINS = 40
WHOLE = 2.0**53  # floats beyond are whole numbers all
WIDER = 0.1  # of the data's range, at each end, where there are samples


def histograms(at: Any, data: Any, model: Any, ends: Any = None, bins: Any = None) -> None:
    """Draw the data as bars and the samples as an outline over them.

    ends: of the bars, or None for those of the data, and of samples a bit beyond; whole numbers
    then have bars of as many each. bins: the edges themselves, or None. How many samples lie
    further out stands at either side.
    """
    numbers = data.astype(float)
    low, high = _ends(numbers, model) if ends is None else ends
    edges = np.linspace(low, high, BINS + 1) if bins is None else bins
    if high == low:
        edges = low + max(1.0, abs(low) / BINS) * np.array([-0.5, 0.5])
    elif ends is None and max(-low, high) < WHOLE and (numbers == np.rint(numbers)).all():
        step = np.ceil((high - low + 1) / BINS)
        edges = np.arange(low - 0.5, high + 0.5 + step, step)
    kinds = [("data", numbers)] + ([] if model is None else [("samples", model.astype(float))])
    for name, values in kinds:
        inside, _ = np.histogram(values, edges)
        height = inside / (max(len(values), 1) * np.diff(edges))  # what is outside counts too
        if name == "data":
            at.stairs(height, edges, fill=True, color=PALE, label=name)
        else:
            at.stairs(height, edges, color=RED, lw=1.1, label=name)
            _say_beyond(at, float(np.mean(values < edges[0])), float(np.mean(values > edges[-1])))


def _ends(data: Any, model: Any) -> tuple[float, float]:
    """Return where bars begin and end: with the data, or a bit beyond where samples do."""
    low, high = float(data.min()), float(data.max())
    if model is None or not len(model) or low == high:
        return low, high
    beyond = WIDER * (high - low)
    drawn = model.astype(float)
    return min(low, max(drawn.min(), low - beyond)), max(high, min(drawn.max(), high + beyond))


def _say_beyond(at: Any, below: float, above: float) -> None:
    """Write which shares of the samples lie beyond either end, where some do."""
    if below or above:
        at.set_ylim(top=1.15 * at.get_ylim()[1])  # room for them
    for share, place, words, side in (
        (below, 0.01, "← {}", "left"),
        (above, 0.99, "{} →", "right"),
    ):
        if share > 0:
            known = "<0.1%" if share < 0.001 else f"{100 * share:.{0 if share > 0.1 else 1}f}%"
            at.text(place, 0.97, words.format(known), transform=at.transAxes, size=7, color=RED,
                    ha=side, va="top")  # fmt: skip


def names_of(x: Any, names: Sequence[str] | None, D: int) -> list[str]:
    """Return the names given, or those of a DataFrame, or x1, x2, …"""
    if names is None and hasattr(x, "columns"):
        names = [str(name) for name in x.columns]
    if names is None:
        return [f"x{i + 1}" for i in range(D)]
    if len(names) != D:
        raise ValueError(f"there are {D} columns and {len(names)} names; give one for each")
    return [str(name) for name in names]


def quiet(at: Any) -> None:
    """Take away what a chart does without."""
    at.spines[["top", "right"]].set_visible(False)
    at.spines[:].set_color(LINE)
    at.tick_params(labelsize=7, labelcolor=GREY, color=LINE)
    for axis in (at.xaxis, at.yaxis):  # the power of ten that all its numbers are to be times
        axis.get_offset_text().set(size=7, color=GREY)
