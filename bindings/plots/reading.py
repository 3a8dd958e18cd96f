"""What is to be drawn as numbers in the axes of images, or one sentence on why it cannot be.

Images are (N, R, S) or in colour (N, R, S, C); with a fitted model of images they are whatever its
`fit` takes, and are read as it reads them: reduced, or as bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

MOST = 256  # levels of a byte


def numbers(x: Any, name: str, finite: bool = True) -> Numbers:
    """Return x as float64, checked to be numbers, not none of them, and finite.

    Raises:
        TypeError: it holds no numbers. ValueError: it is no array, empty, or not finite.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(
            f"{name} must be an array, and its parts differ in length; make all equally long"
        ) from error
    if array.dtype.kind not in "biuf" and not _are_numbers(array):
        got = type(x).__name__ if array.ndim == 0 else f"{array.dtype} of shape {array.shape}"
        raise TypeError(f"{name} must be an array of numbers, got {got}")
    values: Numbers = array.astype(np.float64)
    if not values.size:
        raise ValueError(f"{name} must not be empty, got shape {values.shape}")
    if finite and not np.isfinite(values).all():
        where = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
        held = values[~np.isfinite(values)][0]
        raise ValueError(f"{name} holds {held:g} at [{where}]; replace or leave out such values")
    return values


def _are_numbers(array: NDArray[Any]) -> bool:
    """Return whether all objects in an array are numbers."""
    return array.dtype.kind == "O" and all(
        isinstance(v, int | float | np.number) for v in array.flat
    )


def images(x: Any, name: str, model: Any = None) -> Numbers:
    """Return images as (N, R, S, C): as they are, or as a model reads them.

    Raises:
        ValueError, TypeError: they are none, or none of the model's.
    """
    if model is not None:
        read: NDArray[Any] = _encoder(model).encode(x, name)
        return read.astype(np.float64)
    values = numbers(x, name)
    if values.ndim not in (3, 4):
        raise ValueError(
            f"{name} must be images of the shape (N, R, S, C), or (N, R, S) in grey, got "
            f"{values.shape}; of rows of pixels that is {name}.reshape(-1, R, S)"
        )
    return values if values.ndim == 4 else values[..., None]


def drawn(x: Any, name: str, model: Any = None) -> Numbers:
    """Return images that a model drew as (N, R, S, C), as `images` does.

    A model reads what it drew, but for bits where `binarize` is set: both may lie on one side of
    the threshold, so they stay as they are.

    Raises:
        ValueError, TypeError: as for `images`.
    """
    if model is not None and _encoder(model).settings.binarize is not None:
        bits = numbers(x, name)
        if np.isin(bits, (0, 1)).all():
            return bits.reshape(len(bits), *_encoder(model).shape)
    return images(x, name, model)


def like(values: Numbers, shape: tuple[int, ...], name: str, inner: int = 0) -> Numbers:
    """Return numbers of each variable of images (N, R, S, C), or of the last `inner` axes too.

    They have the shape of the images, with or without an axis for one channel, or are rows.

    Raises:
        ValueError: they have another.
    """
    outer = values.shape[: values.ndim - inner]
    if outer not in forms(shape):
        more = ", …" if inner else ""
        raise ValueError(
            f"{name} must have the shape of the images, {shape[:-1] if shape[-1] == 1 else shape}"
            f"{more}, got {values.shape}"
        )
    return values.reshape(*shape, *values.shape[values.ndim - inner :])


def forms(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that numbers a variable of images (N, R, S, C) may have."""
    N, R, S, C = shape
    return (shape, (N, R * S * C), *([(N, R, S)] if C == 1 else []))


def levels(asked: Any, model: Any, x: Numbers, name: str = "x") -> int:
    """Return how many levels there are: as asked, as the model has, or as images show.

    Raises:
        ValueError: there are more than a byte has, or no such number was asked for.
    """
    if asked is not None:
        if isinstance(asked, bool) or int(asked) != asked or asked < 2:
            raise ValueError(f"levels must be a whole number of at least 2, got {asked}")
        return int(asked)
    if model is not None:
        return int(_encoder(model).levels)
    if x.max() >= MOST:
        raise ValueError(
            f"{name} holds {x.max():g}, and pixels have {MOST} levels at most, 0 … {MOST - 1}; "
            "scale them"
        )
    return max(2, int(np.ceil(x.max())) + 1)


def check_levels(x: Numbers, levels: int, name: str, cure: str) -> None:
    """Raise ValueError unless images are of whole levels; of 2 a share from 0 to 1 will do."""
    if x.min() < 0 or x.max() > levels - 1:
        outside = x.min() if x.min() < 0 else x.max()
        raise ValueError(
            f"{name} holds {outside:g}, and {levels} levels reach from 0 to {levels - 1}; {cure}"
        )
    if levels > 2 and (x % 1).any():
        raise ValueError(
            f"{name} holds {x[x % 1 != 0][0]:g}, and levels are whole numbers; make them so, of "
            f"shares from 0 to 1 by ({name} * {levels - 1}).round()"
        )


def observed(marks: Any, x: Numbers, model: Any = None) -> NDArray[np.bool_]:
    """Return which pixels of images (N, R, S, C) are observed whole, (1 or N, R, S).

    Raises:
        ValueError: marks of another shape.
    """
    N, R, S, C = x.shape
    known = np.asarray(marks, bool)
    if model is not None and known.shape in ((R * S * C,), (N, R * S * C)):
        known = known.reshape(*known.shape[:-1], R, S, C)
    if known.shape in ((R, S), (N, R, S)):
        return known.reshape(-1, R, S)
    if known.shape not in ((R, S, C), x.shape):
        raise ValueError(
            f"observed must have the shape (R, S) or (R, S, C), or such for each image, of images "
            f"{x.shape}, got {known.shape}"
        )
    seen: NDArray[np.bool_] = known.all(axis=-1).reshape(-1, R, S)
    return seen


def _encoder(model: Any) -> Any:
    """Return what reads a model's images.

    Raises:
        TypeError: it is none of images, or not fitted.
    """
    encoder = getattr(model, "encoder_", None)
    if not hasattr(encoder, "levels"):
        raise TypeError(f"model must be a fitted model of images, got {type(model).__name__}")
    return encoder
