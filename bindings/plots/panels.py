"""Blocks of equally large tiles side by side: what is drawn where, in whole pixels.

Each pixel of the data is a whole number of pixels of the picture. A tile is a map of numbers, which
a ramp of colours shows, or of colours themselves.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.palette import DPI, GREY, INK, INKS

Image = NDArray[np.floating[Any]]

WIDTH, HEIGHT, ZOOM = 1800, 2400, 24  # pixels a picture takes at most, where one a value allows it
GUTTER, MARGIN, TITLE, KEY = 44, 28, 62, 50  # pixels
LETTER = 13  # pixels of a letter at most
BAR = 216  # pixels of a bar of colours and the gap after it


class Panel(NamedTuple):
    """One block of equally large tiles, (N, h, w), and what their colours mean.

    Or of tiles in colours of their own, (N, h, w, 3), each in [0, 1].

    names: what stands in front of each row of tiles.
    """

    title: str
    tiles: Image
    columns: int
    colours: Colormap = INKS
    low: float = 0.0
    high: float = 1.0
    key: tuple[str, str] | None = None  # names of low and high, beside a bar of the colours
    names: Sequence[str] = ()

    def mosaic(self) -> Image:
        """Return the tiles as one array; in the gaps between them NaN, or white among colours."""
        N, h, w, *colour = self.tiles.shape
        gap = ceil(min(h, w) / 16)
        rows, columns = ceil(N / self.columns), min(N, self.columns)
        shape = (rows * (h + gap) - gap, columns * (w + gap) - gap, *colour)
        grid = np.full(shape, 1.0 if colour else np.nan)
        for n, tile in enumerate(self.tiles):
            top, left = n // self.columns * (h + gap), n % self.columns * (w + gap)
            grid[top : top + h, left : left + w] = tile
        return grid


def side_by_side(tiles: Image, columns: int | None) -> int:
    """Return how many tiles stand side by side: as asked, else one strip or a squarish block."""
    N, h, w = tiles.shape[:3]
    return columns or (1 if w > 4 * h else ceil(N**0.5))


def draw(panels: Sequence[Panel]) -> Figure:
    """Return the panels side by side (strips: one below another), a whole zoom of their values."""
    grids = [panel.mosaic() for panel in panels]
    across = panels[0].tiles.shape[2] <= 4 * panels[0].tiles.shape[1]
    wide = sum(g.shape[1] for g in grids) if across else grids[0].shape[1]
    high = grids[0].shape[0] if across else sum(g.shape[0] for g in grids)
    zoom = max(1, min(ZOOM, WIDTH // wide, HEIGHT // high))
    head, foot = TITLE, KEY if any(panel.key for panel in panels) else 0
    between = len(panels) - 1
    first = MARGIN + LETTER * max(map(len, panels[0].names), default=0)
    last = first + wide * zoom + GUTTER * between - grids[-1].shape[1] * zoom if across else first
    W = max(
        wide * zoom + (GUTTER * between if across else 0) + first,
        480 + first,
        *(last + _words_width(panel) for panel in (panels[-1:] if across else panels)),
    )
    W += MARGIN
    H = high * zoom + (head + foot) * (1 if across else len(panels)) + MARGIN
    figure = Picture((W / DPI, H / DPI))
    left, top = first, head
    for panel, grid in zip(panels, grids, strict=True):
        h, w = grid.shape[0] * zoom, grid.shape[1] * zoom
        _draw_panel(figure, panel, grid, (left / W, 1 - (top + h) / H, w / W, h / H))
        left, top = (left + w + GUTTER, top) if across else (left, top + h + foot + head)
    return figure


def _words_width(panel: Panel) -> int:
    """Return how wide the title, and the bar with its ends, are about, pixels."""
    ends = BAR + LETTER * len(" to ".join(panel.key)) if panel.key else 0
    return max(LETTER * len(panel.title), ends)


def _draw_panel(
    figure: Figure, panel: Panel, grid: Image, box: tuple[float, float, float, float]
) -> None:
    """Draw one panel in `box`: left, bottom, width, height, as shares of the figure."""
    W, H = figure.get_size_inches() * DPI
    left, bottom, _, height = box
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.imshow(
        grid, panel.colours, vmin=panel.low, vmax=panel.high, interpolation="nearest", aspect="auto"
    )
    above = bottom + height + 14 / H
    figure.text(left, above, visible(panel.title), size=9, color=INK, va="bottom", **words())
    lines = len(panel.tiles) // panel.columns
    for k, name in enumerate(panel.names):  # at the middle of each row of tiles
        middle = bottom + height * (1 - (k + 0.5) / lines)
        where: dict[str, Any] = {"ha": "right", "va": "center"}
        figure.text(left - 10 / W, middle, name, size=7, color=INK, **where, **words())
    if panel.key:
        bar = figure.add_axes((left, bottom - 38 / H, 200 / W, 14 / H))
        bar.set_axis_off()
        bar.imshow(np.linspace(0, 1, 256)[None], panel.colours, aspect="auto")
        ends = f"{panel.key[0]} to {panel.key[1]}"
        figure.text(left + BAR / W, bottom - 31 / H, ends, size=7, color=GREY, va="center")
