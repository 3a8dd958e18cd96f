"""Every model as a density of x: with its labels where they are given, else their marginal.

What scores, estimators and detectors call, so that a model of p(x | y) is defined for whoever has
no y: it is then Σ_c p(c) p(x | c), by `chainrule.engine.labels`. log_prior: log p(c), (n_classes,);
None: all classes alike. Models without labels have no y.
"""

from types import ModuleType
from typing import Any

from chainrule.engine import labels
from chainrule.engine.params import Params
from chainrule.kernels.types import Array


def log_prob(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any = None, log_prior: Any = None
) -> Array:
    """Return log p(x), or log p(x | y), of each row, (N,), in nats."""
    out: Array = _call("log_prob", model, config, params, x, y, log_prior)
    return out


def log_prob_terms(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any = None, log_prior: Any = None
) -> Array:
    """Return log p(x_i | x_<i), or with y, of every variable, shaped like x, in nats."""
    out: Array = _call("log_prob_terms", model, config, params, x, y, log_prior)
    return out


def conditionals(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any = None, log_prior: Any = None
) -> Array:
    """Return the distribution of every x_i given x_<i; see `chainrule.engine.models`."""
    out: Array = _call("conditionals", model, config, params, x, y, log_prior)
    return out


def log_prob_given(
    model: ModuleType,
    config: Any,
    params: Params,
    x: Any,
    given: Any,
    y: Any = None,
    log_prior: Any = None,
) -> Array:
    """Return log p(x_f | x_g) of each row, (N,), by a model in any order; given marks g."""
    out: Array = _call("log_prob_given", model, config, params, x, y, log_prior, given)
    return out


def marginals(
    model: ModuleType,
    config: Any,
    params: Params,
    x: Any,
    given: Any,
    y: Any = None,
    log_prior: Any = None,
) -> Array:
    """Return the distribution of every x_i given x_g; see `chainrule.engine.models`."""
    out: Array = _call("marginals", model, config, params, x, y, log_prior, given)
    return out


def _call(
    name: str,
    model: ModuleType,
    config: Any,
    params: Params,
    x: Any,
    y: Any,
    log_prior: Any,
    *given: Any,
) -> Any:
    """Return a function of the model, or of its marginal."""
    if y is not None:
        if not model.ABILITIES.labels:
            raise ValueError("y are labels, and this model was made without; leave y out")
        return getattr(model, name)(config, params, x, *given, y)
    if labels.n_classes(model, config) == 1:
        return getattr(model, name)(config, params, x, *given)
    log_prior = labels.uniform(config) if log_prior is None else log_prior
    return getattr(labels, name)(model, config, params, x, *given, log_prior)
