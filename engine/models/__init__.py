"""Autoregressive models, one file each, derivation on top.

Every model is a module with

    Config                                          frozen dataclass: all that decides the shapes
    WEIGHTS                                         names of the arrays that weight decay shrinks
    shapes(config)                                  name to shape, WEIGHTS first
    init(config, rng, dtype) -> Params
    log_prob(config, params, x) -> (N,)             nats
    loss_and_grad(config, params, x, grad) -> float mean negative log-likelihood, nats
    conditionals(config, params, x) -> (N, D)       p(x_i = 1 | x_<i)
    sample(config, params, uniforms, given, observed) -> (N, D)
"""

from types import ModuleType

from chainrule.engine.models import fvsbn, nade, nade_untied

MODELS: dict[str, ModuleType] = {"fvsbn": fvsbn, "nade": nade, "nade_untied": nade_untied}


def get(name: str) -> ModuleType:
    """Return the model called `name`."""
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]
