"""Inputs and runs of real variables, of columns of any kinds and of their NADE, for `cases`."""

from itertools import product
from typing import Any

import numpy as np

from chainrule.kernels import columns as of_columns
from chainrule.kernels.columns import Layout
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE
from chainrule.kernels.nade_columns import Weights, n_rows

Arrays = dict[str, Any]
Rng = np.random.Generator
# Of (N, D, H) a mixture takes H / 4 components and no D. Teams of 1, 2, 4 and 32 lanes.
MIXTURES = ((1, 1, 1), (37, 1, 20), (5, 1, 40), (3, 1, 260), (300, 1, 8))
# A row a warp, and a row a block; more variables than a row has teams.
# One row of data a block, and several; several blocks of units; more rows than a block has at once.
NADES = ((1, 1, 1), (3, 5, 33), (13, 7, 20), (2, 11, 300), (150, 4, 9))
COLUMNS = ((1, 1, 1), (3, 5, 33), (13, 7, 20), (2, 70, 40), (300, 4, 8))


def mixture_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return outputs with weights, the last scale being held, and uniforms, a few to be kept."""
    K = max(1, H // 4)
    s = np.concatenate([rng.normal(size=(N, K)), rng.normal(size=(N, 2 * K)) / 2], axis=1)
    s[-1, 2 * K - 1] = 41 if N > 1 else 0
    return {"s": s, "x": rng.normal(0, 2, N), "dnll": rng.normal(size=N), "u": _uniforms(rng, N)}


def _uniforms(rng: Rng, N: int) -> Any:
    u = rng.random(N)
    u[1::5] = -1
    return u


def mixture(op: Any, s: Any, x: Any, dnll: Any, u: Any) -> Arrays:
    """Run every function, of Gaussians with weights and of Laplacians without; one in place."""
    outputs, xp = {}, array_module(s)
    kinds = product(((GAUSSIAN, True), (LAPLACE, False)), (0.0, 0.2, 1.5))
    for (family, learned), half in kinds:
        own = s if learned else xp.ascontiguousarray(s[:, : 2 * (s.shape[1] // 3)])
        of_both, in_place = x * np.nan, own.copy()
        new = {"log_p": x * np.nan, "ds": own * np.nan, "dx": x * np.nan}
        new |= {"u": x.astype(np.float64) * np.nan, "drawn": x.copy()}
        op.terms(own, x, half, family, learned, new["log_p"])
        op.backward(dnll, own, x, half, family, learned, new["ds"])
        op.nll_and_grad(in_place, x, half, 0.3, family, learned, of_both, in_place)
        op.input_gradient(new["ds"], learned, new["dx"])
        op.cdf(own, x, family, learned, new["u"])
        op.draw(own, u.astype(np.float64), family, learned, new["drawn"])
        new |= {"nll of both": of_both, "ds of both": in_place}
        outputs |= {f"{name}, family {family}, half {half}": a for name, a in new.items()}
    return outputs


def _layout(values: Any, first: Any, n_components: int, family: int, work: int) -> Layout:
    """Return the layout on the side of values: some real ones have steps, and some atoms."""
    xp, host = array_module(values), np.asarray(values).tolist()
    halves = [(0.7, 0, 0.05)[i // 2 % 3] if K == 0 else 0 for i, K in enumerate(host)]
    points = [np.nan if atom is None else atom for atom in _atoms(host)]
    both = (xp.asarray(np.array(of_each, np.float64)) for of_each in (halves, points))
    return Layout(values, first, *both, n_components, family, True, work)


def _atoms(values: Any) -> list[float | None]:
    """Return them of variables of so many values; a number in single precision."""
    return [0.375 if K == 0 and i % 12 < 6 else None for i, K in enumerate(values)]


def _rows(rng: Rng, N: int, values: Any) -> Any:
    """Return rows of which every third has the atoms."""
    x = np.stack([rng.integers(0, K, N) if K else rng.normal(size=N) for K in values], axis=1)
    for i, atom in enumerate(_atoms(values)):
        if atom is not None:
            x[::3, i] = atom
    return x.astype(np.float64)


def columns_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return a layout of every kind in turn, outputs, rows and weights, many of them 0."""
    values = [(2, 0, 1, max(3, H // 2), 0)[i % 5] for i in range(1, D + 1)]
    layout = of_columns.layout(values, max(1, H // 8), GAUSSIAN, True, atoms=_atoms(values))
    s = rng.normal(size=(N, int(layout.first[-1])))
    x = _rows(rng, N, values)
    weights = rng.normal(size=(N, D)) * rng.integers(0, 2, (N, D))
    u = np.stack([_uniforms(rng, N) for _ in values], axis=1)
    given = {"s": s, "x": x, "weights": weights, "u": u}
    return {"values": layout.values, "first": layout.first, **given}


def columns(op: Any, values: Any, first: Any, s: Any, x: Any, weights: Any, u: Any) -> Arrays:
    """Run every function, both losses in place; draw every variable."""
    xp, host, kinds = array_module(s), np.asarray(first).tolist(), np.asarray(values).tolist()
    of_numbers = [3, *(host[i + 1] - host[i] for i, K in enumerate(kinds) if K == 0)]
    made = of_columns.layout(kinds, max(of_numbers) // 3, GAUSSIAN, True, atoms=_atoms(kinds))
    layout = _layout(values, first, made.n_components, GAUSSIAN, made.work)
    new = {"log_p": x * np.nan, "nll": s[:, 0] * np.nan, "ds": s * np.nan, "dx": x * np.nan}
    op.terms(layout, s, x, new["log_p"])
    op.nll_and_grad(layout, s, x, 0.3, new["nll"], new["ds"])
    op.input_gradient(layout, new["ds"], new["dx"])
    new |= {"weighted nll": s[:, 0] * np.nan, "weighted ds": s.copy()}
    unread = xp.where(weights == 0, x.dtype.type(np.nan), x)
    op.weighted_nll_and_grad(
        layout, new["weighted ds"], unread, weights, new["weighted nll"], new["weighted ds"]
    )
    new |= {"lo": xp.empty(x.shape, np.float64), "hi": xp.empty(x.shape, np.float64)}
    op.cdf_interval(layout, s, x, new["lo"], new["hi"])
    new["drawn"] = x.copy()
    for i in range(x.shape[1]):
        own = s[:, host[i] : host[i + 1]]
        op.draw(layout, i, own, u[:, i].astype(np.float64), new["drawn"][:, i])
    return new


def nade_inputs(rng: Rng, N: int, D: int, H: int) -> Arrays:
    """Return a layout of every kind in turn, weights for two classes, rows, labels and uniforms."""
    values = [(2, 0, 1, 11, 0, 3)[i % 6] for i in range(1, D + 1)]
    layout = of_columns.layout(values, 2, LAPLACE, True, atoms=_atoms(values))
    shapes = {"W": (n_rows(tuple(values)), H), "V": (int(layout.first[-1]), H), "c": (2, H)}
    given = {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}
    given |= {"b": rng.normal(size=shapes["V"][0]), "rho": rng.uniform(0.5, 1.5, D)}
    x = _rows(rng, N, values)
    u = np.stack([_uniforms(rng, N) for _ in values], axis=1)
    given |= {"x": x, "y": rng.integers(0, 2, N).astype(np.int32), "u": u}
    return {"values": layout.values, "first": layout.first, **given}


def nade(op: Any, values: Any, first: Any, **given: Any) -> Arrays:
    """Run every function, with labels, ρ and dx, and without."""
    W, V, b, c, rho, x, y, u = (given[name] for name in ("W", "V", "b", "c", "rho", "x", "y", "u"))
    xp, widest = array_module(V), int(max(8, np.diff(np.asarray(first)).max()))
    layout = _layout(values, first, 2, LAPLACE, widest * of_columns.BATCH)
    outputs: Arrays = {}
    for name, weights, labels in (
        ("all", Weights(W, V, b, c, rho), y),
        ("less", Weights(W, V, b, xp.ascontiguousarray(c[1:]), rho[:0]), y[:0]),
    ):
        new = {"s": xp.empty((len(x), len(b)), b.dtype), "log_p": x[:, 0] * np.nan}
        new |= {"nll": x[:, 0] * np.nan, "dx": x[: len(x) if name == "all" else 0] * np.nan}
        grad = Weights(*(a * np.nan for a in weights))
        op.forward(layout, weights, x, labels, new["s"])
        op.log_prob(layout, weights, x, labels, new["log_p"])
        op.nll_and_grad(layout, weights, x, labels, 0.3, new["nll"], grad, new["dx"])
        new["drawn"] = x.copy()
        op.sample(layout, weights, u.astype(np.float64), labels, new["drawn"])
        new |= {f"d{field}": a for field, a in grad._asdict().items()}
        outputs |= {f"{key} of {name}": a for key, a in new.items()}
    return outputs
