"""The categorical distribution of K values: likelihood from logits, and sampling from uniforms.

The mathematics stands in `chainrule.kernels.softmax_cross_entropy` and, of the draw, in
`chainrule.kernels.categorical`. Logits have one axis more than x, their last: s (N, D, K) and
x (N, D), or (M, K) and (M,). x: int32; -1 is no value and contributes 0.
"""

import numpy as np

from chainrule.kernels import categorical, softmax_cross_entropy
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


def n_outputs(K: int) -> int:
    """Return how many outputs a variable of K values needs."""
    return K


def log_prob_terms(s: Array, x: Ids) -> Array:
    """Return log p(x_i | x_<i) in nats, shaped like x; 0 where x = -1."""
    nll: Array = array_module(s).empty(x.size, s.dtype)
    softmax_cross_entropy.forward(_rows(s), x.reshape(-1), nll)
    return -nll.reshape(x.shape)


def loss_and_grad(s: Array, x: Ids, total: int, ds: Array) -> float:
    """Return Σ -log p / total in nats; overwrite ds by its gradient; ds may be s itself.

    s, ds: C-contiguous.
    """
    nll: Array = array_module(s).empty(x.size, s.dtype)
    softmax_cross_entropy.nll_and_grad(_rows(s), x.reshape(-1), 1 / total, nll, _rows(ds))
    return float(nll.sum(dtype=np.float64)) / total


def conditionals(s: Array) -> Array:
    """Return p(x_i = v) of every value v: softmax of s along its last axis."""
    xp = array_module(s)
    e = xp.exp(s - s.max(axis=-1, keepdims=True))
    p: Array = e / e.sum(axis=-1, keepdims=True)
    return p


def sample(
    s: Array, u: Array, x: Ids, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> None:
    """Draw x where u is in [0, 1); keep it where u < 0.

    u: float64, shaped like x. temperature, top_k, top_p: see `chainrule.kernels.categorical`.
    """
    flat = array_module(s).ascontiguousarray(x.reshape(-1))
    categorical.draw(_rows(s), u.reshape(-1), temperature, top_k, top_p, flat)
    x[...] = flat.reshape(x.shape)


def _rows(s: Array) -> Array:
    """Return s as (M, K), a view."""
    return s.reshape(-1, s.shape[-1])
