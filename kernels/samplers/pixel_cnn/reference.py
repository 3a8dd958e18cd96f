"""NumPy twin of PixelCNN's sampler: the definition that the fast ones are tested against.

For every channel the whole network is computed anew, for all pixels.
"""

import numpy as np

from chainrule.kernels.categorical import reference as categorical
from chainrule.kernels.gate import reference as gate
from chainrule.kernels.logistics import reference as logistics
from chainrule.kernels.masked_conv import Window, above, left, raster
from chainrule.kernels.masked_conv import reference as masked_conv
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.samplers.pixel_cnn import Memory, Sizes, Weights
from chainrule.kernels.types import Array, Ids


def extend(u: Array, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.extend`."""
    for k in range(u.shape[1]):
        if (u[:, k] >= 0).any():
            draw(_outputs(weights, sizes, at + k, memory), u[:, k], sizes, x[:, k])
        memory.x[:, at + k] = x[:, k]


def choose(
    low: Ids, high: Ids, weights: Weights, sizes: Sizes, at: int, memory: Memory, x: Ids
) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.choose`."""
    for k in range(low.shape[1]):
        if (low[:, k] < high[:, k]).any():
            s = _outputs(weights, sizes, at + k, memory)
            likeliest(s, low[:, k], high[:, k], sizes, x[:, k])
        else:
            x[:, k] = low[:, k]
        memory.x[:, at + k] = x[:, k]


def likeliest(s: Array, low: Ids, high: Ids, sizes: Sizes, x: Ids) -> None:
    """Overwrite x, (N,), by the likeliest levels of outputs s; F6."""
    if sizes.n_logistics:
        p: Array = np.empty((len(s), sizes.levels))
        logistics.conditionals(s.astype(np.float64), p)  # F6
    else:
        p = np.pad(s, ((0, 0), (1, 0))) if sizes.levels == 2 else s  # F6
    v = np.arange(sizes.levels)
    allowed = (v >= low[:, None]) & (v <= high[:, None])
    x[...] = np.where(allowed, p, -np.inf).argmax(axis=1)


def peek(weights: Weights, sizes: Sizes, at: int, memory: Memory, s: Array) -> None:
    """See `chainrule.kernels.samplers.pixel_cnn.peek`."""
    s[...] = _outputs(weights, sizes, at, memory)


def draw(s: Array, u: Array, sizes: Sizes, x: Ids) -> None:
    """Overwrite x, (N,), where u ≥ 0."""
    if sizes.n_logistics:
        logistics.draw(s, u, sizes.levels, x)
    elif sizes.levels == 2:
        x[...] = np.where(u < 0, x, u < sigmoid(s[:, 0]))  # F5
    else:
        categorical.draw(s, u, 1.0, 0, 1.0, x)


def _outputs(w: Weights, sizes: Sizes, at: int, memory: Memory) -> Array:
    """Return the outputs of channel `at` of every image, (N, K)."""
    R, S, C = sizes[:3]
    z = 2 / (sizes.levels - 1) * memory.x.reshape(-1, R, S, C).astype(w.W_t.dtype) - 1
    y = memory.y if len(memory.y) else np.zeros(len(z), np.int32)
    own = raster(1, "B", C)
    h = _gated(w, sizes, z, y, own) if w.gated else _plain(w, sizes, z, y, own)
    t = relu(mapped(relu(h), w.W_t, w.b_t, y, own))  # F4
    s: Array = mapped(t, w.W_s, w.b_s, y, own).reshape(len(z), R * S * C, -1)[:, at]  # F4
    return s


def _plain(w: Weights, sizes: Sizes, z: Array, y: Ids, own: Window) -> Array:
    C = sizes.channels
    h = mapped(z, w.W_x, w.b_x, y, raster(sizes.first_size, "A", C))  # F1
    if w.b_p.size:
        h += w.b_p  # F1
    for l in range(len(w.W_m)):
        a = relu(mapped(relu(h), w.W_i[l], w.b_i[:, l], y, own))  # F1
        m = relu(mapped(a, w.W_m[l], w.b_m[:, l], y, raster(sizes.kernel_size, "B", C)))  # F1
        masked_conv.add(m, w.W_o[l], own, h)  # F1
    return h


def _gated(w: Weights, sizes: Sizes, z: Array, y: Ids, own: Window) -> Array:
    v = h = z
    for l in range(len(w.W_vh)):
        k, kind = (sizes.kernel_size, "B") if l else (sizes.first_size, "A")
        W_v, W_h = (w.W_v[l - 1], w.W_h[l - 1]) if l else (w.W_xv, w.W_xh)
        p = mapped(v, W_v, w.b_v[:, l], y, above(k, kind))  # F2
        if l == 0 and w.b_p.size:
            p += w.b_p  # F2
        q = mapped(h, W_h, w.b_h[:, l], y, left(k, kind, sizes.channels))  # F3
        masked_conv.add(p, w.W_vh[l], raster(1, "B"), q)  # F3
        v, g = _gate(p, 1), _gate(q, sizes.channels)  # F2, F3
        h = h.copy() if l else np.zeros_like(g)
        masked_conv.add(g, w.W_o[l], own, h)  # F3
    return h


def mapped(x: Array, W: Array, table: Array, y: Ids, window: Window) -> Array:
    """Return each image's bias and its masked map; table: (n_classes, O), or one for all."""
    out = np.empty((*x.shape[:3], W.shape[2]), x.dtype)
    out[...] = (table[y] if len(table) > 1 else table)[:, None, None]
    masked_conv.add(x, W, window, out)
    return out


def _gate(a: Array, groups: int) -> Array:
    y = np.empty((*a.shape[:3], a.shape[3] // 2), a.dtype)
    gate.forward(a.reshape(-1, a.shape[3]), groups, y.reshape(-1, y.shape[3]))
    return y


def relu(a: Array) -> Array:
    """Return max(a, 0)."""
    out: Array = np.maximum(a, 0)
    return out
