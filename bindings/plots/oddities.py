"""Where in an observation the odd is: what each column of a row, or character of a text, cost."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.histograms import names_of, quiet
from chainrule.plots.palette import BLUE, GREY, INK, LINE, PALE, RED, SURPRISE

MOST = 40  # columns of a row with bars of their own; the dearest, if there are more
WIDE = 100  # characters a line of a picture; longer texts are broken
ROUND = 10.0  # bits at which the scale of characters ends, at least


def costs(
    surprise: Any,
    x: Any = None,
    names: Sequence[str] | None = None,
    usual: Any = None,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Return what each column of some rows cost, as bars: -log₂ p(x_i | x_<i), bits.

    An infinite cost, of a category never seen, goes to the edge of the chart, and has ∞ beside it.

    Args:
        surprise: (N, D), nats, as `Detector.surprise` has them; densities may cost less than 0.
        x: the rows, (N, D), whose values are written beside the names; or None.
        names: of the columns; None: those of a DataFrame x, or x1, x2, …
        usual: (M, D), the surprise of clean rows: its range from the 5th to the 95th percentile, of
            what is finite, is drawn in grey behind each bar, and a bar beyond it is red.
        titles: of the rows.

    Of more than 40 columns those that cost a row most, over their usual median, are drawn.

    Raises:
        ValueError: another shape, or no rows.
    """
    bits = np.asarray(surprise, np.float64) / np.log(2)
    if bits.ndim != 2 or not bits.size:
        raise ValueError(f"costs are of rows, (N, D), and at least one; got {bits.shape}")
    N, D = bits.shape
    band = None if usual is None else np.asarray(usual, np.float64) / np.log(2)
    if band is not None and (band.ndim != 2 or band.shape[1] != D):
        raise ValueError(f"usual must be rows of the same {D} columns, got {band.shape}")
    low, middle, high = (
        (None, 0.0, None) if band is None else _finite_quantiles(band, (0.05, 0.5, 0.95))
    )
    labels, across = names_of(x, names, D), min(N, 3)
    rows, shown = ceil(N / across), min(D, MOST)
    size = (3.6 * across + 0.4, rows * (0.17 * shown + 0.8))
    figure = Picture(size, layout="constrained")
    grid = figure.subplots(rows, across, squeeze=False).ravel()
    for n, axes in enumerate(grid):
        if n >= N:
            axes.set_axis_off()
            continue
        dear = np.argsort(-(bits[n] - middle), kind="stable")[:shown]
        which = np.sort(dear)
        there = [""] * shown if x is None else [_value(x, n, k) for k in which]
        _bars(axes, bits[n], which, low, high)
        texts = [f"{visible(labels[k])[:24]}{v}" for k, v in zip(which, there, strict=True)]
        axes.set_yticks(np.arange(shown), texts, **words())
        said = titles[n] if titles is not None else f"row {n + 1}"
        axes.set_title(visible(said), loc="left", size=8, color=INK, **words())
        axes.set_xlabel("bits", size=7, color=GREY)
        quiet(axes)
    return figure


def lines(
    texts: Sequence[str], surprise: Sequence[Any], titles: Sequence[str] | None = None
) -> Figure:
    """Return texts whose characters stand on the colour of what each cost: -log₂ p(c | before).

    Args:
        texts: N of them. surprise: of each, nats a character, as `Detector.surprise` has them; one
            number more is that of the end, drawn as ⏎.
        titles: of the texts, before them.

    The scale ends at 10 bits, or where one character in a hundred cost more; one that the model
    does not know is as dear as can be. Long texts are broken.

    Raises:
        ValueError: numbers that are not a text's, or no text.
    """
    bits = [np.asarray(one, np.float64) / np.log(2) for one in surprise]
    lengths = [(len(text), len(text) + 1) for text in texts]
    fits = [len(b) in both for b, both in zip(bits, lengths, strict=True)]
    if not fits or not all(fits):
        raise ValueError(
            "surprise holds a number for each character of each text; give at least one"
        )
    finite = np.concatenate(bits)
    finite = finite[np.isfinite(finite)]
    top = max(ROUND, float(np.quantile(finite, 0.99)) if len(finite) else ROUND)
    parts: list[tuple[str, str, Any]] = []
    for n, (text, cost) in enumerate(zip(texts, bits, strict=True)):
        marks = [_seen(c) for c in text] + ["⏎"] * (len(cost) - len(text))
        title = "" if titles is None else titles[n]
        for lo in range(0, len(marks), WIDE):
            part = slice(lo, lo + WIDE)
            parts.append(("" if lo else title, "".join(marks[part]), cost[part]))
    return _draw_lines(parts, top)


