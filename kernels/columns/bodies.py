"""One variable of a row, or of a block of rows, for the sweeps of compiled callers.

    s           2-D: the outputs of variable i lie in s[m, o : o + n_i]. In whole rows o is first_i;
                in a block that holds one variable's outputs alone, 0
    x           x[n, i] is its value; of the block functions, of rows n, n + 1, … beside m = 0, 1, …
    work, w     layout.work numbers of s's dtype; of float64

Nothing is allocated. A block's losses and gradients are worked out in batches, whose rows lie side
by side in `work`: see `chainrule.kernels.batches`.
"""

from typing import Any

import numpy as np

from chainrule.kernels.batches import BATCH, NLL, RATE, X
from chainrule.kernels.bernoulli import batch as bits
from chainrule.kernels.categorical.cpu import invert, weigh
from chainrule.kernels.columns import BIT, REAL, Layout, atoms
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT
from chainrule.kernels.mixture import batch as mixtures
from chainrule.kernels.softmax_cross_entropy import batch as categories
from chainrule.kernels.types import Array, Table


@njit(**INLINE, **BORROWS)
def input_gradient(layout: Layout, i: int, g: Array, m: int, o: int) -> Any:
    """Return what the loss itself gives of dL/dx_i, from the gradient in g's outputs (B2)."""
    if layout.values[i] == REAL:
        return mixtures.input_gradient(g, m, o, layout.n_components)  # B2
    return g.dtype.type(0)


@njit(**JIT, **BORROWS)
def draw(layout: Layout, i: int, s: Array, m: int, o: int, u: float, w: Array) -> float:
    """Return the value of x_i for u in [0, 1) (D1)."""
    K = layout.values[i]
    if K == BIT:
        return 1.0 if u < _chance(s, m, o) else 0.0  # D1
    if K == REAL:
        if layout.atoms[i] == layout.atoms[i]:
            return float(atoms.draw(layout, i, s, m, o, u, w))
        return float(atoms.draw_mixture(layout, i, s, m, o, u, w))
    weigh(s, m, o, K, 1.0, w)
    return float(invert(w, K, u))  # D1


@njit(**JIT, **BORROWS)
def cdf_interval(
    layout: Layout, i: int, s: Array, m: int, o: int, x: Table, n: int, w: Array
) -> tuple[float, float]:
    """Return the first uniform from which x_i is drawn, and the one where that ends (C1)."""
    K = layout.values[i]
    if K == BIT:
        p = _chance(s, m, o)
        return (0.0, p) if x[n, i] != 0 else (p, 1.0)  # C1
    if K == REAL:
        at = np.float64(s.dtype.type(x[n, i]))
        if layout.atoms[i] == layout.atoms[i]:
            lo, hi = atoms.interval(layout, i, s, m, o, at, w)
        else:
            lo, hi = atoms.mixture_interval(layout, i, s, m, o, at, w)
        return lo, hi
    weigh(s, m, o, K, 1.0, w)
    v, W, below = np.intp(x[n, i]), 0.0, 0.0
    for k in range(K):
        W += w[k]
        if k < v:
            below = W
    return below / W, (below + w[v]) / W  # C1


@njit(**INLINE, **BORROWS)
def _chance(s: Array, m: int, o: int) -> float:
    """Return p(x_i = 1) of a bit, in float64."""
    logit = np.float64(s[m, o])
    e = np.exp(-abs(logit))
    return float((1.0 if logit >= 0 else e) / (1 + e))


@njit(**JIT, **BORROWS)
def block_loss(
    layout: Layout,
    i: int,
    s: Array,
    o: int,
    x: Table,
    n: int,
    rows: int,
    nll: Array,
    work: Array,
) -> None:
    """Add -log p(x_i) of `rows` rows, in nats, to nll[n], nll[n + 1], …"""
    for m in range(0, rows, BATCH):
        batch = min(BATCH, rows - m)
        _fill(x, n + m, i, batch, 0.0, work)
        batch_losses(layout, i, s, m, batch, o, False, work)
        for k in range(batch):
            nll[n + m + k] += work[NLL + k]  # F4


@njit(**JIT, **BORROWS)
def block_loss_gradient(
    layout: Layout,
    i: int,
    s: Array,
    o: int,
    x: Table,
    n: int,
    rows: int,
    scale: float,
    nll: Array,
    work: Array,
) -> None:
    """The same, and turn the outputs into scale times the gradient (B1)."""
    for m in range(0, rows, BATCH):
        batch = min(BATCH, rows - m)
        _fill(x, n + m, i, batch, scale, work)
        batch_losses(layout, i, s, m, batch, o, True, work)  # B1
        for k in range(batch):
            nll[n + m + k] += work[NLL + k]


@njit(**JIT, **BORROWS)
def _fill(x: Table, n: int, i: int, rows: int, rate: float, work: Array) -> None:
    for k in range(BATCH):
        work[X + k], work[RATE + k] = x[n + k, i] if k < rows else 0, rate


@njit(**JIT, **BORROWS)
def batch_losses(
    layout: Layout, i: int, s: Array, m: int, rows: int, o: int, gradient: bool, work: Array
) -> None:
    """Write -log p(x_i) of rows m, m + 1, … into work, as `chainrule.kernels.batches` has it.

    gradient: whether the outputs become RATE times its gradient (B1).
    """
    K = layout.values[i]
    if K == BIT:
        bits.losses(s, m, rows, o, gradient, work)  # F1
    elif K == REAL:
        family, learned, of_each = layout.family, layout.learned, layout.n_components
        half = layout.half_steps[i]
        mixtures.losses(s, m, rows, o, of_each, half, family, learned, gradient, work)  # F3
        if layout.atoms[i] == layout.atoms[i]:
            atoms.losses(layout, i, s, m, rows, o, gradient, work)
    else:
        categories.losses(s, m, rows, o, K, gradient, work)  # F2


@njit(**JIT, **BORROWS)
def block_draw(
    layout: Layout,
    i: int,
    s: Array,
    o: int,
    u: Array,
    x: Table,
    n: int,
    rows: int,
    w: Array,
) -> None:
    """Draw x_i of `rows` rows from u[n, i], u[n + 1, i], …; keep it where that is negative (D1)."""
    for m in range(rows):
        if not u[n + m, i] < 0:
            x[n + m, i] = draw(layout, i, s, m, o, u[n + m, i], w)
