"""The workloads: a model, an operation on it, and a size.

A model's case file says how to draw its parameters and counts the work; `ours` runs it on one of
our backends; the peers take the same `Problem`.
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from bench.cases import data, fvsbn, nade

MODELS: dict[str, ModuleType] = {"nade": nade, "fvsbn": fvsbn}

OPERATIONS = {
    "grad": "training gradient: mean negative log-likelihood of a minibatch and its gradient",
    "step": "training step: the gradient, then Adam on every parameter",
    "log_prob": "log-likelihood of each row",
    "sample": "N samples drawn from the same uniforms; the share of ones drawn is the rows'",
}

# Adam in every training step. A small learning rate keeps the work the same while it is repeated.
ADAM = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


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


class Workload(NamedTuple):
    """One line of the comparison."""

    model: str
    operation: str
    size_name: str
    size: Size

    @property
    def name(self) -> str:
        """As in `nade/grad`, the spelling that --cases takes."""
        return f"{self.model}/{self.operation}"


class Problem(NamedTuple):
    """Everything a rival needs: the same numbers for all of them, float32 and uint8."""

    workload: Workload
    x: Any  # (N, D) uint8
    u: Any  # (N, D) uniforms for sampling
    theta: dict[str, Any]  # parameters by name, as the engine lays them out


def workloads() -> list[Workload]:
    """Return every workload there is."""
    return [
        Workload(model, operation, name, size)
        for model in MODELS
        for operation in OPERATIONS
        for name, size in SIZES.items()
        if model == "nade" or not name.startswith("h")
    ]


def build(workload: Workload) -> Problem:
    """Return the problem of a workload; always the same numbers for the same workload."""
    N, D, _, ones = size = workload.size
    rng = np.random.default_rng([data.SEED, *map(ord, workload.model)])
    x = data.rows(N, D, ones)
    theta = MODELS[workload.model].parameters(size, _means(D, ones), rng)
    u = rng.random((N, D), dtype=np.float32)
    return Problem(workload, x, u, {k: v.astype(np.float32) for k, v in theta.items()})


def flops(problem: Problem) -> float:
    """Return the useful floating-point operations of one call; see the model's case file."""
    w = problem.workload
    return float(MODELS[w.model].flops(w.operation, w.size, float(problem.x.mean())))


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move, each once; see the model's case file."""
    w = problem.workload
    return float(MODELS[w.model].traffic(w.operation, w.size))


def _means(D: int, ones: float | None) -> Any:
    """Return the columns' means, kept inside (0, 1), to draw parameters that fit the data."""
    return data.rows(1000, D, ones).mean(axis=0) * 0.998 + 0.001
