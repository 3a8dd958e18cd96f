"""The Transformer's workloads: its training step, its likelihood, and sampling with a cache.

Useful work counts what causal attention has to do, pairs (t, j ≤ t) alone, the same for every
rival; one that computes the masked half as well gets no credit for it.
"""

from typing import Any, NamedTuple

import numpy as np

from bench.cases import text
from bench.cases.nade import ADAM, ADAM_BYTES, FLOAT, SIGMOID
from bench.cases.problem import Problem, Workload
from chainrule.engine import models

MODELS = ("transformer",)

OPERATIONS = {
    "step": "training step: the gradient of nats a symbol, then AdamW, decay on matrices alone",
    "grad": "training gradient: mean negative log-likelihood of a minibatch and its gradient",
    "log_prob": "log-likelihood of each sequence",
    "sample": "T symbols for each of B rows, one after the other, with a key-value cache",
}
TITLES = {
    "step": "training step with AdamW",
    "grad": "training gradient",
    "log_prob": "log-likelihood",
    "sample": "sampling",
}
OPTIMIZER = {"lr": 1e-4, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1}
EXP = 8  # FLOPs we count for one


class Size(NamedTuple):
    """B sequences of T symbols; L layers of n heads, C wide; an alphabet of V."""

    B: int
    T: int
    L: int
    n: int
    C: int
    V: int = text.V


TOKENS = 4096  # of a minibatch, whatever the context length
TRAINING = {
    "chars": Size(12, 64, 4, 4, 128),
    "small": Size(4, 16, 2, 2, 64),
    **{f"t{T}": Size(TOKENS // T, T, 4, 4, 128) for T in (64, 128, 256, 512, 1024, 2048, 4096)},
    **{f"w{C}": Size(12, 64, 4, C // 32, C) for C in (64, 128, 256, 512)},
}
SAMPLING = {
    "b1": Size(1, 256, 4, 4, 128),
    "b64": Size(64, 256, 4, 4, 128),
    "small": Size(3, 24, 2, 2, 64),
}
SIZES_IN_WORDS = {
    "chars": "the main comparison: 4 layers of 4 heads, 128 wide, on characters",
    "small": "where the cost of a call shows",
    "t*": f"growth in context length, {TOKENS} tokens a minibatch",
    "w*": "growth in width, heads of 32",
    "b*": "sampling 256 symbols, one row and 64 (main)",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return the sizes of sampling, or of the rest."""
    return SAMPLING if operation == "sample" else TRAINING


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("b1", "b64") if operation == "sample" else ("chars",)


def engine(workload: Workload) -> tuple[Any, Any]:
    """Return the engine's model and its config."""
    _, T, L, n, C, V = workload.size
    model = models.get("transformer")
    return model, model.Config(n_symbols=V, context=T, n_layers=L, n_heads=n, n_embd=C)


def build(workload: Workload) -> Problem:
    """Return symbols, uniforms and the parameters of an untrained model, its biases not zero."""
    model, config = engine(workload)
    size = workload.size
    rng = np.random.default_rng([text.SEED, *size])
    theta = {}
    for name, value in model.init(config, rng).items():
        if value.size:
            noise = rng.normal(0, 0.02, value.shape) if name not in model.WEIGHTS else 0
            theta[name] = (value + noise).astype(np.float32)
    u = rng.random((size.B, size.T), dtype=np.float32)
    return Problem(workload, text.windows(size.B, size.T), u, theta)


def items(workload: Workload) -> tuple[int, str]:
    """Return B·T tokens."""
    return workload.size.B * workload.size.T, "tokens"


def flops(problem: Problem) -> float:
    """Return the useful FLOPs of one call.

        products    2 (12 C² L + C V)                    a token: four matrices a block, the logits
        attention   (4 C + EXP n) L                      a pair (t, j ≤ t)
        the rest    4 C L SIGMOID + V EXP + 8 C (2L + 1) a token: GELU, softmax, LayerNorm

    the gradient adds twice the products, (10 C + EXP n) L a pair and about twice the rest; a
    step 12 a parameter.
    """
    w = problem.workload
    B, T, L, n, C, V = w.size
    tokens, pairs = B * T, B * T * (T + 1) / 2
    products = tokens * 2 * (12 * C * C * L + C * V)
    rest = tokens * (4 * C * L * SIGMOID + V * EXP + 8 * C * (2 * L + 1))
    total = products + pairs * (4 * C + EXP * n) * L + rest
    if w.operation in ("grad", "step"):
        total += 2 * products + pairs * (10 * C + EXP * n) * L + 2 * rest
    if w.operation == "step":
        total += ADAM * n_parameters(problem)
    return float(total)


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move if each is moved once; activations need not move.

    Parameters are read; a gradient is written; Adam moves 28 bytes a parameter; 4 bytes a symbol
    in or out, and sampling reads a uniform for each. Sampling reads the parameters anew for every
    symbol of a row: the next pass cannot begin before it is drawn.
    """
    w, P = problem.workload, n_parameters(problem)
    tokens = w.size.B * w.size.T
    if w.operation == "sample":
        return float(FLOAT * P * w.size.T + 2 * FLOAT * tokens)
    extra = {"grad": FLOAT * P, "step": (FLOAT + ADAM_BYTES) * P}
    return float(FLOAT * P + FLOAT * tokens + extra.get(w.operation, 0))


def n_parameters(problem: Problem) -> int:
    """Return how many numbers the model has."""
    return sum(value.size for value in problem.theta.values())


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the number of parameters."""
    return {"n_parameters": n_parameters(problem)}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `B=12 T=64 L=4 n=4 C=128`."""
    return " ".join(f"{k}={v}" for k, v in workload.size._asdict().items() if k != "V")


def title(workload: Workload) -> str:
    """Return as in `Transformer training step with AdamW`."""
    return f"Transformer {TITLES[workload.operation]}"


def source() -> str:
    """Return which symbols are used."""
    return text.source()
