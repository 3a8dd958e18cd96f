"""Inputs and runs of causal attention for `cases`."""

from typing import Any

import numpy as np

Arrays = dict[str, Any]


def inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return a fused projection of two heads, an upstream gradient, and a cache to decode from.

    Sizes are cut down to what the CPU rig takes in its stride.
    """
    return sized(rng, min(N, 3), max(D, min(H, 130)), 2, min(D, 40))


def sized(rng: np.random.Generator, N: int, T: int, n: int, d: int) -> Arrays:
    """Return the same for N sequences of T positions, n heads of size d."""
    length = rng.integers(0, T + 1, N).astype(np.int32)
    length[0], length[-1] = T, T if N == 1 else 0
    return {
        "qkv": rng.normal(size=(N, T, 3, n, d)),
        "do": rng.normal(size=(N, T, n, d)),
        "cache": rng.normal(size=(N, T, 2, n, d)),
        "length": length,
    }


def run(op: Any, qkv: Any, do: Any, cache: Any, length: Any) -> Arrays:
    """Run both directions on views of the projection, and one decoding step from views."""
    q, k, v = (qkv[:, :, part] for part in range(3))
    o, lse = q * np.nan, (q[..., 0] * np.nan).transpose(0, 2, 1).copy()
    op.forward(q, k, v, o, lse)
    dqkv = qkv * np.nan
    dq, dk, dv = (dqkv[:, :, part] for part in range(3))
    op.backward(do, q, k, v, o, lse, dq, dk, dv)
    decoded = q[:, -1] * np.nan
    op.decode(q[:, -1], cache[:, :, 0], cache[:, :, 1], length, decoded)
    return {"o": o, "lse": lse, "dq": dq, "dk": dk, "dv": dv, "decoded": decoded}
