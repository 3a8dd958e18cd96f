"""Dropout: numbers set to zero at random while training, so that none can be relied on alone.

Forward     (F1)  M_j = 1/(1 - r) with probability 1 - r, else 0
            (F2)  y = M ∘ x
            E[M_j] = 1, so E[y] = x and nothing has to be rescaled when M is left out afterwards.

Backward    (B1)  dx = M ∘ dy            M is a constant of the step: y_j = M_j x_j

Source      Srivastava et al. 2014, "Dropout", JMLR 15; the scale moved to training.
"""

from typing import Any

import numpy as np

from chainrule.engine.arena import New
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def forward(x: Array, rate: float, rng: np.random.Generator | None, new: New) -> Array | None:
    """Overwrite x by F2 and return M, shaped like x; with no rng, leave x and return None.

    M is drawn on the host, so that every backend drops the same numbers.
    """
    if rng is None or rate == 0:
        return None
    mask = new(x.shape)
    keep: Any = rng.random(x.shape, np.float32) >= rate
    mask[...] = array_module(x).asarray(keep)
    mask *= x.dtype.type(1 / (1 - rate))  # F1
    x *= mask  # F2
    return mask


def backward(dy: Array, mask: Array | None, new: New) -> Array:
    """Return dx by B1: a new array, or dy itself where nothing was dropped."""
    if mask is None:
        return dy
    dx = new(dy.shape)
    array_module(dy).multiply(dy, mask, out=dx)  # B1
    return dx
