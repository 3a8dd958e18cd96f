"""NADE of tables, of one kind of column: CategoricalNADE's and RNADE's training and likelihood.

Useful work counts what has to be done, the same for every rival, as in `nade`: h is found anew, and
a row of W added, where a value is not 0.
"""

from typing import Any, NamedTuple

import numpy as np

from bench.cases import data
from bench.cases.nade import FLOAT, SIGMOID
from bench.cases.problem import Problem, Workload
from chainrule.engine import models
from chainrule.engine.event import CONTINUOUS

MODELS = {"categorical_nade": "CategoricalNADE", "rnade": "RNADE"}
OPERATIONS = {
    "grad": "training gradient: mean negative log-likelihood of a minibatch and its gradient",
    "log_prob": "log-likelihood of each row",
}
TITLES = {"grad": "training gradient", "log_prob": "log-likelihood"}
OPTIMIZER: dict[str, float] = {}  # no operation is a step
SCALE = 0.05  # of weights that are drawn, and of what takes them apart


class Size(NamedTuple):
    """N rows, D variables, H hidden units; of K values, or mixtures of K components.

    ones: the share of values that are not 0; None: MNIST's rows, each one of which is a level.
    """

    N: int
    D: int
    H: int
    K: int
    ones: float | None = None


SIZES = {
    "categorical_nade": {
        "grey": Size(100, 784, 500, 16),
        "dense": Size(100, 784, 500, 16, ones=15 / 16),
        "small": Size(16, 20, 32, 5),
    },
    "rnade": {"mixture": Size(100, 64, 200, 10), "small": Size(16, 9, 24, 3)},
}
SIZES_IN_WORDS = {
    "grey": "the main comparison of categories: MNIST's rows, each one at a random level",
    "dense": "all levels equally often: what the commonest value is worth",
    "mixture": "the main comparison of real numbers",
    "small": "where the cost of a call shows",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return every size of a model."""
    return SIZES[model]


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("grey", "dense", "mixture")


def build(workload: Workload) -> Problem:
    """Return the problem of a workload."""
    N, D, _, K, ones = workload.size
    rng = np.random.default_rng([data.SEED, *map(ord, workload.model)])
    model, config = engine(workload)
    theta = model.init(config, rng)
    theta.flat[...] += SCALE * rng.normal(size=theta.size)
    if is_real(workload):
        x = rng.normal(size=(N, D)).astype(np.float32)
    else:
        x = data.rows(N, D, ones) * rng.integers(1, K, (N, D), np.int32)
    return Problem(workload, x, None, {name: a.copy() for name, a in theta.items()})


def is_real(workload: Workload) -> bool:
    """Return whether the columns are real numbers."""
    return workload.model == "rnade"


def engine(workload: Workload) -> tuple[Any, Any]:
    """Return the engine's model and its config; RNADE's units are rescaled."""
    model, (_, D, H, K, _) = models.get("table_nade"), workload.size
    if is_real(workload):
        return model, model.Config((CONTINUOUS,) * D, H, n_components=K)
    return model, model.Config((K,) * D, H, rescale=False)


def items(workload: Workload) -> tuple[int, str]:
    """Return N rows."""
    return workload.size.N, "rows"


def n_outputs(workload: Workload) -> int:
    """Return how many outputs a variable has."""
    return int(workload.size.K * (2 if is_real(workload) else 1))


def flops(problem: Problem) -> float:
    """Return the useful FLOPs of one call; `events` is the share of values that are not 0.

        outputs     2 N·S·H                     S outputs of all variables
        events      ρ N·D·H (1 + SIGMOID)       a += W_r, h = σ(a)
        loss        N·S SIGMOID                 an exponential an output

    and for the gradient

        dV, dh      4 N·S·H
        events      4 ρ N·D·H                   P += dh h (1 - h), dW_r -= P
    """
    N, D, H, *_ = problem.workload.size
    S, events = D * n_outputs(problem.workload), _events(problem) * N * D * H
    total = 2 * N * S * H + (1 + SIGMOID) * events + SIGMOID * N * S
    if problem.workload.operation == "grad":
        total += 4 * N * S * H + 4 * events
    return float(total)


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move: parameters and rows, and a gradient written."""
    (N, D, H, K, _), w = problem.workload.size, problem.workload
    P = D * H * (n_outputs(w) + (1 if is_real(w) else K - 1))
    return float(FLOAT * (P * (2 if w.operation == "grad" else 1) + N * D))


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the share of values that are not 0."""
    return {"share_of_events": _events(problem)}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `N=100 D=784 K=16 H=500, 13% not 0`."""
    N, D, H, K, _ = workload.size
    events = "" if is_real(workload) else f", {details['share_of_events']:.0%} not 0"
    return f"N={N} D={D} K={K} H={H}{events}"


def title(workload: Workload) -> str:
    """Return as in `RNADE training gradient`."""
    return f"{MODELS[workload.model]} {TITLES[workload.operation]}"


def source() -> str:
    """Return which rows are used."""
    return f"categories: {data.source()}, each one at a random level; real numbers: normal"


def _events(problem: Problem) -> float:
    return float((np.asarray(problem.x) != 0).mean())
