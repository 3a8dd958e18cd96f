"""NumPy twin of layer normalisation: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.layer_norm import EPS
from chainrule.kernels.types import Array


def forward(x: Array, g: Array, b: Array, y: Array, mean: Array, rstd: Array) -> None:
    """See `chainrule.kernels.layer_norm.forward`."""
    mean[...] = x.mean(axis=1)  # F1
    centred = x - mean[:, None]
    rstd[...] = 1 / np.sqrt((centred**2).mean(axis=1) + EPS)  # F2
    y[...] = centred * rstd[:, None] * g + b  # F3, F4


def backward(
    dy: Array, x: Array, g: Array, mean: Array, rstd: Array, dx: Array, dg: Array, db: Array
) -> None:
    """See `chainrule.kernels.layer_norm.backward`."""
    x_hat = (x - mean[:, None]) * rstd[:, None]
    db[...] = dy.sum(axis=0)  # B1
    dg[...] = (dy * x_hat).sum(axis=0)  # B2
    t = dy * g  # B3
    p, q = t.mean(axis=1), (t * x_hat).mean(axis=1)  # B4's means
    dx += rstd[:, None] * (t - p[:, None] - x_hat * q[:, None])  # B4
