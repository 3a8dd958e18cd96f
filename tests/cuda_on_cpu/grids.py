"""The LSTM over pixels as a case: what `cases` needs of it."""

from typing import Any

import numpy as np

from chainrule.kernels import grid_lstm

Arrays = dict[str, Any]
MOST_ROWS, WIDEST = 6, 66  # the rig pays for every cell's every unit
# One of everything; a row, a column; images wider than high and not; several blocks, 3 groups.
SHAPES = ((1, 1, 1), (2, 3, 31), (3, 5, 33), (37, 4, 8), (5, 1, 6), (4, 6, 66))


def fronts_of(H: int) -> dict[str, Any]:
    """Return the kinds of fronts, in three groups where that is possible."""
    groups = 1 if H % 3 else 3
    kinds = grid_lstm.rows, grid_lstm.diagonals, grid_lstm.mirrored
    return {kind.__name__: kind(groups) for kind in kinds}


def inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Draw N images of up to D rows, and about as many pixels a row, of H units."""
    R, H = min(D, MOST_ROWS), min(H, WIDEST)
    S = max(1, R + (2, -2, 0)[N % 3])
    arrays = {"a": rng.normal(size=(N, R, S, 4 * H)), "dh": rng.normal(size=(N, R, S, H))}
    return arrays | {"W": rng.normal(size=(3, H, 4 * H)) / (2 * H) ** 0.5}


def run(op: Any, a: Any, dh: Any, W: Any) -> Arrays:
    """Run each kind forward, once more for its last cell alone, and back, also in place."""
    outputs = {}
    for name, fronts in fronts_of(dh.shape[3]).items():
        gates, h, c, W_k = a.copy(), dh * np.nan, dh * np.nan, W[: len(fronts.taps)].copy()
        op.forward(gates, W_k, fronts, h, c)
        i, j = h.shape[1] - 1, 0 if name == "mirrored" else h.shape[2] - 1
        z, h_again, c_again = a[:, i, j].copy(), h.copy(), c.copy()
        h_again[:, i, j] = c_again[:, i, j] = np.nan
        op.pixel(z, W_k, fronts, i, j, h_again, c_again)
        da, dW, in_place, dW_too = a * np.nan, W_k * np.nan, gates.copy(), W_k * np.nan
        op.backward(dh, gates, W_k, fronts, h, c, da, dW)
        op.backward(dh, in_place, W_k, fronts, h, c, in_place, dW_too)
        found = {"gates": gates, "h": h, "c": c, "gates of one": z, "h again": h_again}
        found |= {"c again": c_again, "da": da, "dW": dW, "da in place": in_place, "dW too": dW_too}
        outputs |= {f"{key} of {name}": value for key, value in found.items()}
    return outputs
