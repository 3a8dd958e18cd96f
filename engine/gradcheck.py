"""Central differences: the referee for every hand-derived gradient.

    f(p + ε) - f(p - ε)             ε²
    ───────────────────  =  f'(p) + ── f'''(ξ)
            2ε                       6

In float64 with ε = 1e-6 the truncation is near 1e-12 and the rounding of f near 1e-10, so
agreement to 1e-7 is a real test. In float32 it would prove nothing.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.engine.params import Params
from chainrule.kernels.types import Array, Bits


def numeric_grad(f: Callable[[], float], p: Array, eps: float = 1e-6) -> Array:
    """Return df/dp by central differences, nudging p in place and restoring it.

    Raises:
        TypeError: p is not float64.
    """
    if p.dtype != np.float64:
        raise TypeError(f"gradient checks need float64, got {p.dtype}")
    grad = np.empty_like(p)
    for i in np.ndindex(p.shape):
        old = p[i]
        p[i] = old + eps
        up = f()
        p[i] = old - eps
        grad[i] = (up - f()) / (2 * eps)
        p[i] = old
    return grad


def relative_error(ours: Array, numeric: Array) -> float:
    """Return max |ours - numeric| / max |numeric|: 0 for two empty or two all-zero arrays."""
    error = float(np.abs(ours - numeric).max(initial=0))
    return error / max(float(np.abs(numeric).max(initial=0)), np.finfo(np.float64).tiny)


def check(model: ModuleType, config: Any, params: Params, x: Bits) -> dict[str, float]:
    """Return each parameter's relative error of `loss_and_grad` against central differences.

    params must be float64. Two evaluations of the loss a parameter: keep the model small.
    """
    grad = params.like()
    model.loss_and_grad(config, params, x, grad)

    def loss() -> float:
        return -float(model.log_prob(config, params, x).mean())

    return {name: relative_error(grad[name], numeric_grad(loss, params[name])) for name in params}
