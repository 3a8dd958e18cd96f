"""FVSBN's workloads: parameters that fit the rows' column means, and the work of each operation.

Useful work counts additions for the ones alone and the strict triangle alone, the same for every
rival; a masked dense layer does about 4/ρ times as many operations and gets no credit for them.
"""

from typing import Any

import numpy as np

from bench.cases.nade import ADAM, ADAM_BYTES, FLOAT, SIGMOID


def parameters(size: Any, means: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Return alpha and b with b such that, on average, sample i is a one as often as in the data.

    alpha: (D(D-1)/2,), packed column by column as in chainrule.kernels.triangular.
    """
    D = size.D
    weights = np.tril(rng.normal(scale=0.05, size=(D, D)), -1)
    b = np.log(means / (1 - means)) - weights @ means
    return {"alpha": pack(weights), "b": b}


def pack(weights: Any) -> Any:
    """Return the strict lower triangle of a (D, D) matrix, column by column."""
    return weights.T[np.triu_indices(len(weights), 1)]


def unpack(alpha: Any, D: int) -> Any:
    """Return the (D, D) strictly lower triangular matrix that `pack` packs."""
    weights = np.zeros((D, D), alpha.dtype)
    weights.T[np.triu_indices(D, 1)] = alpha
    return weights


def n_parameters(size: Any) -> int:
    """Return D (D - 1) / 2 + D."""
    return int(size.D * (size.D + 1) // 2)


def flops(operation: str, size: Any, ones: float) -> float:
    """Return the useful FLOPs of one call; `ones` is the share of ones in the rows.

    logits      ρ N·D (D - 1)/2             s_i += α_j^i for every x_j = 1, j < i
    loss        N·D SIGMOID
    gradient    ρ N·D (D - 1)/2 + N·D       dα_j^i += g_i for every x_j = 1, j < i; db
    step        12 a parameter
    """
    N, D = size.N, size.D
    sums = ones * N * D * (D - 1) / 2
    total = sums + SIGMOID * N * D
    if operation in ("grad", "step"):
        total += sums + N * D
    if operation == "step":
        total += ADAM * n_parameters(size)
    return float(total)


def traffic(operation: str, size: Any) -> float:
    """Return the bytes that one call must move if each is moved once; counted as NADE's are."""
    P, cells = n_parameters(size), size.N * size.D
    extra = {"grad": FLOAT * P, "step": (FLOAT + ADAM_BYTES) * P, "sample": FLOAT * cells}
    return float(FLOAT * P + cells + extra.get(operation, 0))
