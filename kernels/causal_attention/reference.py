"""NumPy twin of causal attention: the definition that the fast ones are tested against.

One head of one sequence at a time, with its T×T scores in memory.
"""

import numpy as np

from chainrule.kernels.types import Array, Ids


def forward(q: Array, k: Array, v: Array, o: Array, lse: Array) -> None:
    """See `chainrule.kernels.causal_attention.forward`."""
    for r, h in np.ndindex(*lse.shape[:2]):
        s = _scores(q[r, :, h], k[r, :, h])  # F1
        m = s.max(axis=1, initial=-np.inf)
        lse[r, h] = m + np.log(np.exp(s - m[:, None]).sum(axis=1))  # F2
        o[r, :, h] = _probabilities(s, lse[r, h]) @ v[r, :, h]  # F3, F4


def backward(
    do: Array,
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    """See `chainrule.kernels.causal_attention.backward`."""
    scale = q.shape[3] ** -0.5
    for r, h in np.ndindex(*lse.shape[:2]):
        q_, k_, v_, o_, do_ = (a[r, :, h] for a in (q, k, v, o, do))
        P = _probabilities(_scores(q_, k_), lse[r, h])  # F1, F3
        dv[r, :, h] = P.T @ do_  # B1
        dP = do_ @ v_.T  # B2
        mean = (do_ * o_).sum(axis=1)  # B3's μ
        ds = P * (dP - mean[:, None])  # B3
        dq[r, :, h] = ds @ k_ * scale  # B4
        dk[r, :, h] = ds.T @ q_ * scale  # B5


def decode(q: Array, keys: Array, values: Array, length: Ids, o: Array) -> None:
    """See `chainrule.kernels.causal_attention.decode`."""
    for r, h in np.ndindex(*q.shape[:2]):
        k, v = keys[r, : length[r], h], values[r, : length[r], h]
        s = k @ q[r, h] * q.shape[2] ** -0.5  # F1
        e = np.exp(s - s.max(initial=-np.inf))
        o[r, h] = e @ v / e.sum() if len(k) else 0  # F2-F4


def _scores(q: Array, k: Array) -> Array:
    """Return F1, (T, T), -∞ above the diagonal."""
    s: Array = q @ k.T * q.shape[1] ** -0.5
    s[np.triu(np.ones(s.shape, bool), 1)] = -np.inf
    return s


def _probabilities(s: Array, lse: Array) -> Array:
    """Return F3, (T, T)."""
    P: Array = np.exp(s - lse[:, None])
    return P
