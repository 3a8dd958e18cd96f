"""What a detector measures of each observation; each method's scores are high where it is clean.

| method | score | source |
|---|---|---|
| likelihood | log p(x), nats | Bishop 1994, "Novelty detection and neural network validation" |
| bits | -bits per dimension: log₂ p(x) / its number of known variables, or symbols | |
| typicality | -|value - mean of clean|, of log p(x) in nats; of sequences, a symbol | Nalisnick et al. 2019, "Detecting out-of-distribution inputs to deep generative models using typicality" |
| ratio | log p(x) - log p_background(x), nats; see `backgrounds` | Ren et al. 2019; Zhang et al. 2021 |
| complexity | log₂ p(x) + L(x), bits; see `codes` | Serrà et al. 2020 |

All but typicality are their own value. Typicality finds odd what is *too* likely as well, and its
groups are those of Nalisnick et al.: |mean value of the group - mean of clean|.
"""  # noqa: E501

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.detection import backgrounds, codes, observations

Numbers = NDArray[np.float64]

METHODS = ("likelihood", "bits", "typicality", "ratio", "complexity")


def values(method: str, model: Any, X: Any, background: Any = None) -> Numbers:
    """Return what a method measures of each observation, (N,) float64.

    Of a text with a character that the model does not know it is -inf, and of a row with such a
    category, which is warned of.
    """
    known = observations.readable(model, X, loud=True)
    if known is None:
        return _values(method, model, X, background)
    found = np.full(len(known), -np.inf)
    if known.any():
        rows = np.flatnonzero(known)
        part = observations.take(X if hasattr(X, "shape") else list(X), rows)
        found[known] = _values(method, model, part, background)
    return found


def _values(method: str, model: Any, X: Any, background: Any) -> Numbers:
    """Return the same of what the model can read."""
    log_p: Numbers = np.asarray(model.log_prob(X), np.float64)
    if method == "bits" or (method == "typicality" and observations.of_sequences(model)):
        return per_variable(method, log_p, observations.sizes(model, X))
    if method == "ratio":
        return log_p - backgrounds.log_prob(model, background, X)
    if method == "complexity":
        return log_p / log(2) + codes.lengths(model, X)
    return log_p


def per_variable(method: str, log_p: Numbers, sizes: Numbers) -> Numbers:
    """Return log p a known variable: in bits for "bits", else in nats; 0 where none is known."""
    each: Numbers = log_p / np.maximum(sizes, 1)
    return each / log(2) if method == "bits" else each


def scores(values: Numbers, centre: float | None) -> Numbers:
    """Return how clean values are: themselves, or of typicality how near they are to the centre."""
    return values if centre is None else -np.abs(values - centre)
