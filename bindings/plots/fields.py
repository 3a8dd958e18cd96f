"""The receptive field of a pixel: what one output of a model sees of an image, as a map."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from chainrule.engine.receptive import Place, place
from chainrule.plots import reading
from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.palette import BLUES, GREY, INK, LINE, PALE, RED, REDS
from chainrule.plots.reading import Numbers

SIDE = 3.4  # inches, the longer one of an image
LEAST = 1e-4  # share of a field's largest value that has the palest colour, as all below it
GRADIENT = "mean |∂sₜ/∂x|"
CHANGE = "how far the output moves"  # what may have been measured in another way


def receptive_field(
    gradient: Any,
    pixel: tuple[int, ...],
    channel: int | None = None,
    title: str = "",
    model: Any = None,
    y: Any = None,
) -> Figure:
    """Return what one output sees of an image: how far it moves with each pixel, as a map.

    Args:
        gradient: |∂s_t / ∂x|, (R, S, C), as `model.receptive_field` measures it; or several by
            name, to be drawn side by side. Of a model without gradients in x, row t of
            `influence(outputs, X)` by rows of pixels will do, reshaped. With `model`: images as its
            `fit` takes them, with which it is measured here, a few; None: some that it draws.
        pixel: t, (row, column) or (row, column, channel), framed in red.
        channel: of that pixel, whose output it is, if `pixel` has none; None: 0. It may see the
            channels before it.
        model: a fitted PixelCNN or PixelRNN, or several by name, side by side.
        y: labels of the images, as `model.receptive_field` takes them.

    Colours are logarithmic, of shares of the map's largest value, a pixel's channels summed; what
    is below 1e-4 of it has the palest, and white is exactly 0. Hatched is what comes later in
    raster order, which the output may not see; if it does, that is red. Below stands how many of
    the pixels before it, in colour of their channels, it sees.

    Raises:
        ValueError: maps of another shape, or a pixel outside them.
        TypeError: a model that has no such gradient, or is not fitted.

    Cost:
        With `model` a training step's forward and backward of the images; else none.
    """
    if channel is not None:
        if np.shape(pixel) != (2,):
            raise ValueError(f"channel goes with a pixel (row, column), got {pixel!r}")
        pixel = (*pixel, channel)
    given = gradient if model is None else _measured(gradient, pixel, model, y)
    several = given if isinstance(given, Mapping) else {"": given}
    fields = {name: _field(a) for name, a in several.items()}
    places = {name: place(pixel, field.shape) for name, field in fields.items()}
    R, S, _ = next(iter(fields.values())).shape
    wide, high = max(2.4, SIDE * min(1, S / R)), SIDE * min(1, R / S)
    above = 0.3 * bool(title) + 0.25 * any(map(bool, fields))
    figure = Picture((wide * len(fields) + 1.1, high + 0.45 + above), layout="constrained")
    axes = figure.subplots(1, len(fields), squeeze=False)[0]
    for at, (name, field) in zip(axes, fields.items(), strict=True):
        _draw(at, field, places[name])
        at.set_title(visible(name), loc="left", size=9, color=INK, **words())
    bar = figure.colorbar(axes[0].images[0], ax=list(axes), shrink=0.8, aspect=25, pad=0.02)
    what = CHANGE if model is None else GRADIENT
    bar.set_label(f"{what}, share of\nits largest; white: none", size=8, color=GREY)
    bar.ax.tick_params(labelsize=7, labelcolor=GREY)
    bar.outline.set_visible(False)
    if title:
        figure.suptitle(visible(title), x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def _measured(x: Any, pixel: Any, model: Any, y: Any) -> Any:
    """Return what a model, or each of several by name, says that the pixel sees."""
    if isinstance(model, Mapping):
        return {name: _measured(x, pixel, one, y) for name, one in model.items()}
    if not (hasattr(model, "receptive_field") and hasattr(model, "encoder_")):
        raise TypeError(f"model must be a fitted PixelCNN or PixelRNN, got {type(model).__name__}")
    return model.receptive_field(pixel, x, y)


def _field(gradient: Any) -> Numbers:
    """Return a gradient as sizes, checked to be (R, S, C)."""
    field: Numbers = np.abs(reading.numbers(gradient, "gradient"))
    if field.ndim != 3:
        raise ValueError(
            f"gradient must have the shape of an image, (R, S, C), got {field.shape}; images go "
            "with model=…"
        )
    return field


def _draw(at: Any, field: Numbers, pixel: Place) -> None:
    """Draw the map of one output: hatched, what it may not see; red, what of that it does see."""
    (R, S, C), (i, j, channel) = field.shape, pixel
    order = np.arange(field.size).reshape(field.shape)  # raster, channels within a pixel
    past = order < order[pixel]
    largest = field.sum(axis=2).max() or 1.0
    norm = LogNorm(LEAST, 1, clip=True)
    for colours, where in ((BLUES, past), (REDS, ~past)):
        seen = np.where(where, field, 0).sum(axis=2)
        shown = np.ma.masked_where(seen == 0, seen / largest)
        at.imshow(shown, colours, norm=norm, interpolation="nearest", zorder=1)
    look = {"hatch": "////", "edgecolor": PALE, "lw": 0, "zorder": 0.5}
    hatch: dict[str, Any] = {"fill": False, **look}
    first = j if channel == 0 else j + 1  # of its own channels it may see some
    at.add_patch(Rectangle((first - 0.5, i - 0.5), S - first, 1, **hatch))
    at.add_patch(Rectangle((-0.5, i + 0.5), S, R - i - 1, **hatch))
    at.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=RED, lw=1.4, zorder=2))
    at.set(xticks=[], yticks=[], xlim=(-0.5, S - 0.5), ylim=(R - 0.5, -0.5))
    at.spines[:].set_color(LINE)
    used, before = int((field[past] > 0).sum()), int(past.sum())
    said = f"sees {used:,} of {before:,} {'values' if C > 1 else 'pixels'} before it"
    if leaks := int((field[~past] > 0).sum()):
        said += f"\nand {leaks:,} that it may not see"
    at.set_xlabel(said, size=8, color=RED if leaks else GREY)
