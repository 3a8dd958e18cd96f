"""Linear map, with or without a bias: the matrix products in which a deep model spends its time.

Shapes      x, dx: (N, I)    W, dW: (I, O)    b, db: (O,)    y, dy: (N, O)

Forward     (F1)  y = x W
            (F2)  y = y + b

Backward    Componentwise y_nj = b_j + Σ_i x_ni W_ij, so
            (B1)  dL/db_j  = Σ_n dy_nj              →  db = Σ_n dy_n      undoes F2
            (B2)  dL/dW_ij = Σ_n dy_nj x_ni         →  dW = xᵀ dy         undoes F1
            (B3)  dL/dx_ni = Σ_j dy_nj W_ij         →  dx = dy Wᵀ         undoes F1

Cost        2 N·I·O FLOPs for each of F1, B2, B3: the backward costs twice the forward.

Source      Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication", ACM
            TOMS 34(3): the order of the loops on a CPU, `panels`. On a GPU: cuBLAS.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it. Any array may be the
transpose of one whose rows are contiguous.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array


def product(x: Array, W: Array, y: Array) -> None:
    """Overwrite y by F1."""
    select(__name__, x, W, y).product(x, W, y)


def forward(x: Array, W: Array, b: Array, y: Array) -> None:
    """Overwrite y by F1, F2."""
    select(__name__, x, W, b, y).forward(x, W, b, y)


def product_backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array) -> None:
    """Overwrite dW and dx by B2, B3."""
    select(__name__, dy, x, W, dx, dW).product_backward(dy, x, W, dx, dW)


def backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array, db: Array) -> None:
    """Overwrite db, dW and dx by B1-B3."""
    select(__name__, dy, x, W, dx, dW, db).backward(dy, x, W, dx, dW, db)
