"""A strictly lower triangular linear map of binary rows: logit i sees x_j for j < i only.

Shapes      x: (N, D) of 0 and 1    s, ds: (N, D)    b: (n_classes, D)    alpha: (D(D-1)/2,)
            y: (N,) classes, 0 … n_classes - 1; (0,) will do where there is one class

            alpha packs the strictly lower triangle of the (D, D) matrix α column by column:
            column j holds α_j^{j+1} … α_j^{D-1} (from x_j to each later logit) and starts at
            offset(j) = j (2D - j - 1) / 2. What must stay zero is not stored, so no optimiser
            can move it, and half of a square matrix is neither read nor updated.

Forward     (F1)  s_i = b_yi + Σ_{j<i} α_j^i x_j

            As columns: s = b_y + Σ_{j: x_j = 1} α_j. A zero costs nothing, a one is a contiguous
            sum of rows j+1 … D-1. A class as a one-hot vector in front of x, whose weights U go to
            every logit, adds U_y to them: with b it is b_y, a bias of each class's own.

Backward    Let g = dL/ds.
            (B1)  dα_j^i = Σ_n g_ni x_nj   for i > j           undoes F1
            (B2)  db_ki  = Σ_{n: y_n = k} g_ni                 undoes F1

            x_j enters F1 at every i > j, and nothing else, so as a function of real x
            (B3)  dx_nj  = Σ_{i>j} g_ni α_j^i                  undoes F1

            B1 and B2 are sums over the ones too: column j of dα is the sum of g[n, j+1:] over
            the rows n with x_nj = 1.

Cost        With η the share of ones, η N D²/2 additions each way, where a masked dense layer
            takes 2 N D² FLOPs; D²/2 parameters read or written. dx takes N D² FLOPs,
            whatever x.

Source      Frey, Hinton and Dayan 1996, "Does the wake-sleep algorithm produce good density
            estimators?", NIPS 8, as in `chainrule.engine.models.fvsbn`.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Bits, Ids


def offset(j: int, D: int) -> int:
    """Return where column j starts in `alpha`."""
    return j * (2 * D - j - 1) // 2


def forward(x: Bits, alpha: Array, b: Array, y: Ids, s: Array) -> None:
    """Overwrite s, (N, D), with the logits b_y + α x."""
    select(__name__, x, alpha, b, y, s).forward(x, alpha, b, y, s)


def backward(ds: Array, x: Bits, y: Ids, dalpha: Array, db: Array) -> None:
    """Overwrite dalpha and db, shaped like alpha and b, given ds = dL/ds, shape (N, D)."""
    select(__name__, ds, x, y, dalpha, db).backward(ds, x, y, dalpha, db)


def input_gradient(ds: Array, alpha: Array, dx: Array) -> None:
    """Overwrite dx, (N, D), with Σ_i ds_i ∂s_i/∂x_j, for real x as for bits, by B3."""
    select(__name__, ds, alpha, dx).input_gradient(ds, alpha, dx)


def sample(u: Array, alpha: Array, b: Array, y: Ids, x: Bits) -> None:
    """Update x, (N, D): where u_i ≥ 0, x_i = 1 if u_i < σ(s_i), else 0; kept where u_i < 0.

    s_i is given the x_<i, drawn or kept. u: (N, D), uniform in [0, 1) or negative, of alpha's
    dtype.
    """
    select(__name__, u, alpha, b, y, x).sample(u, alpha, b, y, x)
