"""Embedding: each symbol's row of a table.

Shapes      ids: (N,) int32, 0 … V-1    W, dW: (V, C)    x, dx: (N, C)

Forward     (F1)  x_n = W_{ids_n}

            The same as O W with O the (N, V) matrix of one-hot rows, without its N·V·C products by
            0 and 1.

Backward    dW = Oᵀ dx (the backward of a matrix product): row i of dW gathers the gradients of all
            places where symbol i stood.
            (B1)  dW_i += Σ_{n: ids_n = i} dx_n               undoes F1
            A scatter: several n may hit one row, so it must be a sum and, on parallel hardware, an
            ordered one. It adds, since with tied weights dW already holds the output layer's part.

Cost        N·C numbers read and written, N·C additions backward. No dependence on V.

Source      Bengio et al. 2003, "A Neural Probabilistic Language Model", JMLR 3, section 2 (the
            matrix C there).

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


def forward(ids: Ids, W: Array, x: Array) -> None:
    """Overwrite x by the rows of W that ids name; F1."""
    select(__name__, ids, W, x).forward(ids, W, x)


def backward(dx: Array, ids: Ids, dW: Array) -> None:
    """Update dW by adding dx_n to row ids_n, for every n; B1."""
    select(__name__, dx, ids, dW).backward(dx, ids, dW)
