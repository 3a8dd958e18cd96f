"""NumPy twin of the triangular kernels: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits, Ids


def unpack(alpha: Array, D: int) -> Array:
    """Return α as a (D, D) matrix, strictly lower triangular: α[i, j] is the weight α_j^i.

    NumPy or CuPy arrays.
    """
    xp = array_module(alpha)
    full: Array = xp.zeros((D, D), alpha.dtype)
    full.T[xp.triu_indices(D, 1)] = alpha  # packed columns are the rows of the transpose
    return full


def forward(x: Bits, alpha: Array, b: Array, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.triangular.forward`."""
    s[...] = b[y if len(b) > 1 else 0] + x @ unpack(alpha, x.shape[1]).T  # F1


def backward(ds: Array, x: Bits, y: Ids, dalpha: Array, db: Array) -> None:
    """See `chainrule.kernels.triangular.backward`."""
    outer = x.T.astype(ds.dtype) @ ds  # [j, i] = Σ_n x_nj g_ni
    dalpha[...] = outer[np.triu_indices(x.shape[1], 1)]  # B1
    for k in range(len(db)):
        db[k] = ds[y == k if len(db) > 1 else slice(None)].sum(axis=0)  # B2


def input_gradient(ds: Array, alpha: Array, dx: Array) -> None:
    """See `chainrule.kernels.triangular.input_gradient`."""
    dx[...] = ds @ unpack(alpha, ds.shape[1])  # B3


def sample(u: Array, alpha: Array, b: Array, y: Ids, x: Bits) -> None:
    """See `chainrule.kernels.triangular.sample`."""
    N, D = u.shape
    s, rows = b[y] if len(b) > 1 else np.tile(b, (N, 1)), unpack(alpha, D).T
    for i in range(D):
        x[:, i] = np.where(u[:, i] < 0, x[:, i], u[:, i] < sigmoid(s[:, i]))
        s += x[:, i, None] * rows[i]  # s becomes b_y + Σ_{j≤i} x_j α_j
