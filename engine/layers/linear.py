"""Linear map, with or without a bias: the matrix products in which a deep model spends its time.

Shapes      x, dx: (N, I)    W, dW: (I, O)    b, db: (O,)    y, dy: (N, O)

Forward     (F1)  y = x W
            (F2)  y = y + b

Backward    Componentwise y_nj = b_j + Σ_i x_ni W_ij, so
            (B1)  dL/db_j  = Σ_n dy_nj              →  db = Σ_n dy_n      undoes F2
            (B2)  dL/dW_ij = Σ_n dy_nj x_ni         →  dW = xᵀ dy         undoes F1
            (B3)  dL/dx_ni = Σ_j dy_nj W_ij         →  dx = dy Wᵀ         undoes F1

Cost        2 N·I·O FLOPs for each of F1, B2, B3: the backward costs twice the forward.

Threads     A product is split over threads where it is large and no slice of a minibatch is being
            worked on already: one long sequence is such a minibatch. Each thread makes some rows of
            the output, or columns where there are more of them, since it lays out the whole of the
            other factor for itself: of 100 rows and 1,568 · 500 weights a product takes 0.74 ms by
            columns and 0.85 by rows.
"""

from chainrule.kernels import threads
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

THREAD_WORK = 8_000_000  # multiply-adds worth a thread: about 0.2 ms


def product(x: Array, W: Array, y: Array) -> None:
    """Overwrite y by F1."""
    xp, wide = array_module(x), y.shape[1] > y.shape[0]

    def some(lo: int, hi: int) -> None:
        if wide:
            xp.matmul(x, W[:, lo:hi], out=y[:, lo:hi])  # F1
        else:
            xp.matmul(x[lo:hi], W, out=y[lo:hi])  # F1

    if on_device(y):
        xp.matmul(x, W, out=y)  # F1
    else:
        work = min(y.shape) * x.shape[1]  # of a row or column
        threads.map_rows(some, max(y.shape), 1 + THREAD_WORK // max(1, work))


def forward(x: Array, W: Array, b: Array, y: Array) -> None:
    """Overwrite y by F1, F2."""
    product(x, W, y)
    y += b  # F2


def product_backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array) -> None:
    """Overwrite dW and dx by B2, B3."""
    product(x.T, dy, dW)  # B2
    product(dy, W.T, dx)  # B3


def backward(dy: Array, x: Array, W: Array, dx: Array, dW: Array, db: Array) -> None:
    """Overwrite db, dW and dx by B1-B3."""
    dy.sum(axis=0, out=db)  # B1
    product_backward(dy, x, W, dx, dW)
