"""NumPy twin of the LSTM pass: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array, c: Array) -> None:
    """See `chainrule.kernels.lstm.forward`."""
    for t in range(len(z)):
        i, f, g, o = _blocks(z[t])
        z[t] += h[t] @ W  # F1
        i[...], f[...], g[...], o[...] = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)  # F2
        c[t + 1] = f * c[t] + i * g  # F3
        h[t + 1] = o * np.tanh(c[t + 1])  # F4


def backward(
    dh: Array,
    gates: Array,
    W: Array,
    h: Array,
    c: Array,
    dz: Array,
    dW: Array,
    dh0: Array,
    dc0: Array,
) -> None:
    """See `chainrule.kernels.lstm.backward`."""
    dW[...] = 0
    from_next, dc = np.zeros_like(dh0), np.zeros_like(dc0)
    for t in reversed(range(len(dh))):
        i, f, g, o = _blocks(gates[t])
        tanh_c = np.tanh(c[t + 1])
        delta = dh[t] + from_next  # B1
        do = delta * tanh_c  # B2
        dc = dc + delta * o * (1 - tanh_c**2)  # B2
        di, df, dg = dc * g, dc * c[t], dc * i  # B3
        dc = dc * f  # B2's first term, for step t - 1; before dz, which may be gates
        dz_i, dz_f = di * i * (1 - i), df * f * (1 - f)  # B4
        dz_g, dz_o = dg * (1 - g**2), do * o * (1 - o)  # B4
        dz[t] = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1)
        from_next = dz[t] @ W.T  # B1's second term, for step t - 1
        dW += h[t].T @ dz[t]  # B5
    dh0[...], dc0[...] = from_next, dc  # B6


def _blocks(a: Array) -> list[Array]:
    """Return views of the blocks i, f, g, o of one step, each (N, H)."""
    return np.split(a, 4, axis=1)
