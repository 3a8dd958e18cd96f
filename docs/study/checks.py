"""Gradient checks as the site shows them: each operation's backward against central differences.

Small, seeded, in float64, on the NumPy reference, so that nothing is compiled. An operation's case
is its inputs, a forward that returns outputs, and a backward from their gradients to the inputs'.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine import gradcheck, models
from chainrule.engine.gradcheck import RelativeError, numeric_grad, relative_error
from chainrule.kernels import use_backend

Arrays = dict[str, Any]
SEED = 0


@dataclass(frozen=True)
class Case:
    """An operation at one place: what it reads, how it runs, and how it runs back.

    inputs: float64 arrays by name, those that have a gradient. forward: () -> outputs, reading
    `inputs` anew. backward: outputs' gradients -> the inputs', by name.
    """

    inputs: Arrays
    forward: Callable[[], list[Any]]
    backward: Callable[[list[Any]], Arrays]


CASES: dict[str, Callable[[np.random.Generator], Case]] = {}


def case(name: str) -> Callable[[Any], Any]:
    """Register the function that makes an operation's case."""

    def register(make: Any) -> Any:
        CASES[name] = make
        return make

    return register


def operation(name: str) -> dict[str, RelativeError] | None:
    """Return each gradient's error of an operation, or None if it has no backward of its own."""
    from study import cases, cases_of_networks  # noqa: F401  (they fill CASES)

    if name not in CASES:
        return None
    rng = np.random.default_rng(SEED)
    with use_backend("reference"):
        made = CASES[name](rng)
        outputs = made.forward()
        douts = [rng.normal(size=out.shape) for out in outputs]
        grads = made.backward(douts)

        def loss() -> float:
            pairs = zip(made.forward(), douts, strict=True)
            return float(sum((out * dout).sum() for out, dout in pairs))

        return {
            f"d{name}": relative_error(grads[name], numeric_grad(loss, array))
            for name, array in made.inputs.items()
        }


def model(name: str) -> dict[str, RelativeError] | None:
    """Return each parameter's error of a model, at the small sizes of `chainrule gradcheck`."""
    from chainrule.commands import gradcheck as command
    from chainrule.registry import HOMES, estimator_class

    if name not in HOMES:
        return None
    cls = estimator_class(name)
    known = cls().get_params().keys()
    sizes = command.SMALL | (command.OF_IMAGES if "image_shape" in known else {})
    estimator: Any = cls(**{key: sizes[key] for key in sizes.keys() & known})
    rng = np.random.default_rng(SEED)
    config, x = command._data(estimator, rng)
    engine = models.get(estimator._model_name())
    params = engine.init(config, rng, np.float64)
    params.flat[...] = rng.normal(scale=command.NOISE, size=params.size)
    with use_backend("reference"):
        checked = gradcheck.check_backends(
            engine, config, params, x, backends=("reference",), most=12, own=True
        )
    return {f"d{key}": errors["reference"] for key, errors in checked.items() if params[key].size}
