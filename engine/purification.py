"""Purification: an image moved, pixel by pixel, to what a density finds likelier, within limits.

Shapes      x: (N, R, S, C) levels    low, high: as x, what levels each channel may have

            An attack moves an image to where a classifier errs, which is where clean images are
            not. What is wanted is the likeliest image near it, max p(x') over low ≤ x' ≤ high, over
            exponentially many of them. Greedily, by the chain rule, in the model's own order:

Forward     For i = 1, 2, …, R·S·C:
            (F1)  x'_i = argmax of p(v | x'_<i) over low_i ≤ v ≤ high_i, of several the lowest
            Each conditional is given what was chosen before, not what the attack had left there:
            a change is seen by all that comes after it.

Cost        A channel's features alone, where the model's sampler knows how (PixelCNN): one pass of
            the network in all. By the definition, a whole pass for each channel, it is R·S·C times
            as much.

Source      Song, Kim, Nowozin, Ermon and Kushman 2018, "PixelDefend: Leveraging Generative Models
            to Understand and Defend against Adversarial Examples", algorithm 1.
"""

from types import ModuleType
from typing import Any

from chainrule.engine.params import Params


def purified(
    model: ModuleType, config: Any, params: Params, low: Any, high: Any, y: Any = None
) -> Any:
    """Return x', (N, R, S, C), levels. low, high: levels, each at least 0 and low at most high.

    y: (N,), classes, of a model of p(x | y).
    """
    n = len(low)
    sampler = model.start(config, params, n, y)
    chosen = sampler.choose(low.reshape(n, -1), high.reshape(n, -1))  # F1
    return chosen.reshape(n, *config.event.shape)
