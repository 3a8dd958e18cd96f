"""Densities of one and two real variables beside the data that they were learnt from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.histograms import BINS, histograms, names_of, quiet
from chainrule.plots.palette import BLUE, GREY, INK, PALE, SOFT

Numbers = NDArray[np.float64]

STEPS = (
    201  # of the grid along an axis, where that will do; odd, so that every second is a grid too
)
FINEST = {1: 130_000, 2: 900}  # along an axis, at most
CONVERGED = 0.005  # of all: what the grid and every second of its points may differ by
MARGIN = 0.12  # of the range of the data, left around it
DOTS = 3000  # rows drawn as dots, at most


def density(
    log_prob: Callable[[Any], Any],
    x: Any,
    samples: Any = None,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Return a density of one or two real variables beside the data that it was learnt from.

    Args:
        log_prob: from rows, (n, 1) or (n, 2), to the log of the density, (n,), nats:
            `model.log_prob`. It is asked on a grid around the data.
        x: data, (N, 1) or (N, 2), or (N,); a DataFrame names the variables.
        samples: rows like x that the model drew, or None.
        names: of the variables.

    Of one variable the curve over a histogram. Of two the data, the density p(x) and the samples,
    each beside the marginals: bars are shares of the data, lines integrals of the density over the
    grid. The share of the density that lies in the picture stands in the title. The grid is refined
    until that converges; peaks too narrow even then are said to be.

    Raises:
        ValueError: another number of variables, or a density that is no number.
    """
    rows = _rows(x, "x")
    drawn = None if samples is None else _rows(samples, "samples")
    if rows.shape[1] not in (1, 2) or (drawn is not None and drawn.shape[1] != rows.shape[1]):
        shapes = rows.shape if drawn is None else (rows.shape, drawn.shape)
        raise ValueError(f"a density of one or two variables is drawn, got rows of {shapes}")
    labels = names_of(x, names, rows.shape[1])
    columns = x.columns if hasattr(x, "iloc") and x.ndim == 2 else None

    def at(grid: Numbers) -> Any:
        return log_prob(grid if columns is None else type(x)(grid, columns=columns))

    axes, p = _on_grid(at, rows)
    draw = _one if len(axes) == 1 else _two
    return draw(p, axes, rows, drawn, labels, title)


def _one(
    p: Numbers, axes: list[Numbers], x: Numbers, drawn: Numbers | None, names: Any, title: str
) -> Figure:
    """Draw a curve over histograms."""
    figure = Picture((6.4, 3.8), layout="constrained")
    at = figure.add_subplot()
    histograms(at, x[:, 0], None if drawn is None else drawn[:, 0], axes[0][[0, -1]])
    at.plot(axes[0], p, color=BLUE, lw=1.6, label="density")
    at.set_xlabel(visible(names[0]), size=9, color=GREY, **words())
    at.set_ylabel("density", size=9, color=GREY)
    at.set_title(_heading(title, p, axes), loc="left", size=10, color=INK, **words())
    at.legend(frameon=False, fontsize=8)
    quiet(at)
    return figure


