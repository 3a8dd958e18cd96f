"""Central differences: the one referee for every hand-derived gradient.

    f(p + ε) - f(p - ε)             ε²
    ───────────────────  =  f'(p) + ── f'''(ξ)
            2ε                       6

In float64 with ε = 1e-6 the truncation is near 1e-12 and the rounding of f near 1e-10, so
agreement to 1e-7 is a real test. In float32 it would prove nothing.

A model with dropout, or another that draws when it trains, is held to its loss under one fixed
noise, which is a function of the parameters like any other.

    check           every parameter of a model, on the backend at hand
    check_backends  the same on each backend, all entries or the largest and some at random
    check_input     dx, where a model gives it: in x itself, or in the rows of a table of symbols
    numeric_grad    the slopes of any function; relative_error the verdict
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from math import inf, isnan
from types import ModuleType
from typing import Any, Self

import numpy as np

from chainrule.engine import labels
from chainrule.engine import noise as randomness
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import HOST_BACKENDS, array_module, on_device, use_backend
from chainrule.kernels.types import Array

NOISE = Noise(seed=0, step=1, row=1)  # that of a model that draws


class RelativeError(float):
    """max |ours - numeric| / max |numeric|, a number, and where the difference is largest.

    Attributes:
        index: of the worst entry. ours, numeric: its value in both gradients.
        largest: max |numeric|; a gradient that is 0 everywhere proves nothing.
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
        largest: float = 0.0,
    ) -> Self:
        """Return the number, which keeps the rest."""
        error = super().__new__(cls, value)
        error.index, error.ours, error.numeric, error.backend = index, ours, numeric, backend
        error.largest = largest
        return error

    index: tuple[int, ...]
    ours: float
    numeric: float
    backend: str
    largest: float

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy is made from."""
        return float(self), self.index, self.ours, self.numeric, self.backend, self.largest


def numeric_grad(f: Callable[[], float], p: Array, eps: float = 1e-6, at: Any = None) -> Array:
    """Return df/dp by central differences, on the host, nudging p in place and restoring it.

    p: on either side. at: (K,) flat indices, whose slopes alone are taken, (K,); None: all, shaped
    like p.

    Raises:
        TypeError: p is not float64.
    """
    if p.dtype != np.float64:
        raise TypeError(f"gradient checks need float64, got {p.dtype}")
    chosen = np.arange(p.size) if at is None else at
    grad = np.empty(len(chosen))
    for k, index in enumerate(chosen):
        i = np.unravel_index(int(index), p.shape)
        old = float(p[i])
        p[i] = old + eps
        up = f()
        p[i] = old - eps
        grad[k] = (up - f()) / (2 * eps)
        p[i] = old
    return grad.reshape(p.shape) if at is None else grad


def entries(grad: Array, most: int | None, rng: np.random.Generator) -> Any:
    """Return which entries of a gradient to check, flat indices: half the largest, half at random.

    most: how many; None, or no fewer than there are: all.
    """
    if most is None or grad.size <= most:
        return np.arange(grad.size)
    largest_first = np.argsort(-np.abs(grad.reshape(-1)))
    n_largest = most // 2
    others = rng.choice(largest_first[n_largest:], most - n_largest, replace=False)
    return np.concatenate([largest_first[:n_largest], others])


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
    largest = float(np.abs(slopes).max())
    value = difference[k] / max(largest, np.finfo(np.float64).tiny)
    return RelativeError(value, index, float(flat[k]), float(slopes[k]), backend, largest)


def worst(errors: Sequence[RelativeError]) -> RelativeError:
    """Return the largest of some errors; one that is no number is larger than any."""
    return max(errors, key=lambda error: inf if isnan(error) else error)


def gradient(model: ModuleType, config: Any, params: Params, x: Any, y: Any = None) -> Params:
    """Return the hand-derived gradient of `loss`, on the side of the parameters."""
    grad = params.like()
    model.loss_and_grad(config, params, x, grad, **_given(model, config, x, y))
    return grad


def loss(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any = None
) -> Callable[[], float]:
    """Return a function that gives the mean negative log-likelihood of x, nats a row."""
    given, unused = _given(model, config, x, y), params.like()

    def noisy() -> float:
        return float(model.loss_and_grad(config, params, x, unused, **given))

    def plain() -> float:
        return -float(model.log_prob(config, params, x, **given).mean())

    return plain if hasattr(model, "log_prob") and "noise" not in given else noisy


def _given(model: ModuleType, config: Any, x: Any, y: Any) -> dict[str, Any]:
    """Return labels, and what fixes what a model draws, if it draws.

    Where nobody says what the labels are, all classes come in turn.
    """
    if y is None and labels.n_classes(model, config) > 1:
        y = array_module(x).arange(len(x), dtype=np.int32) % config.n_classes
    given = {} if y is None else {"y": y}
    return given | ({"noise": NOISE} if randomness.wanted(model, config) else {})


def check(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any = None
) -> dict[str, RelativeError]:
    """Return each parameter's relative error of `loss_and_grad` against central differences.

    params must be float64. Two evaluations of the loss a parameter: keep the model small.
    """
    grad, nll = gradient(model, config, params, x, y), loss(model, config, params, x, y)
    return {name: relative_error(grad[name], numeric_grad(nll, params[name])) for name in params}


def check_backends(
    model: ModuleType,
    config: Any,
    params: Params,
    x: Any,
    y: Any = None,
    backends: Sequence[str] = HOST_BACKENDS,
    most: int | None = None,
    own: bool = False,
) -> dict[str, dict[str, RelativeError]]:
    """Return each parameter's relative error of `loss_and_grad`, by parameter and backend.

    Args:
        model, config: any of `chainrule.engine.models`.
        params: on the host, float64; they are nudged and restored.
        x, y: data and labels, on the host.
        backends: "reference", "cpu", and "cuda" where there is CuPy and a device.
        most: entries of each parameter that are checked (`entries`); None: all.
        own: hold each backend's gradient against the slopes of its own loss; otherwise all against
            those of "cpu", which costs them once.

    Cost:
        Two evaluations of the loss an entry, and once more for each further backend with `own`.
    """
    grads = {name: _on(name, gradient, model, config, params, x, y) for name in backends}
    rng, errors = np.random.default_rng(0), {}
    for name in params:
        at = entries(grads[backends[0]][name], most, rng)
        slopes: dict[str, Array] = {}
        for judge in backends if own else ("cpu",):
            slopes[judge] = _on(judge, _slopes, model, config, params, x, y, name, at)
        errors[name] = {
            backend: relative_error(grad[name], slopes[backend if own else "cpu"], at, backend)
            for backend, grad in grads.items()
        }
    return errors


def check_input(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any = None, table: str | None = None
) -> dict[str, RelativeError]:
    """Return the relative error of dx, the loss's gradient in the input, by host backend.

    Args:
        params: float64, on the host.
        x: where it is real, or bits that are taken for real numbers, (N, D): dx is held against the
            slopes of the reference's loss in x, as its formulas are of real numbers too. Of
            symbols, (N, T): against slopes in the rows of a table, one of its own for each place.
        table: of symbols, the parameter that they are looked up in.

    Raises:
        ValueError: a symbol comes twice, so that a row of the table is not of one place.
    """
    if table is None:
        real = x.astype(np.float64)
        with use_backend("reference"):
            numeric = numeric_grad(loss(model, config, params, real, y), real)
    else:
        seen = x[x >= 0]
        if len(np.unique(seen)) < len(seen):
            raise ValueError("a symbol comes twice in x; give each place a symbol of its own")
        with use_backend("reference"):
            slopes = numeric_grad(loss(model, config, params, x, y), params[table])
        numeric = np.where((x >= 0)[..., None], slopes[np.maximum(x, 0)], 0)
    errors = {}
    for backend in HOST_BACKENDS:
        dx, grad = np.empty(numeric.shape), params.like()
        with use_backend(backend):
            model.loss_and_grad(config, params, x, grad, **_given(model, config, x, y), dx=dx)
        errors[backend] = relative_error(dx, numeric, None, backend)
    return errors


def _slopes(
    model: ModuleType, config: Any, params: Params, x: Any, y: Any, name: str, at: Any
) -> Array:
    """Return central differences of the loss in some entries of a parameter."""
    return numeric_grad(loss(model, config, params, x, y), params[name], at=at)


def _on(backend: str, f: Any, model: ModuleType, config: Any, params: Params, *rest: Any) -> Any:
    """Return f of a model and its data on a backend's side, its arrays back on the host."""
    x, y, *others = rest
    with _side(backend) as xp:
        placed = Params(params.shapes, xp.asarray(params.flat))
        result = f(model, config, placed, xp.asarray(x), y if y is None else xp.asarray(y), *others)
    if not isinstance(result, Params):
        return result
    flat: Any = result.flat
    return Params(result.shapes, flat.get() if on_device(flat) else flat)


@contextmanager
def _side(backend: str) -> Iterator[Any]:
    """Yield the module of a backend's arrays; host arrays run on it inside the block."""
    if backend == "cuda":  # the device follows the arrays
        yield import_module("cupy")
        return
    with use_backend(backend):
        yield np
