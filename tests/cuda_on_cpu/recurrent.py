"""Inputs and one call of the recurrent passes, rnn, lstm and gru, for the cases."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.kernels.dispatch import array_module

Arrays = dict[str, Any]
WIDEST = 130  # the recurrence is one product a step; the rig pays for every number of it
# On the rig, where every step is a launch. The last dimension: less than a block's units, just past
# a warp and a tile of the product's long side; the first: just past one and two blocks' rows.
SHAPES = ((1, 1, 1), (2, 3, 31), (9, 4, 33), (2, 2, WIDEST), (37, 3, 8), (19, 2, 20))


def inputs(n_gates: int, *names: str) -> Callable[[np.random.Generator, int, int, int], Arrays]:
    """Return a function that draws N rows of D steps, H units; `names`: h0, c0 (LSTM), b (GRU)."""

    def draw(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
        H = min(H, WIDEST)
        shapes: dict[str, tuple[int, ...]] = {"z": (D, N, n_gates * H), "W": (H, n_gates * H)}
        shapes |= {"dh": (D, N, H)}
        shapes |= {name: (H,) if name == "b" else (N, H) for name in names}
        arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        arrays["W"] /= H**0.5  # so that many steps do not saturate
        return arrays

    return draw


def run(
    op: Any, z: Any, W: Any, dh: Any, beside: int = 0, in_place: bool = False, **state: Any
) -> Arrays:
    """Run a pass and its backward; return what they overwrite.

    beside: every (T, N, ·) array is a view with so many rows before and after it, which must
    stay as they are. in_place: the gradient takes the place of the gates.
    """
    xp = array_module(z)
    spaces: list[Any] = []

    def new(T: int, width: int, value: Any = np.nan) -> Any:
        spaces.append(xp.empty((T, z.shape[1] + 2 * beside, width), W.dtype))
        spaces[-1][...] = 7
        view = spaces[-1][:, beside : beside + z.shape[1]]
        view[...] = value
        return view

    T, _, H = dh.shape
    z, dh = new(T, z.shape[2], z), new(T, H, dh)
    initial = {name: state[name + "0"] for name in ("h", "c") if name + "0" in state}
    states = {name: new(T + 1, H) for name in initial}
    for name, first in initial.items():
        states[name][0] = first
    b = (state["b"],) if "b" in state else ()
    kept = {**states, "m": new(T, H)} if b else states
    op.forward(z, W, *b, *kept.values())
    gates = () if z.shape[2] == H else (z,)
    outputs = {name: a.copy() for name, a in kept.items()} | ({"z": z.copy()} if gates else {})

    dz = (z if gates else dh) if in_place else new(T, z.shape[2])
    into = {"dW": W * np.nan} | ({"db": b[0] * np.nan} if b else {})
    into |= {f"d{name}0": a * np.nan for name, a in initial.items()}
    if gates:
        op.backward(dh, *gates, W, *b, *kept.values(), dz, *into.values())
    else:
        op.backward(dh, states["h"], W, dz, *into.values())
    for space in spaces:
        assert (space[:, :beside] == 7).all() and (space[:, beside + z.shape[1] :] == 7).all()
    return outputs | into | {"dz": dz.copy()}
