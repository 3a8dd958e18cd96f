"""Rows as pictures: grids of images, probabilities beside them, completions, weights.

Rows of pixels are drawn as a grid of images, each pixel of the data as a whole number of pixels of
the picture; rows that are no image as strips, one a row. What is called (N, D) below may be images,
too: (N, h, w), or in colour (N, h, w, 3), numbers from 0 to 1, as may be a shape (h, w, 3) of rows.
"""

import os
from collections.abc import Sequence
from math import ceil, isqrt, prod
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from chainrule.engine.storage.files import replacing
from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.palette import DPI, GREY, INK, INKS, SIGNED, SOFT, SURPRISE, VEIL, VEILED

Image = NDArray[np.floating[Any]]
Shape = tuple[int, ...]

WIDTH, HEIGHT, ZOOM = 1800, 2400, 24  # pixels a picture takes at most, where one a value allows it
GUTTER, MARGIN, TITLE, KEY = 44, 28, 62, 50  # pixels
LETTER, LONGEST = 13, 16  # pixels of a letter in a row's name, and letters at most

UNSEEN = -1.0
PROBABILITY = "p(x = 1 | what came before)"


class Panel(NamedTuple):
    """One block of equally large tiles, (N, h, w), and what their colours mean.

    Tiles (N, h, w, 3) have colours of their own.
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
        """Return the tiles as one array, NaN in the gaps between them."""
        N, h, w, *colour = self.tiles.shape
        gap, between = ceil(min(h, w) / 16), 1.0 if colour else np.nan
        rows, columns = ceil(N / self.columns), min(N, self.columns)
        grid = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, *colour), between)
        for n, tile in enumerate(self.tiles):
            top, left = n // self.columns * (h + gap), n % self.columns * (w + gap)
            grid[top : top + h, left : left + w] = tile
        return grid


def infer_shape(D: int) -> Shape:
    """Return (side, side) where D is a square, else (1, D): a strip."""
    side = isqrt(D)
    return (side, side) if side * side == D else (1, D)


def _tiles(x: Any, shape: Shape | None) -> Image:
    """Return rows x, (N, D), as tiles, (N, h, w), in colour (N, h, w, 3).

    Images come back as they are; a strip is made tall enough to be seen.
    """
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim not in (2, 3, 4) or not rows.size:
        raise ValueError(f"a picture needs rows of shape (N, D) and not empty, got {rows.shape}")
    if rows.ndim == 2:
        shape = shape or infer_shape(rows.shape[1])
        if prod(shape) != rows.shape[1]:
            by = " by ".join(map(str, shape))
            raise ValueError(f"rows of {rows.shape[1]} values are not images of {by}")
        rows = rows.reshape(-1, *shape)
    if rows.ndim == 4 and rows.shape[3] not in (1, 3):
        raise ValueError(f"images have 1 channel, or in colour 3, got {rows.shape[3]}")
    tiles = rows[..., 0] if rows.ndim == 4 and rows.shape[3] == 1 else rows
    h, w = tiles.shape[1:3]
    return np.repeat(tiles, max(1, min(3, w // 5), w // 120), axis=1) if h == 1 else tiles


def _columns(tiles: Image, columns: int | None) -> int:
    """Return how many tiles stand side by side: as asked, else one strip or a squarish block."""
    N, h, w = tiles.shape[:3]
    return columns or (1 if w > 4 * h else ceil(N**0.5))


def _draw(panels: Sequence[Panel]) -> Figure:
    """Return the panels side by side (strips: one below another), a whole zoom of their values."""
    grids = [panel.mosaic() for panel in panels]
    across = panels[0].tiles.shape[2] <= 4 * panels[0].tiles.shape[1]
    wide = sum(g.shape[1] for g in grids) if across else grids[0].shape[1]
    high = grids[0].shape[0] if across else sum(g.shape[0] for g in grids)
    zoom = max(1, min(ZOOM, WIDTH // wide, HEIGHT // high))
    head, foot = TITLE, KEY if any(panel.key for panel in panels) else 0
    between = len(panels) - 1
    first = MARGIN + LETTER * max(map(len, panels[0].names), default=0)
    W = max(wide * zoom + (GUTTER * between if across else 0), 480) + first + MARGIN
    H = high * zoom + (head + foot) * (1 if across else len(panels)) + MARGIN
    figure = Picture((W / DPI, H / DPI))
    left, top = first, head
    for panel, grid in zip(panels, grids, strict=True):
        h, w = grid.shape[0] * zoom, grid.shape[1] * zoom
        _draw_panel(figure, panel, grid, (left / W, 1 - (top + h) / H, w / W, h / H))
        left, top = (left + w + GUTTER, top) if across else (left, top + h + foot + head)
    return figure


def _draw_panel(
    figure: Figure, panel: Panel, grid: Image, box: tuple[float, float, float, float]
) -> None:
    """Draw one panel in `box`: left, bottom, width, height, as shares of the figure."""
    W, H = figure.get_size_inches() * DPI
    left, bottom, _, height = box
    axes = figure.add_axes(box)
    axes.set_axis_off()
    if grid.ndim == 3:  # numbers that are no probabilities may be a little off
        grid = np.clip(grid, 0, 1)
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
        figure.text(left + 216 / W, bottom - 31 / H, ends, size=7, color=GREY, va="center")


def sample_grid(
    x: Any, shape: Shape | None = None, columns: int | None = None, title: str = "samples"
) -> Figure:
    """Return the rows of x, (N, D), as a grid of images; values in [0, 1]."""
    tiles = _tiles(x, shape)
    return _draw([Panel(title, tiles, _columns(tiles, columns))])


def class_grid(
    x: Any, names: Sequence[Any], shape: Shape | None = None, title: str = "samples by label"
) -> Figure:
    """Return rows of x, (n_classes · n, D), as images, n of a class in a row behind its name.

    Strips stand below each other.
    """
    tiles = _tiles(x, shape)
    if not len(names) or len(tiles) % len(names):
        raise ValueError(f"{len(tiles)} rows are not equally many of {len(names)} classes")
    shown = [visible(str(name)) for name in names]
    shown = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in shown]
    each = len(tiles) // len(names)
    if _columns(tiles, None) == 1:
        each, shown = 1, [line for name in shown for line in (name, *[""] * (each - 1))]
    return _draw([Panel(title, tiles, each, names=shown)])


def samples_with_probabilities(
    x: Any, p: Any, shape: Shape | None = None, columns: int | None = None
) -> Figure:
    """Return binary rows x, (N, D), beside the p(x_i = 1 | x_<i) they were drawn from, (N, D)."""
    tiles, soft = _tiles(x, shape), _tiles(p, shape)
    columns = _columns(tiles, columns)
    return _draw([Panel("samples", tiles, columns), Panel(PROBABILITY, soft, columns, SOFT)])


def with_nearest(
    x: Any, p: Any, nearest: Any, shape: Shape | None = None, columns: int | None = None
) -> Figure:
    """Return samples x, their probabilities p and their nearest training rows, each (N, D)."""
    tiles, soft, real = _tiles(x, shape), _tiles(p, shape), _tiles(nearest, shape)
    columns = _columns(tiles, columns)
    return _draw(
        [
            Panel("samples", tiles, columns),
            Panel(PROBABILITY, soft, columns, SOFT),
            Panel("nearest in the training data", real, columns),
        ]
    )


def conditional_maps(
    x: Any, p: Any, shape: Shape | None = None, columns: int | None = None
) -> Figure:
    """Return rows x, their p(x_i = 1 | x_<i), and what each value cost: -log p(x_i | x_<i).

    x, p: (N, D). The third panel is in nats: pale where the model saw the value coming.
    """
    bits, prob = np.asarray(x, np.float64), np.asarray(p, np.float64)
    tiny = np.finfo(np.float32).tiny
    cost = -np.log(np.maximum(np.where(bits > 0.5, prob, 1 - prob), tiny))
    tiles, soft, nats = (_tiles(rows, shape) for rows in (bits, prob, cost))
    nats = nats.sum(axis=3) if nats.ndim == 4 else nats  # of all channels of a pixel
    columns = _columns(tiles, columns)
    return _draw(
        [
            Panel("data", tiles, columns),
            Panel(PROBABILITY, soft, columns, SOFT, key=("0", "1")),
            Panel("surprise", nats, columns, SURPRISE, 0, 4, key=("0", "4 nats or more")),
        ]
    )


def completions(
    x: Any,
    observed: Any,
    drawn: Any,
    shape: Shape | None = None,
    title: str = "completed by the model",
) -> Figure:
    """Return rows x, what the model saw of them, and several completions of each.

    x: (N, D); observed: (D,) or (N, D) bool; drawn: (K, N, D), K completions of every row.
    """
    rows, drawn = np.asarray(x, np.float64), np.asarray(drawn, np.float64)
    order = drawn.swapaxes(0, 1).reshape(-1, *rows.shape[1:])  # a row's completions together
    data = _tiles(rows, shape)
    marks = _tiles(np.broadcast_to(np.asarray(observed, bool), rows.shape), shape) > 0
    unseen = UNSEEN if data.ndim == 3 else to_rgb(VEIL)
    return _draw(
        [
            Panel("data", data, 1),
            Panel("seen", np.where(marks, data, unseen), 1, VEILED, UNSEEN, 1),
            Panel(title, _tiles(order, shape), len(drawn)),
        ]
    )


def weight_maps(
    W: Any, shape: Shape | None = None, count: int = 100, title: str = "input weights"
) -> Figure:
    """Return the columns of W, (D, H), as images: what each hidden unit looks for.

    The `count` units with the largest norm, largest first; blue negative, red positive.
    """
    weights = np.asarray(W, np.float64)
    largest = np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")[:count]
    tiles = _tiles(weights[:, largest].T, shape)
    limit = float(np.quantile(np.abs(tiles), 0.99)) or 1.0
    key = (f"{-limit:.2g}", f"{limit:.2g}")
    return _draw([Panel(title, tiles, _columns(tiles, None), SIGNED, -limit, limit, key)])


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the picture, PNG unless the name ends in .pdf or .svg; whole or not at all.

    Raises:
        OSError: the folder is missing, not writable or full.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower().lstrip(".")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=suffix if suffix in ("pdf", "svg") else "png", dpi=DPI)
