"""PixelDefend: images moved back to where a density finds them likely, before a classifier."""

from typing import Any, Protocol

import numpy as np

from chainrule.detection import cases, pixels
from chainrule.encoders import validation
from chainrule.engine.attacks.victim import Range
from chainrule.engine.purification import purified
from chainrule.estimators.runtime import array_module, to_host
from chainrule.kernels.types import Array


class Judge(Protocol):
    """What says how odd images are: a `Detector`, or another object with p-values."""

    def p_values(self, X: Any) -> Any:
        """Return a p-value of each image, (N,), given as the density's data are."""


def purify(
    model: Any, X: Any, eps: float = 16 / 255, *, detector: Judge | None = None,
    below: float = 0.05, y: Any = None, clip: pixels.Clip = cases.UNIT,
) -> Array:  # fmt: skip
    """Return images near X that a density finds likelier: PixelDefend (Song et al. 2018).

    Pixel after pixel in raster order, channel after channel, each becomes the likeliest of the
    levels within eps of it, given what those before it have become. An attack of about that size
    that does not know of it is undone in part; one that does know is not held up by it: see
    `chainrule.attacks.bpda`.

    Args:
        model: a fitted density of images, `PixelCNN` or `PixelRNN`, of the same size.
        X: images, floats within clip, in any form that the density takes.
        eps: how far a pixel may move, in the units of X; levels from that of x - eps to that of
            x + eps are allowed.
        detector: an object with p_values(X) of images as the density's data are, such as a
            `Detector` on the same density; images whose p-value is `below` or more are returned
            as they are. None: all are purified.
        below: such a p-value.
        y: labels, (N,) or one for all, of a density that was fitted with labels.

    Returns:
        Floats in the shape and dtype of X, within eps of it, and within clip.

    Raises:
        TypeError, ValueError: what cannot be used.

    Cost:
        One pass of PixelCNN, as for drawing images; PixelRNN: one pass for each channel.
    """
    model = pixels.checked(model)
    x, allowed = cases.floats(X), cases.checked_range(clip)
    cases.check_range(x, allowed)
    eps = validation.real("eps", eps, 0)
    model._read(pixels.to_pixels(model, x, clip))  # fitted, and of this size
    out, todo = x.copy(), np.arange(len(x))
    if detector is not None:
        p = np.asarray(detector.p_values(pixels.to_pixels(model, x, clip)))
        todo = np.flatnonzero(p < validation.real("below", below, 0, 1))
    numbers = _classes(model, y, len(x))
    if len(todo):
        chosen = None if numbers is None else numbers[todo]
        out[todo] = _purified(model, x[todo], eps, chosen, allowed)
    return out


def _classes(model: Any, y: Any, n: int) -> Any:
    """Return the numbers of classes, (n,), or None of a density without labels."""
    if model.classes_ is not None and y is None:
        raise ValueError(
            "this model was fitted with labels, and purification needs one density; give y, or a "
            "model that was fitted without"
        )
    return model._labels(y, n)


def _purified(model: Any, x: Array, eps: float, numbers: Any, allowed: Range) -> Array:
    """Return some images, floats, purified."""
    clip, out = (allowed.low, allowed.high), np.empty_like(x)
    least, most = allowed.held(x - x.dtype.type(eps)), allowed.held(x + x.dtype.type(eps))
    low, high = (pixels.to_levels(model, a, clip) for a in (least, most))
    with model._evaluating() as params:
        side = array_module(model.backend).asarray
        for rows in model._groups(len(x), "purify"):
            y = None if numbers is None else side(numbers[rows])
            first, last = (side(a[rows].astype(np.int32)) for a in (low, high))
            found = purified(model._engine(), model.config_, params, first, last, y)
            levels = to_host(found)
            moved = pixels.to_floats(model, levels, clip).reshape(x[rows].shape)
            out[rows] = np.clip(moved.astype(x.dtype), least[rows], most[rows])
    return out
