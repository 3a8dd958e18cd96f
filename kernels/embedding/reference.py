"""NumPy twin of the embedding: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.types import Array, Ids


def forward(ids: Ids, W: Array, x: Array) -> None:
    """See `chainrule.kernels.embedding.forward`."""
    x[...] = W[ids]  # F1


def backward(dx: Array, ids: Ids, dW: Array) -> None:
    """See `chainrule.kernels.embedding.backward`."""
    np.add.at(dW, ids, dx)  # B1: `dW[ids] += dx` would keep one of several additions to a row
