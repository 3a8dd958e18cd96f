"""Gradients held against central differences, for any estimator and data."""

from math import inf, isnan
from typing import Any

import numpy as np
from sklearn.base import clone

from chainrule.encoders import validation
from chainrule.engine import gradcheck as referee
from chainrule.engine import models
from chainrule.engine.gradcheck import RelativeError
from chainrule.engine.params import Params
from chainrule.estimators import runtime
from chainrule.estimators.density import Density
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.types import Array

JITTER = 0.1  # standard deviation added to initial parameters, so that no gradient is trivial


def gradcheck(model: Any, X: Any, max_entries: int | None = 100) -> dict[str, RelativeError]:
    """Return each parameter's largest relative error against central differences, in float64.

    The hand-derived gradient of the mean negative log-likelihood of X, by both host backends
    (and on the GPU for an estimator with backend="cuda"), is held against
    (f(p + ε) - f(p - ε)) / 2ε with ε = 1e-6. Right ones agree to about 1e-7. Dropout is checked
    too, under one fixed noise.

    Args:
        model: an estimator. Fitted: its parameters are checked. Otherwise: initial ones for
            X's width, from its seed, plus a little noise. It is not changed.
        X: as for `fit`; a few rows are enough. Of a text, its first `context` symbols are taken
            for one row.
        max_entries: how many entries of each parameter are checked: half of them where the
            gradient is largest, half at random. None checks every one.

    Returns:
        Parameter name to max |ours - numeric| / max |numeric|, of the worst backend: a float that
        also knows which entry is worst: its `index`, `ours`, `numeric` and `backend`.

    Raises:
        TypeError: model is no estimator of chainrule.
        ValueError: data or hyper-parameters that cannot be used.
        RuntimeError: backend="cuda" without CuPy or without a device.

    Cost:
        Two `log_prob(X)` for each entry that is checked.

    Example:
        >>> import chainrule as cr
        >>> errors = cr.gradcheck(cr.FVSBN(), [[0, 1, 1], [1, 0, 1]])
        >>> sorted(errors), max(errors.values()) < 1e-6
        (['alpha', 'b'], True)
        >>> worst = errors["alpha"]
        >>> len(worst.index), abs(worst.ours - worst.numeric) < 1e-8
        (1, True)
    """
    if not isinstance(model, Density):
        raise TypeError(f"model must be an estimator such as NADE(), got {type(model).__name__}")
    if max_entries is not None:
        validation.integer("max_entries", max_entries, 1)
    engine, config, params, x = _setting(model, X)
    backends = (*HOST_BACKENDS, "cuda") if model.backend == "cuda" else HOST_BACKENDS
    grads = {name: _gradient(name, model.n_threads, engine, config, params, x) for name in backends}
    nll = referee.loss(engine, config, params, x)
    errors = {}
    rng = np.random.default_rng(0)
    with runtime.resources("cpu", model.n_threads):
        for name in params:
            entries = _entries(grads["reference"][name], max_entries, rng)
            numeric = _numeric(nll, params[name], entries)
            found = [
                referee.relative_error(grad[name], numeric, entries, backend)
                for backend, grad in grads.items()
            ]
            errors[name] = max(found, key=lambda e: inf if isnan(e) else e)
    return errors


def _gradient(
    backend: str, n_threads: int | None, engine: Any, config: Any, params: Params, x: Any
) -> Params:
    """Return the gradient by a backend, on the host."""
    xp = runtime.array_module(backend)
    placed = Params(params.shapes, xp.asarray(params.flat))
    with runtime.resources(backend, n_threads):
        grad = referee.gradient(engine, config, placed, xp.asarray(x))
    return Params(params.shapes, runtime.to_host(grad.flat))


def _setting(model: Density, X: Any) -> tuple[Any, Any, Params, Any]:
    """Return the engine's model, its config, float64 parameters, and X as the model's array."""
    fitted = hasattr(model, "params_")
    if not fitted:
        model = clone(model)
        model._check_hyperparameters()
        model._learn(X, None, None)
        model.classes_ = None
    engine, config = models.get(model._model_name()), model._fitted_config()
    x = model._few(X)
    if fitted:
        params = Params(model.params_.shapes, model.params_.flat.astype(np.float64))
        return models.get(model.model_), model.config_, params, x
    rng = np.random.default_rng(model.seed)
    params = engine.init(config, rng, np.float64)
    params.flat += rng.normal(scale=JITTER, size=params.size)
    return engine, config, params, x


def _entries(grad: Array, max_entries: int | None, rng: np.random.Generator) -> Any:
    """Return which entries of a flattened gradient to check."""
    if max_entries is None or grad.size <= max_entries:
        return np.arange(grad.size)
    largest_first = np.argsort(-np.abs(grad.reshape(-1)))
    n_largest = max_entries // 2
    others = rng.choice(largest_first[n_largest:], max_entries - n_largest, replace=False)
    return np.concatenate([largest_first[:n_largest], others])


def _numeric(loss: Any, p: Array, entries: Any) -> Array:
    """Return central differences of the loss in some entries of p."""
    flat = p.reshape(-1)  # a view: p is contiguous
    slopes = [referee.numeric_grad(loss, flat[i : i + 1])[0] for i in entries]
    return np.array(slopes, np.float64)
