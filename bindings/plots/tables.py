"""Columns of a table: those of samples beside those of data."""

from collections.abc import Sequence
from math import ceil
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.histograms import histograms, names_of, quiet
from chainrule.plots.palette import GREY, INK, PALE, RED

CATEGORIES = 12  # different values of a column that have a bar of their own, at most


def marginals(
    x: Any,
    samples: Any,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Return the columns of samples beside those of data, a small chart each.

    Args:
        x, samples: rows, (N, D) and (M, D): arrays, or DataFrames, whose columns are named.

    Columns of words, and of at most CATEGORIES different numbers, are drawn as bars of shares;
    others as histograms, the density in the units of the data. Cells without a value, NaN, None or
    NA, are left out, and how many there are stands above their column: "7 | 0 missing", of the data
    and of the samples.

    Raises:
        ValueError: rows of different widths, or a column without a single value.
    """
    theirs, ours = _table(x), _table(samples)
    if len(theirs) != len(ours):
        raise ValueError(f"rows of {len(theirs)} and of {len(ours)} columns cannot be compared")
    labels = names_of(x, names, len(theirs))
    for (data, _), (model, _), name in zip(theirs, ours, labels, strict=True):
        if not (len(data) and len(model)):
            raise ValueError(f"{name} has no value in one of the tables; leave it out of both")
    across = min(len(theirs), 4)
    down = ceil(len(theirs) / across)
    figure = Picture((2.6 * across + 0.3, 1.9 * down + 0.8), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (data, lost), (model, none), name in zip(grid, theirs, ours, labels, strict=False):
        numbers = all(column.dtype.kind in "biuf" for column in (data, model))
        if numbers and len(np.unique(data)) > CATEGORIES:
            histograms(axes, data, model)
            axes.set_yticks([])
            axes.locator_params(axis="x", nbins=4)
        else:
            _bars(axes, data, model)
        quiet(axes)
        axes.set_title(visible(name), loc="left", size=8, color=INK, **words())
        if lost or none:
            said = f"{lost:,} | {none:,} missing"
            axes.set_title(said, loc="right", size=7, color=GREY)
    for axes in grid[len(theirs) :]:
        axes.set_axis_off()
    handles, kinds = grid[0].get_legend_handles_labels()
    figure.legend(handles, kinds, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    figure.suptitle(visible(title), x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def _bars(at: Any, data: Any, model: Any) -> None:
    """Draw the share of each value, the data's bar beside the samples'; rare ones together."""
    theirs, ours = _words(data), _words(model)
    values, counts = np.unique(theirs, return_counts=True)
    often: list[str] = values[np.argsort(-counts, kind="stable")][:CATEGORIES].tolist()
    kept = sorted(often, key=float) if data.dtype.kind in "iuf" else sorted(often)
    shares = [[float(np.mean(column == v)) for v in kept] for column in (theirs, ours)]
    if not all(np.isin(column, kept).all() for column in (theirs, ours)):
        kept = [*kept, "others"]
        shares = [[*share, 1 - sum(share)] for share in shares]
    place = np.arange(len(kept))
    for k, (name, colour) in enumerate((("data", PALE), ("samples", RED))):
        at.bar(place + 0.4 * k - 0.2, shares[k], 0.4, color=colour, label=name)
    upright = sum(map(len, kept)) > 24
    names = [visible(v[:14]) for v in kept]
    at.set_xticks(place, names, rotation=90 if upright else 0, **words())


def _words(column: Any) -> Any:
    """Return values as words, a whole number the same whatever its type."""
    if column.dtype.kind not in "iuf":
        return column.astype(str)
    values, which = np.unique(column, return_inverse=True)
    return np.array([f"{value:.6g}" for value in values])[which]


def _table(x: Any) -> list[tuple[Any, int]]:
    """Return the columns of an array or a DataFrame without what is missing, and how much that is.

    Numbers are such also where all are objects.
    """
    if hasattr(x, "iloc"):
        columns = [x.iloc[:, j].to_numpy() for j in range(x.shape[1])]
    else:
        rows = np.asarray(x)
        if rows.ndim != 2 or not rows.size:
            raise ValueError(f"rows have the shape (N, D) and are not empty, got {rows.shape}")
        columns = list(rows.T)
    there = [_present(column) for column in columns]
    return [(_plain(one), len(all_) - len(one)) for one, all_ in zip(there, columns, strict=True)]


def _present(column: Any) -> Any:
    """Return the values of a column that are there: not NaN, None or NA."""
    if column.dtype.kind == "O":
        gone = [v is None or type(v).__name__ == "NAType" or bool(v != v) for v in column]
        return column[~np.array(gone, bool)]
    return column[column == column]


def _plain(column: Any) -> Any:
    """Return a column of objects as numbers, or as bools, if it holds no other thing."""
    if column.dtype.kind != "O" or not all(isinstance(v, Real | np.bool_) for v in column):
        return column
    bools = all(isinstance(v, bool | np.bool_) for v in column)
    return column.astype(bool if bools else float)
