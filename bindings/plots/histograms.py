"""Histograms of data and of samples in one chart, and the names of columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.plots.palette import GREY, LINE, PALE, RED

BINS = 40


def histograms(at: Any, data: Any, model: Any, ends: Any = None) -> None:
    """Draw the data as bars and the samples as an outline over them.

    ends: of the bars, or None for those of the data; whole numbers then have bars of as many each.
    """
    numbers = data.astype(float)
    low, high = (numbers.min(), numbers.max()) if ends is None else ends
    edges = np.linspace(low, high, BINS + 1)
    if high == low:
        edges = low + max(1.0, abs(low) / BINS) * np.array([-0.5, 0.5])
    elif ends is None and (numbers == np.rint(numbers)).all():
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
