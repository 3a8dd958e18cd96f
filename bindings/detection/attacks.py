"""Attacks on a `Classifier`: images, changed a little, that it gets wrong.

    import chainrule as cr
    X_fooled = cr.attacks.pgd(classifier, X, y, eps=0.1)

Each takes floats X in a range, `clip`, from 0 to 1 unless it is given, and returns an array of the
same shape and dtype within it. y are the true labels, which the classifier is to leave, or where
`targeted` is set those that it is to reach. Rows that need no attack are returned as they are:
those that it gets wrong anyway, or that it takes for the target anyway. Where something is drawn it
follows from `seed`. `chainrule.engine.attacks` has the derivations and the sources.
"""

from typing import Any

from chainrule.detection.cases import (
    UNIT,
    Clip,
    case,
    check_range,
    checked_range,
    floats,
    long_walk,
    shaped,
    short_walk,
    steps_on,
)
from chainrule.detection.classifier import Classifier
from chainrule.detection.knowing import bpda, likely_bpda, likely_pgd
from chainrule.encoders import validation
from chainrule.encoders.uniforms import generator
from chainrule.engine.attacks import carlini_wagner as cw
from chainrule.engine.attacks import deepfool as nearest
from chainrule.engine.attacks import random
from chainrule.engine.attacks.signs import NORMS, Walk
from chainrule.engine.attacks.victim import largest, lengths
from chainrule.kernels.types import Array

__all__ = [
    "bim",
    "bpda",
    "carlini_wagner",
    "deepfool",
    "fgsm",
    "likely_bpda",
    "likely_pgd",
    "noise",
    "pgd",
]


def fgsm(
    classifier: Classifier, X: Any, y: Any, eps: float = 0.1, *, targeted: bool = False,
    clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X after one step of eps by the sign of the loss's gradient (Goodfellow et al. 2015).

    Raises:
        ValueError, TypeError: what cannot be used; pixels outside of clip.
    """
    eps = validation.real("eps", eps, 0)
    return _walked(classifier, X, y, clip, Walk(eps, eps, 1, targeted=targeted))


def bim(
    classifier: Classifier, X: Any, y: Any, eps: float = 0.1, *, step: float | None = None,
    steps: int = 10, targeted: bool = False, clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X after `steps` smaller steps of FGSM, each within eps of X (Kurakin et al. 2017).

    step: of each; None: a quarter of eps.
    """
    return _walked(classifier, X, y, clip, short_walk(eps, step, steps, "inf", targeted))


def pgd(
    classifier: Classifier, X: Any, y: Any, eps: float = 0.1, *, norm: str = "inf",
    step: float | None = None, steps: int = 40, restarts: int = 1, seed: Any = 0,
    targeted: bool = False, clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X after `steps` steps from a random point within eps of it (Madry et al. 2018).

    It follows the cross-entropy, whose gradient vanishes where the network is sure; `likely_pgd`
    and its kin follow the margin between logits, which may find more. So what `pgd` leaves right is
    no bound on what an attack of that size can: compare with `likely_pgd(…, weight=0)`.

    Args:
        norm: that eps and step are measured in, "inf" or "2".
        step: of each; None: 2.5 eps / steps, so that any point of the ball can be reached.
        restarts: how often it begins anew, with the rows that are still right.
        seed: of numpy.random.default_rng, for the random points.
    """
    validation.integer("restarts", restarts, 1)
    how = long_walk(eps, step, steps, norm, targeted, seed)
    return _walked(classifier, X, y, clip, how, restarts)


def deepfool(
    classifier: Classifier, X: Any, y: Any = None, *, steps: int = 50, overshoot: float = 0.02,
    clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X moved over the nearest border of the classifier (Moosavi-Dezfooli et al. 2016).

    y: None: what the classifier says of X, which is then left by every row. overshoot: by what
    share of the way it goes on beyond the border.
    """
    validation.integer("steps", steps, 1)
    with case(classifier, X, y, clip) as of:
        over = validation.real("overshoot", overshoot, 0)
        return shaped(X, nearest.deepfool(of.victim, of.x, of.y, of.allowed, steps, over))


def carlini_wagner(
    classifier: Classifier, X: Any, y: Any, *, confidence: float = 0.0, rounds: int = 6,
    steps: int = 200, rate: float = 0.02, first: float = 0.1, targeted: bool = False,
    clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return the nearest images, in the 2-norm, that the classifier errs at (Carlini, Wagner 2017).

    Args:
        confidence: by how much the wrong logit has to be above the right one.
        rounds: of the search over the weight c of erring against staying near, for each image.
        steps: of Adam in each round, at most; rate: its learning rate.
        first: c of the first round.
    """
    how = cw.Search(
        validation.integer("rounds", rounds, 1),
        validation.integer("steps", steps, 1),
        validation.real("rate", rate, 0),
        validation.real("first", first, 0),
        validation.real("confidence", confidence, 0),
        targeted,
    )
    with case(classifier, X, y, clip) as of:
        return shaped(X, cw.carlini_wagner(of.victim, of.x, of.y, of.allowed, how))


def noise(
    X: Any, eps: float | None = None, *, like: Any = None, norm: str = "inf", seed: Any = 0,
    clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X and noise as large as an attack, which heeds no classifier: a control.

    Args:
        eps: how large, in `norm`; or None, and
        like: X after an attack: each image's noise is as large as its change.
        norm: "inf", every pixel ±eps by a coin, or "2", a random direction.
    """
    x, allowed = floats(X), checked_range(clip)
    check_range(x, allowed)
    validation.choice("norm", norm, NORMS)
    if (eps is None) == (like is None):
        raise ValueError("give eps, how large noise is, or like, images after an attack; not both")
    if like is None:
        size: Any = validation.real("eps", eps, 0)
    else:
        changed = floats(like, "like")
        if changed.shape != x.shape:
            raise ValueError(
                f"like has shape {changed.shape}, and X {x.shape}; give X after an attack"
            )
        size = (largest if norm == "inf" else lengths)(changed - x).reshape(-1)
    return random.noise(x, size, norm, allowed, generator(seed))


def _walked(
    classifier: Classifier, X: Any, y: Any, clip: Clip, how: Walk, restarts: int = 1
) -> Array:
    """Return X after an attack of `engine.attacks.signs`."""
    with case(classifier, X, y, clip) as of:
        return shaped(X, steps_on(of, of.victim.loss_slope, how, restarts))
