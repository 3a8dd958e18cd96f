"""Inputs and runs of a Transformer's operations besides attention, for `cases`."""

from typing import Any

import numpy as np

Arrays = dict[str, Any]
Rng = np.random.Generator
MANY = (2500, 3, 5)  # so many ids of so few symbols that an embedding's backward cuts them


def layer_norm_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return rows with means far from 0, and a residual gradient to be added to."""
    C = max(D, H)
    arrays = {name: rng.normal(size=(N, C)) for name in ("dy", "residual")}
    x = rng.normal(3, 2, (N, C))
    return {"x": x, "g": rng.normal(size=C), "b": rng.normal(size=C), **arrays}


def layer_norm(op: Any, x: Any, g: Any, b: Any, dy: Any, residual: Any) -> Arrays:
    """Run both directions."""
    y, mean, rstd = x * np.nan, x[:, 0] * np.nan, x[:, 0] * np.nan
    op.forward(x, g, b, y, mean, rstd)
    dx, dg, db = residual.copy(), g * np.nan, b * np.nan
    op.backward(dy, x, g, mean, rstd, dx, dg, db)
    return {"y": y, "mean": mean, "rstd": rstd, "dx": dx, "dg": dg, "db": db}


def gelu_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return pre-activations on both sides of 0."""
    C = max(D, H)
    return {"u": rng.normal(0, 2, (N, C)), "b": rng.normal(size=C), "dy": rng.normal(size=(N, C))}


def gelu(op: Any, u: Any, b: Any, dy: Any) -> Arrays:
    """Run both directions, the backward once more in place."""
    y, du, db = u * np.nan, u * np.nan, b * np.nan
    op.forward(u, b, y)
    op.backward(dy, u, b, du, db)
    in_place = dy.copy()
    op.backward(in_place, u, b, in_place, b * np.nan)
    return {"y": y, "du": du, "db": db, "du in place": in_place}


def cross_entropy_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return logits and symbols, of which about one in four is padding."""
    V = max(D, H)
    y = np.where(rng.random(N) < 0.25, -1, rng.integers(0, V, N)).astype(np.int32)
    return {"s": rng.normal(0, 4, (N, V)), "y": y, "dnll": rng.normal(size=N)}


def cross_entropy(op: Any, s: Any, y: Any, dnll: Any) -> Arrays:
    """Run both directions, apart and in one go, the latter in place."""
    ds, both = s * np.nan, s.copy()
    op.backward(dnll, s, y, ds)
    nll, of_both = dnll * np.nan, dnll * np.nan
    op.forward(s, y, nll)
    op.nll_and_grad(both, y, 0.3, of_both, both)
    return {"nll": nll, "ds": ds, "nll of both": of_both, "ds of both": both}


def embedding_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return ids, several of which name the same row where there are enough."""
    ids = rng.integers(0, D, N).astype(np.int32)
    return {"ids": ids} | {
        name: rng.normal(size=shape)
        for name, shape in {"W": (D, H), "dx": (N, H), "dW": (D, H)}.items()
    }


def embedding(op: Any, ids: Any, W: Any, dx: Any, dW: Any) -> Arrays:
    """Run both directions; dW holds something already."""
    x, dW = dx * np.nan, dW.copy()
    op.forward(ids, W, x)
    op.backward(dx, ids, dW)
    return {"x": x, "dW": dW}


def rotary_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return a fused projection of two heads, of which the middle third is rotated."""
    d = 2 * -(-H // 2)
    return {"qkv": rng.normal(size=(N, D, 3, 2, d))}


def rotary(op: Any, qkv: Any) -> Arrays:
    """Rotate forwards from position 0 and backwards from a later one."""
    forward, backward = qkv.copy(), qkv.copy()
    op.rotate(forward[:, :, 1], 0, 1)
    op.rotate(backward[:, :, 1], 5, -1)
    return {"forward": forward, "backward": backward}


def dropout_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return rows of D positions of H channels."""
    return {"x": rng.normal(size=(N, D, H))}


def dropout(op: Any, x: Any) -> Arrays:
    """Drop from x as rows and as time-major steps, of a second minibatch in place."""
    rows, steps, in_place = x * np.nan, x * np.nan, x.copy()
    op.apply(x, rows, False, 0.3, 2**40 + 1, 7, 2, 11)
    op.apply(x, steps, True, 0.3, 2**40 + 1, 7, 2, 11)
    op.apply(in_place, in_place, False, 0.3, 2**40 + 1, 8, 2, 11)
    return {"rows": rows, "steps": steps, "in place": in_place}
