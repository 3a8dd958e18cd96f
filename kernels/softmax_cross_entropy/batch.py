"""A batch of symbols of a small alphabet: their losses, and gradients in place of the logits.

Working memory as `chainrule.kernels.batches` has it, of LOGITS + V · BATCH numbers of s's dtype.
"""

import numpy as np

from chainrule.kernels.batches import AREAS, BATCH, NLL, RATE, X, gather, lanes_of, scatter
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT, exp, log, smallest_normal
from chainrule.kernels.softmax_cross_entropy import rows as single
from chainrule.kernels.types import Array

SMALL = 32  # symbols; a row of more keeps a vector unit busy by itself
TOP, SUM = AREAS, AREAS + BATCH  # m and Z, a row each
LOGITS = AREAS + 2 * BATCH  # V columns: s, e^{s - m}; of many symbols e^{s - m} of a row
_U = np.uintp


@njit(**JIT, **BORROWS)
def losses(s: Array, m: int, rows: int, o: int, V: int, gradient: bool, work: Array) -> None:
    """Write -log p of rows m, m + 1, …, whose logits start in column o, into work.

    gradient: whether the logits become RATE times its gradient.
    """
    if V > SMALL:
        for k in range(rows):
            y, rate = np.intp(work[X + k]), work[RATE + k]
            if gradient:
                work[NLL + k] = single.loss_gradient(s, m + k, o, V, y, rate)
            else:
                work[NLL + k] = single.loss(s, m + k, o, V, y, work, LOGITS)
        return
    lanes = lanes_of(rows)
    gather(s, m, rows, o, V, work, LOGITS)
    for k in range(lanes):
        work[_U(TOP + k)], work[_U(SUM + k)] = work[_U(LOGITS + k)], 0
    for j in range(1, V):
        for k in range(lanes):
            work[_U(TOP + k)] = max(work[_U(TOP + k)], work[_U(LOGITS + j * BATCH + k)])  # F1
    for k in range(rows):
        of_y = work[LOGITS + np.intp(work[X + k]) * BATCH + k]
        work[NLL + k] = work[TOP + k] - of_y  # F3: m - s_y
    for j in range(V):
        for k in range(lanes):
            e = exp(work[_U(LOGITS + j * BATCH + k)] - work[_U(TOP + k)])  # F2, B1
            work[_U(LOGITS + j * BATCH + k)] = e
            work[_U(SUM + k)] += e  # F2
    for k in range(lanes):
        work[_U(NLL + k)] += log(work[_U(SUM + k)])  # F2, F3
    if gradient:
        tiny, zero = smallest_normal(work), work.dtype.type(0)
        for k in range(lanes):
            work[_U(SUM + k)] = work[_U(RATE + k)] / work[_U(SUM + k)]  # B1, B2: dnll / Z
        for j in range(V):
            for k in range(lanes):
                slope = work[_U(LOGITS + j * BATCH + k)] * work[_U(SUM + k)]  # B1, B2
                work[_U(LOGITS + j * BATCH + k)] = zero if abs(slope) < tiny else slope
        for k in range(rows):
            work[LOGITS + np.intp(work[X + k]) * BATCH + k] -= work[RATE + k]  # B2: - dnll [i = y]
        scatter(work, LOGITS, s, m, rows, o, V)
