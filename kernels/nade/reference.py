"""NumPy twin of the NADE kernels: the definition that the fast ones are tested against.

x may be real, which is what the gradient in it is a gradient of.
"""

import numpy as np

from chainrule.kernels.bernoulli import reference as bernoulli
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits, Ids


def forward(
    x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, s: Array, a_end: Array
) -> None:
    """See `chainrule.kernels.nade.forward`."""
    a_end[...] = c[y if len(c) > 1 else 0]  # F1
    for i in range(x.shape[1]):
        s[:, i] = b[i] + sigmoid(a_end) @ V[i]  # F2, F3
        a_end += x[:, i, None] * W[i]  # F4


def backward(
    ds: Array,
    x: Bits,
    W: Array,
    V: Array,
    a_end: Array,
    y: Ids,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """See `chainrule.kernels.nade.backward`."""
    a, delta = a_end.copy(), np.zeros_like(a_end)
    for i in reversed(range(x.shape[1])):
        dW[i] = x[:, i].astype(W.dtype) @ delta  # B1
        a -= x[:, i, None] * W[i]  # B2
        h = sigmoid(a)
        dV[i] = ds[:, i] @ h  # B3
        delta += ds[:, i, None] * V[i] * h * (1 - h)  # B4, B5
    db[...] = ds.sum(axis=0)  # B3
    for k in range(len(dc)):
        dc[k] = delta[y == k if len(dc) > 1 else slice(None)].sum(axis=0)  # B6


def input_gradient(ds: Array, x: Bits, W: Array, V: Array, a_end: Array, dx: Array) -> None:
    """See `chainrule.kernels.nade.input_gradient`."""
    a, delta = a_end.copy(), np.zeros_like(a_end)
    for i in reversed(range(x.shape[1])):
        dx[:, i] = delta @ W[i]  # B7
        a -= x[:, i, None] * W[i]  # B2
        h = sigmoid(a)
        delta += ds[:, i, None] * V[i] * h * (1 - h)  # B4, B5


def log_prob(x: Bits, W: Array, V: Array, b: Array, c: Array, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade.log_prob`."""
    s, a_end = _activations(x, W)
    forward(x, W, V, b, c, y, s, a_end)
    bernoulli.forward(s, x, log_p)
    np.negative(log_p, out=log_p)


def nll_and_grad(
    x: Bits,
    W: Array,
    V: Array,
    b: Array,
    c: Array,
    y: Ids,
    scale: float,
    nll: Array,
    dW: Array,
    dV: Array,
    db: Array,
    dc: Array,
) -> None:
    """See `chainrule.kernels.nade.nll_and_grad`; here in two sweeps, F1-F4 and B1-B6."""
    s, a_end = _activations(x, W)
    forward(x, W, V, b, c, y, s, a_end)
    bernoulli.forward(s, x, nll)
    bernoulli.backward(np.full_like(nll, scale), s, x, s)
    backward(s, x, W, V, a_end, y, dW, dV, db, dc)


def sample(u: Array, W: Array, V: Array, b: Array, c: Array, y: Ids, x: Bits) -> None:
    """See `chainrule.kernels.nade.sample`."""
    a = c[y] if len(c) > 1 else np.tile(c, (len(u), 1))  # F1
    for i in range(u.shape[1]):
        drawn = u[:, i] < sigmoid(b[i] + sigmoid(a) @ V[i])
        x[:, i] = np.where(u[:, i] < 0, x[:, i], drawn)
        a += x[:, i, None] * W[i]


def _activations(x: Bits, W: Array) -> tuple[Array, Array]:
    """Return room for the logits and the last pre-activations."""
    return np.empty(x.shape, W.dtype), np.empty((len(x), W.shape[1]), W.dtype)
