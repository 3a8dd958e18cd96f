"""Numba twin of PixelRNN's sampler: `chainrule.kernels.samplers.images` calls, `loop` computes."""

from chainrule.kernels.samplers import images
from chainrule.kernels.samplers.pixel_cnn.panels import Net
from chainrule.kernels.samplers.pixel_rnn import Memory, Sizes, Weights, loop
from chainrule.kernels.samplers.pixel_rnn import memory as states
from chainrule.kernels.types import Array, Ids


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """See `chainrule.kernels.samplers.pixel_rnn.extend`."""
    images.extend(_BY, u, weights, sizes, at, memory, x)


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_rnn.choose`."""
    images.choose(_BY, low, high, weights, sizes, at, memory, x)


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_rnn.peek`."""
    images.peek(_BY, weights, sizes, at, memory, s)


def _begin(w: Weights, sizes: Sizes, n: int) -> tuple[Net, states.StateGrids, states.States]:
    """Return the network, and the memory of n images without a pixel."""
    grids = states.grids(sizes, n)
    return states.net(w, sizes), grids, states.kept(w, grids, sizes.channels)


_BY = images.Looped(loop, _begin)
