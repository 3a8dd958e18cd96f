"""A real variable as a mixture of Gaussians or Laplacians: density, uniforms, and draws from them.

The mathematics stands in `chainrule.kernels.mixture`. Outputs have one axis more than x, their
last, [μ | t | weight logits if learned]: s (N, D, n) and x (N, D), or (M, n) and (M,). Where `half`
is not 0, x is on a lattice of twice that, and log p the logarithm of a probability.
"""

from statistics import NormalDist

import numpy as np

from chainrule.kernels import mixture
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE
from chainrule.kernels.types import Array


def n_outputs(K: int, learned: bool = False) -> int:
    """Return how many outputs a mixture of K components needs."""
    return mixture.n_outputs(K, learned)


def log_prob_terms(
    s: Array, x: Array, family: int = GAUSSIAN, learned: bool = False, half: float = 0
) -> Array:
    """Return log p(x_i | x_<i) in nats, a density, shaped like x."""
    log_p: Array = array_module(s).empty(x.size, s.dtype)
    mixture.terms(_rows(s), x.reshape(-1), half, family, learned, log_p)
    return log_p.reshape(x.shape)


def loss_and_grad(
    s: Array,
    x: Array,
    total: int,
    ds: Array,
    family: int = GAUSSIAN,
    learned: bool = False,
    half: float = 0,
) -> float:
    """Return Σ -log p / total in nats; overwrite ds by its gradient; ds may be s itself.

    s, ds: C-contiguous.
    """
    nll: Array = array_module(s).empty(x.size, s.dtype)
    into = _rows(s) if ds is s else _rows(ds)
    of_s = into if ds is s else _rows(s)
    mixture.nll_and_grad(of_s, x.reshape(-1), half, 1 / total, family, learned, nll, into)
    return float(nll.sum(dtype=np.float64)) / total


def conditionals(s: Array, learned: bool = False) -> Array:
    """Return the K weights, K means and K scales σ of every mixture, (…, 3 K)."""
    xp, K = array_module(s), mixture.n_components(s, learned)
    weights: Array = xp.full((*s.shape[:-1], K), 1 / K, s.dtype)
    if learned:
        a = s[..., 2 * K :]
        e = xp.exp(a - a.max(axis=-1, keepdims=True))
        weights = e / e.sum(axis=-1, keepdims=True)
    sigma = mixture.sigmas(s[..., K : 2 * K])
    p: Array = xp.concatenate([weights, s[..., :K], sigma], axis=-1)
    return p


def sample(s: Array, u: Array, x: Array, family: int = GAUSSIAN, learned: bool = False) -> None:
    """Draw x = F^{-1}(u) where u is in [0, 1), the inverse of `cdf`; keep it where u < 0.

    u: float64, shaped like x.
    """
    flat = array_module(s).ascontiguousarray(x.reshape(-1))
    mixture.draw(_rows(s), u.reshape(-1), family, learned, flat)
    x[...] = flat.reshape(x.shape)


def cdf(s: Array, x: Array, family: int = GAUSSIAN, learned: bool = False) -> Array:
    """Return u = F(x_i | x_<i), float64, shaped like x: uniform where x is of the density."""
    u: Array = array_module(s).empty(x.size, np.float64)
    mixture.cdf(_rows(s), x.reshape(-1), family, learned, u)
    return u.reshape(x.shape)


def _rows(s: Array) -> Array:
    """Return s as (M, n), a view."""
    return s.reshape(-1, s.shape[-1])


def first_biases(n_components: int, family: int = GAUSSIAN, learned: bool = False) -> Array:
    """Return outputs, (n,) on the host, of a mixture near the standard normal distribution.

    From there a model's real variable begins, whose columns should come in such units. The means
    are its quantiles (j - 1/2) / K, j = 1 … K, the scales what they miss of its variance,
    1 - Σ_j μ_j² / K, and the weights alike.
    """
    s: Array = np.zeros(n_outputs(n_components, learned))
    means = [NormalDist().inv_cdf((j + 0.5) / n_components) for j in range(n_components)]
    s[:n_components] = means
    variance = (1 - np.square(means).mean()) / (2 if family == LAPLACE else 1)  # of scale σ: 2 σ²
    s[n_components : 2 * n_components] = np.log(variance) / 2
    return s
