"""Attacks by who knows of the defence: slopes that go through it, or around it.

Shapes      x: (N, …) floats, levels z = (x - low) / (high - low) · (L - 1), taken for real numbers

            A detector asks log p(z), a purifier moves z to where p is larger before the classifier
            reads it. Either is held against the strongest attack known, not the weakest.

Likelihood  (L1)  raise  Ψ(x) = min(m(x), χ) + ψ log p(z)        err by a margin χ, and be likely
                  m the margin of chainrule.engine.attacks.victim: while the classifier is right,
                  or nearly, both are followed, and then the likelihood alone
            (L2)  ∂Ψ/∂x = ∂ min(m, χ)/∂x + ψ ∂(log p)/∂z · (L - 1) / (high - low)
            Of a PixelCNN, log p(z) = Σ_i log p(z_i | z_<i) depends on z_i in two ways: as what
            later conditionals look at, by the network, whose input gradient is exact; and as the
            value whose probability is asked, of which there are L and no slope. For that,
            (L3)  ∂/∂z_i of log p(z_i | z_<i) ≈ (log p(z_i + 1 | ·) - log p(z_i - 1 | ·)) / 2
                  the central difference; at the ends, where one is missing, the difference of the
                  two that are there. Of bits the model's gradient has it.
            Logits and log p are in nats alike.

BPDA        A purifier P(x) has steps and no slopes: its gradient is 0 wherever it exists. But P(x)
            is near x, so that, backwards, it is taken for the identity:
            (Q1)  g = ∂m/∂x' at x' = P(x)
            Forward it is what it is: each step of the attack purifies.

Both        Who holds a detector and a purifier asks log p of the image as it is, and the classifier
            of what the purifier makes of it. The first is to be high, the second to err:
            (J1)  raise  Ψ(x) = min(m(P(x)), χ) + ψ log p(z)
            (J2)  ∂Ψ/∂x ≈ ∂ min(m, χ)/∂x' at x' = P(x), by Q1,
                          + ψ ∂(log p)/∂z · (L - 1) / (high - low)
                  only the classifier stands behind the purifier, and log p is asked at x: L2
            With too small a ψ x is odd, with too large a one P(x) stays right, and which one it is
            differs from image to image. So some ψ take their steps one after the other, each from
            x, and of all that these come through
            (J3)  the x of the highest log p(z) is kept of those with m(P(x)) > 0, and x itself
                  where there is none
            A p-value is a rank and does not fall where log p rises: whichever rate of false alarms
            a detector by log p has, if another of them passes it, so does the one that J3 keeps.
            Who attacks knows the density, and need know neither the rate nor the clean images.

Cost        L2: a forward and a backward pass of the density a step; Q1: a purification; J2: both,
            and J3 log p of those that err.

Source      ψ log p: Carlini and Wagner 2017, "Adversarial Examples Are Not Easily Detected:
            Bypassing Ten Detection Methods"; Q1: Athalye, Carlini and Wagner 2018, "Obfuscated
            Gradients Give a False Sense of Security: Circumventing Defenses to Adversarial
            Examples". J1 joins the two; that an attack is to follow all parts of a defence at once:
            Tramèr, Carlini, Brendel and Madry 2020, "On Adaptive Attacks to Adversarial Example
            Defenses".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine.attacks.signs import Walk, walk
from chainrule.engine.attacks.victim import Range, Slope
from chainrule.engine.params import Params
from chainrule.kernels.types import Array, Ids

OfX = Callable[[Array], Array]
Seen = Callable[[Array, Array, Ids], None]  # of x, of P(x) and y, before a step
ROWS = 32  # images whose gradient is asked for at once
TINY = 1e-30  # a probability below it is as good as none


def with_likelihood(erring: Slope, likelihood: OfX, weight: float) -> Slope:
    """Return the slope of Ψ; likelihood: from x to ∂(log p)/∂x. weight: ψ."""

    def slope(x: Array, y: Ids) -> Array:
        both: Array = erring(x, y) + (weight * likelihood(x)).astype(x.dtype)  # L1, L2
        return both

    return slope


def through(erring: Slope, purify: OfX, seen: Seen | None = None) -> Slope:
    """Return a slope behind a purifier, which backwards is the identity. seen: who looks on."""

    def slope(x: Array, y: Ids) -> Array:
        clean = purify(x)
        if seen is not None:
            seen(x, clean, y)
        return erring(clean, y)  # Q1

    return slope


class Defence(NamedTuple):
    """A detector and a purifier before a classifier, as who attacks both sees them.

    erring: the slope of min(m, χ) where the classifier reads. errs: (x, y) to which rows it errs
    at, (N,) bool. purify: P. log_p: x to log p, (N,); likelihood: x to ∂(log p)/∂x.
    """

    erring: Slope
    errs: Callable[[Array, Ids], Any]
    purify: OfX
    log_p: OfX
    likelihood: OfX


def likeliest(
    of: Defence, x: Array, y: Ids, how: Walk, allowed: Range, weights: tuple[float, ...]
) -> Array:
    """Return J3 of the steps with each ψ of weights, (N, …): x itself where it found none."""
    kept, most = x.copy(), np.full(len(x), -np.inf)

    def seen(moved: Array, clean: Array, y: Ids) -> None:
        wrong = np.flatnonzero(of.errs(clean, y))
        if len(wrong):
            log_p = of.log_p(moved[wrong])
            higher = log_p > most[wrong]  # J3
            better = wrong[higher]
            kept[better], most[better] = moved[better], log_p[higher]

    for weight in weights:
        behind = through(of.erring, of.purify, seen)
        slope = with_likelihood(behind, of.likelihood, weight)  # J1, J2
        end = walk(slope, x, y, how, allowed)
        seen(end, of.purify(end), y)
    return kept


def likelihood_slope(model: Any, config: Any, params: Params, z: Any, y: Any = None) -> Array:
    """Return ∂(log p)/∂z, (N, R, S, C); z: levels. y: (N,), classes, of a model of p(x | y)."""
    out: Array = np.empty(z.shape, params.dtype)
    spare = params.like()
    for lo in range(0, len(z), ROWS):
        some, of_y = slice(lo, lo + ROWS), {} if y is None else {"y": y[lo : lo + ROWS]}
        x = z[some]
        model.loss_and_grad(config, params, x, spare, total=1, dx=out[some], **of_y)
        out[some] *= -1  # of log p, not of its negative
        if config.levels > 2 or config.n_logistics:
            out[some] += _own(model.conditionals(config, params, x, *of_y.values()), x)
    return out


def _own(p: Array, x: Any) -> Array:
    """Return L3, shaped like x; p: (…, levels)."""
    v, last = x.astype(np.intp), p.shape[-1] - 1
    up, down = np.minimum(v + 1, last), np.maximum(v - 1, 0)
    above, below = (np.take_along_axis(p, at[..., None], -1)[..., 0] for at in (up, down))
    slope: Array = np.log(np.maximum(above, TINY) / np.maximum(below, TINY)) / (up - down)  # L3
    return slope
