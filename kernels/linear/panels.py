"""A product of matrices, panel by panel: what each tile reads is laid out next to each other.

    y = x W, for x or xᵀ, W or Wᵀ as they lie in memory

DEPTH numbers of k are done at a time. Of x, some rows are laid out in panels as wide as a vector
and as a tile is high, that a core's second cache holds; of W, a panel of columns that the first one
does, and with it all those rows are multiplied, tile by tile (`tile`). Laying out costs two passes
over what is read many times; where it is turned over, square blocks at a time
(`chainrule.kernels.transposed`).

Every number of y is a sum over k = 0, 1, 2 … of DEPTH fused multiply-adds, one after the other, and
of such sums, whatever tile, thread or neighbour it stands in: the bits of a row are the same alone
and among others, on one thread and on many, with vectors of any width.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from chainrule.kernels.compiled import njit
from chainrule.kernels.entries import call
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.linear import tile
from chainrule.kernels.linear.tile import HEIGHT, HEIGHTS, panel_width
from chainrule.kernels.memory import lines
from chainrule.kernels.tiles import at_once, lanes, row, row_distance
from chainrule.kernels.transposed import turn
from chainrule.kernels.types import Array

_intrinsic: Any = intrinsic  # as anything: Numba ships no types
DEPTH = 256  # k at a time: a panel of W takes 48 KiB
ROWS = 1024  # of x at a time: 1 MiB


@njit(**INLINE)
def share(N: int, O: int, unit: int, lo: int, hi: int, parts: int) -> tuple[int, int, int, int]:
    """Return rows and columns, first and end, of part lo … hi of an (N, O) product's `parts`.

    They are columns of it, `unit` a time, where it has more of them than rows, else rows.
    """
    if O > N:
        columns = -(-O // unit)
        first, end = columns * lo // parts * unit, columns * hi // parts * unit
        return 0, N, min(O, first), min(O, end)
    tiles = -(-N // HEIGHT)
    first, end = tiles * lo // parts * HEIGHT, tiles * hi // parts * HEIGHT
    return min(N, first), min(N, end), 0, O


@njit(**JIT)
def multiply_part(
    x: Array, x_turned: bool, W: Array, W_turned: bool, y: Array, lo: int, hi: int, parts: int
) -> None:
    """Overwrite part lo … hi of y's `parts` by the product.

    x_turned: x is given as xᵀ, rows of which are k; W_turned: likewise W.
    """
    i, i_end, j, j_end = share(y.shape[0], y.shape[1], lanes(y), lo, hi, parts)
    K = x.shape[0] if x_turned else x.shape[1]
    width, tall, W_row = panel_width(y), max(HEIGHT, lanes(y)), row_distance(W)
    thin = i_end - i <= HEIGHT and not W_turned
    of_x = lines((min(ROWS, i_end - i) + tall) * min(DEPTH, K), y).reshape((1, -1))
    of_W = lines(width * min(DEPTH, K), y).reshape((1, -1))
    edge = lines(width * HEIGHT, y).reshape((HEIGHT, width))
    if K == 0:
        y[i:i_end, j:j_end] = 0
    for k in range(0, K, DEPTH):
        n = min(DEPTH, K - k)
        for i_at in range(i, i_end, ROWS):
            m = min(ROWS, i_end - i_at)
            lay(x, x_turned, k, n, i_at, m, tall, of_x)
            for j_at in range(j, j_end, width):
                c = min(width, j_end - j_at)
                panel, at, distance = of_W, 0, width
                if thin and c == width:  # read once: where it lies
                    panel, at, distance = W, k * W_row + j_at, W_row
                else:
                    lay(W, not W_turned, k, n, j_at, c, width, of_W)
                multiply_panel(
                    of_x, 0, True, n, panel, at, distance, y, i_at, m, j_at, c, k == 0, edge
                )


def types_of(x: Any) -> tuple[Any, ...]:
    """Return what `multiply_part` takes where all matrices are of the type x."""
    return x, types.boolean, x, types.boolean, x, types.intp, types.intp, types.intp


@_intrinsic
def multiply_at(
    context: Any, address: Any, x: Any, x_turned: Any, W: Any, W_turned: Any, y: Any, lo: Any,
    hi: Any, parts: Any,
) -> Any:  # fmt: skip
    """`multiply_part` at its address, for kernels that multiply among other things."""
    arguments = types_of(x)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return call(context, builder, arguments, values)

    return types.void(types.intp, *arguments), generate


@njit(**JIT)
def multiply_panel(
    x: Array, at: int, laid: bool, n: int, W: Array, w: int, W_row: int, y: Array, i: int, m: int,
    j: int, c: int, anew: bool, edge: Array,
) -> None:  # fmt: skip
    """Add the product of m rows and a panel's c columns to y from (i, j) on, or begin it anew.

    The rows begin at index `at` of x, where they lie as it has them, or by `lay` if laid. The
    panel: n rows from index w of W on, W_row apart. edge: for tiles that y has no room for.
    """
    width, across, y_row = panel_width(y), lanes(y), row_distance(y)
    wide = max(HEIGHT, across)  # a panel of x
    q, x_row, x_k = -(-c // across), 1 if laid else row_distance(x), wide if laid else 1
    r = 0
    while r < m:
        tall = at_once(m - r, HEIGHTS)
        a = at + (r // wide * n * wide + r % wide if laid else r * x_row)
        to, begin, distance = y, (i + r) * y_row + j, y_row
        whole = c == q * across
        if not whole:
            to, begin, distance = edge, 0, width
            if not anew:
                _copy(y, i + r, j, edge, 0, 0, tall, c)
        tile.multiply(tall, q, n, x, a, x_row, x_k, W, w, W_row, to, begin, distance, anew)
        if not whole:
            _copy(edge, 0, 0, y, i + r, j, tall, c)
        r += tall


@njit(**JIT)
def _copy(x: Array, i: int, j: int, y: Array, k: int, l: int, m: int, n: int) -> None:
    """Copy m rows of n numbers from x's (i, j) on to y's (k, l) on."""
    for r in range(m):
        x_r, y_r = row(x, i + r)[j : j + n], row(y, k + r)[l : l + n]
        for s in range(n):
            y_r[s] = x_r[s]


@njit(**JIT)
def lay(x: Array, rows: bool, k: int, n: int, at: int, m: int, width: int, out: Array) -> None:
    """Lay out m columns of n rows, in panels of `width`; 0 beyond, up to a vector's end.

    Number (r, j) is x[k + r, at + j] if rows, else x[at + j, k + r].
    """
    if rows:
        _lay_rows(x, k, n, at, m, width, out)
    else:
        _lay_columns(x, k, n, at, m, width, out)


@njit(**JIT)
def _lay_rows(x: Array, k: int, n: int, at: int, m: int, width: int, out: Array) -> None:
    across, x_row, numbers = lanes(out), row_distance(x), row(out, 0)
    whole = m - m % across
    for g in range(0, whole, width):
        q = min(width, whole - g) // across
        tile.copy(q, n, x, k * x_row + at + g, x_row, out, g * n, width)
    if whole < m:
        to = whole // width * width * n + whole % width
        for r in range(n):
            x_r = row(x, k + r)[at + whole : at + m]
            for j in range(across):
                numbers[to + r * width + j] = x_r[j] if j < x_r.size else out.dtype.type(0)


@njit(**JIT)
def _lay_columns(x: Array, k: int, n: int, at: int, m: int, width: int, out: Array) -> None:
    across, x_row, numbers = lanes(out), row_distance(x), row(out, 0)
    for g in range(0, m, across):
        to, whole = g // width * width * n + g % width, 0
        if m - g >= across:
            whole = n - n % across
            for r in range(0, whole, across):
                turn(x, (at + g) * x_row + k + r, x_row, out, to + r * width, width)
        for j in range(across):
            x_j = row(x, at + min(g + j, m - 1))
            for r in range(whole, n):
                numbers[to + r * width + j] = x_j[k + r] if g + j < m else out.dtype.type(0)
