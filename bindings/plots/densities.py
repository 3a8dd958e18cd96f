"""Densities of one and two real variables beside the data that they were learnt from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chainrule.plots import grids
from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.grids import CONVERGED, Axis, Grid, Numbers
from chainrule.plots.histograms import BINS, histograms, names_of, quiet
from chainrule.plots.palette import BLUE, GREY, INK, PALE, SOFT

DOTS = 3000  # rows drawn as dots, at most
TICKS = (5, 6)  # below and beside a square, at most: more numbers would run into each other
BESIDE = 0.3  # of a step between whole numbers: how far a dot may be drawn from its own


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
    grid. Where a variable can have whole numbers alone, which a model that refuses halves says,
    their probabilities stand in place of a density.

    The share that lies in the picture stands in the title, and that of an atom, a value with a
    probability of its own, of which no curve can tell. The grid is refined until that
    converges and no rows stand on peaks that it does not see; peaks too narrow even then are said
    to be: see `chainrule.plots.grids`.

    Raises:
        ValueError: another number of variables, words, or a density that is no number.
        TypeError: a model in place of its log_prob, or the arguments in another order.
    """
    _check_order(log_prob, x, samples)
    rows = _rows(x, "x")
    drawn = None if samples is None else _rows(samples, "samples")
    if drawn is not None and drawn.shape[1] != rows.shape[1]:
        raise ValueError(
            f"x has the shape {rows.shape} and samples {drawn.shape}; give the same columns of both"
        )
    labels = names_of(x, names, rows.shape[1])
    columns = x.columns if hasattr(x, "iloc") and x.ndim == 2 else None

    def at(grid: Numbers) -> Any:
        return log_prob(grid if columns is None else type(x)(grid, columns=columns))

    grid = grids.around(at, rows)
    draw = _one if len(grid.axes) == 1 else _two
    return draw(grid, rows, drawn, labels, title)


def _one(grid: Grid, x: Numbers, drawn: Numbers | None, names: Any, title: str) -> Figure:
    """Draw a curve, or of a few whole numbers steps, over histograms."""
    figure = Picture((6.4, 3.8), layout="constrained")
    at, [axis] = figure.add_subplot(), grid.axes
    few = axis.counted and len(axis.points) <= 2 * BINS
    bins = _edges(axis) if few else None
    histograms(at, x[:, 0], None if drawn is None else drawn[:, 0], axis.ends, bins)
    what = "probability" if axis.counted else "density"
    if few:
        there = grid.p > 0
        at.vlines(axis.points[there], 0, grid.p[there], color=BLUE, lw=1.2)
        at.plot(axis.points[there], grid.p[there], "o", color=BLUE, ms=4, label=what)
    else:
        at.plot(axis.points, grid.smooth, color=BLUE, lw=1.6, label=what)
    if axis.counted:
        at.xaxis.set_major_locator(MaxNLocator(integer=True))
    at.set_xlabel(visible(names[0]), size=9, color=GREY, **words())
    at.set_ylabel(what, size=9, color=GREY)
    at.set_title(_heading(title, grid, names), loc="left", size=10, color=INK, **words())
    at.legend(frameon=False, fontsize=8)
    quiet(at)
    return figure


