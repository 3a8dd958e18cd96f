"""NumPy twin of the gated activation: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array


def forward(a: Array, groups: int, y: Array) -> None:
    """See `chainrule.kernels.gate.forward`."""
    u, v = _parts(a, groups)
    y[...] = (u * v).reshape(y.shape)  # F1


def backward(dy: Array, a: Array, groups: int, da: Array) -> None:
    """See `chainrule.kernels.gate.backward`."""
    u, v = _parts(a, groups)
    d = dy.reshape(u.shape)
    dp = d * v * (1 - u * u)  # B1
    dq = d * u * v * (1 - v)  # B2
    da[...] = np.stack((dp, dq), axis=2).reshape(da.shape)


def _parts(a: Array, groups: int) -> tuple[Array, Array]:
    """Return u and v of F1, each (M, G, H / G)."""
    parts = a.reshape(len(a), groups, 2, a.shape[1] // (2 * groups))
    return np.tanh(parts[:, :, 0]), sigmoid(parts[:, :, 1])  # F1
