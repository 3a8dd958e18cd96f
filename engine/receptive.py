"""What an output sees of an image: measured, from gradients.

Masks promise that the outputs of a pixel depend on the pixels before it and on no other, and a
paper's drawing says how far back they reach. Here it is looked at: |∂s_t / ∂x_s|, for every s.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def measure(
    dx_of: Callable[[Any, tuple[int, int, int]], Any], x: Any, pixel: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Return how far the outputs of a pixel's channel move with each value of the image.

    Args:
        dx_of: a function of images, (N, R, S, C), and of (row, column, channel), to the gradient
            in x of that channel's outputs, (N, R, S, C): of one of them, or of a random
            combination, Σ_k r_k s_k, in which none can hide another. That is a model's backward
            with ds = r there and 0 elsewhere. Not of -log p(x_t | x_<t), which sees x_t itself.
        x: images, as the function takes them. A few: where a ReLU is off in one image, it is on
            in another.
        pixel: (row, column, channel).

    Returns:
        (R, S, C) float64: means over the images of |∂s_t / ∂x_s|; exactly 0 where nothing is seen.

    Raises:
        ValueError: a pixel outside the images, or an answer of another shape.
    """
    shape = np.shape(x)
    if len(shape) != 4 or not all(0 <= k < size for k, size in zip(pixel, shape[1:], strict=True)):
        raise ValueError(f"x are images, (N, R, S, C), and pixel lies in them; {shape}, {pixel}")
    dx = np.asarray(dx_of(x, pixel), np.float64)
    if dx.shape != shape:
        raise ValueError(f"the gradient in x must have the shape of x, {shape}, got {dx.shape}")
    mean: NDArray[np.float64] = np.abs(dx).mean(axis=0)
    return mean
