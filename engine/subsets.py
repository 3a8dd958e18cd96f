"""Random subsets of a row's variables: what an ordering has behind it at some place.

A training of all orderings looks at one random set o of a row's D variables: the k = D - |o| others
are predicted given those in it. How large the sets should be is not how large an ordering's are.

Weights     Of a random ordering and a random place in it, k is uniform on 1 … D, and of all sets of
            one size each is as likely. With l_o = Σ_{i not in o} -log p(x_i | x_o), the mean over
            orderings is (`engine.models.orderless_nade`)
                J = E_{k uniform} E_{o: |o| = D-k}[(D / k) l_o]
            Drawn with probabilities P(k) > 0 instead, of 1 / D each,
            (W1)  J = E_{k of P} E_o[w_k l_o],   w_k = (1 / D) / P(k) · D / k = 1 / (k P(k))

Variance    What is averaged in training is the gradient w_k Σ_{i not in o} ∇ -log p(x_i | x_o).
            The k terms scatter far more than their mean is away from 0. Were they independent, of
            variance σ² and mean 0, the sum's variance would be w_k² k σ², and on average over k
                Σ_k P(k) w_k² k = Σ_k 1 / (k P(k)) = Σ_k q_k² / P(k),   q_k = k^(-1/2),
            times σ², at least (Σ_k q_k)² by Cauchy and Schwarz, since
                (Σ_k q_k)² = (Σ_k (q_k / √P(k)) √P(k))² ≤ Σ_k q_k² / P(k) · Σ_k P(k),
            and just that, nearly 4 D, where P(k) is proportional to q_k. Uniform k give D Σ_k 1/k,
            for D = 784 1.9 times as much, a good part of it from the sets that leave one variable
            or two, which then count 784 and 392 times.

            An estimate of J itself is another matter: its terms have a mean, about m, and what
            scatters is w_k k m = m / P(k), which uniform k make m D whatever k is.

            Measured on MNIST, 500-500 hidden units half trained, 100 rows: P(k) as q_k leaves 0.50
            of the gradient's variance (k^(-1/3): 0.51, k^(-2/3): 0.55, k^(-3/4): 0.61), but an
            estimate of a row's J has a standard deviation of 82 nats, with uniform k of 46.
            So `GRADIENTS` are by the one and `ESTIMATES` by the other.

Draw        Of D + 1 independent uniform numbers, u_1 … u_D and v, let
            (F1)  o = {j: u_j < 1 - t},   t = v for estimates, v² for gradients
            so that each variable is left out with probability t. Which are, given how many, is any
            choice of so many, since the u_j are alike. With t = v^(1/a), of density
            a t^(a-1), a = 1 or 1/2,
                P(k) = ∫_0^1 C(D, k) t^k (1-t)^(D-k) a t^(a-1) dt
                     = a C(D, k) Γ(k+a) Γ(D-k+1) / Γ(D+1+a)                       a Beta function
            which depends on k as Γ(k+a) / k! does: for a = 1 not at all, for large k as k^(a-1).
            (F2)  P(k) / P(k-1) = (k-1+a) / k
            (F3)  A row where o is everything, of which nothing is left to predict, draws again.
            P(1) … P(D) keep their proportions, and sum to 1.

            Where a row has variables that are missing, D is the number of the others, and none of
            them is in the set.

A row's numbers follow from its place alone: they are words of 32 bits, n·b … (n+1)·b - 1, n being
its place in the minibatch and b = 8⌈(1 + D)/8⌉, of Philox4x64 with the key (seed, step), a counter
that moves on by 1 every 8 words and whose second number is how often the row has drawn before. So
any cut of a minibatch draws the same sets. NumPy promises the generator's stream for good.

Rounding: numbers have 32 bits, so that a u_j equals 1 - t once in 2³² pairs, and is not below it.

Cost        (1 + D) / 2 words of 64 bits a row, and again for one row in 1 + D, or in 1.1 √D where
            t = v²: less than a hundredth of what the row costs a network of hundreds of units.

Source      Uniform k: Uria, Murray and Larochelle 2014, "A Deep and Tractable Density Estimator"
            (arXiv:1310.1757). That a sum is sampled best in proportion to what its terms scatter by
            is textbook importance sampling.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.engine.noise import Noise
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

ESTIMATES, GRADIENTS = 1, 2  # 1/a of t = v^(1/a)
_WORD, _HALF = 1 << 64, 1 << 32


def draw(noise: Noise, known: Any, dtype: Any, exponent: int) -> tuple[Any, Array]:
    """Return a subset of each row's known variables, (N, D) bool, and what the others weigh.

    known: (N, D) bool, False where a variable is missing. exponent: `ESTIMATES` or `GRADIENTS`. The
    weights are w_k, W1, of the k known variables outside the set, else 0: (N, D) of dtype. A row of
    which nothing is known has no weight.
    """
    xp, known = array_module(known), known.get() if on_device(known) else known
    (N, D), n_known = known.shape, known.sum(axis=1)
    seen = _below(noise, 0, slice(0, N), D, exponent) & known
    n_seen, times = seen.sum(axis=1), 1
    while (again := (n_seen == n_known) & (n_known > 0)).any():  # F3
        rows = np.flatnonzero(again)
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        drawn = _below(noise, times, part, D, exponent) & known[part]
        np.copyto(seen[part], drawn, where=again[part, None])
        n_seen, times = seen.sum(axis=1), times + 1
    of_row = np.zeros((N, 1), dtype)
    for size in np.unique(n_known):
        rows = np.flatnonzero(n_known == size)
        of_row[rows, 0] = weights(int(size), exponent)[size - n_seen[rows]]
    return xp.asarray(seen), xp.asarray((known & ~seen) * of_row)


@lru_cache(maxsize=1024)
def weights(D: int, exponent: int) -> Any:
    """Return w_0 … w_D of a row of D variables, (D + 1,) float64, with w_0 = 0: W1."""
    k, a = np.arange(1, D + 1), 1 / exponent
    P = np.cumprod((k - 1 + a) / k)  # F2, but for a factor
    return np.concatenate([[0.0], P.sum() / (k * P)])  # W1


def _below(noise: Noise, times: int, rows: slice, D: int, exponent: int) -> Any:
    """Return which of each row's D numbers are below its 1 - t, (n, D) bool, drawn anew: F1."""
    n, blocks = rows.stop - rows.start, -(-(1 + D) // 8)
    key = np.array([noise.seed % _WORD, noise.step], np.uint64)
    at = [(noise.row + rows.start) * blocks, times, 0, 0]
    drawn: Any = np.random.Philox(key=key, counter=at).random_raw(n * 4 * blocks)
    words = drawn.astype("<u8", copy=False).view("<u4").reshape(n, 8 * blocks)
    bound = _HALF * (1 - (words[:, :1] / _HALF) ** exponent)
    return words[:, 1 : 1 + D] < np.minimum(bound, _HALF - 1).astype(np.uint32)  # F1
