"""F2 of a part of a product, by the thread that made the part: its caches still hold some of it."""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.linear.panels import share
from chainrule.kernels.tiles import lanes, row
from chainrule.kernels.types import Array


@njit(**JIT)
def add_part(y: Array, b: Array, lo: int, hi: int, parts: int) -> None:
    """Add b to part lo … hi of y's `parts`, as `panels.multiply_part` has them (F2).

    The rows of y are contiguous.
    """
    i, i_end, j, j_end = share(y.shape[0], y.shape[1], lanes(y), lo, hi, parts)
    for n in range(i, i_end):
        y_n, b_n = row(y, n)[j:j_end], b[j:j_end]
        for k in range(y_n.size):
            y_n[k] += b_n[k]
