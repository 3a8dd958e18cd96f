"""NumPy twin of the Bernoulli kernels: the definition that the fast ones are tested against."""

from chainrule.kernels.maths import sigmoid, softplus
from chainrule.kernels.types import Array, Bits


def forward(s: Array, x: Bits) -> Array:
    """See `chainrule.kernels.bernoulli.forward`."""
    nll: Array = (softplus(s) - x * s).sum(axis=1)  # F1, F2
    return nll


def backward(dnll: Array, s: Array, x: Bits) -> Array:
    """See `chainrule.kernels.bernoulli.backward`."""
    return dnll[:, None] * (sigmoid(s) - x)  # B1, B2
