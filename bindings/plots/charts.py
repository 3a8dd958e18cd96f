"""Charts: training curves, and where attention looks. Shown to users as part of `plots`."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.histograms import quiet
from chainrule.plots.palette import BLUE, GREY, INK, RED, SOFT

READABLE = 80  # symbols on an axis; beyond it their names would overlap


def training_curve(history: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Return train and valid negative log-likelihood, in nats, against the epoch or step.

    history: one mapping a record with "epoch" or "step", "train", "valid" (None: not measured).
    """
    figure = Picture((6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    clock = "step" if history and "step" in history[0] else "epoch"
    for name, colour in (("train", GREY), ("valid", BLUE)):
        points = [(h[clock], h[name]) for h in history if h.get(name) is not None]
        if points:
            epochs, nll = zip(*points, strict=True)
            axes.plot(epochs, nll, color=colour, label=name, marker="." if len(nll) < 20 else "")
            if name == "valid":
                best = int(np.argmin(nll))
                axes.plot(epochs[best], nll[best], "o", color=RED, ms=5)
                axes.annotate(
                    f"{nll[best]:.2f}",
                    (epochs[best], nll[best]),
                    (0, 8),
                    textcoords="offset points",
                    ha="center",
                    size=8,
                    color=RED,
                )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(clock, size=9, color=GREY)
    axes.set_ylabel("negative log-likelihood, nats", size=9, color=GREY)
    axes.set_title(visible(title), loc="left", size=10, color=INK, **words())
    quiet(axes)
    if history:
        axes.legend(frameon=False, fontsize=8)
    return figure


def attention_maps(weights: Any, symbols: Sequence[str] | None = None, title: str = "") -> Figure:
    """Return one heat map a head: how much of position t's attention goes to each position j ≤ t.

    weights: (n_heads, T, T) or (T, T); row t sums to 1 over j, and j > t is not seen: 0.
    symbols: T names, written along both axes where there are at most READABLE of them.

    Raises:
        ValueError: another shape, or another number of symbols.
    """
    maps = np.asarray(weights, np.float64)
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.ndim != 3 or maps.shape[1] != maps.shape[2] or not maps.size:
        raise ValueError(f"attention maps have the shape (n_heads, T, T), got {maps.shape}")
    heads, T, _ = maps.shape
    if symbols is not None and len(symbols) != T:
        raise ValueError(f"there are {T} positions and {len(symbols)} symbols; give one for each")
    columns = min(heads, 4 if T <= 24 else 2)
    rows = ceil(heads / columns)
    side = max(2.2, min(6.0, 0.14 * T))
    figure = Picture((side * columns, (side + 0.3) * rows + 0.3), layout="constrained")
    future = np.triu(np.ones((T, T), bool), 1)
    for head, seen in enumerate(maps):
        axes = figure.add_subplot(rows, columns, head + 1)
        axes.imshow(np.ma.masked_where(future, seen), SOFT, vmin=0, vmax=maps.max())
        axes.set_title(f"head {head + 1}" if heads > 1 else "attention", size=8, color=INK)
        _name_positions(axes, T, symbols)
    figure.suptitle(visible(title), size=10, color=INK, **words())
    return figure


def _name_positions(axes: Any, T: int, symbols: Sequence[str] | None) -> None:
    """Write the symbols along both axes, or plain numbers where they are many or unknown."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=6, labelcolor=GREY)
    axes.set_ylabel("looks from", size=7, color=GREY)
    axes.set_xlabel("looks at", size=7, color=GREY)
    if symbols is not None and T <= READABLE:
        names = [_visible(symbol) for symbol in symbols]
        axes.set_xticks(range(T), names, **words())
        axes.set_yticks(range(T), names, **words())


def _visible(symbol: str) -> str:
    """Return a symbol as something to be seen."""
    return {" ": "␣", "\n": "↵", "\t": "⇥"}.get(symbol, visible(symbol))
