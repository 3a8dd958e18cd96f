"""PixelCNN's weights as the compiled sampler reads them: group by group, in panels, once.

A map's outputs come in groups, one a channel, and a group sees of the own pixel the first so many
inputs (`chainrule.kernels.masked_conv`). So a group's columns are a matrix of their own, and what
is hidden from it are the last rows, which are not read: the own pixel is its window's last tap.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import JIT
from chainrule.kernels.masked_conv import Window, above, left, raster
from chainrule.kernels.memory import lines
from chainrule.kernels.samplers.pixel_cnn import Sizes, Weights
from chainrule.kernels.tiles import pack, panel_width
from chainrule.kernels.types import Array


class Map(NamedTuple):
    """One masked map of each layer.

    panels: (layers, groups, panels, inputs, width). runs: (groups, runs, 4): a run of visible
    numbers begins dy rows and dx pixels from the own one, is so long, and is multiplied by the
    panel's rows from k on. outputs: of a group.
    """

    panels: Array
    runs: Any
    outputs: int


class Bias(NamedTuple):
    """A row of the table for each class and layer: y · per_class + layer; per_class 0: shared."""

    table: Array
    per_class: int


class Net(NamedTuple):
    """A network; where `gated`, of the maps of both kinds only the gated ones have numbers."""

    gated: bool
    x: Map
    i: Map
    m: Map
    xv: Map
    xh: Map
    v: Map
    h: Map
    vh: Map
    o: Map
    t: Map
    s: Map
    b_x: Bias
    b_i: Bias
    b_m: Bias
    b_v: Bias
    b_h: Bias
    b_t: Bias
    b_s: Bias


def net(w: Weights, sizes: Sizes) -> Net:
    """Return the network in panels, in memory of its own."""
    C, k, first = sizes.channels, sizes.kernel_size, sizes.first_size
    own, whole = raster(1, "B", C), raster(1, "B")
    windows = {
        **{"x": own, "i": own, "m": own, "xv": whole, "xh": own, "v": whole, "h": own},
        **{"vh": whole, "o": own, "t": own, "s": own},
    }
    if w.gated:
        windows |= {"xv": above(first, "A"), "xh": left(first, "A", C)}
        windows |= {"v": above(k, "B"), "h": left(k, "B", C)}
    else:
        windows |= {"x": raster(first, "A", C), "m": raster(k, "B", C)}
    maps = {name: _map(getattr(w, f"W_{name}"), window) for name, window in windows.items()}
    biases = {f"b_{name}": _bias(getattr(w, f"b_{name}")) for name in "x i m v h t s".split()}
    return Net(w.gated, **maps, **biases)


def _map(W: Array, window: Window) -> Map:
    """Return a map of W, (layers, T, C, O) or (T, C, O) of one."""
    W = W if W.ndim == 4 else W[None]
    L, T, C, O = W.shape
    if not W.size:  # a network without this map
        return Map(_packed(np.zeros((0, 0, 1, 1), W.dtype)), np.zeros((1, 0, 4), np.int64), 0)
    G = window.groups
    columns = W.reshape(L, T * C, G, O // G).transpose(0, 2, 1, 3)
    runs = (
        [_runs(window, C, seen) for seen in window.seen(C, G)] if G > 1 else [_runs(window, C, C)]
    )
    return Map(_packed(np.ascontiguousarray(columns)), np.array(runs, np.int64), O // G)


def _runs(window: Window, C: int, seen: int) -> list[tuple[int, int, int, int]]:
    """Return a group's runs, of inputs of C channels, of the own pixel's the first `seen`."""
    runs, k = [], 0
    for dy, dx, n in window.runs:
        cut = C - seen if window.groups > 1 and dy == 0 else 0  # the own pixel is the last
        runs.append((dy, dx, n * C - cut, k))
        k += n * C
    return runs


def _bias(b: Array) -> Bias:
    """Return a bias of a table, (n_classes, O) or (n_classes, layers, O)."""
    layers = b.shape[1] if b.ndim == 3 else 1
    table = np.ascontiguousarray(b.reshape(len(b) * layers, b.shape[-1]))
    return Bias(table, layers if len(b) > 1 else 0)


@njit(**JIT)
def _packed(W: Array) -> Array:
    """Return W, (layers, groups, K, O), in panels."""
    (L, G, K, O), width = W.shape, panel_width(W)
    n = -(-O // width)
    out: Array = lines(L * G * n * K * width, W).reshape((L, G, n, K, width))
    for l in range(L):
        for g in range(G):
            pack(W[l, g], out[l, g])
    return out
