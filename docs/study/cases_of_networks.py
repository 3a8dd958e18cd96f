"""One small case of each operation that knows what came before, for its gradient check."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from chainrule.exercises import cases as exercises
from chainrule.exercises.cases import Instance, normal, room
from chainrule.kernels import (
    activation,
    columns,
    grid_lstm,
    gru,
    masked_bits,
    masked_linear,
    nade_columns,
    triangular,
)
from chainrule.kernels.grid_lstm.fronts import Fronts
from study.cases import one_input
from study.checks import case

N, T, D, H = 3, 4, 5, 4
NOBODY = np.zeros(0, np.int32)  # labels, where there is one class


for _name, _make in exercises.CASES.items():  # those of the exercises, of the library itself
    _op = import_module(f"chainrule.kernels.{_name}.reference")
    case(_name)(partial(_make, judged=_op))


@case("gru")
def _gru(rng: Any) -> Instance:
    p = normal(rng, z=(T, N, 3 * H), W=(H, 3 * H), b=H, h0=(N, H))

    def states() -> Any:
        gates, h, m = p["z"].copy(), np.empty((T + 1, N, H)), np.empty((T, N, H))
        h[0] = p["h0"]
        gru.forward(gates, p["W"], p["b"], h, m)
        return gates, h, m

    def backward(douts: Any) -> Any:
        gates, h, m = states()
        dz, dW, db, dh0 = room(*p.values())
        gru.backward(douts[0], gates, p["W"], p["b"], h, m, dz, dW, db, dh0)
        return {"z": dz, "W": dW, "b": db, "h0": dh0}

    return Instance(p, lambda: [states()[1][1:]], backward)


@case("triangular")
def _triangular(rng: Any) -> Instance:
    x = rng.integers(0, 2, (N, D), dtype=np.uint8)
    p = normal(rng, alpha=D * (D - 1) // 2, b=(1, D))

    def forward() -> Any:
        s = np.empty((N, D))
        triangular.forward(x, p["alpha"], p["b"], NOBODY, s)
        return [s]

    def backward(douts: Any) -> Any:
        dalpha, db = room(*p.values())
        triangular.backward(douts[0], x, NOBODY, dalpha, db)
        return {"alpha": dalpha, "b": db}

    return Instance(p, forward, backward)


@case("masked_linear")
def _masked_linear(rng: Any) -> Instance:
    stairs = masked_linear.staircase([1, 2, 3, 4], [1, 2, 2, 3], False)
    p = normal(rng, x=(N, 4), W=(4, 4), b=4)

    def forward() -> Any:
        y = np.empty((N, 4))
        masked_linear.forward(p["x"], p["W"], p["b"], stairs, y)
        return [y]

    def backward(douts: Any) -> Any:
        dx, dW, db = room(*p.values())
        masked_linear.backward_through(douts[0], p["x"], p["W"], stairs, dW, db, dx)
        return {"x": dx, "W": dW, "b": db}

    return Instance(p, forward, backward)


@case("masked_bits")
def _masked_bits(rng: Any) -> Instance:
    numbers, units = range(1, D + 1), [1, 1, 2, 4]
    below = masked_linear.staircase(numbers, units, False)
    above = masked_linear.staircase(units, numbers, True)
    x, kind = rng.integers(0, 2, (N, D), dtype=np.uint8), activation.KINDS.index("tanh")
    p = normal(rng, W=(D, H), c=H, V=(H, D), b=D)

    def run() -> Any:
        theta = masked_bits.Layers(*p.values())
        grad, nll = masked_bits.Layers(*room(*theta)), np.empty(N)
        h, s, da = np.empty((N, H)), np.empty((N, D)), np.empty((N, H))
        args = kind, x, np.ones(N), theta, below, above, h, s, da, nll, grad
        masked_bits.loss_and_grad(*args)
        return nll, grad

    def backward(douts: Any) -> Any:
        return {name: grad * douts[0] for name, grad in zip(p, run()[1], strict=True)}

    return Instance(p, lambda: [np.array(run()[0].sum())], backward)


@case("grid_lstm")
def _grid_lstm(rng: Any) -> Instance:
    fronts = Fronts(1)
    p = normal(rng, a=(2, 3, 3, 4 * H), W=(len(fronts.taps), H, 4 * H))

    def run() -> Any:
        gates, h, c = p["a"].copy(), np.empty((2, 3, 3, H)), np.empty((2, 3, 3, H))
        grid_lstm.forward(gates, p["W"], fronts, h, c)
        return gates, h, c

    def backward(douts: Any) -> Any:
        gates, h, c = run()
        da, dW = room(*p.values())
        grid_lstm.backward(douts[0], gates, p["W"], fronts, h, c, da, dW)
        return {"a": da, "W": dW}

    return Instance(p, lambda: [run()[1]], backward)


def _table(rng: Any) -> tuple[Any, Any]:
    """Return the layout of a category, a number, and a bit, and rows of them."""
    values = (3, columns.REAL, columns.BIT)
    x = np.stack([rng.integers(0, 3, N), rng.normal(size=N), rng.integers(0, 2, N)], axis=1)
    return columns.layout(values, 2, learned=True), x


@case("columns")
def _columns(rng: Any) -> Instance:
    layout, x = _table(rng)

    def run(s: Any) -> Any:
        nll, ds = np.empty(N), np.empty_like(s)
        columns.nll_and_grad(layout, s, x, 1.0, nll, ds)
        return nll, ds

    s = rng.normal(size=(N, layout.first[-1]))
    total = lambda s: np.array(run(s)[0].sum())  # noqa: E731
    return one_input(rng, "s", s, total, lambda d, s: d * run(s)[1])


@case("nade_columns")
def _nade_columns(rng: Any) -> Instance:
    layout, x = _table(rng)
    R, S = nade_columns.n_rows((3, columns.REAL, columns.BIT)), int(layout.first[-1])
    p = normal(rng, W=(R, H), V=(S, H), b=S, c=(1, H), rho=3)

    def run() -> Any:
        grad, nll = nade_columns.Weights(*room(*p.values())), np.empty(N)
        weights, dx = nade_columns.Weights(*p.values()), np.empty((0, 3))
        nade_columns.nll_and_grad(layout, weights, x, NOBODY, 1.0, nll, grad, dx)
        return nll, grad

    def backward(douts: Any) -> Any:
        return {name: grad * douts[0] for name, grad in zip(p, run()[1], strict=True)}

    return Instance(p, lambda: [np.array(run()[0].sum())], backward)
