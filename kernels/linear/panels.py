"""A product of matrices, panel by panel: what each tile reads is laid out next to each other.

    y = x W, for x or xᵀ, W or Wᵀ as they lie in memory

DEPTH numbers of k are done at a time. Of x, some rows are laid out in panels of a vector's width
that a core's second cache holds; of W, a panel of columns that the first one does, and with it all
those rows are multiplied, tile by tile (`tile`). Laying out costs two passes over what is read many
times; where it is turned over, square blocks at a time (`chainrule.kernels.transposed`).

Every number of y is a sum over k = 0, 1, 2 … of DEPTH fused multiply-adds, one after the other, and
of such sums, whatever tile, thread or neighbour it stands in: the bits of a row are the same alone
and among others, on one thread and on many, with vectors of any width.
"""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.linear import tile
from chainrule.kernels.linear.tile import HEIGHT, lanes, panel_width
from chainrule.kernels.memory import lines
from chainrule.kernels.tiles import row, row_distance
from chainrule.kernels.transposed import turn
from chainrule.kernels.types import Array

DEPTH = 256  # k at a time: a panel of W takes 48 KiB
ROWS = 1024  # of x at a time: 1 MiB


@njit(**JIT)
def multiply(
    x: Array, x_turned: bool, W: Array, W_turned: bool, y: Array,
    i: int, i_end: int, j: int, j_end: int,
) -> None:  # fmt: skip
    """Overwrite rows i … i_end - 1 and columns j … j_end - 1 of y by those of the product.

    x_turned: x is given as xᵀ, rows of which are k; W_turned: likewise W.
    """
    K = x.shape[0] if x_turned else x.shape[1]
    width, across, W_row = panel_width(y), lanes(y), row_distance(W)
    thin = i_end - i <= HEIGHT and not W_turned
    of_x = lines((min(ROWS, i_end - i) + across) * min(DEPTH, K), y)
    of_W = lines(width * min(DEPTH, K), y)
    edge = lines(width * HEIGHT, y)
    if K == 0:
        y[i:i_end, j:j_end] = 0
    for k in range(0, K, DEPTH):
        n, anew = min(DEPTH, K - k), k == 0
        for i_at in range(i, i_end, ROWS):
            m = min(ROWS, i_end - i_at)
            if x_turned:
                _lay_rows(x, k, n, i_at, m, across, of_x)
            else:
                _lay_columns(x, k, n, i_at, m, across, of_x)
            for j_at in range(j, j_end, width):
                c = min(width, j_end - j_at)
                if thin and c == width:  # read once: where it lies
                    _multiply_panel(
                        of_x, n, W, k * W_row + j_at, W_row, y, i_at, m, j_at, c, anew, edge
                    )
                    continue
                if W_turned:
                    _lay_columns(W, k, n, j_at, c, width, of_W)
                else:
                    _lay_rows(W, k, n, j_at, c, width, of_W)
                _multiply_panel(of_x, n, of_W, 0, width, y, i_at, m, j_at, c, anew, edge)


@njit(**JIT)
def _multiply_panel(
    of_x: Array, n: int, W: Array, w: int, W_row: int, y: Array, i: int, m: int, j: int, c: int,
    anew: bool, edge: Array,
) -> None:  # fmt: skip
    """Add the product of m rows and a panel's c columns to y from (i, j) on, or begin it anew.

    The panel: n rows from index w of W on, W_row apart. edge: for tiles that y has no room for.
    """
    width, across, y_row = panel_width(y), lanes(y), row_distance(y)
    q = -(-c // across)
    for r in range(0, m, HEIGHT):
        height = min(HEIGHT, m - r)
        tall = 1 if height == 1 else HEIGHT // 2 if height <= HEIGHT // 2 else HEIGHT
        a = r // across * n * across + r % across
        if height == tall and c == q * across:
            at = (i + r) * y_row + j
            tile.add(tall, q, n, of_x, a, W, w, W_row, y, at, y_row, anew)
            continue
        if not anew:
            for s in range(height):
                y_s = row(y, i + r + s)[j : j + c]
                for t in range(c):
                    edge[s * width + t] = y_s[t]
        tile.add(tall, q, n, of_x, a, W, w, W_row, edge, 0, width, anew)
        for s in range(height):
            y_s = row(y, i + r + s)[j : j + c]
            for t in range(c):
                y_s[t] = edge[s * width + t]


@njit(**JIT)
def _lay_rows(x: Array, k: int, n: int, at: int, m: int, width: int, out: Array) -> None:
    """Lay out x[k + r, at + j], r < n, j < m, in panels of `width`; 0 beyond."""
    across, x_row = lanes(out), row_distance(x)
    whole = m - m % across
    for g in range(0, whole, width):
        q = min(width, whole - g) // across
        tile.copy(q, n, x, k * x_row + at + g, x_row, out, g * n, width)
    if whole < m:
        to = whole // width * width * n + whole % width
        for r in range(n):
            x_r = row(x, k + r)[at + whole : at + m]
            for j in range(across):
                out[to + r * width + j] = x_r[j] if j < x_r.size else out.dtype.type(0)


@njit(**JIT)
def _lay_columns(x: Array, k: int, n: int, at: int, m: int, width: int, out: Array) -> None:
    """Lay out x[at + j, k + r], r < n, j < m, in panels of `width`; 0 beyond."""
    across, x_row = lanes(out), row_distance(x)
    for g in range(0, m, across):
        to, whole = g // width * width * n + g % width, n - n % across
        if m - g >= across:
            for r in range(0, whole, across):
                turn(x, (at + g) * x_row + k + r, x_row, out, to + r * width, width)
        for j in range(across):
            begin = whole if m - g >= across else 0
            if g + j < m:
                x_j = row(x, at + g + j)
                for r in range(begin, n):
                    out[to + r * width + j] = x_j[k + r]
            else:
                for r in range(begin, n):
                    out[to + r * width + j] = 0
