"""NumPy twin of the activations: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.activation import RELU, TANH
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array


def forward(kind: int, h: Array) -> None:
    """See `chainrule.kernels.activation.forward`."""
    if kind == RELU:
        np.maximum(h, 0, out=h)  # F1
    elif kind == TANH:
        np.tanh(h, out=h)  # F2
    else:
        h[...] = sigmoid(h)  # F3


def backward(kind: int, h: Array, dh: Array) -> None:
    """See `chainrule.kernels.activation.backward`."""
    if kind == RELU:
        dh[...] = np.where(h > 0, dh, 0)  # B1
    elif kind == TANH:
        dh *= 1 - h * h  # B2
    else:
        dh *= h * (1 - h)  # B3
