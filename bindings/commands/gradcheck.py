"""`chainrule gradcheck`: every hand-derived gradient against central differences, in a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import progress, runtime
from chainrule.base import BinaryDensity
from chainrule.commands import settings
from chainrule.commands.common import Common, console, estimator_class, table
from chainrule.engine import gradcheck as referee
from chainrule.engine import models
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.types import Array

N, D, H = 6, 9, 5  # small: each number in the parameters costs two evaluations of the loss
V, T = 4, 5  # symbols and lengths of sequences
SMALL = {"n_hidden": H, "n_layers": 2, "n_embd": 4, "n_heads": 1, "context": T}
NOISE = 0.5  # standard deviation of the parameters, so that no gradient is trivial
ALLOWED = 1e-6  # relative error; central differences themselves are good to about 1e-8


def run(common: Common, model: str, assignments: Sequence[str]) -> int:
    """Check each parameter on both host backends; 1 if one is wrong."""
    cls = estimator_class(model)
    small = {name: SMALL[name] for name in SMALL.keys() & cls().get_params().keys()}
    estimator = cls(**(small | settings.build(cls, {}, assignments)))
    engine = models.get(estimator._model_name())
    rng = np.random.default_rng(common.seed or 0)
    x: Any
    if isinstance(estimator, BinaryDensity):
        config, x = estimator._config(D), rng.integers(0, 2, (N, D), dtype=np.uint8)
    else:
        config = estimator._config(V, 1)
        x = rng.integers(0, V, (N, min(T, estimator.context)), dtype=np.int32)
    params = engine.init(config, rng, np.float64)
    params.flat[...] = rng.normal(scale=NOISE, size=params.size)
    grid = table(
        "parameter", "backend", "analytic max", "numeric max", "relative error", "", words=2
    )
    with progress.compilation(not common.quiet):
        checked = [_check(engine, config, params, x, backend) for backend in HOST_BACKENDS]
    failed = 0
    for name in (name for name in params if params[name].size):
        for backend, (grads, numeric) in zip(HOST_BACKENDS, checked, strict=True):
            error = referee.relative_error(grads[name], numeric[name])
            good = bool(error <= ALLOWED and np.abs(numeric[name]).max(initial=0) > 0)
            failed += not good
            sizes = (f"{np.abs(g[name]).max(initial=0):.6f}" for g in (grads, numeric))
            grid.add_row(name, backend, *sizes, f"{error:.1e}", "pass" if good else "FAIL")
    shape = f"{estimator._model_name()}, N={N}, {str(config).partition('(')[2].rstrip(')')}"
    console().print(f"{shape}, float64, every entry by central differences", "", grid, "", sep="\n")
    console().print(f"{failed} failed" if failed else "all pass", f"(allowed: {ALLOWED:.0e})")
    return int(failed > 0)


def _check(
    engine: Any, config: Any, params: Params, x: Any, backend: str
) -> tuple[Params, dict[str, Array]]:
    """Return a backend's gradient, and central differences of its own likelihood."""

    def loss() -> float:
        return -float(engine.log_prob(config, params, x).mean())

    grad = params.like()
    with runtime.resources(backend, 1):
        engine.loss_and_grad(config, params, x, grad)
        return grad, {name: referee.numeric_grad(loss, params[name]) for name in params}
