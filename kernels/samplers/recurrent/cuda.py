"""CUDA twin of the recurrent samplers: all rows in step, the passes' own kernels for a step.

A symbol takes a launch of the cell's pass a layer (kernels/lstm/cuda.py) and some fifteen more, for
F1, the draw and the look-up, and these set the pace: at H = 256 the pass itself is a few µs.
Its symbols were checked on an H100 (tests/test_gpu.py); its speed was not measured there.

With attention it is the reference's array program on CuPy arrays, row by row, with a launch for
each of its small operations: expect the host to be faster.
"""

from typing import Any

import numpy as np

from chainrule.kernels import categorical, gru, lstm, rnn
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.samplers.recurrent.reference import extend_attention
from chainrule.kernels.types import Array, Ids

__all__ = ["extend", "extend_attention", "feed"]


class _States:
    """h and c of all rows, twice: a step reads one and writes the other."""

    def __init__(
        self, W_xh: Array, U: Array, W_hh: Array, b_h: Array, b_n: Array, h: Array, c: Array
    ) -> None:
        self.xp = array_module(h)
        self.W_xh, self.U, self.W_hh, self.b_h, self.b_n = W_xh, U, W_hh, b_h, b_n
        self.h, self.c = (self.xp.stack([a.swapaxes(0, 1)] * 2, axis=1) for a in (h, c))
        self.now = 0  # which of the two, (L, 2, N, H), holds

    def advance(self, x: Ids) -> None:
        """Move on by one symbol of each row (F3, F4)."""
        turn, gates = 1 - 2 * self.now, self.W_hh.shape[2] // self.W_hh.shape[1]
        below: Any = None
        for l, W in enumerate(self.W_hh):
            h, c = self.h[l, ::turn], self.c[l, ::turn]
            z = (self.W_xh[x] if l == 0 else below @ self.U[l - 1]) + self.b_h[l]
            if gates == 1:
                rnn.forward(z[None], W, h)
            elif gates == 4:
                lstm.forward(z[None], W, h, c)
            else:
                gru.forward(z[None], W, self.b_n[l], h, self.xp.empty_like(h[1:]))
            below = h[1]
        self.now = 1 - self.now

    def keep(self, rows: Any) -> None:
        """Take back the last step of some rows."""
        for a in (self.h, self.c):
            a[:, self.now, rows] = a[:, 1 - self.now, rows]

    def store(self, h: Array, c: Array) -> None:
        """Write the states, as `extend` and `feed` have them."""
        h[...], c[...] = (a[:, self.now].swapaxes(0, 1) for a in (self.h, self.c))


def feed(
    x: Ids,
    lengths: Ids,
    W_xh: Array,
    U: Array,
    W_hh: Array,
    b_h: Array,
    b_n: Array,
    h: Array,
    c: Array,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.feed`."""
    sizes = lengths.get()  # type: ignore[attr-defined]
    if not sizes.any():
        return
    xp, states = array_module(x), _States(W_xh, U, W_hh, b_h, b_n, h, c)
    for t in range(sizes.max()):
        over = np.flatnonzero(sizes <= t)
        states.advance(xp.maximum(x[:, t], 0))  # of rows that are over, padding
        if over.size:
            states.keep(xp.asarray(over))
    states.store(h, c)


def extend(
    u: Array,
    W_xh: Array,
    U: Array,
    W_hh: Array,
    W_hy: Array,
    b_h: Array,
    b_n: Array,
    b_y: Array,
    temperature: float,
    top_k: int,
    top_p: float,
    h: Array,
    c: Array,
) -> Ids:
    """See `chainrule.kernels.samplers.recurrent.extend`."""
    ids: Ids = array_module(u).empty(u.shape, np.int32)
    if not u.size:
        return ids
    states = _States(W_xh, U, W_hh, b_h, b_n, h, c)
    for t in range(u.shape[1]):
        s = states.h[-1, states.now] @ W_hy + b_y  # F1
        ids[:, t] = categorical.draw(s, u[:, t], temperature, top_k, top_p)  # F2
        states.advance(ids[:, t])
    states.store(h, c)
    return ids
