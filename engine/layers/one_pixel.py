"""Maps of one pixel alone: what samplers ask for that draw an image pixel by pixel.

A masked map (`chainrule.engine.layers.pixels`) of a whole image is a product for each tap. Of one
pixel it is one product: what its taps see, side by side, with their matrices below each other.
Loops that are compiled (`chainrule.kernels.samplers`) have maps of their own.
"""

from chainrule.kernels import linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_conv import Window
from chainrule.kernels.types import Array, Ids


class PixelMap:
    """A masked map, W: (T, C, O), with each class's bias, (n_classes, O), or none."""

    def __init__(self, W: Array, table: Array | None, y: Ids, window: Window) -> None:
        """Lay the matrices below each other, 0 where they are hidden. y: the images' classes."""
        xp = array_module(W)
        self._W, self._taps = xp.array(W), [*window.taps()]
        self._W[xp.asarray(~window.mask(*W.shape[1:]))] = 0
        self._W = self._W.reshape(-1, W.shape[2])
        self._b = None if table is None else table[y] if len(table) > 1 else table[0]

    def __call__(self, x: Array, i: int, j: int) -> Array:
        """Return the map at pixel (i, j) of x, (n, R, S, C): (n, O), an array of its own."""
        xp, (n, R, S, C) = array_module(x), x.shape
        seen = xp.zeros((n, len(self._taps), C), x.dtype)
        for t, (u, v) in enumerate(self._taps):
            if 0 <= i + u < R and 0 <= j + v < S:
                seen[:, t] = x[:, i + u, j + v]
        out: Array = xp.empty((n, self._W.shape[1]), x.dtype)
        linear.product(seen.reshape(n, -1), self._W, out)
        if self._b is not None:
            out += self._b
        return out


def rectified(x: Array) -> Array:
    """Return max(x, 0) of a pixel's features, (n, C), as an image of one pixel."""
    u: Array = array_module(x).maximum(x, 0)
    return u[:, None, None]
