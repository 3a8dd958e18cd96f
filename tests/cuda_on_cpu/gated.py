"""The gated activation as a case: what `cases` needs of it."""

from typing import Any

import numpy as np

Arrays = dict[str, Any]
GROUPS = (1, 3)


def gate_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return halves of three groups of H numbers, two of them at the ends, and a gradient."""
    a = rng.normal(0, 3, (N, 6 * H))
    a[0, 0], a[-1, -1] = 30, -30
    return {"a": a, "dy": rng.normal(size=(N, 3 * H))}


def gate(op: Any, a: Any, dy: Any) -> Arrays:
    """Run both directions of one group and of three, the backward once more in place."""
    outputs = {}
    for groups in GROUPS:
        y, da, in_place = dy * np.nan, a * np.nan, a.copy()
        op.forward(a, groups, y)
        op.backward(dy, a, groups, da)
        op.backward(dy, in_place, groups, in_place)
        outputs |= {
            f"y of {groups}": y,
            f"da of {groups}": da,
            f"da in place of {groups}": in_place,
        }
    return outputs
