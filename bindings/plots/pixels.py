"""What a model of images says of each pixel: what it cost, its entropy, its probability.

Images are (N, R, S, C), or in grey (N, R, S): rows and columns of pixels, C channels, 1 or 3, of
whole levels. What is said of them is shaped alike, the probabilities of levels with an axis more,
or beside images as rows of them. Everything is drawn from arrays; no model is asked. With `model`,
a fitted one, images are whatever its `fit` takes, rows too, and drawn as it reads them: reduced, or
as bits.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chainrule.plots import reading
from chainrule.plots.faces import CURE, Faces, faces
from chainrule.plots.images import PROBABILITY
from chainrule.plots.palette import SOFT, SURPRISE
from chainrule.plots.panels import Panel, draw, side_by_side
from chainrule.plots.reading import Numbers

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

    Args:
        x, log_prob_terms: (N, R, S, C); the terms in nats, as models give them.
        levels: how many there are; None: the model's, or as many as x shows.
        columns: images side by side; with names one. model: see above.
        names: of the images, one each, in front of them.

    A pixel's channels are summed. All maps have one scale, which ends where one pixel in 200 cost
    more. The title says what an image costs, and on average a pixel, or in colour a channel of one:
    bits per dimension.

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
        levels: of x; None: as many as the probabilities are of, or the model has or x shows if
            these are more.
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
        levels: how many there are; None: K, or the model's, or as many as x shows.
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
