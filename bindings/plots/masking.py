"""Masks of a masked network, layer by layer, and what they leave open from end to end."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.palette import BLUES, GREY, INK, INKS, LINE

FEW = 32  # rows or columns, up to which lines are drawn between them


def masks(layers: Sequence[Any], direct: Any = None, title: str = "") -> Figure:
    """Return a picture of each layer's mask, and of their product: the paths from end to end.

    Args:
        layers: masks of the weights in the order in which a row passes them, (D, H_1),
            (H_1, H_2), …, (H_L, S), rows of a mask the units that it comes from; not 0 is open.
            Sorted by their numbers, the units of MADE make each mask a staircase.
        direct: (D, S), mask of connections from inputs straight to outputs, or None.

    In each panel a row is a unit and a column what it may read. The last counts by how many paths
    an output is reached from a variable; white: by none. With one output a variable, in the model's
    order, the network is autoregressive if that square is white on the diagonal and above it, which
    a line marks.

    Raises:
        ValueError: no mask, masks that do not fit together, or a direct one of another shape.
    """
    chain = _checked(layers, direct)
    paths = _paths(chain, direct)
    panels = len(chain) + 1 + (direct is not None)
    figure = Picture((3.1 * panels + 0.6, 3.9), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    last = len(chain) - 1
    for l, mask in enumerate(chain):
        names = ("inputs" if l == 0 else f"hidden units {l}", _units(l, last))
        _panel(axes[l], f"mask {l + 1}", mask != 0, names)
    if direct is not None:
        _panel(axes[-2], "direct", np.asarray(direct) != 0, ("inputs", "outputs"))
    _draw_paths(figure, axes[-1], paths)
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


def _panel(axes: Any, title: str, mask: NDArray[np.bool_], names: tuple[str, str]) -> None:
    """Draw one mask, (from, to), with its outputs down and its inputs across."""
    axes.imshow(mask.T, INKS, vmin=0, vmax=1, aspect="auto")
    _label(axes, mask.T.shape, f"{title}: {mask.mean():.0%} open", names)


def _draw_paths(figure: Figure, axes: Any, paths: NDArray[np.float64]) -> None:
    """Draw the number of paths from end to end, on a logarithmic scale."""
    top = max(float(paths.max()), 2.0)
    shown = np.ma.masked_equal(paths, 0)
    image = axes.imshow(shown, BLUES, norm=LogNorm(1, top), aspect="auto")
    S, D = paths.shape
    if S == D:
        corner = np.arange(D + 1) - 0.5
        axes.plot(corner, corner, drawstyle="steps-pre", color=INK, lw=0.7)
    _label(axes, paths.shape, f"product: {np.mean(paths > 0):.0%} connected", ("inputs", "outputs"))
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("paths; white: none", size=8, color=GREY)
    bar.ax.tick_params(labelsize=7, labelcolor=GREY)
    bar.outline.set_visible(False)


def _label(axes: Any, shape: tuple[int, ...], title: str, names: tuple[str, str]) -> None:
    """Write what a panel is and what its sides are, and part its cells where they are few."""
    axes.set_title(title, loc="left", size=9, color=INK)
    axes.set_xlabel(f"{shape[1]} {names[0]}", size=8, color=GREY)
    axes.set_ylabel(f"{shape[0]} {names[1]}", size=8, color=GREY)
    axes.tick_params(length=0, labelsize=7, labelcolor=GREY)
    axes.spines[:].set_color(LINE)
    for axis, count in ((axes.xaxis, shape[1]), (axes.yaxis, shape[0])):
        if count <= FEW:
            axis.set_ticks(np.arange(count - 1) + 0.5, minor=True)
            axis.set_ticks(range(0, count, max(1, count // 8)))
    axes.grid(which="minor", color="white", lw=0.8)
    axes.tick_params(which="minor", length=0)
