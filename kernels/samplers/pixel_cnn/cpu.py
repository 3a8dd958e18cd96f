"""Numba twin of PixelCNN's sampler: `chainrule.kernels.samplers.images` calls, `loop` computes."""

from chainrule.kernels.samplers import images
from chainrule.kernels.samplers.pixel_cnn import Memory, Sizes, Weights, loop
from chainrule.kernels.samplers.pixel_cnn import memory as features
from chainrule.kernels.samplers.pixel_cnn.panels import Net, net
from chainrule.kernels.types import Array, Ids


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.extend`."""
    images.extend(_BY, u, weights, sizes, at, memory, x)


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.choose`."""
    images.choose(_BY, low, high, weights, sizes, at, memory, x)


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.peek`."""
    images.peek(_BY, weights, sizes, at, memory, s)


def _begin(w: Weights, sizes: Sizes, n: int) -> tuple[Net, features.Grids, features.Features]:
    """Return the network, and the memory of n images without a pixel."""
    grids = features.grids(sizes, n)
    return net(w, sizes), grids, features.kept(w, grids, sizes.channels)


_BY = images.Looped(loop, _begin)
