"""A layer of PixelRNN while images are drawn: pixel by pixel, with two rows of states.

A cell sees cells of its own row and of the row above (`chainrule.kernels.grid_lstm`), so of h and c
there are two rows, row 1 the one that is being drawn; above the image's first row there are zeros,
which is what lies beyond it. The mirrored direction's cells of a row are told to the row below
alone, and see those to their right: they are worked out when the row is known, from right to left.

On a device: on the host chainrule.kernels.samplers.pixel_rnn does all layers' steps in one loop.
"""

from chainrule.engine.layers.grid_lstm import Cell, Weights
from chainrule.engine.layers.one_pixel import PixelMap
from chainrule.kernels import grid_lstm
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


class GridSteps:
    """A layer's memory of n images that are being drawn, S pixels a row."""

    def __init__(self, w: Weights, of: Cell, y: Ids, n: int, S: int) -> None:
        """Begin before the first row. y: the images' classes."""
        xp, H = array_module(w.W_o), w.W_o.shape[1]
        self._inputs = [
            PixelMap(W, w.b_i[:, d], y, of.window) for d, W in enumerate(w.W_i)
        ]  # fmt: skip
        self._out = PixelMap(w.W_o, None, y, of.own)
        self._fronts = [*zip(of.directions, w.W_h, strict=True)]
        self._x = xp.zeros((n, 1, S, w.W_i.shape[2]), w.W_o.dtype)  # of the row
        shape = len(of.directions), n, 2, S, H
        self._h, self._c = xp.zeros(shape, w.W_o.dtype), xp.zeros(shape, w.W_o.dtype)

    def pixel(self, x: Array, j: int) -> Array:
        """Return the layer's output, (n, F), at pixel j of the row, given its input there."""
        self._x[:, 0, j] = x
        self._step(0, j)
        m = self._h[0, :, 1, j]
        if len(self._fronts) > 1:
            m = m + self._h[1, :, 0, j]
        out: Array = x + self._out(m[:, None, None], 0, 0)
        return out

    def next_row(self) -> None:
        """Move on to the next row; all pixels of this one are known."""
        if len(self._fronts) > 1:
            for j in reversed(range(self._x.shape[2])):
                self._step(1, j)
        self._h[:, :, 0], self._c[:, :, 0] = self._h[:, :, 1], self._c[:, :, 1]

    def _step(self, d: int, j: int) -> None:
        """Work out direction d's cell at pixel j of the row."""
        a, (fronts, W) = self._inputs[d](self._x, 0, j), self._fronts[d]
        grid_lstm.pixel(a, W, fronts, 1, j, self._h[d], self._c[d])
