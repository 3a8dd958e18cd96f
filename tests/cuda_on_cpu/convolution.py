"""Masked convolution as a case: what `cases` needs of it."""

from typing import Any

import numpy as np

from chainrule.kernels.masked_conv import above, left, raster

Arrays = dict[str, Any]
# One of everything; rows of no, of one and of both sides in 16-byte accesses; tiles in part, one
# and a piece, and several, of pixels, of outputs and of what the window shows.
SHAPES = ((1, 1, 1), (2, 3, 31), (3, 20, 33), (37, 5, 8), (2, 35, 16), (1, 9, 180), (1, 9, 320))
WINDOWS = {  # the last two of one channel of data
    "raster 3 B": raster(3, "B"),
    "raster 3 A of 3": raster(3, "A", 3),
    "raster 1 B of 3": raster(1, "B", 3),
    "above 3 B": above(3, "B"),
    "left 5 B of 2": left(5, "B", 2),  # groups that end within 16 bytes
    "raster 7 A": raster(7, "A"),
    "above 5 A": above(5, "A"),
}
OF_DATA = ("raster 7 A", "above 5 A")


def inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return N images of some D pixels, of one channel and of some H / 3, and weights."""
    size = (N, 1 + (D - 1) // 8, 1 + (D - 1) % 8)
    C, O = 6 * (1 + H // 20), 6 * (1 + H // 16)
    arrays = {"x": (*size, C), "data": (*size, 1), "b": (O,), "dy": (*size, O), "old": (*size, O)}
    for name, window in WINDOWS.items():
        arrays[f"W of {name}"] = (window.n_taps, 1 if name in OF_DATA else C, O)
    return {name: rng.normal(size=shape) for name, shape in arrays.items()}


def run(op: Any, x: Any, data: Any, b: Any, dy: Any, old: Any, **weights: Any) -> Arrays:
    """Run everything through each window."""
    outputs = {}
    for name, window in WINDOWS.items():
        W, seen = weights[f"W of {name}"], data if name in OF_DATA else x
        new = {"y": dy * np.nan, "more": old.copy()}
        new |= {key: a * np.nan for key, a in (("dx", seen), ("dW", W), ("db", b))}
        of_add = {f"{key} of add": new[key].copy() for key in ("dx", "dW")}
        of_data = {f"{key} of data": new[key].copy() for key in ("dW", "db")}
        op.forward(seen, W, b, window, new["y"])
        op.add(seen, W, window, new["more"])
        op.backward(dy, seen, W, window, new["dx"], new["dW"], new["db"])
        op.add_backward(dy, seen, W, window, *of_add.values())
        op.weight_gradient(dy, seen, window, *of_data.values())
        outputs |= {f"{key}, {name}": a for key, a in (new | of_add | of_data).items()}
    return outputs
