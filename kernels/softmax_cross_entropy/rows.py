"""The loss of one symbol, and its gradient in place of the logits, for compiled callers.

The V logits lie in s[m, o : o + V]. Inlined; nothing is allocated or sliced. Indices are unsigned:
a sum of signed ones could count from the end for all that the compiler knows, and such loops are
not vectorised. Z is added up by one order, so the loss has the same bits with its gradient and
without.

A slope below the smallest normal number becomes 0, as in `chainrule.kernels.bernoulli.cpu`: of a
network that is sure of its symbols one slope in ten was one.
"""

from typing import Any

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, exp, smallest_normal
from chainrule.kernels.sums import total
from chainrule.kernels.tiles import row_distance
from chainrule.kernels.types import Array

_U = np.uintp


@njit(**INLINE, **BORROWS)
def loss(s: Array, m: int, o: int, V: int, y: int, e: Array, at: int) -> Any:
    """Return -log p of symbol y ≥ 0, in nats; e[at : at + V] is overwritten with e^{s - m}."""
    row, first = _U(m), _U(o)
    top = largest(s, m, o, V)  # F1
    below = top - s[row, _U(o + y)]  # F3: m - s_y
    for v in range(V):
        e[_U(at) + _U(v)] = exp(s[row, first + _U(v)] - top)  # F2
    return np.log(total(e, at, V)) + below  # F2, F3


@njit(**INLINE, **BORROWS)
def loss_gradient(s: Array, m: int, o: int, V: int, y: int, dnll: Any) -> Any:
    """Return -log p of symbol y ≥ 0, in nats, and turn the logits into dnll times its gradient."""
    row, first, of_y = _U(m), _U(o), _U(o + y)
    top = largest(s, m, o, V)  # F1
    below = top - s[row, of_y]  # F3: m - s_y
    for v in range(V):
        s[row, first + _U(v)] = exp(s[row, first + _U(v)] - top)  # F2, B1
    Z = total(s, m * row_distance(s) + o, V)  # F2
    rate, tiny, zero = dnll / Z, smallest_normal(s), s.dtype.type(0)
    for v in range(V):
        slope = s[row, first + _U(v)] * rate  # B1, B2
        s[row, first + _U(v)] = zero if abs(slope) < tiny else slope
    s[row, of_y] -= dnll  # B2: - dnll [i = y]
    return np.log(Z) + below  # F2, F3


@njit(**INLINE, **BORROWS)
def largest(s: Array, m: int, o: int, V: int) -> Any:
    """Return the largest logit; a NaN where there is one might be passed over: Z shows it.

    Four at a time: each maximum waits for the one before it.
    """
    row, first = _U(m), _U(o)
    a = b = c = d = s[row, first]
    whole = V - V % 4
    for v in range(0, whole, 4):
        a, b = max(a, s[row, first + _U(v)]), max(b, s[row, first + _U(v + 1)])
        c, d = max(c, s[row, first + _U(v + 2)]), max(d, s[row, first + _U(v + 3)])
    for v in range(whole, V):
        a = max(a, s[row, first + _U(v)])
    return max(max(a, b), max(c, d))
