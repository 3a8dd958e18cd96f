"""NumPy twin of PixelRNN's sampler: the definition that the fast one is tested against.

For every channel the whole network is computed anew, for all pixels.
"""

import numpy as np

from chainrule.kernels.grid_lstm import diagonals, mirrored, rows
from chainrule.kernels.grid_lstm import reference as grid_lstm
from chainrule.kernels.masked_conv import left, raster
from chainrule.kernels.masked_conv import reference as masked_conv
from chainrule.kernels.samplers.pixel_cnn.reference import draw, likeliest, mapped, relu
from chainrule.kernels.samplers.pixel_rnn import Memory, Sizes, Weights
from chainrule.kernels.types import Array, Ids


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """See `chainrule.kernels.samplers.pixel_rnn.extend`."""
    for k in range(u.shape[1]):
        if (u[:, k] >= 0).any():
            draw(_outputs(weights, sizes, at + k, memory), u[:, k], sizes, x[:, k])  # F5
        memory.x[:, at + k] = x[:, k]


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_rnn.choose`."""
    for k in range(low.shape[1]):
        x[:, k] = low[:, k]
        if (low[:, k] < high[:, k]).any():
            s = _outputs(weights, sizes, at + k, memory)
            likeliest(s, low[:, k], high[:, k], sizes, x[:, k])  # F6
        memory.x[:, at + k] = x[:, k]


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_rnn.peek`."""
    s[...] = _outputs(weights, sizes, at, memory)


def _outputs(w: Weights, sizes: Sizes, at: int, memory: Memory) -> Array:
    """Return the outputs of channel `at` of every image, (N, K)."""
    R, S, C = sizes[:3]
    z = 2 / (sizes.levels - 1) * memory.x.reshape(-1, R, S, C).astype(w.W_t.dtype) - 1
    y = memory.y if len(memory.y) else np.zeros(len(z), np.int32)
    own = raster(1, "B", C)
    x = mapped(z, w.W_x, w.b_x, y, raster(sizes.first_size, "A", C))  # F1
    if w.b_p.size:
        x += w.b_p  # F1
    for l in range(len(w.W_o)):
        masked_conv.add(_cells(w, sizes, l, x, y), w.W_o[l], own, x)  # F3
    t = relu(mapped(relu(x), w.W_t, w.b_t, y, own))  # F4
    s: Array = mapped(t, w.W_s, w.b_s, y, own).reshape(len(z), R * S * C, -1)[:, at]  # F4
    return s


def _cells(w: Weights, sizes: Sizes, l: int, x: Array, y: Ids) -> Array:
    """Return layer l's m, (N, R, S, H), of F3."""
    C, (N, R, S, _) = sizes.channels, x.shape
    window = left(sizes.kernel_size, "B", C)
    m: Array = np.zeros((N, R, S, w.W_o.shape[2]), x.dtype)
    for d, fronts in enumerate((diagonals(C), mirrored(C)) if w.diagonal else (rows(C),)):
        a, h = mapped(x, w.W_i[l, d], w.b_i[:, l, d], y, window), np.empty_like(m)
        grid_lstm.forward(a, w.W_h[l, d], fronts, h, np.empty_like(m))  # F2
        m[:, d:] += h[:, : R - d]  # F3: the second direction's of the row above
    return m
