"""Recurrent layers and models: one LSTM, GRU or tanh layer's training, sampling from an LSTM."""

from typing import Any, NamedTuple

import numpy as np

from bench.cases import text
from bench.cases.nade import FLOAT, SIGMOID
from bench.cases.problem import Problem, Workload
from chainrule.engine import models

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
ACTIVATIONS = {"lstm": 5, "gru": 3, "rnn": 1}  # σ and tanh, a unit and step
MODELS = tuple(GATES)
OPERATIONS = {
    "grad": "one layer forward, then back: gradients of its input, both matrices and the bias",
    "sample": "T symbols for each of B rows from a model of one layer (lstm alone)",
}
OPTIMIZER: dict[str, float] = {}
SEED = 0


class Size(NamedTuple):
    """B sequences of T steps, I inputs, H units; for a model, I is its alphabet."""

    B: int
    T: int
    I: int
    H: int


LAYER = {
    "layer": Size(32, 64, 256, 256),
    "small": Size(3, 9, 32, 32),
}
SAMPLING = {
    "b1": Size(1, 256, text.V, 256),
    "b64": Size(64, 256, text.V, 256),
    "small": Size(3, 24, text.V, 32),
}
SIZES_IN_WORDS = {
    "layer": "the main comparison",
    "small": "where the cost of a call shows",
    "b*": "sampling 256 symbols, one row and 64 (main)",
}


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return the sizes of a layer's training, or of sampling, for which LSTM stands."""
    if operation == "sample":
        return SAMPLING if model == "lstm" else {}
    return LAYER


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("b1", "b64") if operation == "sample" else ("layer",)


def engine(workload: Workload) -> tuple[Any, Any]:
    """Return the engine's model and its config, for sampling."""
    model = models.get("rnn")
    return model, model.Config(workload.size.I, workload.size.H, cell=workload.model)


def build(workload: Workload) -> Problem:
    """Return the problem: matrices uniform in ±1/√H, as PyTorch's layers draw them."""
    rng = np.random.default_rng([SEED, *workload.size, GATES[workload.model]])
    return _model(workload, rng) if workload.operation == "sample" else _layer(workload, rng)


def _layer(workload: Workload, rng: np.random.Generator) -> Problem:
    """Return inputs and an upstream gradient, time-major, and the layer's parameters.

    x: (T, B, I)   dy: (T, B, H)   W_ih: (I, G H)   W_hh: (H, G H)   b: (G H,), both of PyTorch's
    biases in one; GRU's b_n: (H,) is the one inside the reset gate's reach.
    """
    B, T, I, H = workload.size
    width, bound = GATES[workload.model] * H, H**-0.5
    shapes = {"W_ih": (I, width), "W_hh": (H, width), "b": (width,)}
    if workload.model == "gru":
        shapes["b_n"] = (H,)
    theta = {k: rng.uniform(-bound, bound, s).astype(np.float32) for k, s in shapes.items()}
    x = rng.standard_normal((T, B, I), dtype=np.float32)
    return Problem(workload, x, None, theta, rng.standard_normal((T, B, H), dtype=np.float32))


def _model(workload: Workload, rng: np.random.Generator) -> Problem:
    """Return the parameters of a model of symbols and the uniforms that it draws from."""
    model, config = engine(workload)
    B, T, _, H = workload.size
    theta = {name: value for name, value in model.init(config, rng).items() if value.size}
    for name in ("b_0", "c_0", "b_y"):
        theta[name] = rng.uniform(-(H**-0.5), H**-0.5, theta[name].shape).astype(np.float32)
    return Problem(workload, None, rng.random((B, T), dtype=np.float32), theta)


def items(workload: Workload) -> tuple[int, str]:
    """Return B·T tokens."""
    return workload.size.B * workload.size.T, "tokens"


def flops(problem: Problem) -> float:
    """Return the useful FLOPs of one call.

    A layer: 2 G H (I + H) a token for the products and its activations, three times that with the
    gradient. A model's first layer looks its input up: 2 G H² and 2 H V for the logits.
    """
    w = problem.workload
    B, T, I, H = w.size
    width, active = GATES[w.model] * H, SIGMOID * ACTIVATIONS[w.model] * H
    if w.operation == "sample":
        return float(B * T * (2 * width * H + 2 * H * I + active + SIGMOID * I))
    return float(3 * B * T * (2 * width * (I + H) + active))


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move if each is moved once.

    A layer: x, dx, y, dy, the parameters and their gradients. A model: the parameters anew for
    every symbol of a row, since the next step cannot begin before it is drawn.
    """
    w = problem.workload
    B, T, I, H = w.size
    P = sum(value.size for value in problem.theta.values())
    if w.operation == "sample":
        return float(FLOAT * (T * P + 2 * B * T))
    return float(2 * FLOAT * (B * T * (I + H) + P))


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return nothing."""
    return {}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `B=32 T=64 I=256 H=256`."""
    return " ".join(f"{k}={v}" for k, v in workload.size._asdict().items())


def title(workload: Workload) -> str:
    """Return as in `LSTM layer, forward and backward`."""
    name = "tanh RNN" if workload.model == "rnn" else workload.model.upper()
    sampling = workload.operation == "sample"
    return f"{name} sampling" if sampling else f"{name} layer, forward and backward"


def source() -> str:
    """Return where the numbers come from."""
    return "random numbers for kernels"
