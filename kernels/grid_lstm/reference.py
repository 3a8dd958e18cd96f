"""NumPy twin of the LSTM over pixels: the definition that the fast ones are tested against."""

from typing import Any

import numpy as np

from chainrule.kernels.grid_lstm.fronts import CellWalk, Fronts
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array


def forward(a: Array, W: Array, fronts: Fronts, h: Array, c: Array) -> None:
    """See `chainrule.kernels.grid_lstm.forward`."""
    walk = fronts.walk(*h.shape[1:3])
    for k in range(walk.n_fronts):
        lo, hi = walk.lines(k)
        here = _pixels(walk, k, np.arange(lo, hi), h)
        a_k = a[:, *here]
        h[:, *here], c[:, *here] = _cells(a_k, W, fronts, walk, k, lo, h, c)
        a[:, *here] = a_k


def pixel(a: Array, W: Array, fronts: Fronts, i: int, j: int, h: Array, c: Array) -> None:
    """See `chainrule.kernels.grid_lstm.pixel`."""
    k, l = fronts.cell(i, j, h.shape[2])
    new = _cells(a[:, None], W, fronts, fronts.walk(*h.shape[1:3]), k, l, h, c)
    h[:, i, j], c[:, i, j] = (state[:, 0] for state in new)


def backward(
    dh: Array, gates: Array, W: Array, fronts: Fronts, h: Array, c: Array, da: Array, dW: Array
) -> None:
    """See `chainrule.kernels.grid_lstm.backward`."""
    walk = fronts.walk(*h.shape[1:3])
    N, H = len(dh), h.shape[3]
    from_next = np.zeros((N, walk.n_lines, H), h.dtype)  # Σ_p da W_pᵀ at each line of the front
    kept = np.zeros_like(from_next)  # f ∘ ε of the cell after it
    for k in reversed(range(walk.n_fronts)):
        lo, hi = walk.lines(k)
        at = np.arange(lo, hi)
        here = _pixels(walk, k, at, h)
        i, f, g, o = _gates(gates[:, *here], fronts.groups)
        before, tanh_c = _before(c, walk, k, at, 0), np.tanh(c[:, *here])
        delta = dh[:, *here] + from_next[:, at]  # B1
        do = delta * tanh_c  # B2
        epsilon = kept[:, at] + delta * o * (1 - tanh_c**2)  # B2
        di, df, dg = epsilon * g, epsilon * before, epsilon * i  # B3
        kept[:, at] = epsilon * f  # B2's first term, for the cell before
        slopes = di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)  # B4
        da_k = _joined(slopes, fronts.groups)
        da[:, *here] = da_k
        from_next[...] = 0
        first, end = walk.lines(k - 1)
        for p in range(len(W)):
            seen = at + p - 1
            inside = (first <= seen) & (seen < end)
            from_next[:, seen[inside]] += da_k[:, inside] @ W[p].T  # B1's sum
    weight_gradient(da, fronts, h, dW)


def weight_gradient(da: Array, fronts: Fronts, h: Array, dW: Array) -> None:
    """Overwrite dW by B5: whole maps, moved by a tap, a product each. Shared with `cuda`."""
    H = h.shape[3]
    for p, tap in enumerate(fronts.taps):
        sides = [_moved(by, n) for by, n in zip(tap, h.shape[1:3], strict=True)]
        here, there = zip(*sides, strict=True)
        dW[p] = h[:, *there].reshape(-1, H).T @ da[:, *here].reshape(-1, 4 * H)  # B5


def _moved(by: int, n: int) -> tuple[slice, slice]:
    """Return which of 0 … n - 1 see another by further on, and those that are seen."""
    before, after = max(0, -by), max(0, by)
    return slice(before, max(before, n - after)), slice(after, max(after, n - before))


def _cells(
    a: Array, W: Array, fronts: Fronts, walk: CellWalk, k: int, lo: int, h: Array, c: Array
) -> tuple[Array, Array]:
    """Return h and c, (N, n, H), of n cells of front k from line lo on; a: their gates from now."""
    lines = np.arange(lo, lo + a.shape[1])
    for p in range(len(W)):
        a += _before(h, walk, k, lines, p - 1) @ W[p]  # F1
    i, f, g, o = _gates(a, fronts.groups)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)  # F2
    a[...] = _joined((i, f, g, o), fronts.groups)
    new = f * _before(c, walk, k, lines, 0) + i * g  # F3
    return o * np.tanh(new), new  # F4


def _pixels(walk: CellWalk, k: int, lines: Any, h: Array) -> tuple[Any, Any]:
    """Return rows and columns of the cells of front k on some lines."""
    rows, columns = np.divmod(walk.origin + k * walk.of_front + lines * walk.of_line, h.shape[2])
    return rows, columns


def _before(states: Array, walk: CellWalk, k: int, lines: Any, by: int) -> Array:
    """Return the states, (N, n, H), of the front before k on the lines `by` further; 0 beyond."""
    found = np.zeros((len(states), len(lines), states.shape[3]), states.dtype)
    first, end = walk.lines(k - 1)
    inside = (first <= lines + by) & (lines + by < end)
    found[:, inside] = states[:, *_pixels(walk, k - 1, lines[inside] + by, states)]
    return found


def _gates(a: Array, groups: int) -> tuple[Array, ...]:
    """Return the gates i, f, g, o, (N, n, H) each, of cells' (N, n, 4H)."""
    N, n, width = a.shape
    parts = a.reshape(N, n, groups, 4, width // 4 // groups)
    return tuple(parts[:, :, :, gate].reshape(N, n, width // 4) for gate in range(4))


def _joined(gates: tuple[Array, ...], groups: int) -> Array:
    """Undo `_gates`."""
    N, n, H = gates[0].shape
    apart = [gate.reshape(N, n, groups, H // groups) for gate in gates]
    return np.stack(apart, axis=3).reshape(N, n, 4 * H)
