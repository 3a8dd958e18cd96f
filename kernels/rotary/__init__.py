"""Rotary positions: queries and keys turned by an angle that grows with their position.

Shapes      x: (B, T, n_heads, d), d even, rotated in place. The last two axes contiguous; a token's
            row may be strided (a view into a fused projection).

Forward     Entry i of a head's first half and entry i of its second half are one point in a plane
            ("halves", as in GPT-NeoX), i = 0 … d/2 - 1. At position p = first + t:
            (F1)  θ_i = 10000^(-2i/d),  c = cos pθ_i,  s = sin pθ_i
            (F2)  a' = a c - b s,  b' = a s + b c       with a = x_i, b = x_{i + d/2}

            F2 is a rotation R(pθ). So the product of a rotated query and a rotated key,
            (R(pθ) q)·(R(jθ) k) = q·R((j - p)θ) k, depends on their distance alone: the attention
            that follows knows how far apart two symbols are, and no position has to be learned.

Backward    F2 is linear with an orthogonal matrix: R(pθ)ᵀ = R(-pθ).
            (B1)  da = da' c + db' s,  db = db' c - da' s       undoes F2: F2 with s negated
            So one function serves both directions, +1 and -1, and one after the other is the
            identity.

Cost        6 FLOPs for two numbers; x read and written. The T·d/2 angles are made once.

Source      Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding",
            arXiv:2104.09864, section 3.2.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from typing import Any

import numpy as np

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array

BASE = 10000.0


def rotate(x: Array, first: int, direction: int) -> None:
    """Update x in place by F2 (direction +1) or B1 (-1); x[:, 0] stands at position `first`."""
    select(__name__, x).rotate(x, first, direction)


def angles(first: int, T: int, d: int, dtype: Any) -> tuple[Array, Array]:
    """Return cos pθ_i and sin pθ_i for p = first … first + T - 1, (T, d/2), on the host; F1.

    Found in float64, then rounded: a float32 angle near 4096 would be off by 2e-4.
    """
    theta = BASE ** (-np.arange(d // 2) / (d // 2))  # F1: 2i/d for i below d/2
    angle = np.arange(first, first + T)[:, None] * theta
    return np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)  # F1
