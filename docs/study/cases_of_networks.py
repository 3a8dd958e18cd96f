"""One small case of each operation that knows what came before, for its gradient check."""

from typing import Any

import numpy as np

from chainrule.kernels import (
    activation,
    causal_attention,
    columns,
    grid_lstm,
    gru,
    lstm,
    masked_bits,
    masked_conv,
    masked_linear,
    nade,
    nade_columns,
    rnn,
    triangular,
)
from chainrule.kernels.grid_lstm.fronts import Fronts
from chainrule.kernels.masked_conv import windows
from study.cases import like, one_input
from study.checks import Case, case

N, T, D, H = 3, 4, 5, 4
NOBODY = np.zeros(0, np.int32)  # labels, where there is one class


def _normal(rng: Any, **shapes: Any) -> dict[str, Any]:
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@case("rnn")
def _rnn(rng: Any) -> Case:
    p = _normal(rng, z=(T, N, H), W=(H, H), h0=(N, H))

    def states() -> Any:
        h = np.empty((T + 1, N, H))
        h[0] = p["h0"]
        rnn.forward(p["z"].copy(), p["W"], h)
        return h

    def backward(douts: Any) -> Any:
        dz, dW, dh0 = like(*p.values())
        rnn.backward(douts[0], states(), p["W"], dz, dW, dh0)
        return {"z": dz, "W": dW, "h0": dh0}

    return Case(p, lambda: [states()[1:]], backward)


@case("lstm")
def _lstm(rng: Any) -> Case:
    p = _normal(rng, z=(T, N, 4 * H), W=(H, 4 * H), h0=(N, H), c0=(N, H))

    def states() -> Any:
        gates, h, c = p["z"].copy(), np.empty((T + 1, N, H)), np.empty((T + 1, N, H))
        h[0], c[0] = p["h0"], p["c0"]
        lstm.forward(gates, p["W"], h, c)
        return gates, h, c

    def backward(douts: Any) -> Any:
        gates, h, c = states()
        dz, dW, dh0, dc0 = like(*p.values())
        lstm.backward(douts[0], gates, p["W"], h, c, dz, dW, dh0, dc0)
        return {"z": dz, "W": dW, "h0": dh0, "c0": dc0}

    return Case(p, lambda: [states()[1][1:]], backward)


@case("gru")
def _gru(rng: Any) -> Case:
    p = _normal(rng, z=(T, N, 3 * H), W=(H, 3 * H), b=H, h0=(N, H))

    def states() -> Any:
        gates, h, m = p["z"].copy(), np.empty((T + 1, N, H)), np.empty((T, N, H))
        h[0] = p["h0"]
        gru.forward(gates, p["W"], p["b"], h, m)
        return gates, h, m

    def backward(douts: Any) -> Any:
        gates, h, m = states()
        dz, dW, db, dh0 = like(*p.values())
        gru.backward(douts[0], gates, p["W"], p["b"], h, m, dz, dW, db, dh0)
        return {"z": dz, "W": dW, "b": db, "h0": dh0}

    return Case(p, lambda: [states()[1][1:]], backward)


@case("causal_attention")
def _attention(rng: Any) -> Case:
    shape = (2, T, 2, 3)
    p = _normal(rng, q=shape, k=shape, v=shape)

    def run() -> Any:
        o, lse = np.empty(shape), np.empty((2, 2, T))
        causal_attention.forward(p["q"], p["k"], p["v"], o, lse)
        return o, lse

    def backward(douts: Any) -> Any:
        dq, dk, dv = like(*p.values())
        causal_attention.backward(douts[0], p["q"], p["k"], p["v"], *run(), dq, dk, dv)
        return {"q": dq, "k": dk, "v": dv}

    return Case(p, lambda: [run()[0]], backward)


@case("nade")
def _nade(rng: Any) -> Case:
    x = rng.integers(0, 2, (N, D), dtype=np.uint8)
    p = _normal(rng, W=(D, H), V=(D, H), b=D, c=(1, H))

    def run() -> Any:
        s, a_end = np.empty((N, D)), np.empty((N, H))
        nade.forward(x, *p.values(), NOBODY, s, a_end)
        return s, a_end

    def backward(douts: Any) -> Any:
        grads = like(*p.values())
        nade.backward(douts[0], x, p["W"], p["V"], run()[1], NOBODY, *grads)
        return dict(zip(p, grads, strict=True))

    return Case(p, lambda: [run()[0]], backward)


