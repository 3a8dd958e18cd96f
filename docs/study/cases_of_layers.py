"""One small case of each layer, and of what else has a backward of its own, for its check."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engine.attacks import carlini_wagner
from chainrule.engine.attacks.victim import Range, Victim
from chainrule.engine.classifiers import functions, mlp
from chainrule.engine.layers import (
    any_order,
    gated_pixels,
    grid_lstm,
    masked_network,
    masks,
    pixels,
    pooling,
    recurrent,
    residual_pixels,
    tied_output,
    transformer_block,
)
from chainrule.engine.layers.dropout import Site
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.exercises.cases import Instance, normal, room
from chainrule.kernels import activation, columns, embedding, masked_conv
from study.checks import case

N, T, D, H, V = 2, 3, 5, 4, 5
TANH = activation.KINDS.index("tanh")
SITE = Site(0.4, Noise(seed=3, step=5, row=7), number=2)  # where numbers are dropped
LABELS = np.array([1, 0], np.int32)
NOBODY = np.zeros(0, np.int32)  # labels, where there is one class


def new(shape: tuple[int, ...]) -> Any:
    """Return an array that a layer may write into."""
    return np.empty(shape)


def of_weights(kind: Any, p: dict[str, Any]) -> Any:
    """Return those of the arrays that a layer's NamedTuple of weights names."""
    return kind(*(p[name] for name in kind._fields))


def of_one_array(
    p: dict[str, Any], kind: Any, run: Callable[[Any], Any], back: Callable[[Any, Any, Any], None]
) -> Instance:
    """Return the case of a layer whose one array is both dy and dx.

    run: weights -> output, cache. back: overwrites dx and the weights' gradient, given a cache.
    """

    def backward(douts: Any) -> Any:
        dx, d = douts[0].copy(), dict(zip(p, room(*p.values()), strict=True))
        back(dx, run(of_weights(kind, p))[1], of_weights(kind, d))
        return d | {"x": dx}

    return Instance(p, lambda: [run(of_weights(kind, p))[0]], backward)


@case("layers/pooling")
def _pooling(rng: Any) -> Instance:
    p = {f"x, {kind}": rng.normal(size=(N, 3, 5, 2)) for kind in pooling.KINDS}

    def forward() -> list[Any]:
        out = [new((N, 2, 3, 2)) for _ in p]
        for kind, x, y in zip(pooling.KINDS, p.values(), out, strict=True):
            pooling.forward(kind, x, y)
        return out

    def backward(douts: Any) -> Any:
        found = dict(zip(p, room(*p.values()), strict=True))
        every = zip(pooling.KINDS, p.values(), forward(), douts, found.values(), strict=True)
        for each in every:
            pooling.backward(*each)
        return found

    return Instance(p, forward, backward)


@case("layers/recurrent")
def _recurrent(rng: Any) -> Instance:
    x = rng.integers(0, V, (T, N)).astype(np.int32)
    p = normal(rng, W_xh=(V, 4 * H), U=(1, H, 4 * H), W_hh=(2, H, 4 * H), b_h=(2, 4 * H))
    p |= normal(rng, h_0=(2, N, H), c_0=(2, N, H))

    def run() -> Any:
        return recurrent.forward("lstm", x, p, p["h_0"], p["c_0"], new, SITE.rate, SITE.noise)

    def backward(douts: Any) -> Any:
        d = dict(zip(p, room(*p.values()), strict=True))
        dh = douts[0].copy()
        recurrent.backward("lstm", dh, x, run(), p, d, d["h_0"], d["c_0"], new)
        return d

    return Instance(p, lambda: [run()[-1].y], backward)


@case("layers/tied_output")
def _tied_output(rng: Any) -> Instance:
    ids = np.array([0, 2, 2, V], np.int32)
    p, none = normal(rng, E=(V + 1, 3), h=(4, 3)), np.empty((3, 0))

    def forward() -> list[Any]:
        x = np.empty((len(ids), 3))
        embedding.forward(ids, p["E"], x)
        return [x, p["h"] @ tied_output.output_matrix(p["E"], none, V)]

    def backward(douts: Any) -> Any:
        dE, dh = room(*p.values())
        tied_output.backward(douts[1], p["h"], p["E"], none, dE, none, dh)
        embedding.backward(douts[0], ids, dE)
        return {"E": dE, "h": dh}

    return Instance(p, forward, backward)


