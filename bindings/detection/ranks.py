"""What odd is worth: ranks among clean scores as p-values, rates of false alarms, and groups.

Scores are high where an observation is as clean ones are. Of n clean scores c_1 … c_n, none of
which the model or the method has learnt from, and one more observation of score s,

    p = (1 + #{i : c_i ≤ s}) / (n + 1)

is at most α with a probability of at most α if that observation is as the clean ones are: then each
of the n + 1 places in their order is as likely for it. Nothing is assumed of the model, which may
be wrong. Ties count against oddity: p is too large then, never too small, since a model gives the
same observation the same score to the bit, however many it is scored with. With ties broken at
random, `randomised`, p is exactly uniform. The p-values of several observations share the clean
scores, so how many of them are below α varies more than of independent ones: given the clean
scores, the rate of false alarms has the distribution Beta(k, n + 1 - k), k = ⌊α (n + 1)⌋.

Source: Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random world"; Bates, Candès,
Lei, Romano and Sesia 2023, "Testing for outliers with conformal p-values".
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_UP, Decimal, localcontext
from fractions import Fraction
from math import ceil, floor, isfinite
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

IMPOSSIBLE = -1e300  # what counts for an infinitely low score where means are taken


def p_values(clean: Numbers, scores: Any) -> Numbers:
    """Return (1 + #{clean ≤ score}) / (n + 1) of each score; clean, (n,): sorted."""
    at_most = np.searchsorted(clean, scores, side="right")
    p: Numbers = (1 + at_most) / (len(clean) + 1)
    return p


def randomised(clean: Numbers, scores: Any, rng: np.random.Generator) -> Numbers:
    """Return p-values that are exactly uniform: each at a place drawn among its ties.

    p = (#{c < s} + U (1 + #{c = s})) / (n + 1), U uniform in (0, 1]. clean, (n,): sorted.
    """
    below = np.searchsorted(clean, scores, side="left")
    tied = np.searchsorted(clean, scores, side="right") - below
    u = 1 - rng.random(np.shape(scores))
    p: Numbers = (below + u * (1 + tied)) / (len(clean) + 1)
    return p


def rates(false_alarm: Any, n: int, what: str = "clean rows") -> tuple[Fraction, ...]:
    """Return the rates of false alarms that are asked for, exactly as they are written.

    n: how many clean scores there are, or others of which a p-value is a rank; what: their name.

    Raises:
        TypeError: it is no number, and no sequence of numbers.
        ValueError: a rate that is none, or lower than so many clean scores can tell.
    """
    several = isinstance(false_alarm, Sequence | np.ndarray) and not isinstance(
        false_alarm, str | bytes
    )
    asked = list(false_alarm) if several else [false_alarm]
    if not asked:
        raise ValueError("false_alarm holds no rate; give one, such as 0.01")
    return tuple(_rate(one, n, what) for one in asked)


def least_rows(rate: Fraction) -> int:
    """Return how many clean scores it takes to tell a rate: 1 / (n + 1) must not be above it."""
    return max(1, ceil(1 / rate) - 1)


def threshold(clean: Numbers, rate: Fraction) -> float:
    """Return the score below which p is at most the rate: the k-th lowest, k = ⌊rate (n + 1)⌋.

    p ≤ rate means at most k - 1 clean scores that are not above s, that is s < c_(k).
    """
    k = floor(rate * (len(clean) + 1))
    return float(clean[k - 1]) if k <= len(clean) else np.inf


def group_p_value(
    clean: Numbers,
    group: Numbers,
    oddity: Callable[[Numbers], Numbers],
    draws: int,
    rng: np.random.Generator,
) -> float:
    """Return how often as many, drawn from clean scores and the group's together, are as odd.

    The permutation test: if the group is as the clean ones are, each choice of m of all n + m is as
    likely to be it. So (1 + #{drawn groups at least as odd}) / (draws + 1) is at most α with a
    probability of at most α, exactly, whatever n, m and the number of draws are; no normal
    distribution is assumed.

    oddity: of means, higher where odder.
    """
    together = np.maximum(np.concatenate([clean, group]), IMPOSSIBLE)
    m, size, total = len(group), len(together), together.sum()
    few = min(m, size - m)  # the smaller side is drawn
    sums = np.empty(draws)
    for k in range(draws):
        part = together[rng.choice(size, few, replace=False, shuffle=False)].sum()
        sums[k] = part if few == m else total - part
    there = float(oddity(np.array([together[len(clean) :].mean()]))[0])
    rounding = 1e-12 * (1 + abs(there))  # equal groups are summed in other orders
    return float((1 + np.sum(oddity(sums / m) >= there - rounding)) / (draws + 1))


def _rate(asked: Any, n: int, what: str) -> Fraction:
    """Return one rate as a fraction, as its decimals say: 0.1 is a tenth."""
    if isinstance(asked, bool | np.bool_) or not isinstance(asked, Real):
        raise TypeError(f"false_alarm must be a rate such as 0.01, or several, got {asked!r}")
    if asked == 0:
        raise ValueError(
            f"false_alarm=0 would need infinitely many {what}; give a rate above 0, of "
            f"{n:,} {what} at least {_least_rate(n)}"
        )
    value = float(asked)
    if not isfinite(value) or not 0 < value <= 1:
        raise ValueError(f"false_alarm must be a rate above 0 and at most 1, got {asked}")
    rate = Fraction(repr(value))
    if n < (needed := least_rows(rate)):
        raise ValueError(
            f"false_alarm={value:g} takes {needed:,} {what} or more, and there are {n:,}, "
            f"which tell no rate below {_least_rate(n)}; give more of them or a higher rate"
        )
    return rate


def _least_rate(n: int) -> str:
    """Return 1 / (n + 1) in two digits, rounded up: a rate that n clean scores can tell."""
    with localcontext(prec=2, rounding=ROUND_UP):
        return f"{float(Decimal(1) / (n + 1)):g}"
