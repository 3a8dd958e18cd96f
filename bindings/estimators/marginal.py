"""A stand-in for `chainrule.engine.density` and `chainrule.engine.labels`, until they are here.

log p(x) = log Σ_c p(c) p(x|c), and of its terms, with M_i = log Σ_c p(c) Π_{k≤i} p(x_k|x_<k, c),
log p(x_i | x_<i) = M_i - M_{i-1}, M_0 = 0.
"""

from typing import Any

import numpy as np

from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def log_prob(
    model: Any, config: Any, params: Params, x: Any, y: Any = None, log_prior: Any = None
) -> Any:
    """Return log p(x), or log p(x | y), (N,)."""
    if y is not None or log_prior is None:
        return model.log_prob(config, params, x, *(() if y is None else (y,)))
    return _logsumexp(_joint(model, config, params, x, log_prior)[:, -1], 1)


def log_prob_terms(
    model: Any, config: Any, params: Params, x: Any, y: Any = None, log_prior: Any = None
) -> Any:
    """Return log p(x_i | x_<i), or that given y, shaped like x."""
    if y is not None or log_prior is None:
        return _terms(model, config, params, x, y)
    xp = array_module(params.flat)
    return xp.diff(_logsumexp(_joint(model, config, params, x, log_prior), 2), axis=1)


def conditionals(
    model: Any, config: Any, params: Params, x: Any, y: Any = None, log_prior: Any = None
) -> Any:
    """Return p(x_i | x_<i), or that given y."""
    if y is not None or log_prior is None:
        return model.conditionals(config, params, x, *(() if y is None else (y,)))
    xp = array_module(params.flat)
    weights = _joint(model, config, params, x, log_prior)[:, :-1]
    weights = xp.exp(weights - _logsumexp(weights, 2)[..., None])
    return sum(
        weights[..., c, None] * model.conditionals(config, params, x, _all(x, c, params))
        for c in range(len(log_prior))
    )


def posterior(model: Any, config: Any, params: Params, x: Any, log_prior: Any) -> Any:
    """Return log p(c | x), (N, n_classes)."""
    joint = _joint(model, config, params, x, log_prior)[:, -1]
    return joint - _logsumexp(joint, 1)[:, None]


def draw(u: Array, log_prior: Any) -> Any:
    """Return a class for each uniform, (N,) int32."""
    edges = np.cumsum(np.exp(log_prior))
    edges[-1] = 1.0
    return np.minimum(np.searchsorted(edges, u, side="right"), len(edges) - 1).astype(np.int32)


def _joint(model: Any, config: Any, params: Params, x: Any, log_prior: Any) -> Any:
    """Return log p(c) + Σ_{k≤i} log p(x_k | x_<k, c), (N, D + 1, n_classes), float64."""
    xp = array_module(params.flat)
    out = xp.empty((len(x), x.shape[1] + 1, len(log_prior)))
    out[:, 0] = log_prior
    for c in range(len(log_prior)):
        terms = _terms(model, config, params, x, _all(x, c, params))
        out[:, 1:, c] = log_prior[c] + xp.cumsum(terms.astype(np.float64), axis=1)
    return out


def _terms(model: Any, config: Any, params: Params, x: Any, y: Any) -> Any:
    if not hasattr(model, "log_prob_terms"):  # models of bits, until theirs is here
        xp, p = array_module(params.flat), model.conditionals(config, params, x)
        return xp.log(xp.where(x == 1, p, 1 - p))
    return model.log_prob_terms(config, params, x, *(() if y is None else (y,)))


def _all(x: Any, c: int, params: Params) -> Any:
    return array_module(params.flat).full(len(x), c, np.int32)


def _logsumexp(a: Any, axis: int) -> Any:
    most = a.max(axis=axis, keepdims=True)
    xp = array_module(a)
    return (most + xp.log(xp.exp(a - most).sum(axis=axis, keepdims=True))).squeeze(axis)
