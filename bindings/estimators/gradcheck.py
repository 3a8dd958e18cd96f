"""Gradients held against central differences, for any estimator and data."""

from typing import Any

import numpy as np
from sklearn.base import clone

from chainrule.encoders import validation
from chainrule.engine import gradcheck as referee
from chainrule.engine import models
from chainrule.engine.gradcheck import RelativeError
from chainrule.engine.params import Params
from chainrule.estimators import runtime
from chainrule.estimators.kept import Kept
from chainrule.kernels.dispatch import HOST_BACKENDS

JITTER = 0.1  # standard deviation added to initial parameters, so that no gradient is trivial


def gradcheck(
    model: Any, X: Any, max_entries: int | None = 100, y: Any = None
) -> dict[str, RelativeError]:
    """Return each parameter's largest relative error against central differences, in float64.

    The hand-derived gradient of the mean negative log-likelihood of X, by both host backends
    (and on the GPU for an estimator with backend="cuda"), is held against
    (f(p + ε) - f(p - ε)) / 2ε with ε = 1e-6. Right ones agree to about 1e-7, but where a whole
    array's gradient is near 0: the difference has an error of 1e-9 or so from rounding the loss,
    which is 1e-3 of a `largest` of 1e-6. Dropout is checked too, under one fixed noise.

    Args:
        model: an estimator. Fitted: its parameters are checked. Otherwise: initial ones for
            X's width, from its seed, plus a little noise. It is not changed.
        X: as for `fit`; a few rows are enough. Of a text, its first `context` symbols are taken
            for one row.
        max_entries: how many entries of each parameter are checked: half of them where the
            gradient is largest, half at random. None checks every one.
        y: labels of X, of a model that learns them; a fitted one that is given none is checked as
            if all were its first class.

    Returns:
        Parameter name to max |ours - numeric| / max |numeric|, of the worst backend: a float that
        also knows which entry is worst: its `index`, `ours`, `numeric` and `backend`. Parameters
        without entries, of a kind of network that the model is not, are left out.

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
    if not isinstance(model, Kept):
        raise TypeError(f"model must be an estimator such as NADE(), got {type(model).__name__}")
    if max_entries is not None:
        validation.integer("max_entries", max_entries, 1)
    engine, config, params, x, numbers = _setting(model, X, y)
    backends = (*HOST_BACKENDS, "cuda") if model.backend == "cuda" else HOST_BACKENDS
    for name in backends:
        runtime.array_module(name)  # says what is missing
    with runtime.resources("cpu", model.n_threads):
        checked = referee.check_backends(engine, config, params, x, numbers, backends, max_entries)
    there = (name for name in params if params[name].size)
    return {name: referee.worst([*checked[name].values()]) for name in there}


def _setting(model: Kept, X: Any, y: Any) -> tuple[Any, Any, Params, Any, Any]:
    """Return the engine's model, its config, float64 parameters, and X and y as the model's."""
    fitted = hasattr(model, "params_")
    if not fitted:
        model = clone(model)
        model._prepare(X, y)
    engine, config, x = models.get(model._model_name()), model._fitted_config(), model._few(X)
    x = x.astype(np.float64) if np.asarray(x).dtype.kind == "f" else x
    if model.classes_ is not None and y is None:
        y = model.classes_[0]
    numbers = model._labels(y, len(x))
    if fitted:
        params = Params(model.params_.shapes, model.params_.flat.astype(np.float64))
        return models.get(model.model_), model.config_, params, x, numbers
    rng = np.random.default_rng(model.seed)
    params = engine.init(config, rng, np.float64)
    params.flat += rng.normal(scale=JITTER, size=params.size)
    return engine, config, params, x, numbers
