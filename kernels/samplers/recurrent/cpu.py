"""Numba twin of the recurrent samplers: splits the rows over threads; `decode` computes."""

from collections.abc import Callable

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.samplers.products import for_tiles
from chainrule.kernels.samplers.recurrent import decode, windows
from chainrule.kernels.types import Array, Ids

GROUP = 96  # rows that share each read of the weights


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
    U, W_hh = for_tiles(*x.shape, U, W_hh)
    weights = decode.Weights(W_xh, U, W_hh, b_h, b_n)

    def rows(part: slice) -> None:
        decode.feed(x[part], lengths[part], weights, h[part], c[part])

    _for_groups(rows, len(x))


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
    U, W_hh, W_hy, W_ay = for_tiles(*u.shape, U, W_hh, W_hy, W_hy[:0])
    weights = decode.Weights(W_xh, U, W_hh, b_h, b_n)
    output = decode.Output(W_hy, W_ay, b_y)
    options = decode.Options(float(temperature), top_k, float(top_p))
    u = np.ascontiguousarray(u, np.float64)
    ids = np.empty(u.shape, np.int32)

    def rows(part: slice) -> None:
        decode.extend(u[part], weights, output, options, h[part], c[part], ids[part])

    _for_groups(rows, len(u))
    return ids


def extend_attention(
    u: Array,
    W_xh: Array,
    W_hh: Array,
    W_hy: Array,
    W_ay: Array,
    b_h: Array,
    b_n: Array,
    b_y: Array,
    b_0: Array,
    c_0: Array,
    n_heads: int,
    stride: int,
    temperature: float,
    top_k: int,
    top_p: float,
    window: Ids,
    length: Ids,
    seen: Ids,
    history: Array,
    c: Array,
) -> Ids:
    """See `chainrule.kernels.samplers.recurrent.extend_attention`."""
    U, W_hh, W_hy, W_ay = for_tiles(*u.shape, W_hh[:0], W_hh, W_hy, W_ay)
    weights = decode.Weights(W_xh, U, W_hh, b_h, b_n)
    output = decode.Output(W_hy, W_ay, b_y)
    options = decode.Options(float(temperature), top_k, float(top_p))
    u = np.ascontiguousarray(u, np.float64)
    ids = np.empty(u.shape, np.int32)

    def rows(part: slice) -> None:
        tokens = window[part], length[part], seen[part]
        state = windows.State(*tokens, history[part], c[part])
        first = (b_0, c_0, n_heads, stride)
        windows.extend(u[part], weights, output, *first, options, state, ids[part])

    _for_groups(rows, len(u))
    return ids


def _for_groups(f: Callable[[slice], None], n_rows: int) -> None:
    """Call f on slices of at most GROUP rows, every thread taking a share of them."""

    def rows(lo: int, hi: int) -> None:
        for first, last in threads.cuts(hi - lo, max(1, -(-(hi - lo) // GROUP))):
            f(slice(lo + first, lo + last))

    threads.map_rows(rows, n_rows)
