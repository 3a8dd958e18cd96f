"""Layer normalisation: each row made mean 0 and variance 1, then scaled and shifted by column.

Shapes      x, y, dx, dy: (N, C)    g, b, dg, db: (C,)    mean, rstd: (N,)

Forward     For each row n, over its C columns:
            (F1)  m = (1/C) Σ_j x_j
            (F2)  v = (1/C) Σ_j (x_j - m)²,  r = 1 / √(v + ε),  ε = 1e-5
            (F3)  x̂_j = (x_j - m) r
            (F4)  y_j = g_j x̂_j + b_j
            Only m and r are kept; x̂ is one subtraction and one product away from x.

Backward    (B1)  db_j = Σ_n dy_nj                            undoes F4
            (B2)  dg_j = Σ_n dy_nj x̂_nj                       undoes F4
            (B3)  dx̂_j = dy_j g_j                             undoes F4

            Every x̂_j depends on every x_i of its row, directly (F3), through m and through r:
                ∂m/∂x_i = 1/C                                                             from F1
                ∂v/∂x_i = (2/C) Σ_j (x_j - m)([i = j] - 1/C) = (2/C)(x_i - m)             from F2
                    since the deviations Σ_j (x_j - m) are 0: m moves v not at all
                ∂r/∂x_i = -½ (v + ε)^(-3/2) ∂v/∂x_i = -(r³/C)(x_i - m) = -(r²/C) x̂_i
                ∂x̂_j/∂x_i = ([i = j] - 1/C) r + (x_j - m) ∂r/∂x_i                         from F3
                          = r ([i = j] - 1/C - x̂_i x̂_j / C)
            and dL/dx_i = Σ_j dx̂_j ∂x̂_j/∂x_i, so with p = (1/C) Σ_j dx̂_j and
            q = (1/C) Σ_j dx̂_j x̂_j
            (B4)  dx_i += r (dx̂_i - p - x̂_i q)                 undoes F3, F2, F1

            B4 removes from dx̂ its mean and its part along x̂, the two directions in which moving
            x does not move x̂ (but for ε). It adds, since before a Transformer's block x is read
            twice, by the normalisation and by the residual connection: dx holds the latter's part.

Cost        About 8 N·C FLOPs forward, 14 N·C backward; x read and y written, backward x, dy, dx
            read and dx written. Bound by memory.

Source      Ba, Kiros and Hinton 2016, "Layer Normalization", arXiv:1607.06450.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array

EPS = 1e-5  # keeps a constant row finite


def forward(x: Array, g: Array, b: Array, y: Array, mean: Array, rstd: Array) -> None:
    """Overwrite y, mean and rstd = r by F1-F4."""
    select(__name__, x, g, b, y, mean, rstd).forward(x, g, b, y, mean, rstd)


def backward(
    dy: Array, x: Array, g: Array, mean: Array, rstd: Array, dx: Array, dg: Array, db: Array
) -> None:
    """Overwrite dg and db, and add into dx, by B1-B4; dx holds the gradient of x's other uses."""
    op = select(__name__, dy, x, g, mean, rstd, dx, dg, db)
    op.backward(dy, x, g, mean, rstd, dx, dg, db)
