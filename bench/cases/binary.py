"""Models of binary rows: NADE, MADE, FVSBN, whose files draw parameters and count the work."""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from bench.cases import data, fvsbn, made, nade
from bench.cases.problem import Problem, Workload
from chainrule.engine import models

MODELS: dict[str, ModuleType] = {"nade": nade, "fvsbn": fvsbn, "made": made}

OPERATIONS = {
    "grad": "training gradient: mean negative log-likelihood of a minibatch and its gradient",
    "step": "training step: the gradient, then Adam on every parameter",
    "log_prob": "log-likelihood of each row",
    "sample": "N samples drawn from the same uniforms; the share of ones drawn is the rows'",
}
TITLES = {
    "grad": "training gradient",
    "step": "training step with Adam",
    "log_prob": "log-likelihood",
    "sample": "sampling",
}

# Adam in every training step. A small learning rate keeps the work the same while it is repeated.
OPTIMIZER = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


class Size(NamedTuple):
    """N rows, D variables, H hidden units; the share of ones, None for MNIST's images."""

    N: int
    D: int
    H: int
    ones: float | None = None


SIZES = {
    "mnist": Size(100, 784, 500),
    "small": Size(32, 64, 32),
    "sparse": Size(100, 784, 500, ones=0.13),
    "dense": Size(100, 784, 500, ones=0.5),
    **{f"n{N}": Size(N, 784, 500) for N in (1, 10, 1000)},
    **{f"d{D}": Size(100, D, 500) for D in (98, 196, 392, 1568)},
    **{f"h{H}": Size(100, 784, H) for H in (62, 125, 250, 1000)},
}
SIZES_IN_WORDS = {
    "mnist": "the main comparison",
    "small": "where the cost of a call shows",
    "sparse, dense": "independent bits, 13% and 50% ones: what sparse rows are worth",
    "n*": "growth in rows",
    "d*": "growth in variables",
    "h*": "growth in hidden units (NADE alone)",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return every size; h* are NADE's alone, FVSBN has no hidden units."""
    return {k: v for k, v in SIZES.items() if model == "nade" or not k.startswith("h")}


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("mnist",)


def build(workload: Workload) -> Problem:
    """Return the problem of a workload."""
    N, D, _, ones = size = workload.size
    rng = np.random.default_rng([data.SEED, *map(ord, workload.model)])
    x = data.rows(N, D, ones)
    theta = MODELS[workload.model].parameters(size, _means(D, ones), rng)
    u = rng.random((N, D), dtype=np.float32)
    return Problem(workload, x, u, {k: v.astype(np.float32) for k, v in theta.items()})


def engine(workload: Workload) -> tuple[Any, Any]:
    """Return the engine's model and its config."""
    model, size = models.get(workload.model), workload.size
    if workload.model == "made":
        return model, made.config(size)
    shape = {"n_visible": size.D, "n_hidden": size.H}
    wanted = {k: v for k, v in shape.items() if k in model.Config.__annotations__}
    return model, model.Config(**wanted)


def items(workload: Workload) -> tuple[int, str]:
    """Return N rows."""
    return workload.size.N, "rows"


def flops(problem: Problem) -> float:
    """Return the useful floating-point operations of one call; see the model's case file."""
    w = problem.workload
    return float(MODELS[w.model].flops(w.operation, w.size, float(problem.x.mean())))


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move, each once; see the model's case file."""
    w = problem.workload
    return float(MODELS[w.model].traffic(w.operation, w.size))


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the share of ones in the rows, or in the samples drawn."""
    return {"share_of_ones": float(answer.get("x", problem.x).mean())}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `N=100 D=784 H=500, 13% ones`."""
    size = workload.size
    hidden = "" if workload.model == "fvsbn" else f" H={size.H}"
    return f"N={size.N} D={size.D}{hidden}, {details['share_of_ones']:.0%} ones"


def title(workload: Workload) -> str:
    """Return as in `NADE training gradient`."""
    return f"{workload.model.upper()} {TITLES[workload.operation]}"


def source() -> str:
    """Return which rows are used."""
    return data.source()


def _means(D: int, ones: float | None) -> Any:
    """Return the columns' means, kept inside (0, 1), to draw parameters that fit the data."""
    return data.rows(1000, D, ones).mean(axis=0) * 0.998 + 0.001
