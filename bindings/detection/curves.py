"""How well scores tell odd from clean: the area under the ROC curve, with its interval."""

from math import exp, log, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class AUC(NamedTuple):
    """An area under a ROC curve, and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def auc(scores_clean: Any, scores_odd: Any, level: float = 0.95) -> AUC:
    """Return how often a clean observation scores higher than an odd one, with an interval.

    Args:
        scores_clean, scores_odd: (n,) and (m,), high where clean, as `Detector.score_samples` has
            them. A tie counts half.
        level: of the interval.

    Returns:
        The area, 1 where all are told apart and 0.5 where none is, and both ends. Its variance is
        that of DeLong, DeLong and Clarke-Pearson 1988, "Comparing the areas under two or more
        correlated receiver operating characteristic curves: a nonparametric approach";
        the interval is symmetric on the scale of log A / (1 - A), so that it stays within 0 and 1.
        Where all pairs, or none, are in order, that variance is 0 and says nothing; there the
        interval is the score interval, method 5, of Newcombe 2006, "Confidence intervals for an
        effect size measure based on the Mann-Whitney statistic. Part 2: asymptotic methods and
        evaluation", which depends on the area and both numbers alone.

    Raises:
        ValueError: no scores, NaN, or a level outside (0, 1).

    Cost:
        O((n + m) log (n + m)).

    Example:
        >>> from chainrule import detection
        >>> found = detection.auc([0.9, 0.8, 0.7, 0.3], [0.2, 0.4, 0.1])
        >>> round(found.value, 3), found.low < found.value < found.high
        (0.917, True)
    """
    clean, odd = (_scores(name, s) for name, s in (("clean", scores_clean), ("odd", scores_odd)))
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    of_clean, of_odd = _above(clean, odd), 1 - _above(odd, clean)
    value = float(of_clean.mean())
    spread = sqrt(_variance(of_clean) / len(clean) + _variance(of_odd) / len(odd))
    if spread == 0 or not 0 < value < 1:
        return AUC(value, *_newcombe(value, len(clean), len(odd), z))
    middle, half = log(value / (1 - value)), z * spread / (value * (1 - value))
    return AUC(value, _logistic(middle - half), _logistic(middle + half))


class ROC(NamedTuple):
    """A ROC curve: shares found odd at every threshold, from none to all.

    false, true: (K,), of the clean ones and of the odd ones. n_clean, n_odd: how many there are.
    """

    false: Numbers
    true: Numbers
    n_clean: int
    n_odd: int
    area: AUC


def roc(scores_clean: Any, scores_odd: Any, level: float = 0.95) -> ROC:
    """Return the ROC curve of scores, with its area; `chainrule.plots.roc` draws several.

    Arguments as of `auc`. What ties with a threshold is found odd at once, so the curve goes
    straight over it.
    """
    clean, odd = (_scores(name, s) for name, s in (("clean", scores_clean), ("odd", scores_odd)))
    at = np.unique(np.concatenate([clean, odd]))
    false, true = (np.searchsorted(np.sort(s), at, side="right") / len(s) for s in (clean, odd))
    shares = [np.concatenate([[0.0], one]) for one in (false, true)]
    return ROC(shares[0], shares[1], len(clean), len(odd), auc(clean, odd, level))


def _scores(name: str, scores: Any) -> Numbers:
    """Return scores as numbers, (n,)."""
    found = np.asarray(scores, np.float64)
    if found.ndim != 1 or not len(found) or np.isnan(found).any():
        raise ValueError(f"scores_{name} must be one or more numbers, (n,), without NaN")
    return found


def _above(these: Numbers, those: Numbers) -> Numbers:
    """Return of each of these which share of those it is above, ties counting half."""
    ordered = np.sort(those)
    both = (np.searchsorted(ordered, these, side=side) for side in ("left", "right"))
    shares: Numbers = np.add(*both) / (2 * len(those))
    return shares


def _variance(shares: Numbers) -> float:
    """Return the variance of one observation's share; of a single one nothing is known: 0."""
    return float(shares.var(ddof=1)) if len(shares) > 1 else 0.0


def _newcombe(value: float, n: int, m: int, z: float) -> tuple[float, float]:
    """Return where |area - value| is z deviations of an area that would be the true one."""

    def apart(area: float) -> float:
        half = (n + m) / 2 - 1
        factor = 1 + half * (1 - area) / (2 - area) + half * area / (1 + area)
        return abs(area - value) - z * sqrt(area * (1 - area) * factor / (n * m))

    def end(edge: float) -> float:
        inside, outside = value, edge
        if apart(edge) <= 0:
            return edge
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if apart(middle) > 0 else (middle, outside)
        return (inside + outside) / 2

    return (0.0 if value == 0 else end(0.0)), (1.0 if value == 1 else end(1.0))


def _logistic(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
