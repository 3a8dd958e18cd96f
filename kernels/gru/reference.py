"""NumPy twin of the GRU pass: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, b: Array, h: Array, m: Array) -> None:
    """See `chainrule.kernels.gru.forward`."""
    for t in range(len(z)):
        r, u, n = _blocks(z[t])
        p_r, p_u, p_n = _blocks(h[t] @ W)  # F1
        m[t] = p_n + b  # F1
        r[...], u[...] = sigmoid(r + p_r), sigmoid(u + p_u)  # F2
        n[...] = np.tanh(n + r * m[t])  # F3
        h[t + 1] = (1 - u) * n + u * h[t]  # F4


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    b: Array,
    h: Array,
    m: Array,
    dz: Array,
    dW: Array,
    db: Array,
    dh0: Array,
) -> None:
    """See `chainrule.kernels.gru.backward`."""
    dW[...], db[...] = 0, 0
    from_next = np.zeros_like(dh0)
    for t in reversed(range(len(dh))):
        r, u, n = _blocks(gates[t])
        delta = dh[t] + from_next  # B1
        du, dn = delta * (h[t] - n), delta * (1 - u)  # B2
        dz_n = dn * (1 - n**2)  # B3
        dr, dm = dz_n * m[t], dz_n * r  # B3
        dz_r, dz_u = dr * r * (1 - r), du * u * (1 - u)  # B4
        from_next = delta * u  # B1's second term; before dz, which may be gates
        q = np.concatenate([dz_r, dz_u, dm], axis=1)
        dz[t], m[t] = np.concatenate([dz_r, dz_u, dz_n], axis=1), dm
        from_next += q @ W.T  # B1's third term
        dW += h[t].T @ q  # B5
        db += dm.sum(axis=0)  # B5
    dh0[...] = from_next  # B6


def _blocks(a: Array) -> list[Array]:
    """Return views of the blocks r, u, n of one step, each (N, H)."""
    return np.split(a, 3, axis=1)
