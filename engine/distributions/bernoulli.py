"""The Bernoulli distribution of a bit: likelihood from logits, and sampling from uniforms.

The mathematics, with its gradient, stands in `chainrule.kernels.bernoulli`.
"""

from typing import Any

from chainrule.kernels import bernoulli
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits

FORCE_ONE, FORCE_ZERO = -1, 2  # "uniforms" below and above every probability


def log_prob(s: Array, x: Bits) -> Array:
    """Return log p(x) of each row, shape (N,), in nats; s, x: (N, D)."""
    return -bernoulli.forward(s, x)


def loss_and_grad(s: Array, x: Bits, total: int) -> tuple[float, Array]:
    """Return Σ_n -log p(x_n) / total in nats and its gradient in the logits, (N, D)."""
    xp = array_module(s)
    nll = bernoulli.forward(s, x)
    ds = bernoulli.backward(xp.full_like(nll, 1 / total), s, x)
    return float(nll.sum(dtype=xp.float64)) / total, ds


def mean(s: Array) -> Array:
    """Return p(x_i = 1) for each logit."""
    return sigmoid(s)


def sample(s: Array, u: Array) -> Bits:
    """Return 1 where u < σ(s): a one with probability σ(s) for u uniform in [0, 1)."""
    x: Bits = (u < sigmoid(s)).astype(array_module(s).uint8)
    return x


def clamp(u: Array, given: Bits | None, observed: Any) -> Array:
    """Return uniforms that reproduce `given` wherever `observed` and are `u` elsewhere.

    u, given: (N, D); observed: (D,) bool. An observed one gets a "uniform" of -1, below every
    probability, an observed zero one of 2, above every probability. So a sampler needs no second
    path for observed variables, on any backend.
    """
    if given is None or observed is None:
        return u
    xp = array_module(u)
    forced = xp.where(given != 0, u.dtype.type(FORCE_ONE), u.dtype.type(FORCE_ZERO))
    clamped: Array = xp.where(observed, forced, u)
    return clamped
