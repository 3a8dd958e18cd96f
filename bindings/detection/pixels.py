"""From floats to a density's levels and back: the one way there is.

A classifier reads pixels as floats in a range (low, high), from 0 to 1 unless it is said; a density
of images has whole numbers, 0 … L - 1, or K - 1 where its `reduce_from` is K. Pixel v is

    rint((v - low) / (high - low) · (K - 1))                  to the nearest of K

and the density's own encoder makes its levels of that, as of any data. Back, a level is the number
that stands for it, over K - 1. Of a density with `binarize` or of shares, floats are read as they
are, and back come low and high.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from chainrule.encoders import images
from chainrule.encoders import levels as bins
from chainrule.estimators.images import ImageDensity
from chainrule.kernels.types import Array

Clip = tuple[float, float]


def checked(model: Any) -> ImageDensity:
    """Return a density of images.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(model, ImageDensity):
        raise TypeError(
            f"model must be a density of images, such as PixelCNN, got {type(model).__name__}"
        )
    return model


def unlabelled(model: Any) -> ImageDensity:
    """Return a density of images that was fitted without labels.

    Raises:
        TypeError: it is no density of images. ValueError: it has labels.
    """
    density = checked(model)
    check_is_fitted(density, "params_")
    if density.classes_ is not None:
        raise ValueError(
            "this density was fitted with labels, p(x | y), and one of p(x) is wanted; fit it "
            "without"
        )
    return density


def to_pixels(model: ImageDensity, X: Array, clip: Clip = (0.0, 1.0)) -> Any:
    """Return floats as the density's data are: whole numbers, or floats where it reads such."""
    encoder: Any = model._columns
    if encoder.shares or encoder.settings.binarize is not None:
        return X
    unit = (np.asarray(X, np.float64) - clip[0]) / (clip[1] - clip[0])
    whole = np.rint(np.clip(unit, 0, 1) * (encoder.of - 1))
    return whole.astype(np.uint8 if encoder.of <= bins.MOST else np.int32)


def to_levels(model: ImageDensity, X: Array, clip: Clip = (0.0, 1.0)) -> Any:
    """Return floats as the density's levels, (N, R, S, C)."""
    return model._columns.encode(model._checked(to_pixels(model, X, clip)))


def to_floats(model: ImageDensity, x: Any, clip: Clip = (0.0, 1.0)) -> Array:
    """Return levels, (N, R, S, C), as floats in the range, float64 in the same shape."""
    encoder: Any = model._columns
    stand = bins.representatives(encoder.levels, encoder.of)
    unit: Array = stand[x] / max(1, encoder.of - 1)
    return clip[0] + (clip[1] - clip[0]) * unit


def form(X: Any) -> tuple[int, ...]:
    """Return the shape of images as users have them."""
    shape: tuple[int, ...] = images.as_images(X).shape
    return shape