def _two(on: Grid, x: Numbers, drawn: Numbers | None, names: Any, title: str) -> Figure:
    """Draw squares with marginals above and beside them: data, density, samples."""
    what = "probability" if on.counted else "density"
    parts = [("data", x), (what, None)] + ([] if drawn is None else [("samples", drawn)])
    figure = Picture((3.9 * len(parts) + 0.2, 4.5), layout="constrained")
    grid = figure.add_gridspec(2, 2 * len(parts), width_ratios=[4, 1] * len(parts),
                               height_ratios=[1, 4], wspace=0.02, hspace=0.02)  # fmt: skip
    for k, (name, rows) in enumerate(parts):
        at = figure.add_subplot(grid[1, 2 * k])
        _square(at, on, rows, GREY if name == "data" else BLUE)
        at.set_xlabel(visible(names[0]), size=9, color=GREY, **words())
        if k == 0:
            at.set_ylabel(visible(names[1]), size=9, color=GREY, **words())
        else:
            at.set_yticklabels([])
        quiet(at)
        for i, side in enumerate((grid[0, 2 * k], grid[1, 2 * k + 1])):
            line = on.axes[i], on.marginal(i)[: len(on.axes[i].points)]
            _marginal(figure.add_subplot(side), i, *line, x if rows is None else rows, what)
        figure.axes[-2].set_title(name, loc="left", size=9, color=INK)
    handles, kinds = figure.axes[1].get_legend_handles_labels()
    figure.legend(handles, kinds, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    heading = _heading(title, on, names)
    figure.suptitle(heading, x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def _square(at: Any, on: Grid, rows: Numbers | None, colour: str) -> None:
    """Draw rows as dots, or in their place the density."""
    limits = [axis.ends for axis in on.axes]
    if rows is None:
        how: dict[str, Any] = {"origin": "lower", "extent": (*limits[0], *limits[1]), "vmin": 0}
        how["interpolation"] = "nearest" if any(axis.counted for axis in on.axes) else None
        at.imshow(on.smooth.T, SOFT, aspect="auto", **how)
    else:
        some = _apart(rows[:: -(-len(rows) // DOTS)], on.axes)
        at.plot(*some.T, ".", color=colour, ms=2.2, mew=0, alpha=0.7)
    at.set(xlim=limits[0], ylim=limits[1])
    for axis, ticks, of in zip((at.xaxis, at.yaxis), TICKS, on.axes, strict=True):
        axis.set_major_locator(MaxNLocator(ticks, integer=of.counted, steps=[1, 2, 2.5, 5, 10]))


def _marginal(at: Any, i: int, axis: Axis, line: Numbers, rows: Numbers, what: str) -> None:
    """Draw bars of one variable of the rows, and the density's marginal over them."""
    few = axis.counted and len(axis.points) <= 2 * BINS
    at.hist(
        rows[:, i],
        bins=_edges(axis) if few else BINS,
        range=axis.ends,
        density=True,
        color=PALE,
        orientation="vertical" if i == 0 else "horizontal",
        label="rows",
    )
    where = (axis.points, line) if i == 0 else (line, axis.points)
    at.plot(*where, ".-" if few else "-", color=BLUE, lw=1, ms=4, label=what)
    at.set_axis_off()
    at.set(**{"xlim" if i == 0 else "ylim": axis.ends})


def _edges(axis: Axis) -> Numbers:
    """Return the ends of bars around whole numbers, one each."""
    edges: Numbers = np.append(axis.points - axis.step / 2, axis.ends[1])
    return edges


def _apart(rows: Numbers, axes: list[Axis]) -> Numbers:
    """Return rows to be drawn as dots: those of whole numbers a bit beside them, else on a heap."""
    rng = np.random.default_rng([*b"dots"])  # no seed that rows are drawn with
    beside = rng.uniform(-BESIDE, BESIDE, rows.shape)
    return rows + beside * [axis.counted * axis.step for axis in axes]


def _heading(title: str, grid: Grid, names: Sequence[str]) -> str:
    """Return a title that says how much of the density is in the picture, and in its atoms."""
    what = "probability" if grid.counted else "density"
    said = f"{min(100.0, 100 * grid.share):.1f}% of the {what} lies in the picture"
    for i, (axis, name) in enumerate(zip(grid.axes, names, strict=True)):
        for value, p in zip(axis.atoms, grid.marginal(i)[len(axis.points) :], strict=True):
            said += f", {100 * p:.1f}% at {visible(name)} = {value:g} itself"
    if not grid.seen or grid.share > 1 + CONVERGED:
        said = "peaks too narrow for the grid, which cannot tell how much lies in the picture"
    return f"{visible(title)}: {said}" if title else said


def _check_order(log_prob: Any, x: Any, samples: Any) -> None:
    """Raise TypeError if the first argument is no function, or another is one or a model."""
    functions = [callable(one) or hasattr(one, "log_prob") for one in (x, samples)]
    if callable(log_prob) and not any(functions):
        return
    got = ", ".join(type(one).__name__ for one in (log_prob, x, samples) if one is not None)
    raise TypeError(
        "density takes a function, rows, and perhaps more rows: density(model.log_prob, X, "
        f"samples); got {got}"
    )


def _rows(x: Any, name: str) -> Numbers:
    """Return x as finite rows of one or two numbers, (N, 1) or (N, 2) float64; (N,) is a column."""
    rows = np.asarray(x)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim == 2 and rows.shape[1] > 2:
        raise ValueError(
            f"a density of one or two variables is drawn, and {name} has {rows.shape[1]} columns; "
            "fit a model of one or two, or see plots.marginals"
        )
    try:
        rows = rows.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"a density is drawn over numbers, and {name} holds words; see plots.marginals"
        ) from error
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"{name} must be rows of finite numbers, (N, D) and not empty")
    return rows
