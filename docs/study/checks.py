"""Gradient checks as the site shows them: each operation's backward against central differences.

Small, seeded, in float64, on the NumPy reference, so that nothing is compiled. An operation's case
is its inputs, a forward that returns outputs, and a backward from their gradients to the inputs'.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engine import gradcheck, models
from chainrule.engine.gradcheck import RelativeError
from chainrule.exercises.cases import Instance, errors
from chainrule.kernels import use_backend

SEED = 0


# Models that an estimator turns into by a setting.
BY_SETTING: dict[str, tuple[str, dict[str, Any]]] = {
    "nade_untied": ("nade", {"tied": False}),
    "mlp": ("classifier", {"network": "mlp"}),
    "cnn": ("classifier", {"network": "cnn"}),
}
CASES: dict[str, Callable[[np.random.Generator], Instance]] = {}


def case(name: str) -> Callable[[Any], Any]:
    """Register the function that makes an operation's case."""

    def register(make: Any) -> Any:
        CASES[name] = make
        return make

    return register


def operation(name: str) -> dict[str, RelativeError] | None:
    """Return each gradient's error of an operation, or None if it has no backward of its own.

    name: of a kernel, or "layers/recurrent", of a file of engine/.
    """
    from study import cases, cases_of_layers, cases_of_networks  # noqa: F401  (they fill CASES)

    if name not in CASES:
        return None
    rng = np.random.default_rng(SEED)
    with use_backend("reference"):
        found = errors(CASES[name](rng), rng)
    return {f"d{key}": error for key, error in found.items()}


def model(name: str) -> dict[str, RelativeError] | None:
    """Return each parameter's error of a model, at the small sizes of `chainrule gradcheck`."""
    from chainrule.commands import gradcheck as command
    from chainrule.registry import HOMES, estimator_class

    home, setting = BY_SETTING.get(name, (name, {}))
    if home not in HOMES:
        return None
    cls = estimator_class(home)
    known = cls().get_params().keys()
    sizes = command.SMALL | (command.OF_IMAGES if "image_shape" in known else {})
    estimator: Any = cls(**{key: sizes[key] for key in sizes.keys() & known} | setting)
    rng = np.random.default_rng(SEED)
    config, x, y = command._data(estimator, rng)
    engine = models.get(estimator._model_name())
    params = engine.init(config, rng, np.float64)
    params.flat[...] = rng.normal(scale=command.NOISE, size=params.size)
    with use_backend("reference"):
        checked = gradcheck.check_backends(
            engine, config, params, x, y, backends=("reference",), most=12, own=True
        )
    return {f"d{key}": errors["reference"] for key, errors in checked.items() if params[key].size}
