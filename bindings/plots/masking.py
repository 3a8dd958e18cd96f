"""Masks of a masked network, layer by layer, and what they leave open from end to end."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.palette import BLUES, GREY, INK, INKS, LINE

FEW = 32  # rows or columns, up to which lines are drawn between them
LONG = 14  # characters of a column's name


class Sides(NamedTuple):
    """What the two ends of a network belong to: the name of a column for each input, and output.

    None: of no columns that are known.
    """

    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None


def masks(layers: Sequence[Any], direct: Any = None, title: str = "") -> Figure:
    """Return a picture of each layer's mask, and of their product: the paths from end to end.

    Args:
        layers: masks of the weights in the order in which a row passes them, (D, H_1),
            (H_1, H_2), …, (H_L, S), rows of a mask the units that it comes from; not 0 is open.
            Sorted by their numbers, the units of MADE make each mask a staircase. Or those of a
            fitted MADE, `made.masks_[0]`: they bring their direct one, and say which inputs and
            outputs are which column's, whose names stand along the ends and lines between them.
        direct: (D, S), mask of connections from inputs straight to outputs, or None.

    In each panel a row is a unit and a column what it may read. The last counts by how many paths
    an output is reached from a variable; white: by none. With one output a variable, or where the
    masks say which are whose, the network is autoregressive in the model's order if all is white on
    the diagonal and above it, which a line marks. Those of `made.masks_` but the first are in
    orders of their own where it is order_agnostic, and then reach across the line.

    Raises:
        ValueError: no mask, masks that do not fit together, or a direct one of another shape.
        TypeError: a model, or all masks of one.
    """
    if hasattr(layers, "masks_") or any(hasattr(one, "inputs") for one in layers):
        raise TypeError("these are several networks' masks; give one's: masks(made.masks_[0])")
    sides = Sides(getattr(layers, "inputs", None), getattr(layers, "outputs", None))
    if sides.inputs is not None:
        *layers, own = layers
        direct = own if direct is None and len(own) else direct
        layers = layers if all(np.size(mask) for mask in layers) else []
        if not layers and direct is not None:  # no hidden layer
            layers, direct = [direct], None
    chain = _checked(layers, direct)
    paths = _paths(chain, direct)
    panels = len(chain) + 1 + (direct is not None)
    figure = Picture((3.1 * panels + 0.6, 3.9), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    last = len(chain) - 1
    for l, mask in enumerate(chain):
        names = ("inputs" if l == 0 else f"hidden units {l}", _units(l, last))
        ends = Sides(sides.inputs if l == 0 else None, sides.outputs if l == last else None)
        _panel(axes[l], f"mask {l + 1}", mask != 0, names, ends)
    if direct is not None:
        _panel(axes[-2], "direct", np.asarray(direct) != 0, ("inputs", "outputs"), sides)
    _draw_paths(figure, axes[-1], paths, sides)
    if title:
        figure.suptitle(visible(title), x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def _units(l: int, last: int) -> str:
    return "outputs" if l == last else f"hidden units {l + 1}"


def _checked(layers: Sequence[Any], direct: Any) -> list[NDArray[Any]]:
    """Return the masks as arrays that can be multiplied."""
    chain = [np.asarray(mask) for mask in layers]
    if not chain or any(mask.ndim != 2 or not mask.size for mask in chain):
        raise ValueError("masks are arrays of shape (from, to), one a layer; give one or more")
    for l in range(1, len(chain)):
        if chain[l - 1].shape[1] != chain[l].shape[0]:
            raise ValueError(
                f"mask {l} leads to {chain[l - 1].shape[1]} units and mask {l + 1} comes from "
                f"{chain[l].shape[0]}"
            )
    ends = chain[0].shape[0], chain[-1].shape[1]
    if direct is not None and np.shape(direct) != ends:
        raise ValueError(f"the direct mask must have the shape {ends}, got {np.shape(direct)}")
    return chain


def _paths(chain: Sequence[NDArray[Any]], direct: Any) -> NDArray[np.float64]:
    """Return by how many paths each output, a row, is reached from each input, a column."""
    paths: NDArray[np.float64] = np.eye(len(chain[0]))
    for mask in chain:
        paths = paths @ (mask != 0)
    if direct is not None:
        paths = paths + (np.asarray(direct) != 0)
    return paths.T


def _panel(
    axes: Any, title: str, mask: NDArray[np.bool_], names: tuple[str, str], sides: Sides
) -> None:
    """Draw one mask, (from, to), with its outputs down and its inputs across."""
    axes.imshow(mask.T, INKS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    _label(axes, mask.T.shape, f"{title}: {mask.mean():.0%} open", names, sides)


def _draw_paths(figure: Figure, axes: Any, paths: NDArray[np.float64], sides: Sides) -> None:
    """Draw the number of paths from end to end, on a logarithmic scale."""
    top = max(float(paths.max()), 2.0)
    shown = np.ma.masked_equal(paths, 0)
    norm = LogNorm(1, top)
    image = axes.imshow(shown, BLUES, norm=norm, aspect="auto", interpolation="nearest")
    S, D = paths.shape
    across, down = _ends(sides.inputs, D), _ends(sides.outputs, S)
    if len(across) == len(down):
        axes.plot(across - 0.5, down - 0.5, drawstyle="steps-pre", color=INK, lw=0.7)
    title = f"product: {np.mean(paths > 0):.0%} connected"
    _label(axes, paths.shape, title, ("inputs", "outputs"), sides)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("paths; white: none", size=8, color=GREY)
    bar.ax.tick_params(labelsize=7, labelcolor=GREY)
    bar.outline.set_visible(False)


def _ends(owners: Sequence[str] | None, count: int) -> NDArray[Any]:
    """Return where the units of each column begin, and their number; of none each for itself."""
    if owners is None:
        return np.arange(count + 1)
    return np.array([0, *(n for n in range(1, count) if owners[n] != owners[n - 1]), count])


def _label(
    axes: Any, shape: tuple[int, ...], title: str, names: tuple[str, str], sides: Sides
) -> None:
    """Write what a panel is and what its sides are, and part its cells where they are few."""
    axes.set_title(title, loc="left", size=9, color=INK)
    axes.set_xlabel(f"{shape[1]} {names[0]}", size=8, color=GREY)
    axes.set_ylabel(f"{shape[0]} {names[1]}", size=8, color=GREY)
    axes.tick_params(length=0, labelsize=7, labelcolor=GREY)
    axes.spines[:].set_color(LINE)
    ends = ((axes.xaxis, shape[1], sides.inputs), (axes.yaxis, shape[0], sides.outputs))
    for axis, count, owners in ends:
        if owners is not None:
            upright = axis is axes.xaxis and max(map(len, owners)) > 3
            _name(axis, owners, 90 if upright else 0)
        elif count <= FEW:
            axis.set_ticks(np.arange(count - 1) + 0.5, minor=True)
            axis.set_ticks(range(0, count, max(1, count // 8)))
    axes.grid(which="minor", color="white", lw=0.8)
    axes.tick_params(which="minor", length=0)


def _name(axis: Any, owners: Sequence[str], rotation: int) -> None:
    """Write the columns' names along an axis, as far as there is room, and part their units."""
    ends = _ends(owners, len(owners))
    if len(ends) > FEW + 1:
        return
    axis.set_ticks(ends[1:-1] - 0.5, minor=True)
    shown: dict[float, str] = {}
    for first, end in pairwise(ends.tolist()):
        middle = (first + end - 1) / 2
        if not shown or middle - max(shown) >= len(owners) / FEW:
            shown[middle] = _short(owners[first])
    axis.set_ticks(list(shown), list(shown.values()), rotation=rotation, **words())


def _short(name: str) -> str:
    """Return a name that has room beside a panel."""
    return visible(name if len(name) <= LONG else f"{name[: LONG - 1]}…")
