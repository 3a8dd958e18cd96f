"""Inputs and runs of variables of many levels, as images have, for `cases`."""

from typing import Any

import numpy as np

from chainrule.kernels.dispatch import array_module

Arrays = dict[str, Any]
Rng = np.random.Generator
# Of (N, D, H) there are D + 1 levels and H / 4 components. Teams of 1, 2, 4 and 32 lanes.
SHAPES = ((1, 1, 1), (37, 1, 13), (5, 255, 40), (3, 1000, 260), (300, 6, 8), (70, 9, 20))


def logistics_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return outputs, the first scales held, levels, the last none, and uniforms, a few negative.

    Scales are between the least there is and a few times all levels.
    """
    K, levels = max(1, H // 4), D + 1
    s = rng.normal(size=(N, 3 * K))
    s[:, K : 2 * K] = rng.uniform(-np.log(3 * D), 1, (N, K))
    s[0, K], s[-1, K] = -np.log(5 * D), 41 if N > 1 else 0
    x = rng.integers(0, levels, N).astype(np.int32)
    x[1::4], x[2::4], x[3::9] = 0, D, -1
    u = rng.random(N)
    u[1::5] = -1
    return {"s": s, "x": x, "dnll": rng.normal(size=N), "u": u, "p": np.zeros((N, levels))}


def logistics(op: Any, s: Any, x: Any, dnll: Any, u: Any, p: Any) -> Arrays:
    """Run every function, one of them in place. p: zeros, as many as there are probabilities."""
    levels, xp = p.shape[1], array_module(s)
    new = {"nll": dnll * np.nan, "ds": s * np.nan, "p": xp.empty_like(p), "drawn": x.copy()}
    new |= {"nll of both": dnll * np.nan, "ds of both": s.copy()}
    op.forward(s, x, levels, new["nll"])
    op.backward(dnll, s, x, levels, new["ds"])
    both = new["nll of both"], new["ds of both"]
    op.nll_and_grad(both[1], x, levels, 0.3, *both)
    op.conditionals(s, new["p"])
    op.draw(s, u.astype(np.float64), levels, new["drawn"])
    return new
