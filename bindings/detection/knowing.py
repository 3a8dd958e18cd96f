"""Attacks by who knows of the defence: of a density that detects, or purifies, or does both.

`chainrule.attacks` has them; `chainrule.engine.attacks.knowing` has derivations and sources.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.detection import pixels
from chainrule.detection.cases import (
    UNIT,
    Case,
    Clip,
    case,
    check_host,
    long_walk,
    shaped,
    steps_on,
)
from chainrule.detection.classifier import Classifier
from chainrule.detection.purifying import purify
from chainrule.encoders import validation
from chainrule.engine.attacks import knowing
from chainrule.engine.attacks.signs import Walk
from chainrule.kernels.types import Array


def likely_pgd(
    classifier: Classifier, density: Any, X: Any, y: Any, eps: float = 0.1, *,
    weight: float = 1e-3, margin: float = 1.0, norm: str = "inf", step: float | None = None,
    steps: int = 100, targeted: bool = False, clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X after PGD that also raises log p(x) by a density: for who knows of a detector.

    It begins at X itself: a random point of the ball is unlikely.

    Args:
        density: a fitted density of images, without labels, of the same size: the detector's.
        weight: ψ of min(m, margin) + ψ log p, both in nats, m being by how much a wrong logit is
            above the right one, or the target's above the others.
        margin: where that is enough, and only log p is followed.
        norm, step, steps, targeted, clip: as of `pgd`.

    Cost:
        A forward and a backward pass of the density a step, beside the classifier's.
    """
    weight, how = validation.real("weight", weight, 0), _from_x(eps, step, steps, norm)
    with _known(classifier, density, X, y, clip, targeted, margin) as (of, known):
        slope = knowing.with_likelihood(known.erring, known.likelihood, weight)
        return shaped(X, steps_on(of, slope, how, todo=lambda x, y: ~known.errs(x, y)))


def bpda(
    classifier: Classifier, density: Any, X: Any, y: Any, eps: float = 0.1, *,
    purify_eps: float = 16 / 255, norm: str = "inf", step: float | None = None, steps: int = 20,
    restarts: int = 1, seed: Any = 0, targeted: bool = False, clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X after PGD through a purifier: for who knows of `purify` (Athalye et al. 2018).

    Each step asks for the gradient where the classifier reads, at what `purify` makes of the image,
    and takes it for that at the image: backwards the purifier is taken for the identity.

    Args:
        density, purify_eps: what images are purified by, as model and eps of `purify`.
        norm, step, steps, restarts, seed, targeted, clip: as of `pgd`. It begins anew with images
            that are still right after they were purified.

    Cost:
        A purification a step, beside the classifier's passes.
    """
    restarts = validation.integer("restarts", restarts, 1)
    how = long_walk(eps, step, steps, norm, False, seed)
    with _known(classifier, density, X, y, clip, targeted, np.inf, purify_eps) as (of, known):
        slope = knowing.through(known.erring, known.purify)
        todo = lambda x, y: ~known.errs(known.purify(x), y)  # noqa: E731
        return shaped(X, steps_on(of, slope, how, restarts, todo))


def likely_bpda(
    classifier: Classifier, density: Any, X: Any, y: Any, eps: float = 0.1, *,
    purify_eps: float = 16 / 255, weights: Any = (1e-3, 1e-2, 1e-1), margin: float = 1.0,
    norm: str = "inf", step: float | None = None, steps: int = 50, targeted: bool = False,
    clip: Clip = UNIT,
) -> Array:  # fmt: skip
    """Return X after PGD through a purifier that raises log p(x), too: for who knows of both.

    The classifier is to err at what `purify` makes of the image, and the image as it is to be
    likely, so that a detector lets it pass. Of all that the steps come through the likeliest is
    returned that is wrong once purified; X itself where none is. It begins at X.

    Args:
        density: a fitted density of images, without labels, of the same size: the detector's and
            the purifier's.
        purify_eps: how far it purifies, as eps of `purify`.
        weights: of log p, as weight of `likely_pgd`; several are tried, one after the other.
        margin, norm, step, steps, targeted, clip: as of `likely_pgd`.

    Cost:
        For each weight what `likely_pgd` and `bpda` cost together, and log p of the images that are
        wrong.
    """
    tried, how = _weights(weights), _from_x(eps, step, steps, norm)
    with _known(classifier, density, X, y, clip, targeted, margin, purify_eps) as (of, known):
        out, left = of.x.copy(), np.flatnonzero(~known.errs(known.purify(of.x), of.y))
        if len(left):
            out[left] = knowing.likeliest(known, of.x[left], of.y[left], how, of.allowed, tried)
        return shaped(X, out)


@contextmanager
def _known(
    classifier: Classifier, density: Any, X: Any, y: Any, clip: Clip, targeted: bool,
    margin: float, purify_eps: float = 0.0,
) -> Iterator[tuple[Case, knowing.Defence]]:  # fmt: skip
    """Yield a checked case and what is known of its defence, to be used inside of the block."""
    enough = margin if margin == np.inf else validation.real("margin", margin, 0)
    model = pixels.unlabelled(density)
    check_host(model, "density")
    with case(classifier, X, y, clip) as of, model._evaluating() as params:
        scale = (model.config_.levels - 1) / (clip[1] - clip[0])

        def images(x: Array) -> Array:
            return x.reshape(len(x), *pixels.form(X)[1:])

        def likelihood(x: Array) -> Array:
            z = pixels.to_levels(model, images(x), clip)
            slope = knowing.likelihood_slope(model._engine(), model.config_, params, z)
            of_x: Array = slope.reshape(x.shape) * scale  # L2
            return of_x

        yield (
            of,
            knowing.Defence(
                erring=lambda x, y: of.victim.margin_slope(x, y, enough, targeted),
                errs=lambda x, y: of.victim.right(x, y) == targeted,
                purify=lambda x: purify(model, images(x), purify_eps, clip=clip).reshape(x.shape),
                log_p=lambda x: model.log_prob(pixels.to_pixels(model, images(x), clip)),
                likelihood=likelihood,
            ),
        )


def _from_x(eps: Any, step: Any, steps: Any, norm: str) -> Walk:
    """Return PGD's walk along a slope that rises to where the classifier errs; from x itself."""
    return long_walk(eps, step, steps, norm, False, 0)._replace(start=None)


def _weights(weights: Any) -> tuple[float, ...]:
    """Return the weights that are tried.

    Raises:
        ValueError: there are none, or one is no number of at least 0.
    """
    found = tuple(validation.real("weights", one, 0) for one in np.atleast_1d(weights).tolist())
    if not found:
        raise ValueError("weights holds no weight of log p; give one, such as 1e-3, or several")
    return found
