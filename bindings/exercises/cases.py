"""The place at which an exercise's operation is checked: small, seeded inputs and both directions.

Forward is always the library's own; backward is that of the module that is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine.gradcheck import RelativeError, numeric_grad, relative_error
from chainrule.kernels.causal_attention import reference as causal_attention
from chainrule.kernels.lstm import reference as lstm
from chainrule.kernels.masked_conv import reference as masked_conv
from chainrule.kernels.masked_conv.windows import raster
from chainrule.kernels.nade import reference as nade
from chainrule.kernels.rnn import reference as rnn

Arrays = dict[str, Any]
N, T, D, H = 3, 4, 5, 4
NOBODY = np.zeros(0, np.int32)  # labels, where there is one class


@dataclass(frozen=True)
class Instance:
    """An operation at one place: what it reads, how it runs, and how it runs back.

    inputs: float64 arrays by name, those that have a gradient. forward: () -> outputs, reading
    `inputs` anew. backward: outputs' gradients -> the inputs', by name.
    """

    inputs: Arrays
    forward: Callable[[], list[Any]]
    backward: Callable[[list[Any]], Arrays]


def errors(case: Instance, rng: np.random.Generator) -> dict[str, RelativeError]:
    """Return each gradient's error, by input, against central differences of Σ outputs · douts."""
    douts = [rng.normal(size=np.shape(out)) for out in case.forward()]
    grads = case.backward(douts)

    def loss() -> float:
        pairs = zip(case.forward(), douts, strict=True)
        return float(sum((out * dout).sum() for out, dout in pairs))

    return {
        name: relative_error(grads[name], numeric_grad(loss, array))
        for name, array in case.inputs.items()
    }


def normal(rng: np.random.Generator, **shapes: Any) -> Arrays:
    """Return arrays of normal numbers by name."""
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def room(*arrays: Any) -> list[Any]:
    """Return zeros shaped like arrays: a gradient that is not written stays 0.

    They are -0, which computing hardly leaves in every entry: `untouched` tells them by it.
    """
    return [np.full_like(a, -0.0) for a in arrays]


def untouched(case: Instance, rng: np.random.Generator) -> set[str]:
    """Return whose gradients the backward leaves as they were handed to it."""
    grads = case.backward([rng.normal(size=np.shape(out)) for out in case.forward()])
    return {name for name, g in grads.items() if not g.any() and np.signbit(g).all()}


def nade_case(rng: np.random.Generator, judged: Any) -> Instance:
    """NADE's logits, of bits."""
    x = rng.integers(0, 2, (N, D), dtype=np.uint8)
    p = normal(rng, W=(D, H), V=(D, H), b=D, c=(1, H))

    def run() -> tuple[Any, Any]:
        s, a_end = np.empty((N, D)), np.empty((N, H))
        nade.forward(x, p["W"], p["V"], p["b"], p["c"], NOBODY, s, a_end)
        return s, a_end

    def backward(douts: list[Any]) -> Arrays:
        grads = room(*p.values())
        judged.backward(douts[0], x, p["W"], p["V"], run()[1], NOBODY, *grads)
        return dict(zip(p, grads, strict=True))

    return Instance(p, lambda: [run()[0]], backward)


def rnn_case(rng: np.random.Generator, judged: Any) -> Instance:
    """The recurrent pass, of its input's part, weights and first state."""
    p = normal(rng, z=(T, N, H), W=(H, H), h0=(N, H))

    def states() -> Any:
        h = np.empty((T + 1, N, H))
        h[0] = p["h0"]
        rnn.forward(p["z"].copy(), p["W"], h)
        return h

    def backward(douts: list[Any]) -> Arrays:
        dz, dW, dh0 = room(*p.values())
        judged.backward(douts[0], states(), p["W"], dz, dW, dh0)
        return {"z": dz, "W": dW, "h0": dh0}

    return Instance(p, lambda: [states()[1:]], backward)


def lstm_case(rng: np.random.Generator, judged: Any) -> Instance:
    """The LSTM's pass, of its input's part, weights and first states."""
    p = normal(rng, z=(T, N, 4 * H), W=(H, 4 * H), h0=(N, H), c0=(N, H))

    def states() -> tuple[Any, Any, Any]:
        gates, h, c = p["z"].copy(), np.empty((T + 1, N, H)), np.empty((T + 1, N, H))
        h[0], c[0] = p["h0"], p["c0"]
        lstm.forward(gates, p["W"], h, c)
        return gates, h, c

    def backward(douts: list[Any]) -> Arrays:
        gates, h, c = states()
        dz, dW, dh0, dc0 = room(*p.values())
        judged.backward(douts[0], gates, p["W"], h, c, dz, dW, dh0, dc0)
        return {"z": dz, "W": dW, "h0": dh0, "c0": dc0}

    return Instance(p, lambda: [states()[1][1:]], backward)


def attention_case(rng: np.random.Generator, judged: Any) -> Instance:
    """Causal attention, of queries, keys and values."""
    shape = (2, T, 2, 3)
    p = normal(rng, q=shape, k=shape, v=shape)

    def run() -> tuple[Any, Any]:
        o, lse = np.empty(shape), np.empty((2, 2, T))
        causal_attention.forward(p["q"], p["k"], p["v"], o, lse)
        return o, lse

    def backward(douts: list[Any]) -> Arrays:
        dq, dk, dv = room(*p.values())
        judged.backward(douts[0], p["q"], p["k"], p["v"], *run(), dq, dk, dv)
        return {"q": dq, "k": dk, "v": dv}

    return Instance(p, lambda: [run()[0]], backward)


def conv_case(rng: np.random.Generator, judged: Any) -> Instance:
    """Masked convolution of two groups of channels, so that the pixel's own weights are hidden."""
    window = raster(3, "B", 2)
    p = normal(rng, x=(2, 3, 4, 2), W=(window.n_taps, 2, 4), b=4)

    def forward() -> list[Any]:
        y = np.empty((2, 3, 4, 4))
        masked_conv.forward(p["x"], p["W"], p["b"], window, y)
        return [y]

    def backward(douts: list[Any]) -> Arrays:
        dx, dW, db = room(*p.values())
        judged.backward(douts[0], p["x"], p["W"], window, dx, dW, db)
        return {"x": dx, "W": dW, "b": db}

    return Instance(p, forward, backward)


CASES: dict[str, Callable[[np.random.Generator, Any], Instance]] = {
    "nade": nade_case,
    "rnn": rnn_case,
    "lstm": lstm_case,
    "causal_attention": attention_case,
    "masked_conv": conv_case,
}
