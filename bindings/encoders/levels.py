"""Levels of grey or colour: fewer of them by equal bins, and what stands for a bin.

With K levels 0 … K - 1 and L ≤ K bins, level v is in bin ⌊v L / K⌋: each bin has K / L levels, or
where L does not divide K one more or less. A bin is drawn as the level in it that is nearest to
k (K - 1) / (L - 1), so that the first is black and the last is as bright as any.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import validation

MOST = 256  # levels of a byte


def reduce_levels(x: Any, levels: int, of: int = MOST) -> NDArray[np.uint8]:
    """Return pixels, whole numbers from 0 to of - 1, in equal bins 0 … levels - 1, as uint8.

    Example:
        >>> from chainrule.datasets import reduce_levels
        >>> reduce_levels([0, 63, 64, 255], 4).tolist()
        [0, 0, 1, 3]

    Raises:
        ValueError: levels that are not from 2 to `of`; pixels that are no such numbers.
    """
    checked(levels, of)
    x = np.asarray(x)
    if x.dtype.kind not in "biu" or (x.size and not 0 <= x.min() <= x.max() < of):
        got = x.dtype if x.dtype.kind not in "biu" or not x.size else f"{x.min()} to {x.max()}"
        raise ValueError(f"pixels must be whole numbers from 0 to {of - 1}, got {got}")
    reduced: NDArray[np.uint8] = bins(levels, of)[x.astype(np.intp, copy=False)]
    return reduced


def checked(levels: Any, of: int = MOST) -> int:
    """Return a number of levels if it is one from 2 to `of`."""
    if validation.integer("levels", levels, 2) > of:
        raise ValueError(f"levels must be from 2 to {of}, got {levels}")
    return int(levels)


def bins(levels: int, of: int) -> NDArray[np.uint8]:
    """Return the bin of each of the levels 0 … of - 1, (of,)."""
    return (np.arange(of) * levels // of).astype(np.uint8)


def representatives(levels: int, of: int) -> NDArray[np.intp]:
    """Return the level that stands for each bin, (levels,)."""
    k = np.arange(levels)
    first, last = -(-k * of // levels), -(-(k + 1) * of // levels) - 1
    nearest = np.rint(k * (of - 1) / (levels - 1)).astype(np.intp)
    return np.clip(nearest, first, last)
