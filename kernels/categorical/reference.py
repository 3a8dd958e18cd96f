"""NumPy twin of the categorical draw: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


def draw(s: Array, u: Array, temperature: float, top_k: int, top_p: float, x: Ids) -> None:
    """See `chainrule.kernels.categorical.draw`."""
    xp, V = array_module(s, u), s.shape[1]
    s = s.astype(xp.float64)
    if temperature == 0:
        x[...] = xp.where(u < 0, x, s.argmax(axis=1))
        return
    with np.errstate(over="ignore", under="ignore"):
        w = xp.exp((s - s.max(axis=1, keepdims=True)) / temperature)  # D1
    if 0 < top_k < V or top_p < 1:
        order = xp.argsort(-s, axis=1, kind="stable")  # D2
        rank = xp.argsort(order, axis=1)
        if 0 < top_k < V:
            w = xp.where(rank < top_k, w, 0.0)  # D3
        if top_p < 1:
            mass = xp.cumsum(xp.take_along_axis(w, order, axis=1), axis=1)
            W = xp.cumsum(w, axis=1)[:, -1:]
            n_kept = 1 + (mass < top_p * W).sum(axis=1)
            w = xp.where(rank < n_kept[:, None], w, 0.0)  # D4
    below = xp.cumsum(w, axis=1)
    first = (below <= u.astype(xp.float64)[:, None] * below[:, -1:]).sum(axis=1)  # D5
    last = V - 1 - (w[:, ::-1] > 0).argmax(axis=1)
    x[...] = xp.where(u < 0, x, xp.minimum(first, last))
