"""Draw a symbol from a row of logits: the one definition that every sampler follows.

Shapes      s: (N, V) logits    u: (N,) uniforms in [0, 1), or negative    x: (N,) int32

Draw        Of each row with u ≥ 0 by itself, given a temperature τ, top_k and top_p; where u < 0,
            x stays as it is.

            (D1)  w_v = exp((s_v - max s) / τ)                 in float64, so 0 ≤ w_v ≤ 1
            (D2)  rank the symbols by logit, largest first; of equal logits the lower id first
            (D3)  top_k: w_v = 0 beyond the first k ranks      off at 0 and from V on
            (D4)  top_p: with W = Σ_v w_v after D3, keep the shortest run of first ranks whose
                  weights add up to p W or more, and one symbol at least; w_v = 0 beyond it
                                                               off at 1
            (D5)  x is the first v with w_0 + … + w_v > u W, W = Σ_v w_v after D4

            Why D5 draws v with probability w_v / W: let C_v = w_0 + … + w_v, C_{-1} = 0. As
            weights are not negative C never falls, so v is the first with C_v > u W exactly where
            C_{v-1} ≤ u W < C_v, that is for u in [C_{v-1} / W, C_v / W). These intervals touch and
            cover [0, 1), and v's has the length w_v / W, which is the probability that a uniform u
            falls into it.

            D5 inverts the cumulative distribution in the order of the ids, so a larger u never
            gives a smaller id, and a symbol without weight is never drawn. Where u W rounds up to
            W, the last symbol that has weight is drawn. τ = 0 draws the largest logit, of equal
            ones the lowest id: the limit of D1-D5 for τ → 0. All sums run in the order written
            and in float64 whatever the logits' dtype, so that the implementations agree but for
            the last bit of an exponential.

            Logits may be as large as they like: D1 depends on their differences alone. NaN gives
            some id below V.

Cost        O(V) with neither top_k nor top_p. Ranks come from a heap: O(V + r log V) for the r
            ranks looked at.

Source      top_p: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration"
            (arXiv:1904.09751); top_k: Fan, Lewis and Dauphin 2018, "Hierarchical Neural Story
            Generation" (arXiv:1805.04833).

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it. Compiled samplers call
`cpu.pick`, the draw of one row.
"""

from typing import NamedTuple

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


class Options(NamedTuple):
    """How symbols are drawn: temperature ≥ 0; top_k ≥ 0, 0 for off; 0 < top_p ≤ 1."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


def draw(s: Array, u: Array, temperature: float, top_k: int, top_p: float, x: Ids) -> None:
    """Overwrite x by one symbol of each row where u ≥ 0, D1-D5; keep it where u < 0.

    temperature, top_k, top_p: see `Options`.
    """
    select(__name__, s, u, x).draw(s, u, temperature, top_k, top_p, x)
