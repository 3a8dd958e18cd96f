"""Central differences: the referee for every hand-derived gradient.

    f(p + ε) - f(p - ε)             ε²
    ───────────────────  =  f'(p) + ── f'''(ξ)
            2ε                       6

In float64 with ε = 1e-6 the truncation is near 1e-12 and the rounding of f near 1e-10, so
agreement to 1e-7 is a real test. In float32 it would prove nothing.

A model with dropout is held to its loss under one fixed noise, which is a function of the
parameters like any other.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

import numpy as np

from chainrule.engine.layers.dropout import Noise
from chainrule.engine.params import Params
from chainrule.kernels.types import Array, Bits

NOISE = Noise(seed=0, step=1, row=1)  # that of a model with dropout


class RelativeError(float):
    """max |ours - numeric| / max |numeric|, a number, and where the difference is largest.

    Attributes:
        index: of the worst entry. ours, numeric: its value in both gradients.
        backend: which backend's gradient it is of, where it is of one.

    Example:
        >>> import numpy as np
        >>> from chainrule.engine.gradcheck import relative_error
        >>> error = relative_error(np.array([[1.0, 2.0, 3.5]]), np.array([[1.0, 2.0, 4.0]]))
        >>> error, error.index, error.ours, error.numeric
        (0.125, (0, 2), 3.5, 4.0)
    """

    def __new__(
        cls,
        value: float,
        index: tuple[int, ...] = (),
        ours: float = 0.0,
        numeric: float = 0.0,
        backend: str = "",
    ) -> Self:
        """Return the number, which keeps the rest."""
        error = super().__new__(cls, value)
        error.index, error.ours, error.numeric, error.backend = index, ours, numeric, backend
        return error

    index: tuple[int, ...]
    ours: float
    numeric: float
    backend: str

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy is made from."""
        return float(self), self.index, self.ours, self.numeric, self.backend


def numeric_grad(f: Callable[[], float], p: Array, eps: float = 1e-6) -> Array:
    """Return df/dp by central differences, on the host, nudging p in place and restoring it.

    p: on either side.

    Raises:
        TypeError: p is not float64.
    """
    if p.dtype != np.float64:
        raise TypeError(f"gradient checks need float64, got {p.dtype}")
    grad = np.empty(p.shape)
    for i in np.ndindex(p.shape):
        old = float(p[i])
        p[i] = old + eps
        up = f()
        p[i] = old - eps
        grad[i] = (up - f()) / (2 * eps)
        p[i] = old
    return grad


def relative_error(
    ours: Array, numeric: Array, entries: Any = None, backend: str = ""
) -> RelativeError:
    """Return max |ours - numeric| / max |numeric|: 0 for two empty or two all-zero arrays.

    entries: (K,), the flat indices in `ours` of the numbers in `numeric`, where it has not all.
    """
    flat = ours.reshape(-1) if entries is None else ours.reshape(-1)[entries]
    slopes = numeric.reshape(-1)
    if not slopes.size:
        return RelativeError(0.0, backend=backend)
    difference = np.abs(flat - slopes)
    k = int(difference.argmax())  # a NaN, if there is one
    at = k if entries is None else int(entries[k])
    index = tuple(int(i) for i in np.unravel_index(at, ours.shape))
    value = difference[k] / max(float(np.abs(slopes).max()), np.finfo(np.float64).tiny)
    return RelativeError(value, index, float(flat[k]), float(slopes[k]), backend)


def gradient(model: ModuleType, config: Any, params: Params, x: Any) -> Params:
    """Return the hand-derived gradient of `loss`, on the side of the parameters."""
    grad = params.like()
    model.loss_and_grad(config, params, x, grad, **_noise(config))
    return grad


def loss(model: ModuleType, config: Any, params: Params, x: Any) -> Callable[[], float]:
    """Return a function that gives the mean negative log-likelihood of x, nats a row."""
    noise, unused = _noise(config), params.like()

    def noisy() -> float:
        return float(model.loss_and_grad(config, params, x, unused, **noise))

    def plain() -> float:
        return -float(model.log_prob(config, params, x).mean())

    return noisy if noise else plain


def _noise(config: Any) -> dict[str, Any]:
    """Return the arguments that fix a model's dropout; none without it."""
    return {"noise": NOISE} if getattr(config, "dropout", 0) else {}


def check(model: ModuleType, config: Any, params: Params, x: Bits) -> dict[str, RelativeError]:
    """Return each parameter's relative error of `loss_and_grad` against central differences.

    params must be float64. Two evaluations of the loss a parameter: keep the model small.
    """
    grad, nll = gradient(model, config, params, x), loss(model, config, params, x)
    return {name: relative_error(grad[name], numeric_grad(nll, params[name])) for name in params}
