"""Rows as pictures: grids of images, probabilities beside them, completions, weights.

Rows of pixels are drawn as a grid of images, each pixel of the data as a whole number of pixels of
the picture; rows that are no image as strips, one a row.
"""

import os
from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chainrule.engine.storage.files import replacing
from chainrule.plots import reading
from chainrule.plots.canvas import visible
from chainrule.plots.faces import Faces, faces
from chainrule.plots.palette import DPI, SIGNED, SOFT, SURPRISE
from chainrule.plots.panels import Image, Panel, draw, side_by_side

Shape = tuple[int, int]

LONGEST = 16  # letters of a row's name, at most
ROUNDING = 1e-6  # by which rows may miss [0, 1]
PROBABILITY = "p(x = 1 | what came before)"


def infer_shape(D: int) -> Shape:
    """Return (side, side) where D is a square, else (1, D): a strip."""
    side = isqrt(D)
    return (side, side) if side * side == D else (1, D)


def _tiles(x: Any, shape: Shape | None, name: str = "x") -> Image:
    """Return rows x, (N, D), as tiles, (N, h, w); a strip is made tall enough to be seen."""
    rows = reading.numbers(x, name)
    if rows.ndim != 2:
        raise ValueError(f"{name} must be rows of shape (N, D) to be drawn, got {rows.shape}")
    h, w = shape or infer_shape(rows.shape[1])
    if h * w != rows.shape[1]:
        raise ValueError(f"rows of {rows.shape[1]} values are not images of {h} by {w}")
    tiles = rows.reshape(-1, h, w)
    return np.repeat(tiles, max(1, min(3, w // 5), w // 120), axis=1) if h == 1 else tiles


def _shares(x: Any, shape: Shape | None, name: str = "x") -> Faces:
    """Return rows x, (N, D), of values in [0, 1] as tiles."""
    tiles = _tiles(x, shape, name)
    if tiles.min() < -ROUNDING or tiles.max() > 1 + ROUNDING:
        outside = tiles.min() if tiles.min() < -ROUNDING else tiles.max()
        raise ValueError(
            f"{name} holds {outside:g}, and rows are drawn of values from 0 to 1; divide by the "
            f"largest, or give images of levels: {name}.reshape(-1, R, S)"
        )
    return Faces(tiles)


def _faces(x: Any, shape: Shape | None, levels: int | None) -> Faces:
    """Return rows, (N, D) in [0, 1], or images of levels, (N, R, S) or (N, R, S, C), as tiles."""
    values = reading.numbers(x, "x")
    return faces(values, levels) if values.ndim in (3, 4) else _shares(values, shape)


def sample_grid(
    x: Any,
    shape: Shape | None = None,
    columns: int | None = None,
    title: str = "samples",
    levels: int | None = None,
) -> Figure:
    """Return the rows of x, (N, D), as a grid of images; values in [0, 1].

    Or images of levels, (N, R, S) or (N, R, S, C), C 1 or 3. levels: how many there are; None: as
    many as the images show.
    """
    shown = _faces(x, shape, levels)
    return draw([shown.panel(title, side_by_side(shown.tiles, columns))])


def class_grid(
    x: Any,
    names: Sequence[Any],
    shape: Shape | None = None,
    title: str = "samples by label",
    levels: int | None = None,
) -> Figure:
    """Return rows of x, (n_classes · n, D), as images, n of a class in a row behind its name.

    Strips stand below each other. Or images of levels, as `sample_grid` takes them.
    """
    face = _faces(x, shape, levels)
    tiles = face.tiles
    if not len(names) or len(tiles) % len(names):
        raise ValueError(f"{len(tiles)} rows are not equally many of {len(names)} classes")
    shown = [visible(str(name)) for name in names]
    shown = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in shown]
    each = len(tiles) // len(names)
    if side_by_side(tiles, None) == 1:
        each, shown = 1, [line for name in shown for line in (name, *[""] * (each - 1))]
    return draw([face.panel(title, each)._replace(names=shown)])


def samples_with_probabilities(
    x: Any, p: Any, shape: Shape | None = None, columns: int | None = None
) -> Figure:
    """Return binary rows x, (N, D), beside the p(x_i = 1 | x_<i) they were drawn from, (N, D)."""
    tiles, soft = _tiles(x, shape), _tiles(p, shape)
    columns = side_by_side(tiles, columns)
    return draw([Panel("samples", tiles, columns), Panel(PROBABILITY, soft, columns, SOFT)])


def with_nearest(
    x: Any, p: Any, nearest: Any, shape: Shape | None = None, columns: int | None = None
) -> Figure:
    """Return samples x, their probabilities p and their nearest training rows, each (N, D)."""
    tiles, soft, real = _tiles(x, shape), _tiles(p, shape), _tiles(nearest, shape)
    columns = side_by_side(tiles, columns)
    return draw(
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
    columns = side_by_side(tiles, columns)
    return draw(
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
    levels: int | None = None,
    model: Any = None,
) -> Figure:
    """Return rows x, what the model saw of them, and several completions of each.

    x: (N, D) in [0, 1]; observed: (D,) or (N, D) bool; drawn: (K, N, D), K completions of every
    row. Or images of levels, (N, R, S) or (N, R, S, C), C 1 or 3; observed (R, S), (R, S, C), or of
    each image its own, a pixel seen if all its channels are; drawn K of x. levels: how many there
    are; None: as many as the images show. model: a fitted model of images; x and drawn are then as
    its `fit` takes them, rows too, and are drawn as it reads them, in its own levels; but bits that
    it drew stay as they are where `binarize` is set.

    Raises:
        ValueError, TypeError: arrays of other shapes, or that hold what cannot be drawn.
    """
    ways = reading.numbers(drawn, "drawn")
    given = reading.numbers(x, "x")
    if ways.ndim != given.ndim + 1 or ways.shape[1:] != given.shape:
        raise ValueError(
            f"drawn must hold some completions of all rows, "
            f"(K, {', '.join(map(str, given.shape))}), got {ways.shape}; one of each is drawn[None]"
        )
    every = ways.swapaxes(0, 1).reshape(-1, *given.shape[1:])  # an image's completions together
    if given.ndim == 2 and model is None:
        data, made = _shares(given, shape), _shares(every, shape, "drawn")
        seen = _tiles(np.atleast_2d(np.asarray(observed, bool)), shape, "observed") > 0
    else:
        images, more = reading.images(given, "x", model), reading.drawn(every, "drawn", model)
        K = reading.levels(levels, model, np.concatenate([images, more]), "drawn")
        data, made = faces(images, K), faces(more, K, "drawn")
        seen = reading.observed(observed, images, model)
    return draw([data.panel("data", 1), data.veiled("seen", seen), made.panel(title, len(ways))])


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
    return draw([Panel(title, tiles, side_by_side(tiles, None), SIGNED, -limit, limit, key)])


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the picture, PNG unless the name ends in .pdf or .svg; whole or not at all.

    Raises:
        OSError: the folder is missing, not writable or full.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower().lstrip(".")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=suffix if suffix in ("pdf", "svg") else "png", dpi=DPI)
