"""Numba twin of the recurrent samplers: splits the rows over threads; `decode` computes."""

from collections.abc import Callable

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.categorical import Options
from chainrule.kernels.samplers.products import for_tiles
from chainrule.kernels.samplers.recurrent import (
    AttentionMemory,
    First,
    Memory,
    Output,
    Sizes,
    Weights,
    decode,
    windows,
)
from chainrule.kernels.types import Array, Ids

GROUP = 96  # rows that share each read of the weights


def extend(
    u: Array, weights: Weights, output: Output, options: Options, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.recurrent.extend`."""
    u, ids, how = _arguments(u, options, x)
    moved = int(np.count_nonzero((u >= 0) | (ids >= 0)))
    laid_out, out = _laid_out(weights, output, len(u), moved)

    def some(part: slice) -> None:
        decode.extend(u[part], laid_out, out, how, memory.rows(part), ids[part])

    _for_groups(some, len(u))
    if ids is not x:
        x[...] = ids


def peek(output: Output, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.recurrent.peek`."""
    np.matmul(memory.h[:, -1], output.W_hy, out=s)  # F1: one product, for which BLAS is the best
    s += output.b_y  # F1


def extend_attention(
    u: Array,
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    options: Options,
    memory: AttentionMemory,
    x: Ids,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.extend_attention`."""
    u, ids, how = _arguments(u, options, x)
    if not (u >= 0).any():
        windows.read(ids, sizes.stride, memory.window, memory.length, memory.seen)
        return
    moved = int(np.count_nonzero((u >= 0) | (ids >= 0)))
    laid_out, out = _laid_out(weights, output, len(u), moved)

    def some(part: slice) -> None:
        mine = memory.rows(part)
        windows.extend(u[part], laid_out, out, first, sizes, how, mine, ids[part])

    _for_groups(some, len(u))
    if ids is not x:
        x[...] = ids


def peek_attention(
    weights: Weights,
    output: Output,
    first: First,
    sizes: Sizes,
    memory: AttentionMemory,
    s: Array,
) -> None:
    """See `chainrule.kernels.samplers.recurrent.peek_attention`."""
    laid_out, out = _laid_out(weights, output, len(s), len(s))
    logits = np.empty(s.shape, weights.W_xh.dtype)

    def some(part: slice) -> None:
        windows.peek(laid_out, out, first, sizes, memory.rows(part), logits[part])

    _for_groups(some, len(s))
    s[...] = logits


def _arguments(u: Array, options: Options, x: Ids) -> tuple[Array, Ids, Options]:
    """Return u, x and the options in the types that are compiled."""
    how = Options(float(options.temperature), options.top_k, float(options.top_p))
    return np.ascontiguousarray(u, np.float64), np.ascontiguousarray(x), how


def _laid_out(
    weights: Weights, output: Output, n_rows: int, n_symbols: int
) -> tuple[Weights, Output]:
    """Return the weights as so many symbols want them."""
    matrices = weights.U, weights.W_hh, output.W_hy, output.W_ay
    U, W_hh, W_hy, W_ay = for_tiles(n_rows, n_symbols, *matrices)
    return weights._replace(U=U, W_hh=W_hh), output._replace(W_hy=W_hy, W_ay=W_ay)


def _for_groups(some: Callable[[slice], None], n_rows: int) -> None:
    """Call some(part) on all rows, at most GROUP of them at a time in a thread."""

    def rows(lo: int, hi: int) -> None:
        for first, last in threads.cuts(hi - lo, max(1, -(-(hi - lo) // GROUP))):
            some(slice(lo + first, lo + last))

    threads.map_rows(rows, n_rows)
