"""PixelRNN's weights in panels, what the compiled sampler keeps of pixels before, and its room.

Every array is a matrix with a row a pixel; a grid says how the rows of one lie
(`chainrule.kernels.samplers.pixel_cnn.products`). A layer's directions are layers of a map.
"""

from typing import NamedTuple

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_conv import Window, left, raster
from chainrule.kernels.memory import lines
from chainrule.kernels.samplers.pixel_cnn import Sizes
from chainrule.kernels.samplers.pixel_cnn.memory import zeros
from chainrule.kernels.samplers.pixel_cnn.panels import Net, WindowMap, laid_out
from chainrule.kernels.samplers.pixel_cnn.products import PixelGrid
from chainrule.kernels.samplers.pixel_rnn import Weights
from chainrule.kernels.tiles import HEIGHT, panel_width
from chainrule.kernels.types import Array


class States(NamedTuple):
    """What is known of all images.

    z: levels, scaled. x, h, c: of each layer what it reads, of each direction the states; two rows.
    first, above: of the own row what the rows above give, in F1, and of the first direction in F2.
    m, u, t: of the own pixel, what its later groups look at: of each layer m, and relu(x) and the
    hidden units of F4.
    """

    z: Array
    x: Array
    h: Array
    c: Array
    first: Array
    above: Array
    m: Array
    u: Array
    t: Array


class StateGrids(NamedTuple):
    """How States have their rows: z; two rows of the image, zeros beside them; the own row."""

    z: PixelGrid
    pair: PixelGrid
    own: PixelGrid


class Scratch(NamedTuple):
    """Room for pixels at hand: h, the last layer's x; a and p, parts of F2's a; s; a tile."""

    h: Array
    a: Array
    p: Array
    s: Array
    edge: Array


def net(w: Weights, sizes: Sizes) -> Net:
    """Return the network in panels, in memory of its own: V sees cells above, H the one beside."""
    C, (L, D, T_i) = sizes.channels, w.W_i.shape[:3]
    own, of_layers = raster(1, "B", C), (L * D, T_i, *w.W_i.shape[3:])
    W_h = w.W_h.reshape(L * D, *w.W_h.shape[2:])
    n = 1 if w.diagonal else 3  # cells above
    beside = Window(((-1, 0, 1),), C)  # seen whole by each group, as are all pixels before
    b_i = w.b_i.reshape(len(w.b_i), L * D, w.b_i.shape[3])
    maps = {
        "x": WindowMap(w.W_x, raster(sizes.first_size, "A", C), w.b_x),
        "i": WindowMap(w.W_i.reshape(of_layers), left(sizes.kernel_size, "B", C), b_i),
        "v": WindowMap(W_h[:, :n], Window(((-1, -(n // 2), n),))),
        "h": WindowMap(W_h[:, n:], beside),
        "o": WindowMap(w.W_o, own),
        "t": WindowMap(w.W_t, own, w.b_t),
        "s": WindowMap(w.W_s, own, w.b_s),
    }
    return laid_out(maps, w.b_p)


def grids(sizes: Sizes, n: int) -> StateGrids:
    """Return the grids of n images."""
    S, first = sizes.width, sizes.first_size // 2
    return StateGrids(
        z=PixelGrid(sizes.height, n, S + 2 * first, first),
        pair=PixelGrid(2, n, S + 2, 1),
        own=PixelGrid(1, n, S, 0),
    )


def kept(w: Weights, of: StateGrids, C: int) -> States:
    """Return the memory of images without a pixel."""
    (L, D), n, H, Q = w.W_h.shape[:2], of.z.images, w.W_o.shape[2], w.W_t.shape[1]
    row, two, of_z = (g.slots * g.images * g.width for g in (of.own, of.pair, of.z))
    sizes = {
        "z": (of_z, C),
        "x": (L * two, Q),
        "h": (L * D * two, H),
        "c": (L * D * two, H),
        "first": (row, Q),
        "above": (L * row, 4 * H),
        "m": (L * n, H),
        "u": (n, Q),
        "t": (n, Q),
    }
    return States(**{name: zeros(*size, w.W_t) for name, size in sizes.items()})


@njit(**JIT)
def new_scratch(n: int, H: int, Q: int, K: int, S: int, like: Array) -> Scratch:
    """Return working memory for n images."""
    width = panel_width(like)
    return Scratch(
        lines(n * Q, like).reshape((n, Q)),
        lines(n * S * 4 * H, like).reshape((n * S, 4 * H)),
        lines(n * S * 4 * H, like).reshape((n * S, 4 * H)),
        lines(n * K, like).reshape((n, K)),
        lines(HEIGHT * width, like).reshape((HEIGHT, width)),
    )
