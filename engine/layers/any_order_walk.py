"""Any-order NADE variable by variable: what is known of a row is kept, and extended by one more.

Shapes      x: (N, D)    a_1: (N, H_1)    and those of chainrule.engine.layers.any_order

Forward     From a_1 = c^y + u W, u being what is known at first. When x_i becomes known too, u
            changes in the inputs of x_i alone, so that
            (U1)  a_1 ← a_1 + φ(x_i) W_i + W_{R+i}
            of which φ(x_i) W_i is x_i times a row, or the row of category x_i.
            (U2)  The outputs of the next variable are as many rows of V times h_L, from a_1 by way
                  of the layers above.
            All rows are at the same variable at a time; those that know it already wait.

Cost        O(H_1) for U1 and 2 Σ_l H_l H_{l+1} + O(H_L) FLOPs for U2, a row and variable.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engine import arena, classes
from chainrule.engine.event import Columns
from chainrule.engine.layers.any_order import AnyOrder, hidden, inputs
from chainrule.engine.params import Params
from chainrule.kernels import columns, threads
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

BLOCK = 256  # rows that go through the variables together: what they remember stays in the cache
MIN_ROWS = 16  # of them worth a thread


class Prefix:
    """What is remembered of n rows: a_1 of all that is known of each, (n, H_1).

    Units of `chainrule.engine.stepping`, of which also some rows alone can be asked and moved.
    """

    def __init__(self, net: AnyOrder, params: Params, n: int, y: Any) -> None:
        """Begin with nothing known; y: of `engine.classes`."""
        self._net, self._params = net, params
        self._a = classes.rows(classes.table(net, params["c"]), y, n)

    def know(self, x: Any, seen: Any) -> None:
        """Take in what is seen of rows x, (n, D), at once."""
        with arena.borrow(self._a) as new:
            self._a += inputs(self._net, x, seen, new) @ self._params["W"]

    def outputs(self, i: int, rows: Any = slice(None)) -> Array:
        """Return the outputs of variable i, (n, n_i), of all rows or of some."""
        own = slice(int(self._net.ends[i]), int(self._net.ends[i + 1]))
        with arena.borrow(self._a) as new:
            known = self._a[rows]
            a = new(known.shape)
            a[...] = known
            s: Array = hidden(self._net, self._params, a, new) @ self._params["V"][own].T  # U2
        s += self._params["b"][own]
        return s

    def move(self, i: int, x: Any, rows: Any = slice(None)) -> None:
        """Let x_i, (n,), be known too, of all rows or of some: U1."""
        W, (first, last) = self._params["W"], self._net.rows[i : i + 2]
        own, known = W[first:last], W[self._net.rows[-1] + i]
        if self._net.single[i] and x.dtype.kind == "f":
            self._a[rows] += x[:, None].astype(W.dtype) * own + known  # U1
            return
        of_value = array_module(W).stack([0 * own[0], own[0]]) if self._net.single[i] else own
        self._a[rows] += (of_value + known)[x.astype(np.intp)]


def outputs(net: AnyOrder, params: Params, x: Any, given: Any, y: Any, order: Any) -> Array:
    """Return the outputs for each x_i given x_g and those before it in the order, (N, S).

    given: (N, D) bool, or None; what it marks, and what is missing, has outputs of 0.
    """
    known = Columns.known(x)
    s: Array = array_module(params.flat).zeros((len(x), int(net.ends[-1])), params.dtype)

    def some(rows: slice, prefix: Prefix) -> None:
        free = known[rows] if given is None else known[rows] & ~given[rows]
        if given is not None:
            prefix.know(x[rows], given[rows] & known[rows])
        for i in order:
            if not free[:, i].any():
                continue
            which = _where(free[:, i])
            s[rows, net.ends[i] : net.ends[i + 1]][which] = prefix.outputs(i, which)
            prefix.move(i, x[rows, i][which], which)

    _by_blocks(some, net, params, len(x), y)
    return s


def draw(net: AnyOrder, params: Params, uniforms: Array, x: Any, y: Any, order: Any) -> None:
    """Overwrite x where the uniform is not negative by draws, each given all that is kept.

    uniforms: (N, D). Variable by variable in the order; a kept value may be missing.
    """

    def some(rows: slice, prefix: Prefix) -> None:
        u, drawn = uniforms[rows], x[rows]
        prefix.know(drawn, (u < 0) & Columns.known(drawn))
        for i in order:
            free = u[:, i] >= 0
            if not free.any():
                continue
            which = _where(free)
            u_i, x_i = u[which, i].astype(np.float64), drawn[which, i].copy()
            columns.draw(net.layout, i, prefix.outputs(i, which), u_i, x_i)
            drawn[which, i] = x_i
            prefix.move(i, x_i, which)

    _by_blocks(some, net, params, len(x), y)


def _where(rows: Any) -> Any:
    """Return a slice of all rows, or which of them are marked, (n,)."""
    return slice(None) if rows.all() else array_module(rows).flatnonzero(rows)


def _by_blocks(
    some: Callable[[slice, Prefix], None], net: AnyOrder, params: Params, N: int, y: Any
) -> None:
    """Run some(rows, a fresh prefix of them) on all of N rows: block by block, on all threads."""

    def blocks(lo: int, hi: int) -> None:
        step = hi - lo if on_device(params.flat) else BLOCK
        for at in range(lo, hi, max(1, step)):
            rows = slice(at, min(at + step, hi))
            some(rows, Prefix(net, params, rows.stop - at, y[rows]))

    if on_device(params.flat):
        blocks(0, N)
    else:
        with threads.serial_blas():
            threads.map_rows(blocks, N, MIN_ROWS)
