"""The loss of categories, of mixtures and of levels with its gradient, from random outputs."""

from typing import Any, NamedTuple

import numpy as np

from bench.cases.nade import FLOAT
from bench.cases.problem import Problem, Workload
from bench.cases.transformer import EXP

MODELS = ("categories", "mixtures", "levels")
LEVELS = 256
OPERATIONS = {
    "grad": "-log p of each row and the gradient in its outputs, as in chainrule.kernels.columns, "
    "of levels as in chainrule.kernels.logistics",
}
OPTIMIZER: dict[str, float] = {}
SEED = 0


class Size(NamedTuple):
    """N rows of D variables, each of K categories or a mixture of K Gaussians or logistics."""

    N: int
    D: int
    K: int


SIZES = {
    "categories": {
        "k16": Size(100, 784, 16),
        "k256": Size(100, 784, 256),
        "small": Size(5, 7, 17),
    },
    "mixtures": {"k10": Size(100, 64, 10), "small": Size(5, 7, 3)},
    "levels": {"k10": Size(4, 3072, 10), "small": Size(5, 7, 3)},
}
SIZES_IN_WORDS = {
    "k*": "the main comparison: a minibatch of 28×28 pixels in K grey levels, of 64 real numbers, "
    "of 32×32 pixels of 3 channels in 256 levels",
    "small": "where the cost of a call shows",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return every size."""
    return SIZES[model]


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return tuple(name for name in SIZES[model] if name != "small")


def outputs(workload: Workload) -> int:
    """Return how many outputs a variable has."""
    return int(workload.size.K) * (1 + MODELS.index(workload.model))


def build(workload: Workload) -> Problem:
    """Return outputs s, (N, D n), standard normal but for levels' scales, and values x, (N, D)."""
    N, D, K = workload.size
    rng = np.random.default_rng([SEED, *workload.size])
    s = rng.standard_normal((N, D * outputs(workload)), dtype=np.float32)
    if workload.model == "categories":
        return Problem(workload, rng.integers(0, K, (N, D)).astype(np.int32), None, {"s": s})
    if workload.model == "levels":
        s.reshape(N, D, 3, K)[:, :, 1] -= 3
        return Problem(workload, rng.integers(0, LEVELS, (N, D)).astype(np.int32), None, {"s": s})
    return Problem(workload, rng.standard_normal((N, D), dtype=np.float32), None, {"s": s})


def items(workload: Workload) -> tuple[int, str]:
    """Return N rows."""
    return workload.size.N, "rows"


def flops(problem: Problem) -> float:
    """Return an exponential and 5 FLOPs a logit, two and 20 a Gaussian, five and 60 a logistic."""
    w = problem.workload
    of_each = {"categories": EXP + 5, "mixtures": 2 * EXP + 20, "levels": 5 * EXP + 60}
    return float(np.prod(w.size) * of_each[w.model])


def traffic(problem: Problem) -> float:
    """Return the bytes of s, ds and x, each moved once."""
    N, D, _ = problem.workload.size
    return float(FLOAT * N * D * (2 * outputs(problem.workload) + 1))


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return nothing."""
    return {}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `N=100 D=784 K=16`."""
    return " ".join(f"{k}={v}" for k, v in workload.size._asdict().items())


def title(workload: Workload) -> str:
    """Return as in `Categories, loss and gradient`."""
    return f"{workload.model.capitalize()}, loss and gradient"


def source() -> str:
    """Return where the numbers come from."""
    return "random numbers for kernels"
