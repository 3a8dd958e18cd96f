"""NumPy twin of the Adam kernel: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.types import Array


def step(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    l1: float,
    n_decay: int,
    max_norm: float,
) -> float:
    """See `chainrule.kernels.adam.step`."""
    norm = float(np.sqrt(np.sum(np.square(g, dtype=np.float64)))) if max_norm else 0.0
    r = max_norm / norm if norm > max_norm else 1.0  # A1
    g = g * g.dtype.type(r)  # A2
    m[...] = beta1 * m + (1 - beta1) * g  # A3
    v[...] = beta2 * v + (1 - beta2) * g * g  # A4
    m_hat = m / (1 - beta1**t)  # A5
    v_hat = v / (1 - beta2**t)  # A6
    decayed = np.arange(len(theta)) < n_decay
    decay = np.where(decayed, theta.dtype.type(weight_decay), 0)
    threshold = np.where(decayed, theta.dtype.type(lr * l1), 0)
    theta -= lr * (m_hat / (np.sqrt(v_hat) + eps) + decay * theta)  # A7
    kept = np.abs(theta) > threshold
    theta[...] = np.where(kept, theta - np.sign(theta) * threshold, 0 * theta)  # A8
    for moment in (m, v):
        moment[np.abs(moment) < np.finfo(moment.dtype).tiny] = 0  # A9
    return norm
