"""Numba twin of the LSTM over pixels: one matrix product a front, then the cells, one by one.

What the cells of a front see is gathered, row after row, for some images at a time: so many that a
front of them fills the product's tiles, and so few that it stays in a core's second cache. Images
know nothing of each other, so threads take some of them each; fronts wait for each other.
"""

import numpy as np

from chainrule.kernels import threads
from chainrule.kernels.compiled import njit
from chainrule.kernels.grid_lstm.fronts import CellWalk, Fronts
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.linear import cpu as linear
from chainrule.kernels.linear import tile
from chainrule.kernels.linear.packed import packed, product
from chainrule.kernels.linear.panels import lay
from chainrule.kernels.linear.tile import HEIGHTS, panel_width
from chainrule.kernels.lstm.cpu import cell, cell_back
from chainrule.kernels.memory import lines
from chainrule.kernels.tiles import at_once, lanes, row
from chainrule.kernels.types import Array

CELLS = 256  # of a front, of all images that are done at a time
THREAD_WORK = 4_000_000  # multiply-adds worth a thread: 0.06 ms


def forward(a: Array, W: Array, fronts: Fronts, h: Array, c: Array) -> None:
    """See `chainrule.kernels.grid_lstm.forward`."""
    walk, of_W = fronts.walk(*h.shape[1:3]), packed(_tall(W))
    cells = _flat(a), _flat(h), _flat(c)

    def images(lo: int, hi: int) -> None:
        _forward(of_W, walk, fronts.groups, *cells, lo, hi)

    threads.map_rows(images, len(h), _least(walk, W))


def pixel(a: Array, W: Array, fronts: Fronts, i: int, j: int, h: Array, c: Array) -> None:
    """See `chainrule.kernels.grid_lstm.pixel`."""
    walk, (k, l) = fronts.walk(*h.shape[1:3]), fronts.cell(i, j, h.shape[2])
    x, p = np.empty((len(h), W[..., 0].size), h.dtype), np.empty_like(a)
    h, c = _flat(h), _flat(c)
    _gather(h, walk, k, l, l + 1, 0, len(a), x)
    linear.product(x, _tall(W), p)
    _cells(p, walk, k, l, l + 1, fronts.groups, a, (0, 1, 0), h, c, 0, len(a))


def backward(
    dh: Array, gates: Array, W: Array, fronts: Fronts, h: Array, c: Array, da: Array, dW: Array
) -> None:
    """See `chainrule.kernels.grid_lstm.backward`."""
    walk, of_W = fronts.walk(*h.shape[1:3]), packed(_tall(W), transpose=True)
    cells = _flat(dh), _flat(gates), _flat(h), _flat(c), _flat(da)

    def images(lo: int, hi: int, dW: Array) -> None:
        _backward(of_W, walk, fronts.groups, *cells, _tall(dW), lo, hi)

    shares = [[dW], *([np.empty_like(dW)] for _ in range(1, threads.n_threads()))]
    threads.sum_rows(images, len(h), shares, _least(walk, W))


def _tall(W: Array) -> Array:
    """Return the matrices below each other, (T · H, 4H)."""
    return W.reshape(-1, W.shape[2])


def _flat(x: Array) -> Array:
    """Return a map as a row for each pixel."""
    return x.reshape(-1, x.shape[3])


def _least(walk: CellWalk, W: Array) -> int:
    """Return how many images are worth a thread."""
    return 1 + THREAD_WORK // max(1, walk.n_pixels * W.size)


@njit(**INLINE)
def _lines(walk: CellWalk, k: int) -> tuple[int, int]:
    """CellWalk.lines."""
    if k < 0:
        return 0, 0
    return max(0, k + 1 - walk.long), min(walk.n_lines, k + walk.wide)


@njit(**INLINE)
def _place(walk: CellWalk, k: int, l: int) -> int:
    """Return which pixel of an image cell (k, l) is."""
    return walk.origin + k * walk.of_front + l * walk.of_line