def _draw_lines(parts: list[tuple[str, str, Any]], top: float) -> Figure:
    """Draw lines of characters, each with a title before it, and the scale below."""
    before = max(len(title) for title, _, _ in parts)
    wide = max(len(text) for _, text, _ in parts)
    cells = np.full((len(parts), wide), np.nan)
    for k, (_, _, cost) in enumerate(parts):
        cells[k, : len(cost)] = np.minimum(cost, top)
    W, H = 0.085 * (wide + before + 2) + 0.2, 0.2 * len(parts) + 0.5
    figure = Picture((max(W, 3.0), H))
    W = max(W, 3.0)
    left = (0.1 + 0.085 * (before + 1)) / W
    axes = figure.add_axes((left, 0.42 / H, 0.085 * wide / W, 0.2 * len(parts) / H))
    axes.imshow(cells, SURPRISE, vmin=0, vmax=top, aspect="auto", interpolation="nearest")
    axes.set_axis_off()
    face: dict[str, Any] = {**words(), "fontfamily": ["DejaVu Sans Mono", *words()["fontfamily"]]}
    for k, (title, text, cost) in enumerate(parts):
        for j, (mark, bit) in enumerate(zip(text, cost, strict=True)):
            colour = "white" if bit > 0.55 * top else INK
            axes.text(j, k, mark, size=7, color=colour, ha="center", va="center", **face)
        axes.text(-1.2, k, visible(title), size=7, color=GREY, ha="right", va="center", **face)
    bar = figure.add_axes((left, 0.2 / H, min(1.2, W / 3) / W, 0.09 / H))
    bar.imshow(np.linspace(0, 1, 256)[None], SURPRISE, aspect="auto")
    bar.set_axis_off()
    ends = f"0 to {top:.2g} bits or more"
    figure.text(
        left + (min(1.2, W / 3) + 0.1) / W, 0.245 / H, ends, size=7, color=GREY, va="center"
    )
    return figure


def _finite_quantiles(band: Any, shares: tuple[float, ...]) -> Any:
    """Return quantiles of the finite numbers of each column, (Q, D); 0 where there is none."""
    band = np.where(np.isfinite(band).any(axis=0), band, 0.0)
    return np.nanquantile(np.where(np.isfinite(band), band, np.nan), shares, 0)


def _bars(axes: Any, bits: Any, which: Any, low: Any, high: Any) -> None:
    """Draw the bars of a row's columns, over the usual range of each."""
    places, values = np.arange(len(which)), bits[which]
    beyond = np.zeros(len(which), bool)
    if high is not None:
        axes.barh(places, (high - low)[which], 0.8, low[which], color=PALE)
        beyond = values > high[which]
    endless = np.isinf(values)
    colours = np.where(beyond | (values == np.inf), RED, BLUE)
    axes.barh(places, np.where(endless, 0, values), 0.45, color=colours.tolist())
    axes.axvline(0, color=LINE, lw=0.8)
    axes.use_sticky_edges = False  # else an axis may end where a range begins
    axes.autoscale_view()
    if endless.any():
        _endless(axes, places[endless], values[endless] > 0, colours[endless].tolist())
    axes.set_ylim(len(which) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _endless(axes: Any, places: Any, up: Any, colours: list[str]) -> None:
    """Draw infinite bars: to the edge of the axis, which no finite one reaches, and ∞ by it."""
    ends = axes.get_xlim() if axes.dataLim.width > 0 else (0.0, 1.0)
    low, high = ends[0] if up.all() else min(ends[0], -ends[1] / 5), ends[1]
    axes.barh(places, np.where(up, high, low), 0.45, color=colours)
    axes.set_xlim(low, high)
    for place, upward, colour in zip(places, up, colours, strict=True):
        axes.annotate("∞" if upward else "-∞", (float(upward), place), (3, 0),
                      axes.get_yaxis_transform(), "offset points", size=10,
                      color=colour if upward else "white", ha="left", va="center")  # fmt: skip


def _value(x: Any, n: int, k: int) -> str:
    """Return a value of a row in a few characters, behind its column's name."""
    cell = x.iloc[n, k] if hasattr(x, "iloc") else np.asarray(x)[n, k]
    word = f"{cell:.4g}" if isinstance(cell, float | np.floating) else str(cell)
    return f" = {visible(word)[:14]}"


def _seen(character: str) -> str:
    """Return a character as one that can be seen."""
    return character if character.isprintable() else "·"
