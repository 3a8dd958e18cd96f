"""The LSTM's backward pass: a solution of the notebook beside."""

import numpy as np


def backward(dh, gates, W, h, c, dz, dW, dh0, dc0):
    delta, eps = np.zeros_like(dh0), np.zeros_like(dc0)
    for t in range(len(dh) - 1, -1, -1):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        delta = delta + dh[t]  # B1
        squashed = np.tanh(c[t + 1])
        eps = eps + delta * o * (1 - squashed**2)  # B2: c_t is read by h_t, and by c_{t+1}
        into_i, into_f, into_g, into_o = eps * g, eps * c[t], eps * i, delta * squashed  # B2, B3
        before = into_i * i * (1 - i), into_f * f * (1 - f), into_g * (1 - g**2)
        dz[t] = np.hstack([*before, into_o * o * (1 - o)])  # B4
        dW += h[t].T @ dz[t]  # B5
        delta, eps = dz[t] @ W.T, eps * f
    dh0[:], dc0[:] = delta, eps  # B6
