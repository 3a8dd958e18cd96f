"""One small case of each operation that has no memory of a past, for its gradient check."""

from typing import Any

import numpy as np

from chainrule.exercises.cases import Instance, room
from chainrule.kernels import (
    activation,
    bernoulli,
    dense,
    dropout,
    embedding,
    gate,
    gelu,
    layer_norm,
    linear,
    logistics,
    mixture,
    rotary,
    softmax_cross_entropy,
)
from study.checks import case

N, T, D, H, V = 3, 4, 5, 4, 5
TANH, SIGMOID = activation.KINDS.index("tanh"), activation.KINDS.index("sigmoid")


def one_input(rng: Any, name: str, array: Any, forward: Any, backward: Any) -> Instance:
    """Return the case of an operation of one input and one output: y = f(x), dx = g(dy, x)."""
    inputs = {name: array}

    def run() -> list[Any]:
        return [forward(inputs[name])]

    return Instance(inputs, run, lambda douts: {name: backward(douts[0], inputs[name])})


@case("linear")
def _linear(rng: Any) -> Instance:
    p = {"x": rng.normal(size=(N, 3)), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}

    def forward() -> list[Any]:
        y = np.empty((N, 2))
        linear.forward(p["x"], p["W"], p["b"], y)
        return [y]

    def backward(douts: Any) -> Any:
        dx, dW, db = room(*p.values())
        linear.backward(douts[0], p["x"], p["W"], dx, dW, db)
        return {"x": dx, "W": dW, "b": db}

    return Instance(p, forward, backward)


@case("dense")
def _dense(rng: Any) -> Instance:
    kinds, x = (TANH, SIGMOID), rng.normal(size=(N, 3))
    shapes = {"W_1": (3, H), "W_2": (H, 2), "c_1": (1, H), "c_2": (1, 2)}
    p = {name: rng.normal(size=shape) for name, shape in shapes.items()}

    def layers() -> Any:
        h = np.empty((N, H)), np.empty((N, 2))
        dense.forward(kinds, x, (p["W_1"], p["W_2"]), (p["c_1"], p["c_2"]), h)
        return h

    def backward(douts: Any) -> Any:
        h = layers()
        d = {name: np.empty_like(a) for name, a in p.items()}
        dh = np.empty((N, H)), douts[0].copy()
        dense.backward(
            kinds, x, (p["W_1"], p["W_2"]), h, dh, (d["W_1"], d["W_2"]), (d["c_1"], d["c_2"])
        )
        return d

    return Instance(p, lambda: [layers()[-1]], backward)


@case("activation")
def _activation(rng: Any) -> Instance:
    def forward(a: Any) -> Any:
        h = a.copy()
        activation.forward(TANH, h)
        return h

    def backward(dh: Any, a: Any) -> Any:
        da = dh.copy()
        activation.backward(TANH, forward(a), da)
        return da

    return one_input(rng, "a", rng.normal(size=(N, H)), forward, backward)


@case("gate")
def _gate(rng: Any) -> Instance:
    def forward(a: Any) -> Any:
        y = np.empty((N, H))
        gate.forward(a, 2, y)
        return y

    def backward(dy: Any, a: Any) -> Any:
        da = np.empty_like(a)
        gate.backward(dy, a, 2, da)
        return da

    return one_input(rng, "a", rng.normal(size=(N, 2 * H)), forward, backward)


@case("gelu")
def _gelu(rng: Any) -> Instance:
    p = {"u": rng.normal(size=(N, H)), "b": rng.normal(size=H)}

    def forward() -> list[Any]:
        (y,) = room(p["u"])
        gelu.forward(p["u"], p["b"], y)
        return [y]

    def backward(douts: Any) -> Any:
        du, db = room(*p.values())
        gelu.backward(douts[0], p["u"], p["b"], du, db)
        return {"u": du, "b": db}

    return Instance(p, forward, backward)


