"""Whether a density is calibrated: uniforms that are what they are called, or not.

If x has the density p, then u_i = F(x_i | x_<i) are uniform on [0, 1] and independent of each
other. A model's u of data that it was not trained on are so far from that as the model is from
the data: a peak in the middle of the histogram says that it is too wide, a trough too narrow,
a slope that it lies to one side.
"""

from collections.abc import Sequence
from math import ceil, exp, sqrt
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.histograms import names_of, quiet
from chainrule.plots.palette import BLUE, GREY, INK, RED

Numbers = NDArray[np.float64]

BINS, FEW_BINS = 20, 10  # of all columns together, and of one
BAND = 1.358  # Kolmogorov's 95% quantile of √N · sup |F_N - F|
SHOWN = 16  # columns with charts of their own; the worst, if there are more
ACROSS = 4
CURVE = 400  # points of a curve, at most


def calibration(u: Any, names: Sequence[str] | None = None, title: str = "") -> Figure:
    """Return histograms and quantiles of a model's uniforms, all together and column by column.

    u: (N, D) in [0, 1], `model.to_uniforms(X)` of rows X that the model has not seen; (N,) is one
    column. names: of the columns.

    Above stand all N·D numbers: a histogram with the band that 95% of uniform counts keep to,
    and how far the share of numbers below q is from q, with the 95% band of Kolmogorov and
    Smirnov, which takes the columns to be independent. Below each column by itself, red if it
    leaves its band, which one in twenty does where nothing is wrong; of more than SHOWN columns
    those that are farthest from uniform.

    Raises:
        ValueError: numbers outside [0, 1], NaN, or none.
    """
    rows = np.asarray(u, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.size or not ((rows >= 0) & (rows <= 1)).all():
        raise ValueError("uniforms are numbers in [0, 1], of shape (N, D) and not empty")
    N, D = rows.shape
    labels = names_of(u, names, D)
    away = np.array([distance(column) for column in rows.T])
    shown = sorted(np.argsort(-away, kind="stable")[:SHOWN].tolist()) if D > 1 else []
    across = min(ACROSS, max(1, len(shown)))
    down = ceil(len(shown) / across)
    figure = Picture((10.4, 3.1 + 2.3 * down), layout="constrained")
    above: Any = figure
    if down:
        parts: Any = figure.subfigures(2, 1, height_ratios=[2.7, 2.3 * down])
        above = parts[0]
        _columns(parts[1], (down, across), rows, shown, labels)
    _all(above.subplots(1, 2), rows)
    said = f"{int((away > band(N)).sum())} of {D} columns outside the 95% band"
    heading = f"{visible(title)}: {said}" if title else said
    above.suptitle(heading, x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def distance(u: Any) -> float:
    """Return Kolmogorov's distance of numbers, (N,), from uniform: sup over q of |F_N(q) - q|."""
    ordered = np.sort(np.asarray(u, np.float64))
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def band(N: int) -> float:
    """Return the distance that 95% of N uniform numbers keep to, to 1%.

    Source: Stephens 1970, "Use of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics
    without extensive tables".
    """
    return BAND / (sqrt(N) + 0.12 + 0.11 / sqrt(N))


def p_value(u: Any) -> float:
    """Return how often uniform numbers would be so far from uniform, or farther.

    Kolmogorov's series 2 Σ_k (-1)^{k-1} exp(-2 k² λ²), λ by Stephens as in `band`.
    """
    root = sqrt(len(u))
    l = distance(u) * (root + 0.12 + 0.11 / root)
    if l < 0.2:
        return 1.0
    terms = (2 * (-1) ** (k - 1) * exp(-2 * (k * l) ** 2) for k in range(1, 101))
    return float(min(1.0, max(0.0, sum(terms))))


def _all(axes: Any, rows: Numbers) -> None:
    """Draw the two charts of all columns together."""
    values = rows.ravel()
    _bars(axes[0], values, BINS)
    axes[0].set_ylabel("density", size=8, color=GREY)
    axes[0].set_xlabel(f"u, {rows.shape[0]:,} rows × {rows.shape[1]:,} columns", size=8, color=GREY)
    _curve(axes[1], values)
    axes[1].set_ylabel("share below q, minus q", size=8, color=GREY)
    axes[1].set_xlabel(f"q (band: 95%); KS p-value {_said(p_value(values))}", size=8, color=GREY)
    for at, name in zip(axes, ("histogram", "against the uniform"), strict=True):
        at.set_title(name, loc="left", size=9, color=INK)
        quiet(at)


def _columns(
    part: Any,
    shape: tuple[int, int],
    rows: Numbers,
    shown: Sequence[int],
    labels: Sequence[str],
) -> None:
    """Draw the charts of the columns that are shown, so many down and across."""
    down, across = shape
    cells = part.add_gridspec(2 * down, across, height_ratios=[1, 1.6] * down)
    for n, k in enumerate(shown):
        at = [part.add_subplot(cells[2 * (n // across) + below, n % across]) for below in (0, 1)]
        _column(at[0], at[1], rows[:, k], labels[k])
    if len(shown) < rows.shape[1]:
        said = f"the {len(shown)} columns farthest from uniform"
        part.suptitle(said, x=0.01, ha="left", size=9, color=INK)


def _column(top: Any, bottom: Any, u: Numbers, name: str) -> None:
    """Draw a column's histogram, and its quantiles below."""
    p = p_value(u)
    _bars(top, u, FEW_BINS)
    top.set_xticks([])
    top.set_yticks([0, 1])
    _curve(bottom, u)
    bottom.set_xlabel(f"q; p-value {_said(p)}", size=7, color=GREY)
    top.set_title(visible(name)[:28], loc="left", size=8, color=INK, **words())
    for at in (top, bottom):
        quiet(at)


def _bars(at: Any, u: Numbers, bins: int) -> None:
    """Draw the outline of a histogram of density 1, over the band of two deviations of each bar."""
    colour = RED if distance(u) > band(len(u)) else BLUE
    counts, edges = np.histogram(u, bins, (0, 1))
    spread = 1.96 * sqrt((bins - 1) / len(u))  # of a binomial count, over its mean
    at.axhspan(max(0, 1 - spread), 1 + spread, color="#dfe6f2", lw=0)
    at.stairs(counts * bins / len(u), edges, baseline=None, color=colour, lw=1.2)
    at.axhline(1, color=INK, lw=0.7)
    at.set(xlim=(0, 1), ylim=(0, max(1.5, 1.05 * counts.max() * bins / len(u))))


def _curve(at: Any, u: Numbers) -> None:
    """Draw the share below q minus q over q, and the band that a uniform keeps to."""
    N, limit = len(u), band(len(u))
    q = np.linspace(0, 1, CURVE)
    share = np.searchsorted(np.sort(u), q, side="right") / N - q
    at.axhspan(-limit, limit, color="#dfe6f2", lw=0)
    at.axhline(0, color=INK, lw=0.7)
    at.plot(q, share, color=RED if distance(u) > limit else BLUE, lw=1.2)
    reach = 1.15 * max(2 * limit, float(np.abs(share).max()))
    at.set(xlim=(0, 1), ylim=(-reach, reach))


def _said(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
