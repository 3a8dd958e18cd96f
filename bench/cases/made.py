"""MADE's workloads: one hidden layer of ReLU, parameters that fit the rows' column means.

Useful work counts what the masks let through, half of the weights, and of the first layer what a
one meets. A rival that multiplies the whole matrices does more operations than it is credited with.
"""

from typing import Any

import numpy as np

from bench.cases.nade import ADAM, ADAM_BYTES, FLOAT, SIGMOID
from chainrule.engine.models import made


def config(size: Any) -> made.Config:
    """Return the engine's config."""
    return made.Config((2,) * size.D, (size.H,))


def masks(size: Any) -> tuple[Any, Any]:
    """Return the masks of W, (D, H), and V, (H, D), of zeros and ones."""
    W, V, _ = config(size).network.mask_arrays(0)
    return W.astype(np.float32), V.astype(np.float32)


def parameters(size: Any, means: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Return W, V, c, b with b such that sample i is about as often a one as in the data.

    W and V are Glorot-uniform, like an untrained model, and 0 under the masks; b makes up for what
    the units say of a row of means.
    """
    bound = (6 / (size.D + size.H)) ** 0.5
    W, V = (
        mask * rng.uniform(-bound, bound, mask.shape).astype(np.float32) for mask in masks(size)
    )
    c = rng.normal(scale=0.1, size=size.H)
    b = np.log(means / (1 - means)) - np.maximum(means @ W + c, 0) @ V
    return {"W": W, "V": V, "c": c, "b": b}


def flops(operation: str, size: Any, ones: float) -> float:
    """Return the useful FLOPs of one call; `ones` is the share of ones in the rows.

        hidden      ρ N·D·H / 2                 half a row of W for each one
        logits      2 N·D·H / 2                 V's visible half
        loss        N·D SIGMOID                 a softplus or a σ for every logit

    and for the gradient dV and dh, twice the logits' work, and dW, the hidden units' again; for a
    step 12 a parameter.
    """
    N, D, H, _ = size
    half = N * D * H / 2
    total = (ones + 2) * half + SIGMOID * N * D
    if operation in ("grad", "step"):
        total += (ones + 4) * half
    if operation == "step":
        total += ADAM * n_parameters(size)
    return float(total)


def n_parameters(size: Any) -> int:
    """Return 2DH + D + H, with those under the masks."""
    return 2 * size.D * size.H + size.D + size.H


def traffic(operation: str, size: Any) -> float:
    """Return the bytes that one call must move if each is moved once: see `nade.traffic`."""
    P, cells = n_parameters(size), size.N * size.D
    extra = {"grad": FLOAT * P, "step": (FLOAT + ADAM_BYTES) * P, "sample": FLOAT * cells}
    return float(FLOAT * P / 2 + cells + extra.get(operation, 0))
