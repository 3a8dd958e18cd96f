"""A masked convolution's backward pass: a solution of the notebook beside."""

import numpy as np


def backward(dy, x, W, window, dx, dW, db):
    N, R, S, _ = x.shape
    seen = window.mask(*W.shape[1:])  # which of the own pixel's channels an output may look at
    for n, i, j in np.ndindex(N, R, S):
        db += dy[n, i, j]  # B2
        for t, (u, v) in enumerate(window.taps()):
            if 0 <= i + u < R and 0 <= j + v < S:  # beyond the image there is nothing
                dW[t] += np.outer(x[n, i + u, j + v], dy[n, i, j])  # B1
                dx[n, i + u, j + v] += np.where(seen[t], W[t], 0) @ dy[n, i, j]  # B3
    dW[~seen] = 0  # B1: what is hidden has no gradient
