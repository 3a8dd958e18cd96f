"""What a model of images says of each pixel: surprise, entropy, probability, and what it looks at.

Images are (N, R, S, C), or in grey (N, R, S): rows and columns of pixels, C channels, 1 or 3, of
whole levels; what is said of them is shaped alike. Everything is drawn from arrays; no model is
asked. With `model`, a fitted one, images are whatever its `fit` takes, rows too, and drawn as it
reads them: reduced, or as bits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from chainrule.plots import reading
from chainrule.plots.canvas import Picture, visible, words
from chainrule.plots.faces import CURE, Faces, faces
from chainrule.plots.images import PROBABILITY
from chainrule.plots.palette import BLUES, GREY, INK, LINE, PALE, RED, REDS, SOFT, SURPRISE
from chainrule.plots.panels import Panel, draw, side_by_side
from chainrule.plots.reading import Numbers

SIDE = 3.4  # inches, the longer one of an image whose receptive field is drawn
LEAST = 1e-4  # share of a field's largest gradient that has the palest colour, as all below it
USUAL = 0.995  # share of the pixels that a scale of bits is made for
IMPOSSIBLE = 1e9  # bits: infinitely many cannot be drawn
READ = "where a model reduces or binarizes pixels, give it, too: model=…"
ROUNDING = 1e-3  # by which probabilities may miss their sum of 1


def surprise(
    x: Any,
    log_prob_terms: Any,
    levels: int | None = None,
    columns: int | None = None,
    model: Any = None,
    names: Sequence[str] = (),
) -> Figure:
    """Return images beside what each of their pixels cost: -log₂ p(x_t | x_<t), bits.

    x, log_prob_terms: (N, R, S, C); the terms in nats, as models give them. levels: how many there
    are; None: as many as x shows. A pixel's channels are summed. All maps have one scale, which
    ends where one pixel in 200 cost more. The title says what an image costs, and a channel of a
    pixel: bits per dimension. names: of the images, one each, which then stand one below another.

    Raises:
        ValueError, TypeError: another shape, no numbers, or fewer or more names than images.
    """
    images = reading.images(x, "x", model)
    if names and len(names) != len(images):
        raise ValueError(
            f"{len(images):,} images have {len(names):,} names; give one each, or none"
        )
    terms = reading.numbers(log_prob_terms, "log_prob_terms", finite=False)
    bits = -reading.like(terms, images.shape, "log_prob_terms") / np.log(2)
    panel = _of_bits("surprise", bits, USUAL)
    return _beside(_data(images, levels, model), panel, 1 if names else columns, names)


def entropy(
    probabilities: Any,
    x: Any = None,
    levels: int | None = None,
    columns: int | None = None,
    model: Any = None,
) -> Figure:
    """Return how uncertain a model is of each pixel, bits: Σ_k -p_k log₂ p_k, p = p(x_t | x_<t).

    Args:
        probabilities: (N, R, S, C, K), of each level; or (N, R, S, C), p(x_t = 1) of bits: what
            `conditionals` gives. A pixel's channels, each given those before it, are summed.
        x: images to be drawn beside, (N, R, S, C), or None.
        levels: of x; None: as many as the probabilities are of, or as x shows if these are more.
        columns: images side by side. model: see above.

    Surprise is on average as large where a model is right about its uncertainty.

    Raises:
        ValueError, TypeError: another shape, or numbers that are no probabilities.
    """
    images = None if x is None else reading.images(x, "x", model)
    p, _ = _distributions(probabilities, "probabilities", None if images is None else images.shape)
    nats = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    data = None
    if images is not None:
        known = levels or max(p.shape[-1], reading.levels(None, model, images))
        data = _data(images, known, None)
    return _beside(data, _of_bits("entropy", nats / np.log(2), 1), columns)


def conditional_probability(
    x: Any,
    p: Any,
    levels: int | None = None,
    columns: int | None = None,
    model: Any = None,
) -> Figure:
    """Return images beside the probabilities that a model gave to their pixels.

    Args:
        x: (N, R, S, C).
        p: (N, R, S, C), of bits p(x_t = 1 | x_<t), of more levels the probability of the one that
            is there; or (N, R, S, C, K), of each level: the observed one's is drawn.
        levels: how many there are; None: K, or as many as x shows.
        columns: images side by side. model: see above; needed where it reduces or binarizes.

    Probabilities of what is there are multiplied over a pixel's channels, and their scale ends
    with the largest; those of a 1 are drawn from 0 to 1, of three channels as colours.

    Raises:
        ValueError, TypeError: another shape, or numbers that are no probabilities.
    """
    images = reading.images(x, "x", model)
    each, whole = _distributions(p, "p", images.shape)
    K = each.shape[4] if whole and levels is None else reading.levels(levels, model, images)
    reading.check_levels(images, K, "x", READ if whole else CURE)
    data = _data(images, K)
    if not whole and K == 2:
        soft = each[..., 1]
        key = None if soft.shape[3] == 3 else ("0", "1")  # colours of their own are no scale
        return _beside(data, Panel(PROBABILITY, faces(soft, 2).tiles, 1, SOFT, key=key), columns)
    there = images.astype(np.intp) if whole else np.ones(images.shape, np.intp)
    maps = np.take_along_axis(each, there[..., None], axis=4)[..., 0].prod(axis=3)
    top = float(maps.max()) or 1.0
    panel = Panel("probability of what is there", maps, 1, SOFT, 0, top, ("0", f"{top:.2g}"))
    return _beside(data, panel, columns)


def receptive_field(
    gradient: Any, pixel: tuple[int, int], channel: int = 0, title: str = ""
) -> Figure:
    """Return what one output sees of an image: how far it moves with each pixel, as a map.

    Args:
        gradient: |∂s_t / ∂x|, (R, S, C), as `chainrule.engine.receptive.measure` finds it; or
            several by name, to be drawn side by side. Of a model without gradients in x, row t of
            `influence(outputs, X)` by rows of pixels will do, reshaped.
        pixel: t, (row, column), framed in red.
        channel: of that pixel, whose output it is: it may see the channels before it.

    Colours are logarithmic and white is exactly 0. Hatched is what comes later in raster order,
    which the output may not see; if it does, that is red.

    Raises:
        ValueError: maps of another shape, or a pixel outside them.
    """
    given = gradient if isinstance(gradient, Mapping) else {"": gradient}
    fields = {name: _field(a, pixel, channel) for name, a in given.items()}
    R, S, _ = next(iter(fields.values())).shape
    wide, high = max(2.4, SIDE * min(1, S / R)), SIDE * min(1, R / S)
    above = 0.3 * bool(title) + 0.25 * any(map(bool, fields))
    figure = Picture((wide * len(fields) + 1.1, high + 0.45 + above), layout="constrained")
    axes = figure.subplots(1, len(fields), squeeze=False)[0]
    for at, (name, field) in zip(axes, fields.items(), strict=True):
        _draw_field(at, field, pixel, channel)
        at.set_title(visible(name), loc="left", size=9, color=INK, **words())
    bar = figure.colorbar(axes[0].images[0], ax=list(axes), shrink=0.8, aspect=25, pad=0.02)
    bar.set_label("mean |∂sₜ/∂x|, share of\nits largest; white: none", size=8, color=GREY)
    bar.ax.tick_params(labelsize=7, labelcolor=GREY)
    bar.outline.set_visible(False)
    if title:
        figure.suptitle(visible(title), x=0.01, ha="left", size=10, color=INK, **words())
    return figure


def _field(gradient: Any, pixel: tuple[int, int], channel: int) -> Numbers:
    """Return a gradient as sizes, checked to be (R, S, C) with the pixel in it."""
    field: Numbers = np.abs(reading.numbers(gradient, "gradient", finite=False))
    place = (*pixel, channel)
    comparable = field.ndim == len(place) == 3 and np.isfinite(field).all()
    if not comparable or not all(0 <= k < n for k, n in zip(place, field.shape, strict=True)):
        raise ValueError(
            "a gradient has the shape (R, S, C), is finite, and holds row, column and channel, "
            f"{place}; got {field.shape}"
        )
    return field


def _draw_field(at: Any, field: Numbers, pixel: tuple[int, int], channel: int) -> None:
    """Draw the map of one output: hatched, what it may not see; red, what of that it does see."""
    (R, S, C), (i, j) = field.shape, pixel
    order = np.arange(field.size).reshape(field.shape)  # raster, channels within a pixel
    past = order < order[i, j, channel]
    largest = field.sum(axis=2).max() or 1.0
    norm = LogNorm(LEAST, 1, clip=True)
    for colours, where in ((BLUES, past), (REDS, ~past)):
        seen = np.where(where, field, 0).sum(axis=2)
        shown = np.ma.masked_where(seen == 0, seen / largest)
        at.imshow(shown, colours, norm=norm, interpolation="nearest", zorder=1)
    hatch: dict[str, Any] = {
        "fill": False,
        "hatch": "////",
        "edgecolor": PALE,
        "lw": 0,
        "zorder": 0.5,
    }
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


def _data(images: Numbers, levels: int | None, model: Any = None) -> Faces:
    """Return images that were read already as tiles."""
    return faces(images, reading.levels(levels, model, images))


def _beside(
    data: Faces | None, maps: Panel, columns: int | None, names: Sequence[str] = ()
) -> Figure:
    """Return maps, beside the images that they are of where there are such."""
    across = side_by_side(maps.tiles, columns)
    first = [] if data is None else [data.panel("data", across)._replace(names=names)]
    return draw([*first, maps._replace(columns=across)])


def _of_bits(what: str, bits: Numbers, share: float) -> Panel:
    """Return a panel of bits, (N, R, S, C), summed over channels, and their means in its title.

    share: of the pixels, that the scale reaches.
    """
    maps = np.nan_to_num(bits.sum(axis=3), nan=np.nan, posinf=IMPOSSIBLE)
    top = float(np.nanquantile(np.minimum(maps, IMPOSSIBLE), share)) or 1.0
    more = " or more" if (maps > top).any() else ""
    total, each = bits.sum() / len(bits), "pixel" if bits.shape[3] == 1 else "channel"
    title = (
        f"{what}: {total:,.{0 if total > 1000 else 1}f} bits an image, {bits.mean():.3g} a {each}"
    )
    return Panel(title, maps, 1, SURPRISE, 0, top, ("0", f"{top:.2g} bits{more}"))


def _distributions(
    probabilities: Any, name: str, shape: tuple[int, ...] | None
) -> tuple[Numbers, bool]:
    """Return probabilities of each level, (N, R, S, C, K), checked, and whether they came so.

    Else they were those of a 1. shape: of the images, if there are any.
    """
    p = reading.numbers(probabilities, name, finite=False)
    whole = p.ndim == 5
    if shape is not None:
        whole = p.shape not in reading.forms(shape)
        p = reading.like(p, shape, name, int(whole))
    elif p.ndim in (3, 4):
        whole = (
            p.ndim == 4 and p.shape[3] > 1 and bool((np.abs(p.sum(axis=3) - 1) < ROUNDING).all())
        )
        p = p[..., None, :] if whole else p.reshape(*p.shape[:3], -1)
    elif p.ndim != 5:
        raise ValueError(
            f"{name} must have the shape (N, R, S) in grey, (N, R, S, C) or (N, R, S, C, K), got "
            f"{p.shape}"
        )
    p = p if whole else np.stack((1 - p, p), axis=-1)
    if (p < -ROUNDING).any() or not (np.abs(p.sum(axis=-1) - 1) < ROUNDING).all():
        raise ValueError(f"{name} must be not negative, and those of all levels sum to 1")
    return np.clip(p, 0, 1), whole
