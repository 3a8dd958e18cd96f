"""Whether a stream is still as the clean observations were: uniform p-values, and bets on them.

The p-value of a stream's t-th observation is its rank among the clean scores *and* those of the
t - 1 before it, ties broken at random. If all of them come in no particular order, as independent
draws of one distribution do, these p-values are exactly uniform and independent of each other,
which they would not be if all were ranked among the clean ones alone. That they are is tested
twice.

**Windows.** In each of as many observations as asked, one after the other, the distance of the
p-values from uniform has Kolmogorov's distribution. The p-value of a window is that of
`chainrule.plots.calibrating`: his series, with Stephens' correction for small windows. Each window
is a test of its own: of 100 clean ones one is below 0.01 by chance.

**A bet on the whole.** A fortune M begins with 1 and is staked on the next p-value being low, or
high: it is multiplied by 1 + ε (p - 1/2), whose mean over a uniform p is 1, ε being -1, 0 or 1. A
third of the fortune begins with each, and before each step a share of 1/100 is spread evenly again,
so that a bet may turn. Against clean streams nobody grows rich: the probability that M ever comes
to 1/α, however long it goes on, is at most α. So M ≥ 1/α is an alarm at any time, of a
rate of false alarms of α for the whole stream.

Since past observations join the clean ones, a drift that lasts becomes the usual in the end. That
is the price of exactness; an alarm stays one.

Source: Ville 1939, "Étude critique de la notion de collectif", for the inequality; Vovk,
Nouretdinov and Gammerman 2003, "Testing exchangeability on-line"; Vovk, Petej, Nouretdinov,
Ahlberg, Carlsson and Gammerman 2021, "Retrain or not retrain: conformal test martingales for
change-point detection", whose Simple Jumper is the bet.
"""

from bisect import bisect_left, bisect_right, insort
from math import log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import validation
from chainrule.encoders.uniforms import generator

Numbers = NDArray[np.float64]

BETS = np.array([-1.0, 0.0, 1.0])  # ε: on low p-values, on nothing, on high ones
TURNS = 0.01  # share of the fortune that is spread evenly again after each step


class Drift(NamedTuple):
    """What a stream looked like.

    Attributes:
        p_values: (N,), of each observation among all before it; uniform where nothing drifts.
        windows: (W,), the p-value of each whole window of `window` observations.
        log10_fortune: (N,), log₁₀ M after each observation.
        false_alarm: the rate, of the whole stream.
        alarm: the first observation, counted from 0, at which M is 1 / false_alarm; None if never.
    """

    p_values: Numbers
    windows: Numbers
    window: int
    log10_fortune: Numbers
    false_alarm: float
    alarm: int | None

    @property
    def outcome(self) -> str:
        """Whether there is an alarm, in words, and at which observation, counted from 0."""
        return "no alarm" if self.alarm is None else f"an alarm at observation {self.alarm:,}"

    def __repr__(self) -> str:
        """Return what came of it, `alarm` counted from 0: the arrays are attributes."""
        return (
            f"Drift({len(self.p_values):,} observations, {len(self.windows):,} windows of "
            f"{self.window:,}, {self.outcome} at a rate of {self.false_alarm:g})"
        )


def drift(
    detector: Any, X: Any, window: int = 100, false_alarm: float = 0.01, seed: Any = 0
) -> Drift:
    """Return whether a stream is still as the clean observations of a fitted detector.

    Args:
        detector: a fitted `Detector`.
        X: observations in the order in which they came, as its model takes them.
        window: observations that are tested together, at least 1.
        false_alarm: probability that a clean stream raises an alarm at all, in (0, 1].
        seed: of numpy.random.default_rng: ties, and places between ranks, are drawn.

    Raises:
        ValueError, TypeError: a setting or data that cannot be used.

    Cost:
        `score_samples`, then O(N log (n + N)) for n clean observations.
    """
    size = validation.integer("window", window, 1)
    rate = validation.real("false_alarm", false_alarm, 0, 1)
    if rate == 0:
        raise ValueError("false_alarm=0 would never raise an alarm; give a rate above 0")
    scores = detector.score_samples(X)
    p = among_all_before(detector.clean_scores_, scores, generator(seed))
    fortune = bet(p)
    alarms = np.flatnonzero(fortune >= -log(rate) / log(10))
    alarm = int(alarms[0]) if len(alarms) else None
    return Drift(p, of_windows(p, size), size, fortune, rate, alarm)


def among_all_before(clean: Numbers, scores: Any, rng: np.random.Generator) -> Numbers:
    """Return the randomised p-value of each score among clean ones, (n,) sorted, and those before.

    p_t = (#{c < s} + U (1 + #{c = s})) / (n + t), U uniform in (0, 1], of all n + t - 1.
    """
    known = np.asarray(clean, np.float64).tolist()
    u = 1 - rng.random(len(scores))
    p = np.empty(len(scores))
    for t, s in enumerate(np.asarray(scores, np.float64).tolist()):
        below, at_most = bisect_left(known, s), bisect_right(known, s)
        p[t] = (below + u[t] * (1 + at_most - below)) / (len(known) + 1)
        insort(known, s)
    return p


def of_windows(p: Numbers, size: int) -> Numbers:
    """Return the p-value of Kolmogorov's test of each whole window of p-values, (W,)."""
    from chainrule.plots import calibrating  # matplotlib takes a while, and most never ask

    parts = p[: len(p) // size * size].reshape(-1, size)
    return np.array([calibrating.p_value(part) for part in parts])


def bet(p: Numbers) -> Numbers:
    """Return log₁₀ of the fortune after each p-value, (N,), that bets against uniform ones."""
    shares, found = np.full(len(BETS), 1 / len(BETS)), np.empty(len(p))
    total = 0.0
    for t, one in enumerate(p):
        shares = (1 - TURNS) * shares + TURNS * shares.mean()
        shares = shares * (1 + BETS * (one - 0.5))
        sum_ = shares.sum()
        total += np.log10(sum_)
        found[t], shares = total, shares / sum_
    return found
