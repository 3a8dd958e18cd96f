"""NumPy twin of the Bernoulli kernels: the definition that the fast ones are tested against."""

import numpy as np

from chainrule.kernels.maths import sigmoid, softplus
from chainrule.kernels.types import Array, Bits


def forward(s: Array, x: Bits, nll: Array) -> None:
    """See `chainrule.kernels.bernoulli.forward`."""
    nll[...] = (softplus(s) - x * s).sum(axis=1)  # F1, F2


def terms(s: Array, x: Bits, log_p: Array) -> None:
    """See `chainrule.kernels.bernoulli.terms`."""
    log_p[...] = -(np.maximum(s, 0) - x * s) - np.log1p(np.exp(-np.abs(s)))  # F2, F3


def backward(dnll: Array, s: Array, x: Bits, ds: Array) -> None:
    """See `chainrule.kernels.bernoulli.backward`."""
    ds[...] = dnll[:, None] * (sigmoid(s) - x)  # B1, B2


def loss(rate: Array, s: Array, x: Bits, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.bernoulli.loss`."""
    forward(s, x, nll)
    backward(rate, s, x, ds)
