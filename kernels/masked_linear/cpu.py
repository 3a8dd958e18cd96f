"""Numba twin of the masked linear map: panels for what is dense, events for what is sparse.

Inputs that enter as numbers are a dense matrix, multiplied panel by panel (`panels`), unless they
are bits of which fewer than DENSE are ones; codes are always events (`events`). Threads share rows
forward, and inputs or panels of outputs backward, so that nothing has to be added up afterwards and
no result depends on their number.
"""

from typing import Any

import numpy as np

from chainrule.kernels import tiles
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_linear import Staircase, events, panels
from chainrule.kernels.threads import map_rows
from chainrule.kernels.types import Array, Ids

DENSE = 0.25  # share of ones from which products are faster than events
THREAD_WORK = 4_000_000  # multiply-adds worth a thread: about 0.1 ms
LINE = 64  # bytes: a vector that lies in two lines of a cache costs two loads
PARTS = 1 << 12  # what shares of unequal panels or inputs are counted in


def forward(x: Array, W: Array, b: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.forward`."""
    _sum(x, W, stairs, y, b)


def add(x: Array, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add`."""
    _sum(x, W, stairs, y, None)


def _sum(x: Array, W: Array, stairs: Staircase, y: Array, b: Array | None) -> None:
    """Add F1's sum to y, or overwrite y by it and b."""
    dense, sparse = _ways(x, stairs)
    numbers = packed = None
    if dense:
        numbers = _numbers(x, stairs, W.dtype)
        packed = _memory(W, numbers.shape[1])
        panels.pack(W, stairs, packed)

    def rows(lo: int, hi: int) -> None:
        if b is not None:
            _spread(b, y, lo, hi)
        if dense:
            panels.multiply(numbers, packed, stairs, y, lo, hi)
        if sparse:
            events.add_rows(x, not dense, W, stairs, y, lo, hi)

    map_rows(rows, len(x), 1 + 2 * THREAD_WORK // max(1, W.size))


def backward(dy: Array, x: Array, stairs: Staircase, dW: Array, db: Array) -> None:
    """See `chainrule.kernels.masked_linear.backward`."""
    add_backward(dy, x, stairs, dW)
    dy.sum(axis=0, out=db)  # B2


def add_backward(dy: Array, x: Array, stairs: Staircase, dW: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_backward`."""
    dense, sparse = _ways(x, stairs)
    numbers = _numbers(x, stairs, dW.dtype) if dense else None
    dys = _memory(dy, len(dy)) if dense else None
    if dense:
        panels.pack_dense(dy, dys)

    def part(lo: int, hi: int) -> None:
        if dense:
            some = panels.cut(stairs, lo, hi, PARTS)
            panels.weight_gradient(dys, numbers, stairs, dW, *some)
        if sparse:
            some = events.cut(stairs, lo, hi, PARTS)
            events.weight_gradient(dy, x, not dense, stairs, dW, *some)

    map_rows(part, PARTS, 1 + 2 * PARTS * THREAD_WORK // max(1, len(x) * dW.size))


def input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array) -> None:
    """See `chainrule.kernels.masked_linear.input_gradient`."""
    K = len(stairs.numbers)
    if K < dx.shape[1]:
        dx[...] = 0
    width = tiles.wide_width(W)

    def part(lo: int, hi: int) -> None:
        edges = (_panels(K, width, lo), _panels(K, width, hi))
        panels.input_gradient(dy, W, stairs, dx, *edges)

    map_rows(part, PARTS, 1 + 2 * PARTS * THREAD_WORK // max(1, len(dy) * W.size))


def add_inputs(x: Array, lo: int, W: Array, stairs: Staircase, y: Array) -> None:
    """See `chainrule.kernels.masked_linear.add_inputs`."""

    def some(first: int, stop: int) -> None:
        events.add_inputs(x, lo, W, stairs, y, first, stop)

    map_rows(some, len(x), 1 + THREAD_WORK // (20 * max(1, x.shape[1] * W.shape[1])))


def arrange(W: Array, rows: Ids, columns: Ids, out: Array) -> None:
    """See `chainrule.kernels.masked_linear.arrange`."""

    def some(lo: int, hi: int) -> None:
        _arrange(W, rows, columns, out, lo, hi)

    map_rows(some, len(out), 1 + 200_000 // max(1, out.shape[1]))


def _ways(x: Array, stairs: Staircase) -> tuple[bool, bool]:
    """Return whether some inputs are to be multiplied as a dense matrix, and some as events."""
    K, D = len(stairs.numbers), len(stairs.first)
    if K == 0 or x.dtype.kind == "f":
        return K > 0, K < D
    if K == D:
        ones = np.count_nonzero(x.view(np.bool_) if x.dtype == np.uint8 else x)
    else:
        ones = np.count_nonzero(x[:, stairs.numbers])
    dense = bool(ones >= DENSE * len(x) * K)
    return dense, K < D or not dense


def _numbers(x: Array, stairs: Staircase, dtype: Any) -> Array:
    """Return the inputs that enter as numbers, (N, K), of the weights' dtype."""
    some = x if len(stairs.numbers) == x.shape[1] else x[:, stairs.numbers]
    return np.ascontiguousarray(some, dtype)


def _memory(like: Array, depth: int) -> Array:
    """Return memory for panels of like's columns, (panels, depth, width), on whole lines."""
    width, line = tiles.wide_width(like), LINE // like.itemsize
    shape = (-(-like.shape[1] // width), depth, width)
    raw: Array = np.empty(int(np.prod(shape)) + line, like.dtype)
    first = -raw.ctypes.data % LINE // raw.itemsize
    return raw[first : raw.size - line + first].reshape(shape)


def _panels(K: int, width: int, part: int) -> int:
    """Return the first panel of inputs of a part of PARTS: number k is seen by about 1 - k/K.

    So that the work before it is a share of part / PARTS: 1 - (1 - k/K)² of all.
    """
    share: float = 1 - (1 - part / PARTS) ** 0.5
    return round(-(-K // width) * share)


@njit(**JIT)
def _spread(b: Array, y: Array, lo: int, hi: int) -> None:
    for n in range(lo, hi):
        y_n = tiles.row(y, n)
        for j in range(b.size):
            y_n[j] = b[j]


@njit(**JIT)
def _arrange(W: Array, rows: Ids, columns: Ids, out: Array, lo: int, hi: int) -> None:
    for i in range(lo, hi):
        from_, to = tiles.row(W, rows[i]), tiles.row(out, i)
        for j in range(to.size):
            to[j] = from_[columns[j]]
