"""NumPy twin of the NADE kernels: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.bernoulli import reference as bernoulli
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits


def forward(x: Bits, W: Array, V: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """See `chainrule.kernels.nade.forward`."""
    a = np.tile(c, (len(x), 1))  # F1
    s = np.empty(x.shape, W.dtype)
    for i in range(x.shape[1]):
        s[:, i] = b[i] + sigmoid(a) @ V[i]  # F2, F3
        a += x[:, i, None] * W[i]  # F4
    return s, a


def backward(
    ds: Array, x: Bits, W: Array, V: Array, a_end: Array
) -> tuple[Array, Array, Array, Array]:
    """See `chainrule.kernels.nade.backward`."""
    a, delta = a_end.copy(), np.zeros_like(a_end)
    dW, dV = np.empty_like(W), np.empty_like(V)
    for i in reversed(range(x.shape[1])):
        dW[i] = x[:, i].astype(W.dtype) @ delta  # B1
        a -= x[:, i, None] * W[i]  # B2
        h = sigmoid(a)
        dV[i] = ds[:, i] @ h  # B3
        delta += ds[:, i, None] * V[i] * h * (1 - h)  # B4, B5
    return dW, dV, ds.sum(axis=0), delta.sum(axis=0)  # B6


def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array) -> Array:
    """See `chainrule.kernels.nade.log_prob`."""
    return -bernoulli.forward(forward(x, W, V, b, c)[0], x)


def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    scale: float,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> Array:
    """See `chainrule.kernels.nade.nll_and_grad`; here in two sweeps, F1-F4 and B1-B6."""
    s, a_end = forward(x, W, V, b, c)
    nll = bernoulli.forward(s, x)
    ds = bernoulli.backward(np.full_like(nll, scale), s, x)
    for out, value in zip((dW, dV, db, dc), backward(ds, x, W, V, a_end), strict=True):
        out[...] = value
    return nll


def sample(u: Array, W: Array, V: Array, b: Array, c: Array) -> Bits:
    """See `chainrule.kernels.nade.sample`."""
    a = np.tile(c, (len(u), 1))
    x = np.empty(u.shape, np.uint8)
    for i in range(u.shape[1]):
        x[:, i] = u[:, i] < sigmoid(b[i] + sigmoid(a) @ V[i])
        a += x[:, i, None] * W[i]
    return x
