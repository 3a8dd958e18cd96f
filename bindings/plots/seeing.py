"""What each output of a model sees: by trying, and as a picture.

A model is autoregressive if what it says of variable i changes with the variables before i and
with no other. Its masks promise that; here it is tried. Nothing of the model is used but a function
of whole rows, so anything can be asked: a density's `conditionals`, an autoencoder's
`reconstruct`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.palette import BLUES, GREY, INK, LINE, PALE, REDS

Numbers = NDArray[np.float64]

ROWS = 4096  # asked for at once, where so many of X fit
LEAST = 1e-4  # share of a row's largest change that has the palest colour, as all below it
NAMED = 24  # variables, up to which their names stand along the axes


def influence(outputs: Callable[[Any], Any], X: Any) -> Numbers:
    """Return how far each output moves when one variable is changed: a row an output.

    In every row of X each variable in turn gets another of the values that its column has in X
    (a bit is flipped), all else stays; the output is asked before and after. Both are asked at the
    same place among as many rows, so what an output does not see moves it by exactly 0.

    Args:
        outputs: a function of rows, (N, D), to what is said of each variable: (N, D), or
            (N, D, …), over which changes are added up. `model.conditionals` of a density: not
            log_prob_terms, which says how likely the variable itself is and so sees it.
        X: rows as the function takes them, an array or a DataFrame; ten may be enough.

    Returns:
        (D, D) float64: entry i, j is |change of output i when variable j changes|, a mean over the
        rows of X; columns as in X. NaN in column j if X has but one value of it and not only bits.

    Raises:
        ValueError: X is no table of rows, or the function answers with another number of them.

    Cost:
        2·D·N rows through the function.

    Example:
        >>> from chainrule import FVSBN, plots
        >>> X = [[0, 1, 1], [1, 0, 0], [0, 0, 1]] * 30
        >>> model = FVSBN(epochs=9, learning_rate=0.1).fit(X)
        >>> (plots.influence(model.conditionals, X[:3]) > 0).astype(int)
        array([[0, 0, 0],
               [1, 0, 0],
               [1, 1, 0]])
    """
    table = X if hasattr(X, "iloc") else np.asarray(X)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"X must be rows of shape (N, D) and not empty, got {table.shape}")
    N, D = table.shape
    others = _others(table)
    known = [j for j in range(D) if others[j] is not None]
    seen, step = np.full((D, D), np.nan), max(1, ROWS // N)
    for some in (known[lo : lo + step] for lo in range(0, len(known), step)):
        before, after = _repeated(table, len(some)), _repeated(table, len(some))
        for k, j in enumerate(some):
            (after.iloc if hasattr(X, "iloc") else after)[k * N : (k + 1) * N, j] = others[j]
        moved = np.abs(_asked(outputs, after, D) - _asked(outputs, before, D))
        seen[:, some] = moved.reshape(len(some), N, D, -1).sum(axis=3).mean(axis=1).T
    return seen


def influence_maps(
    seen: Any, order: Any = None, names: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Return a picture of what each output sees, in the model's order, and a sentence on it.

    Args:
        seen: what `influence` returned, (D, D); or several by name, to be drawn side by side.
        order: (D,), the model's variable k is column order[k]: `model.order_`. None: as they are.
        names: of the D columns, written along the axes where they are at most NAMED.

    Colours are logarithmic, white is exactly 0, and grey what could not be tried. Each row is
    drawn as shares of its own largest change: outputs have units of their own, and of an income and
    a probability no common colours would show both. A model is autoregressive if nothing stands on
    the diagonal or above it: a line marks that border, and what is beyond it is red. Of what may be
    seen, below that line, not all need be: masks of MADE leave some of it out.

    Raises:
        ValueError: no square, or an order that is none of its columns.
    """
    maps = seen if isinstance(seen, Mapping) else {"": seen}
    squares = {name: _ordered(a, order) for name, a in maps.items()}
    D = max(len(a) for a in squares.values())
    side = 3.6 if D > 8 else 3.0
    high = side + 0.7 + (0.3 if title else 0)
    figure = Picture((side * len(maps) + 1.3, high), layout="constrained")
    norm = LogNorm(LEAST, 1, clip=True)
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    for at, (name, a) in zip(axes, squares.items(), strict=True):
        _draw(at, a, norm, order is not None)
        _name(at, names, order, len(a))
        at.set_title(visible(name), loc="left", size=10, color=INK, **words())
    bar = figure.colorbar(axes[0].images[0], ax=list(axes), shrink=0.7, aspect=25, pad=0.02)
    said = "mean change of an output,\nshare of its largest; white: none"
    bar.set_label(said, size=8, color=GREY)
    bar.ax.tick_params(labelsize=7, labelcolor=GREY)
    bar.outline.set_visible(False)
    if title:
        figure.suptitle(visible(title), x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def verdict(seen: Any, order: Any = None) -> str:
    """Return in a sentence whether what `influence` found is autoregressive in an order.

    Of variables that could not be tried, as they have one value, neither what they are seen by nor
    what they see is counted: nothing can move.
    """
    a = _ordered(seen, order)
    D = len(a)
    past = np.tril(np.ones((D, D), bool), -1)
    moved = np.nan_to_num(a) > 0
    leaks = int((moved & ~past).any(axis=1).sum())
    if leaks:
        return f"{leaks} of {D} outputs see themselves\nor what comes after them"
    tried: NDArray[np.bool_] = np.asarray(~np.isnan(a).all(axis=0))
    past &= tried[:, None] & tried
    used, allowed = int((moved & past).sum()), int(past.sum())
    but = "" if tried.all() else f";\ngrey: {int((~tried).sum())} of one value, not tried"
    return f"each sees only what came before it,\nin {used:,} of {allowed:,} places{but}"


def _draw(axes: Any, a: Numbers, norm: Any, ordered: bool) -> None:
    """Draw one square, the border that a density keeps to, and in red what is beyond it."""
    past = np.tril(np.ones(a.shape, bool), -1)
    largest = np.nan_to_num(a).max(axis=1, keepdims=True)
    shares = a / np.where(largest > 0, largest, 1)
    for colours, where in ((BLUES, past), (REDS, ~past)):
        shown = np.ma.masked_where(~(where & (a > 0)), shares)
        axes.imshow(shown, colours, norm=norm, interpolation="nearest")
    corner = np.arange(len(a) + 1) - 0.5
    axes.plot(corner, corner, drawstyle="steps-pre", color=INK, lw=0.7)
    axes.set_facecolor("white")
    axes.spines[:].set_color(LINE)
    axes.tick_params(length=0, labelsize=7, labelcolor=GREY)
    place = "in the model's order" if ordered else "by column"
    axes.set_ylabel(f"output, {place}", size=8, color=GREY)
    axes.set_xlabel(f"variable that is changed\n{verdict(a)}", size=8, color=GREY)
    for j in np.flatnonzero(np.isnan(a).all(axis=0)):
        axes.axvspan(j - 0.5, j + 0.5, color=PALE, lw=0, zorder=0)


def _name(axes: Any, names: Sequence[str] | None, order: Any, D: int) -> None:
    """Write the variables' names along both axes where there is room for them."""
    if names is not None and D <= NAMED:
        columns = range(D) if order is None else order
        words_there = [visible(str(names[k])) for k in columns]
        axes.set_xticks(range(D), words_there, rotation=90, **words())
        axes.set_yticks(range(D), words_there, **words())


def _ordered(seen: Any, order: Any) -> Numbers:
    """Return a square of influences with rows and columns in the model's order."""
    a = np.asarray(seen, np.float64)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not a.size:
        raise ValueError(f"what each output sees is a square, (D, D), got {a.shape}")
    if order is None:
        return a
    columns = np.asarray(order)
    if not np.array_equal(np.sort(columns), np.arange(len(a))):
        raise ValueError(f"order must be a permutation of the {len(a)} columns")
    moved: Numbers = a[np.ix_(columns, columns)]
    return moved


def _others(table: Any) -> list[Any]:
    """Return for each column the other values its rows get; None for one that has but one."""
    columns = [_column(table, j) for j in range(table.shape[1])]
    if all(c.dtype.kind in "biuf" and ((c == 0) | (c == 1)).all() for c in columns):
        return [(c == 0).astype(c.dtype) for c in columns]
    return [_another(c) for c in columns]


def _another(column: Any) -> Any:
    """Return for each value of a column one half the distinct values further on, in a circle."""
    distinct, which = np.unique(column, return_inverse=True)
    K = len(distinct)
    return None if K == 1 else distinct[(which + K // 2) % K]


def _column(table: Any, j: int) -> Any:
    return table.iloc[:, j].to_numpy() if hasattr(table, "iloc") else table[:, j]


def _repeated(table: Any, times: int) -> Any:
    """Return the rows so many times, one copy below another, in memory of their own."""
    if hasattr(table, "iloc"):
        return table.iloc[np.tile(np.arange(len(table)), times)].copy()
    return np.tile(table, (times, 1))


def _asked(outputs: Callable[[Any], Any], rows: Any, D: int) -> Numbers:
    """Return a function's answer to rows, checked."""
    answer = np.asarray(outputs(rows), np.float64)
    if answer.shape[:2] != (len(rows), D):
        raise ValueError(
            f"the function must answer {len(rows)} rows of {D} variables with an array "
            f"({len(rows)}, {D}) or ({len(rows)}, {D}, …), got {answer.shape}"
        )
    return answer