def _two(
    p: Numbers, axes: list[Numbers], x: Numbers, drawn: Numbers | None, names: Any, title: str
) -> Figure:
    """Draw squares with marginals above and beside them: data, density, samples."""
    parts = [("data", x), ("density", None)] + ([] if drawn is None else [("samples", drawn)])
    figure = Picture((3.9 * len(parts) + 0.2, 4.5), layout="constrained")
    grid = figure.add_gridspec(2, 2 * len(parts), width_ratios=[4, 1] * len(parts),
                               height_ratios=[1, 4], wspace=0.02, hspace=0.02)  # fmt: skip
    limits = [a[[0, -1]] for a in axes]
    lines: list[Any] = [np.trapezoid(p, axes[1 - i], axis=1 - i) for i in range(2)]
    for k, (what, rows) in enumerate(parts):
        at = figure.add_subplot(grid[1, 2 * k])
        if rows is None:
            extent = (*limits[0], *limits[1])
            at.imshow(p.T, SOFT, origin="lower", extent=extent, aspect="auto", vmin=0)
        else:
            some = rows[:: -(-len(rows) // DOTS)]
            colour = GREY if what == "data" else BLUE
            at.plot(*some.T, ".", color=colour, ms=2.2, mew=0, alpha=0.7)
        at.set(xlim=limits[0], ylim=limits[1])
        at.set_xlabel(visible(names[0]), size=9, color=GREY, **words())
        if k == 0:
            at.set_ylabel(visible(names[1]), size=9, color=GREY, **words())
        else:
            at.set_yticklabels([])
        quiet(at)
        for i, side in enumerate((grid[0, 2 * k], grid[1, 2 * k + 1])):
            _marginal(figure.add_subplot(side), i, axes[i], lines[i], x if rows is None else rows)
        figure.axes[-2].set_title(what, loc="left", size=9, color=INK)
    handles, kinds = figure.axes[1].get_legend_handles_labels()
    figure.legend(handles, kinds, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    heading = _heading(title, p, axes)
    figure.suptitle(heading, x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def _marginal(at: Any, i: int, axis: Numbers, line: Numbers, rows: Numbers) -> None:
    """Draw bars of one variable of the rows, and the density's marginal over them."""
    direction = "vertical" if i == 0 else "horizontal"
    ends = (float(axis[0]), float(axis[-1]))
    at.hist(
        rows[:, i],
        bins=BINS,
        range=ends,
        density=True,
        color=PALE,
        orientation=direction,
        label="rows",
    )
    at.plot(*((axis, line) if i == 0 else (line, axis)), color=BLUE, lw=1, label="density")
    at.set_axis_off()
    at.set(**{"xlim" if i == 0 else "ylim": ends})


def _heading(title: str, p: Numbers, axes: list[Numbers]) -> str:
    """Return a title that says how much of the density is in the picture."""
    share = _share(p, axes)
    said = f"{min(100.0, 100 * share):.1f}% of the density lies in the picture"
    if _off(p, axes) or share > 1 + CONVERGED:
        said = "peaks too narrow for the grid, which cannot tell how much lies in the picture"
    return f"{visible(title)}: {said}" if title else said


def _on_grid(log_prob: Callable[[Numbers], Any], rows: Numbers) -> tuple[list[Numbers], Numbers]:
    """Return a grid around the rows, an axis each, and the density on it: as fine as it has to be.

    Raises:
        ValueError: a density that is no number.
    """
    D, steps = rows.shape[1], STEPS
    while True:
        axes = [_axis(column, steps) for column in rows.T]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, D)
        p = np.exp(np.asarray(log_prob(grid), np.float64)).reshape([steps] * D)
        if not np.isfinite(p).all():
            raise ValueError("the density is no number somewhere on the grid")
        finer = (6 // D - 1) * (steps - 1) + 1
        if not _off(p, axes) or finer > FINEST[D]:
            return axes, p
        steps = finer


def _share(p: Any, axes: list[Numbers]) -> float:
    """Return the integral of a density over its grid."""
    for axis in reversed(axes):
        p = np.trapezoid(p, axis, axis=-1)
    return float(p)


def _off(p: Numbers, axes: list[Numbers]) -> bool:
    """Return whether a grid is too coarse: every second of its points has another integral."""
    coarse = _share(p[(slice(None, None, 2),) * p.ndim], [axis[::2] for axis in axes])
    return abs(coarse - _share(p, axes)) > CONVERGED


def _axis(column: Numbers, steps: int) -> Numbers:
    """Return where along a variable the density is asked for: a bit beyond the data."""
    low, high = float(column.min()), float(column.max())
    beyond = MARGIN * (high - low) or max(1.0, abs(low))
    return np.linspace(low - beyond, high + beyond, steps)


def _rows(x: Any, name: str) -> Numbers:
    """Return x as finite rows, (N, D) float64; (N,) is one column."""
    rows = np.asarray(x, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"{name} must be rows of finite numbers, (N, D) and not empty")
    return rows
