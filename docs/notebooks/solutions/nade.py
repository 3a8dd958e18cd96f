"""NADE's backward pass: a solution of the notebook beside."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def backward(ds, x, W, V, a_end, y, dW, dV, db, dc):
    a, delta = a_end.copy(), np.zeros_like(a_end)
    for i in range(x.shape[1] - 1, -1, -1):
        bit = x[:, [i]].astype(float)
        dW[i] = (bit * delta).sum(axis=0)  # B1: W_i entered a_{i+1}, times x_i
        a = a - bit * W[i]  # B2
        h = sigmoid(a)
        dV[i] = (ds[:, [i]] * h).sum(axis=0)  # B3
        dh = ds[:, [i]] * V[i]  # B4
        delta = delta + dh * h * (1 - h)  # B5
    db[:] = ds.sum(axis=0)  # B3
    dc[0] = delta.sum(axis=0)  # B6: all rows began at c
