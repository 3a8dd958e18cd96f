"""Causal attention alone: forward, and forward with backward, from random queries, keys, values."""

from typing import Any, NamedTuple

import numpy as np

from bench.cases.nade import FLOAT
from bench.cases.problem import Problem, Workload
from bench.cases.transformer import EXP, TOKENS

MODELS = ("causal_attention",)
OPERATIONS = {
    "forward": "o = softmax(q kᵀ / √d, masked) v, as in chainrule.kernels.causal_attention",
    "grad": "forward, then the gradients of q, k and v from an upstream gradient",
}
TITLES = {"forward": "forward", "grad": "forward and backward"}
OPTIMIZER: dict[str, float] = {}
SEED = 0


class Size(NamedTuple):
    """B sequences of T positions, n heads of size d."""

    B: int
    T: int
    n: int
    d: int


SIZES = {
    "short": Size(12, 64, 4, 32),
    "medium": Size(8, 256, 6, 64),
    "long": Size(1, 784, 8, 64),
    "small": Size(2, 33, 2, 32),
    **{f"t{T}": Size(TOKENS // T, T, 4, 32) for T in (64, 128, 256, 512, 1024, 2048, 4096)},
}
SIZES_IN_WORDS = {
    "short, medium, long": "the main comparison",
    "small": "where the cost of a call shows",
    "t*": f"growth in length, {TOKENS} positions in all",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return every size."""
    return SIZES


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("short", "medium", "long")


def build(workload: Workload) -> Problem:
    """Return q, k, v and an upstream gradient, (B, T, n, d), standard normal."""
    rng = np.random.default_rng([SEED, *workload.size])
    q, k, v, dy = rng.standard_normal((4, *workload.size), dtype=np.float32)
    return Problem(workload, None, None, {"q": q, "k": k, "v": v}, dy)


def items(workload: Workload) -> tuple[int, str]:
    """Return B·T tokens."""
    return workload.size.B * workload.size.T, "tokens"


def flops(problem: Problem) -> float:
    """Return 4d FLOPs and an exponential a pair (t, j ≤ t), and 10d and one more for a gradient."""
    w = problem.workload
    B, T, n, d = w.size
    pairs = B * n * T * (T + 1) / 2
    return float(pairs * (4 * d + EXP + (10 * d + EXP if w.operation == "grad" else 0)))


def traffic(problem: Problem) -> float:
    """Return the bytes of q, k, v, o, and of do, dq, dk, dv for a gradient, each moved once."""
    w = problem.workload
    arrays = 8 if w.operation == "grad" else 4
    return float(arrays * FLOAT * np.prod(w.size))


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return nothing."""
    return {}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `B=12 T=64 n=4 d=32`."""
    return " ".join(f"{k}={v}" for k, v in workload.size._asdict().items())


def title(workload: Workload) -> str:
    """Return as in `Causal attention, forward`."""
    return f"Causal attention, {TITLES[workload.operation]}"


def source() -> str:
    """Return where the numbers come from."""
    return "random numbers for kernels"
