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

# Which map, or bias, and what is known of one. All are in one array, and what is where in another:
# Numba would take minutes to compile functions of two dozen arrays that call each other.
X, I, M, XV, XH, V, H, VH, O, T, S = range(11)
NAMES = "x i m xv xh v h vh o t s".split()
LAYERS, GROUPS, PANELS, INPUTS, OUTPUTS, BEGIN, RUNS, FIRST_RUN = range(8)
B_BEGIN, B_SIZE, B_CLASS = range(8, 11)


class Net(NamedTuple):
    """A network; where `gated`, of the maps of both kinds only the gated ones have numbers.

    panels: of all maps, each (layers, groups, panels, inputs, width) from number BEGIN on.
    maps: (maps, 11), the sizes and places of each; OUTPUTS: of a group. runs: (·, 4): a run of
    visible numbers begins u rows and v pixels from the own one, is so long, and is multiplied by
    the panel's rows from k on; of a map (groups, RUNS) of them, from FIRST_RUN on. biases: of all
    maps, B_SIZE numbers of each class and layer, number y · B_CLASS + layer of them, from B_BEGIN
    on. places: (R, S, 2F), the first map's biases of each pixel, or (0, 0, 0).
    """

    gated: bool
    panels: Array
    maps: Any
    runs: Any
    biases: Array
    places: Array


class WindowMap(NamedTuple):
    """A map of a network: W, with layers in front if it has several, what it sees, its biases."""

    W: Array
    window: Window
    b: Array | None = None


def net(w: Weights, sizes: Sizes) -> Net:
    """Return the network in panels, in memory of its own."""
    maps = {
        name: WindowMap(getattr(w, f"W_{name}"), window, getattr(w, f"b_{name}", None))
        for name, window in _windows(w, sizes).items()
    }
    return laid_out(maps, w.b_p, w.gated)


def laid_out(of: dict[str, WindowMap], b_p: Array, gated: bool = False) -> Net:
    """Return a network of some of the maps of NAMES; those without numbers are not there."""
    panels: list[Array] = []
    runs: list[tuple[int, ...]] = []
    biases = [np.zeros(0, b_p.dtype)]
    maps = np.zeros((len(NAMES), 11), np.int64)
    for of_map, name in zip(maps, NAMES, strict=True):
        if name not in of or not of[name].W.size:  # a network without this map
            continue
        W, window, _ = of[name]
        layers: Any = W if W.ndim == 4 else W[None]
        C, O = layers.shape[2:]
        seen = window.seen(C, window.groups) if window.groups > 1 else [C]
        own_runs = [_runs(window, C, n) for n in seen]
        laid: Any = _packed(_groups(layers, window.groups))
        begin, first = sum(a.size for a in panels), len(runs)
        of_map[:OUTPUTS] = laid.shape[:4]
        of_map[OUTPUTS:B_BEGIN] = O // len(seen), begin, len(own_runs[0]), first
        panels.append(laid.reshape(-1))
        runs += [run for of_group in own_runs for run in of_group]
    for of_map, name in zip(maps, NAMES, strict=True):
        b = of[name].b if name in of else None
        if b is not None and b.size:  # of a map that is not there, too: the gated first one's
            per_class = (b.shape[1] if b.ndim == 3 else 1) if len(b) > 1 else 0
            of_map[B_BEGIN:] = sum(a.size for a in biases), b.shape[-1], per_class
            biases.append(b.reshape(-1))
    places = np.array(b_p, order="C")
    of_all = maps, np.array(runs, np.int64), np.concatenate(biases), places
    return Net(gated, _joined(panels), *of_all)


def _windows(w: Weights, sizes: Sizes) -> dict[str, Window]:
    """Return what each map sees, by NAMES."""
    C, k, first = sizes.channels, sizes.kernel_size, sizes.first_size
    windows = dict.fromkeys(NAMES, raster(1, "B", C))
    windows["vh"] = raster(1, "B")
    if w.gated:
        windows |= {"xv": above(first, "A"), "xh": left(first, "A", C)}
        windows |= {"v": above(k, "B"), "h": left(k, "B", C)}
    else:
        windows |= {"x": raster(first, "A", C), "m": raster(k, "B", C)}
    return windows


def _groups(W: Array, G: int) -> Array:
    """Return W, (layers, T, C, O), group by group of outputs, (layers, G, T·C, O / G)."""
    L, T, C, O = W.shape
    return np.ascontiguousarray(W.reshape(L, T * C, G, O // G).transpose(0, 2, 1, 3))


def _runs(window: Window, C: int, seen: int) -> list[tuple[int, int, int, int]]:
    """Return a group's runs, of inputs of C channels, of the own pixel's the first `seen`."""
    runs, k = [], 0
    for u, v, n in window.runs:
        cut = C - seen if window.groups > 1 and u == 0 else 0  # the own pixel is the last
        runs.append((u, v, n * C - cut, k))
        k += n * C
    return runs


def _joined(arrays: list[Array]) -> Array:
    """Return arrays one after the other, the first at the begin of a line."""
    out: Array = _line(sum(a.size for a in arrays), arrays[0])
    np.concatenate(arrays, out=out)
    return out


@njit(**JIT)
def _line(n: int, like: Array) -> Array:
    out: Array = lines(n, like)
    return out


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
