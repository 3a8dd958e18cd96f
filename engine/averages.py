"""The mean of several densities p_1 … p_K of the same x: a density too.

Mean        (F1)  p(x) = (1/K) Σ_k p_k(x),   so log p(x) = log Σ_k exp log p_k(x) - log K
            It is never negative, and Σ_x p(x) = (1/K) Σ_k Σ_x p_k(x) = 1. The mean of logarithms
            is the logarithm of no density: by Jensen's inequality it lies below F1, more the more
            the p_k differ, so its exponential sums to less than one. Nor is the mean of logits, the
            K networks' outputs, of any use: the factors of an average over k do not come from
            averages of factors.

Gradient    (F2)  r_k = exp(log p_k(x)) / Σ_j exp(log p_j(x))
            and, as ∇p = (1/K) Σ_k p_k ∇ log p_k,   ∇ log p(x) = Σ_k r_k ∇ log p_k(x).

Factors     Where all p_k have their factors in the same order, the mean has them too. With

            (F3)  ℓ_ki = Σ_{j≤i} log p_k(x_j | x_<j),   M_i = log Σ_k exp ℓ_ki,   M_0 = log K
            (F4)  log p(x_i | x_<i) = M_i - M_{i-1}
            (F5)  p(x_i | x_<i) = Σ_k w_ki p_k(x_i | x_<i),   w_ki = exp(ℓ_k,i-1 - M_{i-1}):
            what x_<i says about k weighs its conditional, as in `chainrule.engine.labels`, with a
            class that nobody is told, and that all start alike.

Everything is in nats, and summed in float64.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def log_mean(log_p: Array) -> Array:
    """Return log p(x), (N,), given log p_k(x), (K, N): F1."""
    out: Array = log_sum(log_p) - np.log(len(log_p))  # F1
    return out


def shares(log_p: Array) -> Array:
    """Return r_k of each x, (K, N), given log p_k(x): F2."""
    xp = array_module(log_p)
    out: Array = xp.exp(log_p - log_sum(log_p))  # F2
    return out


def weights(terms: Array) -> tuple[Array, Array]:
    """Return log p(x_i | x_<i), (N, D), and w_ki, (K, N, D), given the K densities' terms."""
    xp = array_module(terms)
    ell = xp.zeros((*terms.shape[:2], terms.shape[2] + 1), np.float64)
    xp.cumsum(terms, axis=2, dtype=np.float64, out=ell[:, :, 1:])  # F3
    M = log_sum(ell)
    return M[:, 1:] - M[:, :-1], xp.exp(ell - M)[:, :, :-1]  # F4, F5


def log_sum(ell: Any) -> Any:
    """Return log Σ_k exp ℓ_k over the first axis."""
    xp = array_module(ell)
    ell = ell.astype(np.float64)
    top = ell.max(axis=0)
    return top + xp.log(xp.exp(ell - top).sum(axis=0))


class MeanUnits:
    """What the mean remembers of n rows of bits: what its parts do, and how likely each is by now.

    parts: as `chainrule.engine.stepping` asks for. distribution: the module of every variable.
    """

    def __init__(self, parts: Sequence[Any], distribution: ModuleType) -> None:
        """Start before the first variable, when all are as likely."""
        self._parts, self._of = parts, distribution
        self._log_w: Any = None  # (K, n): log p_k(x_<i), as of F3

    def outputs(self, i: int) -> Array:
        """Return the logit of the mean's conditional, (n,): F5."""
        s = self._stacked(i)
        one, zero = (self._weighed(self._of.log_prob_terms(s, s * 0 + bit)) for bit in (1, 0))
        out: Array = one - zero
        return out

    def move(self, i: int, x: Any) -> None:
        """Take in x_i, (n,)."""
        s = self._stacked(i)
        terms = self._of.log_prob_terms(s, x[None, :].repeat(len(s), axis=0))
        self._log_w = terms if self._log_w is None else self._log_w + terms  # F3
        for part in self._parts:
            part.move(i, x)

    def _stacked(self, i: int) -> Any:
        xp = array_module(self._parts[0].outputs(i))
        return xp.stack([part.outputs(i) for part in self._parts]).astype(np.float64)

    def _weighed(self, terms: Any) -> Any:
        return log_sum(terms if self._log_w is None else self._log_w + terms)
