"""Any-order NADE's workloads: binary rows, two hidden layers, a random set of observed bits a row.

Useful work counts the network's products, all of them dense, although some of the input is 0. The
same sets are observed in every call; our side draws them anew each time, as training does, and
rivals are handed them.
"""

from typing import Any, NamedTuple

import numpy as np

from bench.cases import binary, data, nade
from bench.cases.problem import Problem, Workload
from chainrule.engine import subsets
from chainrule.engine.models import orderless_nade
from chainrule.engine.noise import Noise

MODELS = ("orderless_nade",)
OPERATIONS = {
    "grad": "training gradient: the order-agnostic loss of a minibatch, one pass, and its gradient",
    "step": "training step: the gradient, then Adam on every parameter",
}
OPTIMIZER = binary.OPTIMIZER
NOISE = Noise(seed=0, step=0, row=0)


class Size(NamedTuple):
    """N rows, D variables, two layers of H hidden units; the share of ones, None for MNIST's."""

    N: int
    D: int
    H: int
    ones: float | None = None


SIZES = {
    "mnist": Size(100, 784, 500),
    "small": Size(32, 64, 32),
    "h1000": Size(100, 784, 1000),
}
SIZES_IN_WORDS = {
    "mnist": "the main comparison",
    "small": "where the cost of a call shows",
    "h*": "growth in hidden units",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return every size."""
    return SIZES


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("mnist",)


def build(workload: Workload) -> Problem:
    """Return the problem of a workload: an untrained network, but for its biases, and rows."""
    N, D, _, ones = workload.size
    model, config = engine(workload)
    rng = np.random.default_rng(data.SEED)
    theta = model.init(config, rng)
    for name in ("b", "c", "c2"):
        theta[name][...] = rng.normal(scale=0.1, size=theta[name].shape)
    return Problem(workload, data.rows(N, D, ones), None, dict(theta))


def observed(problem: Problem) -> tuple[Any, Any]:
    """Return which bits are observed, (N, D) bool, and what the others weigh, (N, D)."""
    return subsets.draw(NOISE, np.ones(problem.x.shape, bool), np.float32, subsets.GRADIENTS)


def engine(workload: Workload) -> tuple[Any, Any]:
    """Return the engine's model and its config."""
    _, D, H, _ = workload.size
    return orderless_nade, orderless_nade.Config((2,) * D, (H, H))


def items(workload: Workload) -> tuple[int, str]:
    """Return N rows."""
    return workload.size.N, "rows"


def flops(problem: Problem) -> float:
    """Return the FLOPs of one call.

        u W, h W_2, h V     2 N (2D·H + H² + D·H)    forward
        their weights'      as many again
        what is below       2 N (H² + D·H)           of the input nothing is wanted
        loss                2 N·D sigmoids

    and for a step, 12 a parameter.
    """
    N, D, H, _ = problem.workload.size
    total = 2 * N * (2 * (3 * D * H + H * H) + H * H + D * H) + 2 * nade.SIGMOID * N * D
    if problem.workload.operation == "step":
        total += nade.ADAM * _n_parameters(problem.workload.size)
    return float(total)


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move: parameters, rows, the gradient; Adam's."""
    P = _n_parameters(problem.workload.size)
    extra = nade.ADAM_BYTES if problem.workload.operation == "step" else 0
    return float((2 * nade.FLOAT + extra) * P + problem.workload.size.N * problem.workload.size.D)


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the share of ones in the rows."""
    return {"share_of_ones": float(problem.x.mean())}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `N=100 D=784 H=500, 500, 13% ones`."""
    N, D, H, _ = workload.size
    return f"N={N} D={D} H={H}, {H}, {details['share_of_ones']:.0%} ones"


def title(workload: Workload) -> str:
    """Return as in `OrderlessNADE training gradient`."""
    return f"OrderlessNADE {binary.TITLES[workload.operation]}"


def source() -> str:
    """Return which rows are used."""
    return data.source()


def _n_parameters(size: Size) -> int:
    _, D, H, _ = size
    return 3 * D * H + H * H + D + 2 * H
