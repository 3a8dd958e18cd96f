"""What an output sees of an image: measured, from gradients.

Masks promise that the outputs of a pixel depend on the pixels before it and on no other, and a
paper's drawing says how far back they reach. Here it is looked at: |∂s_t / ∂x_s|, for every s.
Models of images have the gradient: `input_gradient` of `chainrule.engine.image_density`.
"""

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int, int]


def place(pixel: Any, shape: Sequence[int]) -> Place:
    """Return (row, column, channel) of a pixel of images of the shape (R, S, C).

    pixel: (row, column), of which channel 0 is meant, or (row, column, channel).

    Raises:
        ValueError: what is no pixel, or none of such images.
    """
    try:
        numbers = tuple(map(index, pixel))
    except TypeError:
        numbers = ()
    if len(numbers) not in (2, 3):
        got = f"an array of shape {pixel.shape}" if hasattr(pixel, "shape") else repr(pixel)
        raise ValueError(f"pixel must be (row, column) or (row, column, channel), got {got}")
    i, j, c = (*numbers, 0)[:3]
    R, S, C = shape
    if not (0 <= i < R and 0 <= j < S and 0 <= c < C):
        raise ValueError(
            f"row {i}, column {j}, channel {c} lies outside images of {R}×{S} pixels and {C} "
            f"channel{'s' * (C > 1)}, each counted from 0; give one inside"
        )
    return i, j, c


def measure(dx_of: Callable[[Any, Place], Any], x: Any, pixel: Any) -> NDArray[np.float64]:
    """Return how far the outputs of a pixel's channel move with each value of the image.

    Args:
        dx_of: a function of images, (N, R, S, C), and of (row, column, channel), to the gradient
            in x of that channel's outputs, (N, R, S, C): of one of them, or of a random
            combination, Σ_k r_k s_k, in which none can hide another. That is a model's backward
            with ds = r there and 0 elsewhere. Not of -log p(x_t | x_<t), which sees x_t itself.
        x: images, as the function takes them. A few: where a ReLU is off in one image, it is on
            in another.
        pixel: see `place`.

    Returns:
        (R, S, C) float64: means over the images of |∂s_t / ∂x_s|; exactly 0 where nothing is seen.

    Raises:
        ValueError: what are no images, a pixel outside them, or an answer of another shape.
    """
    shape = np.shape(x)
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"x must be images, (N, R, S, C), and not empty, got shape {shape}")
    dx = np.asarray(dx_of(x, place(pixel, shape[1:])), np.float64)
    if dx.shape != shape:
        raise ValueError(f"the gradient in x must have the shape of x, {shape}, got {dx.shape}")
    mean: NDArray[np.float64] = np.abs(dx).mean(axis=0)
    return mean
