"""NADE's workloads: parameters that fit the rows' column means, and the work of each operation.

Useful work counts what an event-driven implementation has to do, the same for every rival, so
that GFLOP/s compare as times do. A rival that also computes what a zero leaves unchanged does
more operations than it is credited with.
"""

from typing import Any

import numpy as np

SIGMOID = 10  # FLOPs we count for one: an exponential (about 8), an addition, a division
ADAM = 12  # FLOPs a parameter, as in chainrule.kernels.adam
ADAM_BYTES = 28  # a parameter: read θ, g, m, v; write θ, m, v
FLOAT = 4


def parameters(size: Any, means: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Return W, V, b, c with b such that, on average, sample i is a one as often as in the data.

    W and V are Glorot-uniform, like an untrained model; b makes up for V·σ(c). So sampling
    meets as many ones as the rows have, which decides how much work it is.
    """
    _, D, H, _ = size
    bound = (6 / (D + H)) ** 0.5
    W, V = rng.uniform(-bound, bound, (2, D, H))
    c = rng.normal(scale=0.1, size=H)
    b = np.log(means / (1 - means)) - V @ (1 / (1 + np.exp(-c)))
    return {"W": W, "V": V, "b": b, "c": c}


def n_parameters(size: Any) -> int:
    """Return 2DH + D + H."""
    return 2 * size.D * size.H + size.D + size.H


def flops(operation: str, size: Any, ones: float) -> float:
    """Return the useful FLOPs of one call; `ones` is the share of ones in the rows.

        logits      2 N·D·H                     s_i = V_i·h_i for every i
        events      ρ N·D·H (1 + SIGMOID)       a += W_i and h = σ(a) after a one only
        first h     N·H SIGMOID
        loss        N·D SIGMOID                 a softplus or a σ for every logit

    and for the gradient, in one sweep,

        dV, dh      4 N·D·H                     dV_i += g_i h, dh += g_i V_i
        events      4 ρ N·D·H                   P += dh h (1 - h), dW_i -= P

    and for a step, 12 a parameter.
    """
    N, D, H, _ = size
    dense, events = N * D * H, ones * N * D * H
    total = 2 * dense + (1 + SIGMOID) * events + SIGMOID * (N * H + N * D)
    if operation in ("grad", "step"):
        total += 4 * dense + 4 * events
    if operation == "step":
        total += ADAM * n_parameters(size)
    return float(total)


def traffic(operation: str, size: Any) -> float:
    """Return the bytes that one call must move if each is moved once.

    Parameters are read; then N·D bytes of rows (sampling: 4 N·D of uniforms in, N·D out); a
    gradient is written; Adam moves 28 bytes a parameter.
    """
    P, cells = n_parameters(size), size.N * size.D
    extra = {"grad": FLOAT * P, "step": (FLOAT + ADAM_BYTES) * P, "sample": FLOAT * cells}
    return float(FLOAT * P + cells + extra.get(operation, 0))
