"""Scalar functions shared by the NumPy references and the engine; NumPy or CuPy arrays."""

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def sigmoid(s: Array) -> Array:
    """Return σ(s) = 1 / (1 + e⁻ˢ) without overflow for any finite s."""
    xp = array_module(s)
    e = xp.exp(-xp.abs(s))
    y: Array = xp.where(s >= 0, 1, e) / (1 + e)
    return y


def softplus(s: Array) -> Array:
    """Return log(1 + eˢ) = max(s, 0) + log1p(e^-|s|), which never overflows."""
    xp = array_module(s)
    y: Array = xp.maximum(s, 0) + xp.log1p(xp.exp(-xp.abs(s)))
    return y
