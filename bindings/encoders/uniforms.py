"""What users draw by: seeds, and uniform numbers, checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def of_rows(u: Any, n: int, D: int) -> NDArray[np.float64]:
    """Return given uniforms, (n, D), as a copy.

    Raises:
        ValueError: they are none, or of another shape.
    """
    given = np.array(u, np.float64)
    wrong = "" if given.shape == (n, D) else f"shape {given.shape}"
    if not wrong and not (inside := (given >= 0) & (given < 1)).all():
        row, column = np.argwhere(~inside)[0]
        wrong = f"{given[row, column]} at [{row}, {column}]"
    if wrong:
        raise ValueError(
            f"uniforms must be numbers in [0, 1) of shape ({n}, {D}), as to_uniforms returns them; "
            f"got {wrong}"
        )
    return given


def generator(seed: Any) -> np.random.Generator:
    """Return numpy.random.default_rng(seed).

    Raises:
        ValueError, TypeError: what it does not take, in words that name the seed.
    """
    try:
        return np.random.default_rng(seed)
    except (ValueError, TypeError) as wrong:
        raise type(wrong)(
            "seed must be None, a whole number of at least 0, or what else "
            f"numpy.random.default_rng takes, got {seed!r}"
        ) from None