@case("layers/transformer_block")
def _transformer_block(rng: Any) -> Instance:
    heads, C = transformer_block.Heads(N, T, 2, rotary=True), 4
    first = {"ln_g": C, "ln_b": C, "W_qkv": (C, 3 * C), "b_qkv": 3 * C, "W_o": (C, C), "b_o": C}
    second = {"W_1": (C, 4 * C), "b_1": 4 * C, "W_2": (4 * C, C), "b_2": C}
    p = normal(rng, x=(N * T, C), **first, **second, ln2_g=C, ln2_b=C)

    def weights(of: Any) -> Any:
        upper = of | {"ln_g": of["ln2_g"], "ln_b": of["ln2_b"]}
        attention = of_weights(transformer_block.AttentionWeights, of)
        return attention, of_weights(transformer_block.MLPWeights, upper)

    def run() -> Any:
        attention, network = weights(p)
        z, lower = transformer_block.attention_forward(p["x"], attention, heads, SITE, new)
        out, upper = transformer_block.mlp_forward(z, network, heads, SITE, new)
        return out, lower, upper

    def backward(douts: Any) -> Any:
        d, dx = dict(zip(p, room(*p.values()), strict=True)), douts[0].copy()
        (attention, network), (d_attention, d_network) = weights(p), weights(d)
        _, lower, upper = run()
        transformer_block.mlp_backward(dx, upper, network, d_network, heads)
        transformer_block.attention_backward(dx, lower, attention, d_attention, heads)
        return d | {"x": dx}

    return Instance(p, lambda: [run()[0]], backward)


@case("layers/masked_network")
def _masked_network(rng: Any) -> Instance:
    mask = masks.make(masks.Sizes((1,) * D, (1,) * D, (H, H)), 0, 0, orders=False)
    p = normal(rng, x=(N, D), W_1=(D, H), W_2=(H, H), V=(H, D), A=(D, D))
    p |= normal(rng, c_1=(1, H), c_2=(1, H), b=(1, D))

    def arrays(of: Any) -> Any:
        weights = of["W_1"], of["W_2"], of["V"]
        return masked_network.Arrays(weights, (of["c_1"], of["c_2"], of["b"]), of["A"])

    def run() -> Any:
        return masked_network.forward(arrays(p), mask, TANH, p["x"], NOBODY, new)

    def backward(douts: Any) -> Any:
        d = dict(zip(p, room(*p.values()), strict=True))
        given = arrays(p), mask, TANH, p["x"], NOBODY, run()[0], douts[0]
        masked_network.backward(*given, arrays(d), d["x"], new)
        return d

    return Instance(p, lambda: [run()[1]], backward)


@case("layers/any_order")
def _any_order(rng: Any) -> Instance:
    values = (columns.BIT, columns.REAL, columns.REAL)
    layout = columns.layout(values, 2, learned=True)
    net = any_order.network(values, TANH, 2, 2, layout)
    p = normal(rng, x=(N, 3), **any_order.shapes(net, (H, 3)))
    seen = np.array([[True, False, True], [False, True, True]])

    def run() -> Any:
        return any_order.forward(net, p, p["x"], seen, LABELS, new)

    def backward(douts: Any) -> Any:
        d = dict(zip(p, room(*p.values()), strict=True))
        any_order.backward(net, douts[0].copy(), run()[1], p, d, new, d["x"])
        return d

    return Instance(p, lambda: [run()[0]], backward)


@case("layers/pixels")
def _pixels(rng: Any) -> Instance:
    window = masked_conv.raster(3, "A")
    p = normal(rng, x=(N, 3, 2, 1), W=(window.n_taps, 1, 4), b=(2, 4), b_p=(3, 2, 4))
    p |= normal(rng, h=(N, 3, 2, 4), W_t=(1, 4, 3), b_t=(1, 3), W_s=(1, 3, 2), b_s=(2, 2))

    def run() -> Any:
        a = pixels.mapped(p["x"], p["W"], p["b"], LABELS, window, new, p["b_p"])
        return a, *pixels.top(p["h"], of_weights(pixels.TopWeights, p), LABELS, 1, new)

    def backward(douts: Any) -> Any:
        d = dict(zip(p, room(*p.values()), strict=True))
        out = d["x"], d["W"], d["b"], d["b_p"]
        pixels.mapped_backward(douts[0], p["x"], p["W"], LABELS, window, *out)
        both = (of_weights(pixels.TopWeights, of) for of in (p, d))
        pixels.top_backward(douts[1], run()[2], *both, LABELS, 1, d["h"], new)
        return d

    return Instance(p, lambda: list(run()[:2]), backward)


