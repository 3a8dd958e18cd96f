"""PixelCNN's workloads, plain and gated, and PixelRNN's, by rows and diagonals, on binarized MNIST.

Useful work counts what masks let through; a rival that multiplies whole kernels does more than it
is credited with. A sample is worth one pass: whoever recomputes all pixels for each does more.
Parts of a sample, its first pixels alone, tell what a pixel costs when many have been drawn.
"""

from typing import Any, NamedTuple

import numpy as np

from bench.cases import binary, data
from bench.cases.nade import ADAM, ADAM_BYTES, FLOAT, SIGMOID
from bench.cases.problem import Problem, Workload
from chainrule.engine.models import pixel_cnn, pixel_rnn

TITLES_OF_MODELS = {
    "pixel_cnn": "PixelCNN",
    "gated_pixel_cnn": "Gated PixelCNN",
    "row_lstm": "Row LSTM",
    "diagonal_lstm": "Diagonal BiLSTM",
}
MODELS = tuple(TITLES_OF_MODELS)
OPERATIONS = {
    "grad": "training gradient: mean negative log-likelihood of a minibatch and its gradient",
    "step": "training step: the gradient, then Adam on every parameter",
    "log_prob": "log-likelihood of each image",
    "sample": "N images pixel by pixel; of PyTorch and JAX one pass of a pixel is timed, times R²",
}
TITLES = binary.TITLES
OPTIMIZER = binary.OPTIMIZER


class Size(NamedTuple):
    """N images of R × R bits; L layers after the first, of F features or hidden units.

    The stream of a plain PixelCNN and of a PixelRNN has 2F features.
    """

    N: int
    R: int
    L: int
    F: int


class Part(NamedTuple):
    """The same, of which the first pixels alone are drawn, that many of R²."""

    N: int
    R: int
    L: int
    F: int
    drawn: int


PLAIN = {
    "mnist": Size(16, 28, 6, 64),
    "small": Size(3, 8, 2, 8),
    **{f"r{R}": Size(16, R, 6, 64) for R in (16, 28, 32, 64)},
    **{f"f{F}": Size(16, 28, 6, F) for F in (16, 32, 64, 128)},
}
GATED = {
    "mnist": Size(16, 28, 6, 32),
    "small": Size(3, 8, 2, 8),
    **{f"r{R}": Size(16, R, 6, 32) for R in (16, 28, 32, 64)},
    **{f"f{F}": Size(16, 28, 6, F) for F in (16, 32, 64)},
}
RECURRENT = {
    "mnist": Size(16, 28, 7, 16),
    "small": Size(3, 8, 2, 8),
    "h32": Size(16, 28, 7, 32),
    **{f"r{R}": Size(16, R, 7, 16) for R in (16, 28, 32, 64)},
}
SIZES = {
    "pixel_cnn": PLAIN,
    "gated_pixel_cnn": GATED,
    "row_lstm": RECURRENT,
    "diagonal_lstm": RECURRENT,
}
SIZES_IN_WORDS = {
    "mnist": "the main comparison: 7 × 7 A, then six layers of 3 × 3 B or seven of LSTM",
    "h32": "LSTMs of twice as many units",
    "small": "where the cost of a call shows",
    "p*": "an image's first pixels alone, by quarters: does a pixel cost more the later it comes?",
    "r*": "growth in the images' side",
    "f*": "growth in features",
}
EVEN = "it takes a pass for each pixel, which costs as much for the first as for the last"


def sizes(model: str, operation: str) -> dict[str, Size | Part]:
    """Return every size; of sampling, whose cost by a pass a pixel grows so much, two and parts."""
    every = SIZES[model]
    if operation != "sample":
        return {**every}
    quarter = every["mnist"].R ** 2 // 4
    parts = {f"p{n}": Part(*every["mnist"], n) for n in range(quarter, 4 * quarter + 1, quarter)}
    return {"mnist": every["mnist"], "small": every["small"], **parts}


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("mnist",)