@case("triangular")
def _triangular(rng: Any) -> Case:
    x = rng.integers(0, 2, (N, D), dtype=np.uint8)
    p = _normal(rng, alpha=D * (D - 1) // 2, b=(1, D))

    def forward() -> Any:
        s = np.empty((N, D))
        triangular.forward(x, p["alpha"], p["b"], NOBODY, s)
        return [s]

    def backward(douts: Any) -> Any:
        dalpha, db = like(*p.values())
        triangular.backward(douts[0], x, NOBODY, dalpha, db)
        return {"alpha": dalpha, "b": db}

    return Case(p, forward, backward)


@case("masked_linear")
def _masked_linear(rng: Any) -> Case:
    stairs = masked_linear.staircase([1, 2, 3, 4], [1, 2, 2, 3], False)
    p = _normal(rng, x=(N, 4), W=(4, 4), b=4)

    def forward() -> Any:
        y = np.empty((N, 4))
        masked_linear.forward(p["x"], p["W"], p["b"], stairs, y)
        return [y]

    def backward(douts: Any) -> Any:
        dx, dW, db = like(*p.values())
        masked_linear.backward_through(douts[0], p["x"], p["W"], stairs, dW, db, dx)
        return {"x": dx, "W": dW, "b": db}

    return Case(p, forward, backward)


@case("masked_bits")
def _masked_bits(rng: Any) -> Case:
    numbers, units = range(1, D + 1), [1, 1, 2, 4]
    below = masked_linear.staircase(numbers, units, False)
    above = masked_linear.staircase(units, numbers, True)
    x, kind = rng.integers(0, 2, (N, D), dtype=np.uint8), activation.KINDS.index("tanh")
    p = _normal(rng, W=(D, H), c=H, V=(H, D), b=D)

    def run() -> Any:
        theta = masked_bits.Layers(*p.values())
        grad, nll = masked_bits.Layers(*like(*theta)), np.empty(N)
        h, s, da = np.empty((N, H)), np.empty((N, D)), np.empty((N, H))
        args = kind, x, np.ones(N), theta, below, above, h, s, da, nll, grad
        masked_bits.loss_and_grad(*args)
        return nll, grad

    def backward(douts: Any) -> Any:
        return {name: grad * douts[0] for name, grad in zip(p, run()[1], strict=True)}

    return Case(p, lambda: [np.array(run()[0].sum())], backward)


@case("masked_conv")
def _masked_conv(rng: Any) -> Case:
    window = windows.raster(3, "B")
    p = _normal(rng, x=(2, 3, 4, 2), W=(window.n_taps, 2, 3), b=3)

    def forward() -> Any:
        y = np.empty((2, 3, 4, 3))
        masked_conv.forward(p["x"], p["W"], p["b"], window, y)
        return [y]

    def backward(douts: Any) -> Any:
        dx, dW, db = like(*p.values())
        masked_conv.backward(douts[0], p["x"], p["W"], window, dx, dW, db)
        return {"x": dx, "W": dW, "b": db}

    return Case(p, forward, backward)


@case("grid_lstm")
def _grid_lstm(rng: Any) -> Case:
    fronts = Fronts(1)
    p = _normal(rng, a=(2, 3, 3, 4 * H), W=(len(fronts.taps), H, 4 * H))

    def run() -> Any:
        gates, h, c = p["a"].copy(), np.empty((2, 3, 3, H)), np.empty((2, 3, 3, H))
        grid_lstm.forward(gates, p["W"], fronts, h, c)
        return gates, h, c

    def backward(douts: Any) -> Any:
        gates, h, c = run()
        da, dW = like(*p.values())
        grid_lstm.backward(douts[0], gates, p["W"], fronts, h, c, da, dW)
        return {"a": da, "W": dW}

    return Case(p, lambda: [run()[1]], backward)


def _table(rng: Any) -> tuple[Any, Any]:
    """Return the layout of a category, a number, and a bit, and rows of them."""
    values = (3, columns.REAL, columns.BIT)
    x = np.stack([rng.integers(0, 3, N), rng.normal(size=N), rng.integers(0, 2, N)], axis=1)
    return columns.layout(values, 2, learned=True), x


@case("columns")
def _columns(rng: Any) -> Case:
    layout, x = _table(rng)

    def run(s: Any) -> Any:
        nll, ds = np.empty(N), np.empty_like(s)
        columns.nll_and_grad(layout, s, x, 1.0, nll, ds)
        return nll, ds

    s = rng.normal(size=(N, layout.first[-1]))
    total = lambda s: np.array(run(s)[0].sum())  # noqa: E731
    return one_input(rng, "s", s, total, lambda d, s: d * run(s)[1])


@case("nade_columns")
def _nade_columns(rng: Any) -> Case:
    layout, x = _table(rng)
    R, S = nade_columns.n_rows((3, columns.REAL, columns.BIT)), int(layout.first[-1])
    p = _normal(rng, W=(R, H), V=(S, H), b=S, c=(1, H), rho=3)

    def run() -> Any:
        grad, nll = nade_columns.Weights(*like(*p.values())), np.empty(N)
        weights, dx = nade_columns.Weights(*p.values()), np.empty((0, 3))
        nade_columns.nll_and_grad(layout, weights, x, NOBODY, 1.0, nll, grad, dx)
        return nll, grad

    def backward(douts: Any) -> Any:
        return {name: grad * douts[0] for name, grad in zip(p, run()[1], strict=True)}

    return Case(p, lambda: [np.array(run()[0].sum())], backward)