@case("layers/residual_pixels")
def _residual_pixels(rng: Any) -> Instance:
    window = masked_conv.raster(3, "B")
    p = normal(rng, x=(N, 3, 2, 6), W_i=(1, 6, 3), b_i=(1, 3), W_m=(window.n_taps, 3, 3))
    p |= normal(rng, b_m=(2, 3), W_o=(1, 3, 6))

    def run(w: Any) -> Any:
        h = p["x"].copy()
        cache = residual_pixels.forward(h, w, LABELS, window, SITE, new)
        return h, cache

    def back(dh: Any, cache: Any, dw: Any) -> None:
        w = of_weights(residual_pixels.Weights, p)
        residual_pixels.backward(dh, cache, w, dw, LABELS, window)

    return of_one_array(p, residual_pixels.Weights, run, back)


@case("layers/grid_lstm")
def _grid_lstm(rng: Any) -> Instance:
    of = grid_lstm.cell("diagonal", 1)
    n, n_taps = len(of.directions), len(of.directions[0].taps)
    p = normal(rng, x=(N, 3, 3, 6), W_i=(n, of.window.n_taps, 6, 12), b_i=(2, n, 12))
    p |= normal(rng, W_h=(n, n_taps, 3, 12), W_o=(1, 3, 6))

    def back(dx: Any, cache: Any, dw: Any) -> None:
        grid_lstm.backward(dx, cache, of_weights(grid_lstm.Weights, p), dw, LABELS, of)

    def run(w: Any) -> Any:
        return grid_lstm.forward(p["x"].copy(), w, LABELS, of, SITE, new)

    return of_one_array(p, grid_lstm.Weights, run, back)


@case("layers/gated_pixels")
def _gated_pixels(rng: Any) -> Instance:
    F, see = 3, gated_pixels.windows(3, "B", 1)
    p = normal(rng, v=(N, 3, 2, F), h=(N, 3, 2, F), W_v=(see.above.n_taps, F, 2 * F))
    p |= normal(rng, b_v=(2, 2 * F), W_h=(see.left.n_taps, F, 2 * F), b_h=(2, 2 * F))
    p |= normal(rng, W_vh=(1, 2 * F, 2 * F), W_o=(1, F, F))

    def run() -> Any:
        w = of_weights(gated_pixels.Weights, p)
        return gated_pixels.forward(p["v"], p["h"], w, LABELS, see, SITE, new)

    def backward(douts: Any) -> Any:
        d = dict(zip(p, room(*p.values()), strict=True))
        d["v"], d["h"] = (dout.copy() for dout in douts)
        both = (of_weights(gated_pixels.Weights, of) for of in (p, d))
        gated_pixels.backward(d["v"], d["h"], run()[2], *both, LABELS, see)
        return d

    return Instance(p, lambda: list(run()[:2]), backward)


@case("classifiers/functions")
def _classifier(rng: Any) -> Instance:
    config = mlp.Config((D,), 3, (H,), "tanh")
    params = Params(mlp.shapes(config), dtype=np.float64)
    params.flat[...] = rng.normal(size=params.size)
    p, y = {"x": rng.normal(size=(N, D))}, np.array([2, 0], np.int32)

    def backward(douts: Any) -> Any:
        def of_logits(s: Any, some: slice) -> Any:
            return functions.slopes(s, y[some]) * douts[0][some, None]

        return {"x": mlp.input_gradient(config, params, p["x"], of_logits)[1]}

    return Instance(p, lambda: [mlp.losses(config, params, p["x"], y)], backward)


@case("attacks/carlini_wagner")
def _carlini_wagner(rng: Any) -> Instance:
    A, y, c = rng.normal(size=(D, 3)), np.array([2, 0], np.int32), np.array([0.7, 1.3])
    x, allowed = rng.random((N, D)), Range(-0.5, 1.5)
    victim = Victim(lambda x: x @ A, lambda x, weigh: (x @ A, weigh(x @ A, slice(N)) @ A.T))
    how, p = carlini_wagner.Search(confidence=9.0), {"v": rng.normal(size=(N, D))}

    def run() -> Any:
        moved = carlini_wagner._moved(p["v"], allowed, x.dtype)
        return carlini_wagner._loss(victim, moved, x, y, c, how)

    def backward(douts: Any) -> Any:
        dx = run()[2] * douts[0][:, None]
        return {"v": carlini_wagner._through(dx, p["v"], allowed)}

    return Instance(p, lambda: [run()[0]], backward)