def engine(workload: Workload) -> tuple[Any, Any]:
    """Return the engine's model and its config."""
    _, R, L, F, *_ = workload.size
    if workload.model.endswith("_lstm"):
        cell = workload.model.removesuffix("_lstm")
        return pixel_rnn, pixel_rnn.Config(R, R, n_hidden=F, n_layers=L, cell=cell)
    gated = workload.model == "gated_pixel_cnn"
    return pixel_cnn, pixel_cnn.Config(R, R, n_features=F, n_layers=L, gated=gated)


def build(workload: Workload) -> Problem:
    """Return images, uniforms, and an untrained model's parameters, its biases not zero.

    The uniforms are shaped as the images; of a part they are (N, drawn), the first of those.
    """
    N, R, L, F, *part = workload.size
    model, config = engine(workload)
    rng = np.random.default_rng([data.SEED, N, R, L, F])
    theta = {}
    for name, value in model.init(config, rng).items():
        if value.size:
            noise = rng.normal(0, 0.05, value.shape) if name not in model.WEIGHTS else 0
            theta[name] = (value + noise).astype(np.float32)
    shape = (N, *config.event.shape)
    u = rng.random(shape, dtype=np.float32)
    if part:
        u = np.ascontiguousarray(u.reshape(N, -1)[:, : part[0]])
    return Problem(workload, data.rows(N, R * R).reshape(shape), u, theta)


def items(workload: Workload) -> tuple[int, str]:
    """Return N images, or the pixels of a part."""
    if isinstance(workload.size, Part):
        return n_pixels(workload), "pixels"
    return workload.size.N, "images"


def n_pixels(workload: Workload) -> int:
    """Return how many pixels of all images are handled."""
    N, R, _, _, *part = workload.size
    return int(N * (part[0] if part else R**2))


def flops(problem: Problem) -> float:
    """Return the useful FLOPs of one call.

        products    2 W                 a pixel, W the weights that are not hidden, edges and all
        gates       2 F SIGMOID         a pixel and gate, of which a gated layer has two
        cells       5 F SIGMOID         a pixel and cell, of which a diagonal layer has two
        loss        SIGMOID             a pixel

    the gradient adds twice the products but for dx of the first layer, and the gates again; a step
    12 a parameter.
    """
    w = problem.workload
    model, _ = engine(w)
    weights = {k: a.size for k, a in problem.theta.items() if k in model.WEIGHTS}
    pixels = n_pixels(w)
    a_layer = {"gated_pixel_cnn": 4, "row_lstm": 5, "diagonal_lstm": 10}.get(w.model, 0)
    n_layers = w.size.L + (w.model == "gated_pixel_cnn")  # whose first one is gated too
    gates = a_layer * w.size.F * SIGMOID * n_layers
    total = 2 * sum(weights.values()) + gates + SIGMOID
    if w.operation in ("grad", "step"):
        first = sum(n for k, n in weights.items() if k.startswith("W_x"))
        total += 4 * sum(weights.values()) - 2 * first + gates
    return float(pixels * total + (ADAM * n_parameters(problem) if w.operation == "step" else 0))


def traffic(problem: Problem) -> float:
    """Return the bytes that one call must move if each is moved once; activations need not move.

    Sampling reads the parameters anew for every pixel: its pass cannot begin before it is drawn.
    """
    w, P = problem.workload, n_parameters(problem)
    pixels = n_pixels(w)
    if w.operation == "sample":
        return float(FLOAT * P * pixels / w.size.N + (FLOAT + 1) * pixels)
    extra = {"grad": FLOAT * P, "step": (FLOAT + ADAM_BYTES) * P}
    return float(FLOAT * P + pixels + extra.get(w.operation, 0))


def n_parameters(problem: Problem) -> int:
    """Return how many numbers the model has."""
    return sum(value.size for value in problem.theta.values())


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the number of parameters."""
    return {"n_parameters": n_parameters(problem)}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `N=16 R=28 L=6 F=64`."""
    return " ".join(f"{k}={v}" for k, v in workload.size._asdict().items())


def title(workload: Workload) -> str:
    """Return as in `Gated PixelCNN training step with Adam`."""
    return f"{TITLES_OF_MODELS[workload.model]} {TITLES[workload.operation]}"


def source() -> str:
    """Return which images are used."""
    return data.source()