@case("layer_norm")
def _layer_norm(rng: Any) -> Instance:
    p = {"x": rng.normal(size=(N, H)), "g": rng.normal(size=H), "b": rng.normal(size=H)}
    mean, rstd = np.empty(N), np.empty(N)

    def forward() -> list[Any]:
        (y,) = room(p["x"])
        layer_norm.forward(p["x"], p["g"], p["b"], y, mean, rstd)
        return [y]

    def backward(douts: Any) -> Any:
        forward()
        dx, dg, db = np.zeros_like(p["x"]), *room(p["g"], p["b"])
        layer_norm.backward(douts[0], p["x"], p["g"], mean, rstd, dx, dg, db)
        return {"x": dx, "g": dg, "b": db}

    return Instance(p, forward, backward)


@case("embedding")
def _embedding(rng: Any) -> Instance:
    ids = np.array([0, 2, 2, 1], np.int32)

    def forward(W: Any) -> Any:
        x = np.empty((len(ids), 3))
        embedding.forward(ids, W, x)
        return x

    def backward(dx: Any, W: Any) -> Any:
        dW = np.zeros_like(W)
        embedding.backward(dx, ids, dW)
        return dW

    return one_input(rng, "W", rng.normal(size=(3, 3)), forward, backward)


def _turned(x: Any, direction: int) -> Any:
    y = x.copy()
    rotary.rotate(y, 2, direction)
    return y


@case("rotary")
def _rotary(rng: Any) -> Instance:
    x = rng.normal(size=(2, T, 2, 4))
    return one_input(rng, "x", x, lambda x: _turned(x, 1), lambda dy, x: _turned(dy, -1))


@case("dropout")
def _dropout(rng: Any) -> Instance:
    def masked(x: Any) -> Any:
        (y,) = room(x)
        dropout.apply(x, y, False, 0.5, 1, 2, 3, 0)
        return y

    return one_input(rng, "x", rng.normal(size=(N, T, H)), masked, lambda dy, x: masked(dy))


def _likelihood(op: Any, rng: Any, x: Any, shape: tuple[int, int]) -> Instance:
    """Return -log p of each row, (N,), of random outputs s of a shape, by an operation on x."""

    def forward(s: Any) -> Any:
        nll = np.empty(N)
        op.forward(s, x, nll)
        return nll

    def backward(dnll: Any, s: Any) -> Any:
        ds = np.empty_like(s)
        op.backward(dnll, s, x, ds)
        return ds

    return one_input(rng, "s", rng.normal(size=shape), forward, backward)


@case("bernoulli")
def _bernoulli(rng: Any) -> Instance:
    return _likelihood(bernoulli, rng, rng.integers(0, 2, (N, D), dtype=np.uint8), (N, D))


@case("softmax_cross_entropy")
def _softmax(rng: Any) -> Instance:
    return _likelihood(softmax_cross_entropy, rng, rng.integers(0, V, N, dtype=np.int32), (N, V))


@case("logistics")
def _logistics(rng: Any) -> Instance:
    x, levels = np.array([0, 3, 8, 15], np.int32), 16

    def forward(s: Any) -> Any:
        nll = np.empty(len(x))
        logistics.forward(s, x, levels, nll)
        return nll

    def backward(dnll: Any, s: Any) -> Any:
        ds = np.empty_like(s)
        logistics.backward(dnll, s, x, levels, ds)
        return ds

    return one_input(rng, "s", 0.5 * rng.normal(size=(4, 6)), forward, backward)


@case("mixture")
def _mixture(rng: Any) -> Instance:
    x = rng.normal(size=N)

    def forward(s: Any) -> Any:
        log_p = np.empty(N)
        mixture.terms(s, x, 0.0, mixture.GAUSSIAN, True, log_p)
        return -log_p

    def backward(dnll: Any, s: Any) -> Any:
        ds = np.empty_like(s)
        mixture.backward(dnll, s, x, 0.0, mixture.GAUSSIAN, True, ds)
        return ds

    return one_input(rng, "s", rng.normal(size=(N, 6)), forward, backward)
