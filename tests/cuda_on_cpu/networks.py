"""The linear map and layers of it as cases: what `cases` needs of them."""

from typing import Any

import numpy as np

from chainrule.kernels import activation
from chainrule.kernels.dense import NONE

Arrays = dict[str, Any]


def linear_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return rows of D, weights to H outputs, a bias and an upstream gradient."""
    shapes = {"x": (N, D), "W": (D, H), "b": (H,), "dy": (N, H)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def linear(op: Any, x: Any, W: Any, b: Any, dy: Any) -> Arrays:
    """Run everything, forward with a transpose too."""
    outputs = {"y": dy * np.nan, "by Vᵀ": dy * np.nan, "dx": x * np.nan, "dW": W * np.nan}
    outputs["db"] = b * np.nan
    op.forward(x, W, b, outputs["y"])
    op.product(x, W.T.copy().T, outputs["by Vᵀ"])
    op.backward(dy, x, W, outputs["dx"], outputs["dW"], outputs["db"])
    return outputs


def dense_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return rows of D, weights to two layers of H and to D outputs, biases, a gradient."""
    shapes = {"x": (N, D), "W_1": (D, H), "W_2": (H, H), "V": (D, H), "last": (N, D)}
    biases = {"c_1": (N, H), "c_2": (1, H), "b": (1, D)}
    return {name: rng.normal(size=shape) for name, shape in (shapes | biases).items()}


def dense(
    op: Any, x: Any, W_1: Any, W_2: Any, V: Any, last: Any, c_1: Any, c_2: Any, b: Any
) -> Arrays:
    """Run forward, and back without the first bias, which differs from row to row."""
    kinds, W = (activation.TANH, activation.SIGMOID, NONE), (W_1, W_2, V.T)
    h = tuple(a * np.nan for a in (c_1, c_1, last))
    dh, dV = (*(a * np.nan for a in (c_1, c_1)), last.copy()), V * np.nan
    dW = (W_1 * np.nan, W_2 * np.nan, dV.T)
    dc = (c_1[:0], c_2 * np.nan, b * np.nan)
    op.forward(kinds, x, W, (c_1, c_2, b), h)
    op.backward(kinds, x, W, h, dh, dW, dc)
    names = "h_1 h_2 s da_1 da_2 ds dW_1 dW_2 dV dc_2 db".split()
    return dict(zip(names, (*h, *dh, *dW[:2], dV, *dc[1:]), strict=True))
