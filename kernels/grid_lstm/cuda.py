"""CUDA twin of the LSTM over pixels: for each front cuBLAS's product and a launch over its cells.

A thread has one unit of one cell, with all four gates. It hands its h on to the rows of those cells
that see it, so that the next front's product finds them side by side: nothing is gathered. Back, it
collects what those cells' da Wᵀ say of its h. Cells of a front are ordered line by line, so that
those of a front are a slice of memory, of a diagonal too. dW is T products at the end.

On an H100 at N=16, 28 × 28, H=32 in float32 (67 TFLOP/s, 3.35 TB/s), rows and diagonals:
            0.3 and 0.2 GFLOP forward, twice that backward: 5 and 3 µs, then 9 and 6
            a, h, c once, x and p from L2: 10 MB of HBM, 3 µs; 20 MB backward, 6 µs
            but 28, or 55, fronts that wait for each other, two launches each, about 2.5 µs as a
            CUDA graph makes them: 70, or 140 µs forward and as much backward. That chain is the
            floor: each front is a product of 448 rows at most, 96 by 128, which a few
            multiprocessors do in 2 µs.
            Launched from Python the host sets the pace, 6 µs a launch of our own and more of
            CuPy's matmul, 20 µs a front or so: 0.6, or 1.1 ms.

One kernel a front, its product within, would halve the launches; a persistent one would need a
barrier of the whole grid. All of these are estimates: not run on a GPU.
"""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.kernels.device import Plan, blocks, launch, need_contiguous, planner
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.grid_lstm.fronts import CellWalk, Fronts
from chainrule.kernels.grid_lstm.reference import weight_gradient
from chainrule.kernels.types import Array

SOURCE = Path(__file__).with_name("grid_lstm.cu")
THREADS = 256


@planner
def plan(
    kernel: str, at: tuple[int, int, int], sizes: tuple[int, int, int, int], walk: CellWalk,
    rows_of_a: tuple[int, ...], dtype: np.dtype[Any],
) -> Plan:  # fmt: skip
    """Return a launch over `lines` lines of front k from line `first` on; at: k, first, lines.

    sizes: N, H, the units of a group, T. rows_of_a: of grid_lstm_forward, where cells' a stand.
    """
    grid = (blocks(at[2] * sizes[0] * sizes[1], THREADS),)
    scalars = tuple(map(np.int32, (*at, *sizes, *walk, *rows_of_a)))
    return Plan(kernel, dtype, grid, THREADS, scalars)


def forward(a: Array, W: Array, fronts: Fronts, h: Array, c: Array) -> None:
    """See `chainrule.kernels.grid_lstm.forward`."""
    xp, walk, sizes, of_W = array_module(W), *_measured(W, fronts, h)
    x = xp.zeros((walk.n_lines, len(h), len(of_W)), W.dtype)
    p = xp.empty((walk.n_lines * len(h), 4 * h.shape[3]), W.dtype)
    for k in range(walk.n_fronts):
        lo, hi = walk.lines(k)
        m = (hi - lo) * len(h)
        xp.matmul(x[lo:hi].reshape(m, -1), of_W, out=p[:m])  # F1: h W
        rows_of_a = walk.origin + k * walk.of_front, walk.n_pixels, walk.of_line
        at_k = plan("grid_lstm_forward", (k, lo, hi - lo), sizes, walk, rows_of_a, W.dtype)
        launch(SOURCE, at_k, a, p, h, c, x)


def pixel(a: Array, W: Array, fronts: Fronts, i: int, j: int, h: Array, c: Array) -> None:
    """See `chainrule.kernels.grid_lstm.pixel`."""
    xp, walk, sizes, of_W = array_module(W), *_measured(W, fronts, h)
    S, x = h.shape[2], xp.zeros((len(h), *W.shape[:2]), W.dtype)
    for p, (u, v) in enumerate(fronts.taps):
        if i + u >= 0 and 0 <= j + v < S:
            x[:, p] = h[:, i + u, j + v]
    product = xp.matmul(x.reshape(len(h), -1), of_W)
    k, line = fronts.cell(i, j, S)
    alone = walk._replace(n_fronts=k + 1)  # no front after it that would be told of its h
    at = plan("grid_lstm_forward", (k, line, 1), sizes, alone, (0, 1, 0), W.dtype)
    launch(SOURCE, at, a, product, h, c, x)


def backward(
    dh: Array, gates: Array, W: Array, fronts: Fronts, h: Array, c: Array, da: Array, dW: Array
) -> None:
    """See `chainrule.kernels.grid_lstm.backward`."""
    need_contiguous("grid_lstm", dW)
    xp, walk, sizes, of_W = array_module(W), *_measured(W, fronts, h)
    back = xp.empty((walk.n_lines, len(h), len(of_W)), W.dtype)
    dc = xp.zeros((walk.n_lines, len(h), h.shape[3]), W.dtype)
    d = xp.empty((walk.n_lines * len(h), 4 * h.shape[3]), W.dtype)
    for k in reversed(range(walk.n_fronts)):
        lo, hi = walk.lines(k)
        m = (hi - lo) * len(h)
        at_k = plan("grid_lstm_backward", (k, lo, hi - lo), sizes, walk, (), W.dtype)
        launch(SOURCE, at_k, dh, gates, c, back, dc, da, d)
        xp.matmul(d[:m], of_W.T, out=back[lo:hi].reshape(m, -1))  # B1: da Wᵀ
    weight_gradient(da, fronts, h, dW)  # B5


def _measured(
    W: Array, fronts: Fronts, h: Array
) -> tuple[CellWalk, tuple[int, int, int, int], Array]:
    """Return the walk, the kernels' sizes, and the matrices below each other, (T · H, 4H)."""
    need_contiguous("grid_lstm", W, h)
    N, R, S, H = h.shape
    return fronts.walk(R, S), (N, H, H // fronts.groups, len(W)), W.reshape(-1, 4 * H)