@njit(**JIT)
def _forward(
    W: Array, walk: CellWalk, groups: int, a: Array, h: Array, c: Array, lo: int, hi: int
) -> None:
    """F1-F4 of images lo … hi - 1; W by `packed`."""
    M, x, p = _room(W, a.shape[1], walk, hi - lo, a)
    for n in range(lo, hi, M):
        end = min(hi, n + M)
        for k in range(walk.n_fronts):
            l, l_end = _lines(walk, k)
            m = (end - n) * (l_end - l)
            _gather(h, walk, k, l, l_end, n, end, x)
            product(x[:m], W, p[:m])  # F1
            rows = _place(walk, k, 0), walk.n_pixels, walk.of_line
            _cells(p, walk, k, l, l_end, groups, a, rows, h, c, n, end)


@njit(**JIT)
def _backward(
    W_T: Array, walk: CellWalk, groups: int, dh: Array, gates: Array, h: Array,
    c: Array, da: Array, dW: Array, lo: int, hi: int,
) -> None:  # fmt: skip
    """B1-B5 of images lo … hi - 1; W_T: Wᵀ by `packed`."""
    H = h.shape[1]
    M, new, back = _room(W_T, len(dW), walk, hi - lo, h)
    x = np.empty((len(back), len(dW)), h.dtype)
    delta, dc = np.empty((len(back), H), h.dtype), np.empty((len(back), H), h.dtype)
    total, panel = _room_for_sums(dW, len(back))
    for n in range(lo, hi, M):
        end = min(hi, n + M)
        delta[:], dc[:] = 0, 0
        for k in range(walk.n_fronts - 1, -1, -1):
            l, l_end = _lines(walk, k)
            m = (end - n) * (l_end - l)
            _cells_back(dh, delta, gates, c, dc, walk, k, l, l_end, groups, new, da, n, end)
            _gather(h, walk, k, l, l_end, n, end, x)
            _add_product(x, new, m, panel, total)  # B5
            product(new[:m], W_T, back[:m])  # B1
            _scatter(back, len(dW) // H, walk, k, l, l_end, end - n, delta)
    dW[:] = total[:, : dW.shape[1]]


@njit(**INLINE)
def _room(W: Array, columns: int, walk: CellWalk, n: int, like: Array) -> tuple[int, Array, Array]:
    """Return how many images to take at a time, and room for x and x W of a front of them."""
    M = max(1, min(n, CELLS // walk.n_lines))
    width = -(-columns // lanes(like)) * lanes(like)  # whole vectors
    m = M * walk.n_lines
    x = lines(m * W.shape[1], like).reshape((m, W.shape[1]))
    return M, x, lines(m * width, like).reshape((m, width))


@njit(**JIT)
def _gather(
    h: Array, walk: CellWalk, k: int, l: int, l_end: int, n: int, n_end: int, x: Array
) -> None:  # fmt: skip
    """Lay out what cells l … l_end - 1 of front k see, image by image, a row of x for each."""
    H, (first, end), r = h.shape[1], _lines(walk, k - 1), 0
    T = x.shape[1] // H
    for image in range(n, n_end):
        at = image * walk.n_pixels + _place(walk, k - 1, 0)
        for line in range(l, l_end):
            x_r = row(x, r)
            r += 1
            for p in range(T):
                seen, to = line + p - 1, x_r[p * H : p * H + H]
                if first <= seen < end:
                    h_q = row(h, at + seen * walk.of_line)
                    for s in range(H):
                        to[s] = h_q[s]
                else:
                    to[:] = 0


@njit(**JIT)
def _cells(
    p: Array, walk: CellWalk, k: int, l: int, l_end: int, groups: int, a: Array,
    rows: tuple[int, int, int], h: Array, c: Array, n: int, n_end: int,
) -> None:  # fmt: skip
    """F1-F4 of cells l … l_end - 1 of front k, p = x W.

    rows: a's of line 0 of image 0, and from image to image, and from line to line.
    """
    H = h.shape[1]
    w, (first, end), r = H // groups, _lines(walk, k - 1), 0
    nothing = np.zeros(H, h.dtype)
    for image in range(n, n_end):
        at = image * walk.n_pixels + _place(walk, k, 0)
        for line in range(l, l_end):
            q, inside = at + line * walk.of_line, first <= line < end
            p_r, a_q = row(p, r), row(a, rows[0] + image * rows[1] + line * rows[2])
            h_q, c_q = row(h, q), row(c, q)
            before = row(c, q - walk.of_front) if inside else nothing
            r += 1
            for g in range(0, H, w):
                own, four = slice(g, g + w), slice(4 * g, 4 * g + 4 * w)
                cell(p_r[four], a_q[four], before[own], c_q[own], h_q[own])  # F1-F4


@njit(**JIT)
def _cells_back(
    dh: Array, delta: Array, gates: Array, c: Array, dc: Array, walk: CellWalk, k: int, l: int,
    l_end: int, groups: int, new: Array, da: Array, n: int, n_end: int,
) -> None:  # fmt: skip
    """B1-B4 of cells l … l_end - 1 of front k: da, and once more row after row in `new`."""
    H = dh.shape[1]
    w, (first, end), r = H // groups, _lines(walk, k - 1), 0
    nothing, tanh_c = np.zeros(H, dh.dtype), np.empty(H, dh.dtype)
    for image in range(n, n_end):
        at = image * walk.n_pixels + _place(walk, k, 0)
        for line in range(l, l_end):
            q, of_line = at + line * walk.of_line, (image - n) * walk.n_lines + line
            before = row(c, q - walk.of_front) if first <= line < end else nothing
            dh_q, gates_q, c_q, da_q = row(dh, q), row(gates, q), row(c, q), row(da, q)
            delta_l, dc_l, new_r = row(delta, of_line), row(dc, of_line), row(new, r)
            r += 1
            for g in range(0, H, w):
                own, four = slice(g, g + w), slice(4 * g, 4 * g + 4 * w)
                cell_back(
                    dh_q[own], delta_l[own], gates_q[four], before[own], c_q[own], dc_l[own],
                    new_r[four], tanh_c,
                )  # fmt: skip  # B1-B4
            for s in range(4 * H):
                da_q[s] = new_r[s]


@njit(**JIT)
def _scatter(
    back: Array, T: int, walk: CellWalk, k: int, l: int, l_end: int, images: int, delta: Array
) -> None:
    """Overwrite delta by Σ_p da W_pᵀ at each cell of the front before k; back: all da W_pᵀ."""
    H, (first, end), r = delta.shape[1], _lines(walk, k - 1), 0
    delta[:] = 0
    for image in range(images):
        for line in range(l, l_end):
            back_r = row(back, r)
            r += 1
            for seen in range(max(first, line - 1), min(end, line + T - 1)):
                p = (seen - line + 1) * H
                to, of_tap = row(delta, image * walk.n_lines + seen), back_r[p : p + H]
                for s in range(H):
                    to[s] += of_tap[s]


@njit(**INLINE)
def _room_for_sums(dW: Array, m: int) -> tuple[Array, Array]:
    """Return zeros to add up dW in, its rows whole vectors, and room for a panel of m rows."""
    width, across = panel_width(dW), lanes(dW)
    wide = -(-dW.shape[1] // across) * across
    total = lines(len(dW) * wide, dW).reshape((len(dW), wide))
    total[:] = 0
    return total, lines(m * width, dW).reshape((1, m * width))


@njit(**JIT)
def _add_product(x: Array, y: Array, m: int, panel: Array, total: Array) -> None:
    """Update total by adding xᵀ y, of m rows; panel: for as many of y's columns as a tile has."""
    (K, wide), width, across = total.shape, panel_width(x), lanes(x)
    for j in range(0, y.shape[1], width):
        c = min(width, y.shape[1] - j)
        lay(y, True, 0, m, j, c, width, panel)
        q, k = -(-c // across), 0
        while k < K:
            tall = at_once(K - k, HEIGHTS)
            to = k * wide + j
            tile.multiply(tall, q, m, x, k, 1, K, panel, 0, width, total, to, wide, False)
            k += tall
