"""The Bernoulli distribution of a bit: likelihood from logits, and sampling from uniforms.

The mathematics, with its gradient, stands in `chainrule.kernels.bernoulli`.
"""

from chainrule.kernels import bernoulli
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits


def n_outputs(K: int) -> int:
    """Return how many outputs a variable of K = 2 values needs: its logit."""
    return 1


def log_prob_terms(s: Array, x: Bits) -> Array:
    """Return log p(x_i | x_<i) of each bit in nats, shape (N, D); s, x: (N, D)."""
    log_p: Array = array_module(s).empty(s.shape, s.dtype)
    bernoulli.terms(s, x, log_p)
    return log_p


def log_prob(s: Array, x: Bits) -> Array:
    """Return the sum of the terms of each row, (N,), with few logarithms."""
    nll: Array = array_module(s).empty(len(s), s.dtype)
    bernoulli.forward(s, x, nll)
    return -nll


def loss_and_grad(s: Array, x: Bits, total: int, ds: Array) -> float:
    """Return Σ -log p / total in nats; overwrite ds, (N, D), by its gradient; may be s itself."""
    xp = array_module(s)
    nll: Array = xp.empty(len(s), s.dtype)
    bernoulli.loss(xp.full_like(nll, 1 / total), s, x, nll, ds)
    return float(nll.sum(dtype=xp.float64)) / total


def conditionals(s: Array) -> Array:
    """Return p(x_i = 1) for each logit."""
    return sigmoid(s)


def sample(s: Array, u: Array, x: Bits) -> None:
    """Draw x = 1 where 0 ≤ u < σ(s), else 0; keep it where u < 0. All of one shape."""
    x[...] = array_module(s).where(u < 0, x, u < sigmoid(s))
