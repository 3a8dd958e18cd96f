"""NumPy twin of the recurrent pass: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.types import Array


def forward(z: Array, W: Array, h: Array) -> None:
    """See `chainrule.kernels.rnn.forward`."""
    for t in range(len(z)):
        h[t + 1] = np.tanh(z[t] + h[t] @ W)  # F1, F2


def backward(dh: Array, h: Array, W: Array, dz: Array, dW: Array, dh0: Array) -> None:
    """See `chainrule.kernels.rnn.backward`."""
    dW[...] = 0
    from_next = np.zeros_like(dh0)
    for t in reversed(range(len(dh))):
        delta = dh[t] + from_next  # B1
        dz[t] = delta * (1 - h[t + 1] ** 2)  # B2
        from_next = dz[t] @ W.T  # B1's second term, for step t - 1
        dW += h[t].T @ dz[t]  # B3
    dh0[...] = from_next  # B4
