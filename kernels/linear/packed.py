"""Products with a matrix that serves many of them: it is laid out in panels once.

W = packed(W)               (⌈N / width⌉, K, width), 0 beyond the last column
product(x, W, y)            y = x W, y: (M, N), or wider: 0 up to a panel's end
"""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.linear.panels import DEPTH, lay, multiply_panel
from chainrule.kernels.linear.tile import HEIGHT, panel_width
from chainrule.kernels.memory import lines
from chainrule.kernels.types import Array


def packed(W: Array, transpose: bool = False) -> Array:
    """Return W, (K, N), or its transpose in panels, for `product`; its last axis is contiguous."""
    return _packed(W, transpose)  # type: ignore[no-any-return]


@njit(**JIT)
def _packed(W: Array, transpose: bool) -> Array:
    K, N = W.shape[::-1] if transpose else W.shape
    width = panel_width(W)
    G = -(-N // width)
    out: Array = lines(G * K * width, W)
    out[(G - 1) * K * width :] = 0
    if N and K:
        lay(W, not transpose, 0, K, 0, N, width, out.reshape((1, -1)))
    return out.reshape((G, K, width))


@njit(**JIT)
def product(x: Array, W: Array, y: Array) -> None:
    """Overwrite y by x W for x, (M, K), whose rows are contiguous, and W, (K, N), by `packed`."""
    (M, K), width, panels = x.shape, W.shape[2], W.reshape((1, -1))
    edge = lines(width * HEIGHT, x).reshape((HEIGHT, width))
    if K == 0:
        y[:] = 0
    for k in range(0, K, DEPTH):
        n = min(DEPTH, K - k)
        for g in range(W.shape[0]):
            w, j = (g * K + k) * width, g * width
            c = min(width, y.shape[1] - j)
            multiply_panel(x, k, False, n, panels, w, width, y, 0, M, j, c, k == 0, edge)
