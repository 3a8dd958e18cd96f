"""The categorical distribution of a symbol: likelihood, loss and draws from logits.

The mathematics stands in `chainrule.kernels.softmax_cross_entropy` and `kernels.categorical`.
"""

import numpy as np

from chainrule.kernels import categorical, softmax_cross_entropy
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


def n_outputs(K: int) -> int:
    """Return how many outputs s a variable of K values needs."""
    return K


def log_prob_terms(s: Array, x: Ids) -> Array:
    """Return log p of each x, (M,), in nats, under the logits s, (M, K); 0 where x = -1."""
    return -softmax_cross_entropy.forward(s, x)


def loss_and_grad(s: Array, x: Ids, total: int, ds: Array) -> float:
    """Return Σ -log p(x) / total; overwrite ds, which may be s, by its gradient in s."""
    nll = softmax_cross_entropy.nll_and_grad(s, x, 1 / total, ds)
    return float(nll.sum(dtype=np.float64)) / total


def conditionals(s: Array) -> Array:
    """Return p(x = v) of every value, softmax of s along its last axis."""
    xp = array_module(s)
    e = xp.exp(s - s.max(axis=-1, keepdims=True))
    p: Array = e / e.sum(axis=-1, keepdims=True)
    return p


def sample(
    s: Array, u: Array, x: Ids, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> None:
    """Overwrite x, (M,), by draws where u, (M,), is in [0, 1); keep it where u is negative."""
    categorical.draw(s, u, temperature, top_k, top_p, x)
