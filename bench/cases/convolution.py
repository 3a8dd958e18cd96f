"""Masked convolution alone: forward, and forward with backward, from random images and weights.

Rivals multiply a dense kernel by a mask at each call, as one writes it with their convolutions:
`dense`, `mask` and `taps` are between their kernels and ours, which hold what is visible alone.
"""

from typing import Any, NamedTuple

import numpy as np

from bench.cases.nade import FLOAT
from bench.cases.problem import Problem, Workload
from chainrule.kernels.masked_conv import Window, raster

MODELS = ("masked_conv",)
OPERATIONS = {
    "forward": "y = b + Σ_t x_t W_t over visible pixels, as in chainrule.kernels.masked_conv",
    "grad": "forward, then the gradients of W, b and, but for a first layer's (kind A), x",
}
TITLES = {"forward": "forward", "grad": "forward and backward"}
OPTIMIZER: dict[str, float] = {}
SEED = 0


class Size(NamedTuple):
    """N images of R × R pixels, C features to O, a k × k kernel of kind A or B."""

    N: int
    R: int
    C: int
    O: int
    k: int
    kind: str = "B"


SIZES = {
    "3x3": Size(16, 28, 64, 64, 3),
    "1x1": Size(16, 28, 64, 64, 1),
    "7x7": Size(16, 28, 1, 64, 7, "A"),
    "small": Size(2, 7, 6, 5, 3),
    **{f"r{R}": Size(16, R, 64, 64, 3) for R in (8, 16, 28, 32, 64)},
    **{f"c{C}": Size(16, 28, C, C, 3) for C in (8, 16, 32, 64, 128)},
}
SIZES_IN_WORDS = {
    "3x3, 1x1, 7x7": "the main comparison: a PixelCNN's masked, pointwise and first layers",
    "small": "where the cost of a call shows",
    "r*": "growth in the images' side",
    "c*": "growth in features",
}


def window(size: Size) -> Window:
    """Return what an output sees."""
    return raster(size.k, size.kind)


def sizes(model: str, operation: str) -> dict[str, Size]:
    """Return every size."""
    return SIZES


def main(model: str, operation: str) -> tuple[str, ...]:
    """Return the sizes of the main comparison."""
    return ("3x3", "1x1", "7x7")


def build(workload: Workload) -> Problem:
    """Return x, (N, R, R, C), W, (T, C, O), b and an upstream gradient, (N, R, R, O)."""
    N, R, C, O, k, _ = workload.size
    rng = np.random.default_rng([SEED, N, R, C, O, k])
    T = window(workload.size).n_taps
    W = rng.standard_normal((T, C, O), dtype=np.float32) * np.float32((T * C) ** -0.5)
    b = rng.standard_normal(O, dtype=np.float32)
    x, dy = (rng.standard_normal((N, R, R, n), dtype=np.float32) for n in (C, O))
    return Problem(workload, x, None, {"W": W, "b": b}, dy)


def items(workload: Workload) -> tuple[int, str]:
    """Return N·R² pixels."""
    return workload.size.N * workload.size.R**2, "pixels"


def flops(problem: Problem) -> float:
    """Return 2 T C O FLOPs a pixel, T visible taps; a gradient as many of W, and as many of x."""
    w = problem.workload
    products = 1 if w.operation == "forward" else 2 if w.size.kind == "A" else 3
    n_weights = window(w.size).n_taps * w.size.C * w.size.O
    return float(2 * products * n_weights * items(w)[0])


def traffic(problem: Problem) -> float:
    """Return the bytes of x, y and W, and of their gradients, each moved once."""
    w = problem.workload
    numbers = items(w)[0] * (w.size.C + w.size.O) + window(w.size).n_taps * w.size.C * w.size.O
    return float(FLOAT * numbers * (2 if w.operation == "grad" else 1))


def details(problem: Problem, answer: dict[str, Any]) -> dict[str, Any]:
    """Return nothing."""
    return {}


def shape(workload: Workload, details: dict[str, Any]) -> str:
    """Return as in `N=16 R=28 C=64 O=64, 3×3 B`."""
    N, R, C, O, k, kind = workload.size
    return f"N={N} R={R} C={C} O={O}, {k}×{k} {kind}"


def title(workload: Workload) -> str:
    """Return as in `Masked convolution, forward`."""
    return f"Masked convolution, {TITLES[workload.operation]}"


def source() -> str:
    """Return where the numbers come from."""
    return "random numbers for kernels"


def mask(window: Window) -> Any:
    """Return which entries of a dense kernel are visible, (h, w, 1, 1) float32."""
    return dense(np.ones((window.n_taps, 1, 1), np.float32), window)


def dense(W: Any, window: Window) -> Any:
    """Return W, (…, T, C, O), as a kernel with a middle, (…, h, w, C, O), 0 where it is hidden."""
    up = max(-u for u, _ in window.taps())
    side = max(abs(v) for _, v in window.taps())
    out = np.zeros((*W.shape[:-3], 2 * up + 1, 2 * side + 1, *W.shape[-2:]), W.dtype)
    for t, (u, v) in enumerate(window.taps()):
        out[..., up + u, side + v, :, :] = W[..., t, :, :]
    return out


def taps(kernel: Any, window: Window) -> Any:
    """Return the visible entries of a dense kernel, (…, T, C, O): what undoes `dense`."""
    up, side = kernel.shape[-4] // 2, kernel.shape[-3] // 2
    return np.stack([kernel[..., up + u, side + v, :, :] for u, v in window.taps()], -3)
