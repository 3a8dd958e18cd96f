"""A batch of bits: their losses, and gradients in place of the logits, for compiled callers.

Working memory as `chainrule.kernels.batches` has it, of MEMORY numbers of s's dtype.
"""

import numpy as np

from chainrule.kernels.batches import AREAS, BATCH, NLL, RATE, X, gather, lanes_of, scatter
from chainrule.kernels.bernoulli import rows as single
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.types import Array

MEMORY = AREAS + BATCH
_U = np.uintp


@njit(**JIT, **BORROWS)
def losses(s: Array, m: int, rows: int, o: int, gradient: bool, work: Array) -> None:
    """Write -log p of rows m, m + 1, …, whose logits are column o, into work.

    gradient: whether the logits become RATE times its gradient.
    """
    lanes = lanes_of(rows)
    gather(s, m, rows, o, 1, work, AREAS)
    for k in range(lanes):
        work[_U(NLL + k)] = single.loss(work[_U(AREAS + k)], work[_U(X + k)] != 0)
    if gradient:
        for k in range(lanes):
            slope = single.slope(work[_U(AREAS + k)], work[_U(X + k)] != 0)
            work[_U(AREAS + k)] = work[_U(RATE + k)] * slope
        scatter(work, AREAS, s, m, rows, o, 1)
