"""Time the CUDA kernels alone: `python -m bench.device`, on a machine with a GPU.

Most of a small kernel's time, seen from Python, is the launch. Here the launches of an operation
are recorded into a CUDA graph, several calls of it, and the graph is replayed: what is left is
the GPU's own time. Sizes are those that the kernels' cuda.py speak of.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import machine, report
from chainrule.kernels import (
    adam,
    bernoulli,
    causal_attention,
    columns,
    dropout,
    embedding,
    gate,
    gelu,
    grid_lstm,
    gru,
    layer_norm,
    lstm,
    nade,
    rnn,
    rotary,
    softmax_cross_entropy,
    triangular,
)

CALLS = 10  # of a graph
REPLAYS = 30
Cases = Iterator[tuple[str, str, Callable[[], object]]]  # operation, size, call


class Draw:
    """Arrays of random numbers on the GPU, float32."""

    def __init__(self) -> None:
        """Start from seed 0."""
        import cupy

        self.xp, self.rng = cupy, np.random.default_rng(0)

    def normal(self, *shape: int, scale: float = 1.0) -> Any:
        """Return numbers of deviation `scale`."""
        return self.xp.asarray(scale * self.rng.standard_normal(shape, dtype=np.float32))

    def uniform(self, *shape: int) -> Any:
        """Return numbers in [0, 1)."""
        return self.xp.asarray(self.rng.random(shape, dtype=np.float32))

    def bits(self, *shape: int) -> Any:
        """Return bits, 13% of them ones."""
        return self.xp.asarray((self.rng.random(shape) < 0.13).astype(np.uint8))

    def ids(self, n: int, V: int) -> Any:
        """Return n symbols of V."""
        return self.xp.asarray(self.rng.integers(0, V, n).astype(np.int32))


def binary(draw: Draw) -> Cases:
    """NADE and FVSBN at N=100, D=784, H=500; Adam on that NADE's parameters."""
    N, D, H = 100, 784, 500
    x, u = draw.bits(N, D), draw.uniform(N, D)
    theta = [draw.normal(*shape, scale=0.05) for shape in ((D, H), (D, H), (D,), (1, H))]
    grads, y = [draw.xp.empty_like(a) for a in theta], draw.ids(0, 1)  # of one class
    nll, s = draw.xp.empty(N, np.float32), draw.normal(N, D)
    size, drawn = f"N={N} D={D} H={H}", draw.bits(N, D)
    yield "nade.log_prob", size, lambda: nade.log_prob(x, *theta, y, nll)
    yield "nade.nll_and_grad", size, lambda: nade.nll_and_grad(x, *theta, y, 1 / N, nll, *grads)
    yield "nade.sample", size, lambda: nade.sample(u, *theta, y, drawn)

    alpha, b = draw.normal(D * (D - 1) // 2, scale=0.05), draw.normal(1, D)
    dalpha, db, out = (draw.xp.empty_like(a) for a in (alpha, b, s))
    dnll, size = draw.normal(N), f"N={N} D={D}"
    yield "triangular.forward", size, lambda: triangular.forward(x, alpha, b, y, out)
    yield "triangular.backward", size, lambda: triangular.backward(s, x, y, dalpha, db)
    yield "triangular.sample", size, lambda: triangular.sample(u, alpha, b, y, drawn)
    yield "bernoulli.forward", size, lambda: bernoulli.forward(s, x, nll)
    yield "bernoulli.backward", size, lambda: bernoulli.backward(dnll, s, x, out)

    P = D * (2 * H + 1) + H
    p, g, m = (draw.normal(P) for _ in range(3))
    v = draw.uniform(P)
    yield "adam.step", f"P={P}", lambda: adam.step(
        p, g, m, v, 1, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8,
        weight_decay=0.0, l1=0.0, n_decay=0, max_norm=0.0,
    )  # fmt: skip


def attention(draw: Draw) -> Cases:
    """Attention at the sizes of the benchmark, a long one, and one step of decoding."""
    for B, T, n, d in ((12, 64, 4, 32), (8, 256, 6, 64), (1, 784, 8, 64), (1, 4096, 8, 64)):
        q, k, v, do = (draw.normal(B, T, n, d) for _ in range(4))
        o, lse = draw.xp.empty_like(q), draw.xp.empty((B, n, T), np.float32)
        grads = [draw.xp.empty_like(q) for _ in range(3)]
        size = f"B={B} T={T} n={n} d={d}"
        forward = lambda q=q, k=k, v=v, o=o, lse=lse: causal_attention.forward(q, k, v, o, lse)  # noqa: E731
        yield "causal_attention.forward", size, forward
        forward()
        yield (
            "causal_attention.backward",
            size,
            lambda a=(do, q, k, v, o, lse), g=grads: causal_attention.backward(*a, *g),
        )
    for N, S, n, d in ((1, 4096, 8, 64), (64, 256, 4, 32)):
        q, o = draw.normal(N, n, d), draw.xp.empty((N, n, d), np.float32)
        cache = draw.normal(N, S, n, d), draw.normal(N, S, n, d)
        length = draw.xp.full(N, S, np.int32)
        size = f"N={N} t={S} n={n} d={d}"
        yield (
            "causal_attention.decode",
            size,
            lambda a=(q, *cache, length, o): causal_attention.decode(*a),
        )


def recurrent(draw: Draw) -> Cases:
    """The passes of the three cells at T=64, B=32, H=256."""
    T, B, H = 64, 32, 256
    size, new = f"T={T} B={B} H={H}", draw.xp.empty
    for op, gates in ((rnn, 1), (lstm, 4), (gru, 3)):
        W = draw.normal(H, gates * H, scale=H**-0.5)
        z, dz, dh = draw.normal(T, B, gates * H), draw.normal(T, B, gates * H), draw.normal(T, B, H)
        h, c, m = draw.normal(T + 1, B, H), draw.normal(T + 1, B, H), draw.normal(T, B, H)
        b, db, dW = draw.normal(H), draw.normal(H), new(W.shape, np.float32)
        d0, d1 = new((B, H), np.float32), new((B, H), np.float32)
        forward, backward = {
            rnn: ((z, W, h), (dh, h, W, dz, dW, d0)),
            lstm: ((z, W, h, c), (dh, z, W, h, c, dz, dW, d0, d1)),
            gru: ((z, W, b, h, m), (dh, z, W, b, h, m, dz, dW, db, d0)),
        }[op]
        name = op.__name__.rpartition(".")[2]
        yield f"{name}.forward", size, lambda op=op, a=forward: op.forward(*a)
        yield f"{name}.backward", size, lambda op=op, a=backward: op.backward(*a)


def parts(draw: Draw) -> Cases:
    """What else a Transformer of 12 windows of 64 is made of."""
    N, C, V = 768, 128, 65
    x, dx, dy, y = (draw.normal(N, C) for _ in range(4))
    g, b, dg, db = (draw.normal(C) for _ in range(4))
    mean, rstd, size = draw.normal(N), draw.uniform(N), f"N={N} C={C}"
    yield "layer_norm.forward", size, lambda: layer_norm.forward(x, g, b, y, mean, rstd)
    yield "layer_norm.backward", size, lambda: layer_norm.backward(dy, x, g, mean, rstd, dx, dg, db)
    u, du, up, bias, dbias = (draw.normal(*s) for s in ((N, 4 * C),) * 3 + ((4 * C,),) * 2)
    yield "gelu.forward", f"N={N} C={4 * C}", lambda: gelu.forward(u, bias, up)
    yield "gelu.backward", f"N={N} C={4 * C}", lambda: gelu.backward(up, u, bias, du, dbias)
    ids, E, dE = draw.ids(N, V), draw.normal(V, C), draw.normal(V, C)
    yield "embedding.forward", f"N={N} V={V} C={C}", lambda: embedding.forward(ids, E, y)
    yield "embedding.backward", f"N={N} V={V} C={C}", lambda: embedding.backward(dx, ids, dE)
    heads = draw.normal(12, 64, 4, 32)
    yield "rotary.rotate", "B=12 T=64 n=4 d=32", lambda: rotary.rotate(heads, 0, 1)
    rows, kept = x.reshape(12, 64, C), y.reshape(12, 64, C)
    drop = lambda: dropout.apply(rows, kept, False, 0.1, 0, 0, 0, 0)  # noqa: E731
    yield "dropout.apply", f"N=12 T=64 C={C}", drop
    for symbols in (V, 50257):
        s, targets = draw.normal(N, symbols), draw.ids(N, symbols)
        ds, nll = draw.xp.empty_like(s), draw.xp.empty(N, np.float32)
        both = softmax_cross_entropy.nll_and_grad
        yield (
            "softmax_cross_entropy.nll_and_grad",
            f"N={N} V={symbols}",
            (lambda s=s, t=targets, nll=nll, ds=ds, f=both: f(s, t, 1 / N, nll, ds)),
        )


def images(draw: Draw) -> Cases:
    """What a PixelCNN over 16 images of 32 × 32 pixels is made of, three groups of 32 features."""
    M, H = 16 * 32 * 32, 96
    a, y, dy, size = draw.normal(M, 2 * H), draw.normal(M, H), draw.normal(M, H), f"M={M} H={H} G=3"
    da = draw.xp.empty_like(a)
    yield "gate.forward", size, lambda: gate.forward(a, 3, y)
    yield "gate.backward", size, lambda: gate.backward(dy, a, 3, da)


def grids(draw: Draw) -> Cases:
    """A layer's recurrence of a PixelRNN over 16 images of 28 × 28 pixels, 32 units."""
    shape, H = (16, 28, 28), 32
    h, c, dh, da, dz = (draw.normal(*shape, n * H) for n in (1, 1, 1, 4, 4))
    for kind in (grid_lstm.rows, grid_lstm.diagonals):
        fronts, size = kind(), f"N=16 28x28 H={H} {kind.__name__}"
        W = draw.normal(len(fronts.taps), H, 4 * H, scale=H**-0.5)
        dW = draw.xp.empty_like(W)
        forward, backward = (da, W, fronts, h, c), (dh, da, W, fronts, h, c, dz, dW)
        yield "grid_lstm.forward", size, lambda a=forward: grid_lstm.forward(*a)
        yield "grid_lstm.backward", size, lambda a=backward: grid_lstm.backward(*a)


def tables(draw: Draw) -> Cases:
    """Rows of categories and of mixtures, their losses and draws."""
    for values, K, D in (("categories", 16, 784), ("categories", 256, 64), ("mixtures", 10, 64)):
        real, N = values == "mixtures", 100
        layout = columns.layout([0 if real else K] * D, K if real else 1, xp=draw.xp)
        s = draw.normal(N, D * K * (2 if real else 1))
        x = draw.normal(N, D) if real else draw.ids(N * D, K).reshape(N, D)
        nll, ds = draw.xp.empty(N, np.float32), draw.xp.empty_like(s)
        size, both = f"N={N} D={D} K={K} {values}", columns.nll_and_grad
        yield (
            "columns.nll_and_grad",
            size,
            lambda a=(layout, s, x, 1 / N, nll, ds), f=both: f(*a),
        )
        own, u = s[:, : len(s[0]) // D].copy(), draw.uniform(N).astype(np.float64)
        drawn = x[:, 0].copy()
        yield "columns.draw", size, lambda a=(layout, 0, own, u, drawn): columns.draw(*a)


def microseconds(call: Callable[[], object]) -> tuple[float, float, float, bool]:
    """Return p20, the median and p80 of a call's time on the GPU, and whether it was a graph's.

    CuPy records no products of matrices. Calls that have some are launched one after the other, so
    that where the GPU is faster than Python their times are Python's.
    """
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        for _ in range(3):
            call()  # compiles, and leaves memory in the pool
        stream.synchronize()
        graph = _recorded(call, stream)
        calls = graph or (lambda: [call() for _ in range(CALLS)])
        times = [_timed(calls, stream) for _ in range(REPLAYS)]
    p20, median, p80 = np.percentile(times[3:], (20, 50, 80))
    return float(p20), float(median), float(p80), graph is not None


def _recorded(call: Callable[[], object], stream: Any) -> Callable[[], object] | None:
    """Return what replays CALLS calls on a stream, or None if they cannot be recorded."""
    stream.begin_capture()
    try:
        for _ in range(CALLS):
            call()
    except NotImplementedError:
        stream.end_capture()
        return None
    graph = stream.end_capture()
    return lambda: graph.launch(stream)


def _timed(calls: Callable[[], object], stream: Any) -> float:
    """Return the microseconds of one of CALLS calls."""
    import cupy

    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record(stream)
    calls()
    end.record(stream)
    end.synchronize()
    return 1e3 * float(cupy.cuda.get_elapsed_time(start, end)) / CALLS


def main() -> None:
    """Print a line an operation, and write them to a file where one is named."""
    parser = argparse.ArgumentParser(prog="python -m bench.device", description=__doc__)
    parser.add_argument("--json", type=Path, help="write all numbers here")
    asked = parser.parse_args()
    about = machine.describe()
    if about["device"] is None:
        parser.error("no CUDA device, or CuPy is not installed")
    print(f"{about['device']}; microseconds a call: p20, median, p80")
    draw, results = Draw(), []
    for family in (binary, attention, recurrent, parts, images, grids, tables):
        for operation, size, call in family(draw):
            p20, median, p80, recorded = microseconds(call)
            mark = "" if recorded else "  with launches"
            print(f"{operation:36}{size:26}{p20:10.1f}{median:10.1f}{p80:10.1f}{mark}", flush=True)
            figures = {"p20": p20, "median": median, "p80": p80, "recorded": recorded}
            results.append({"operation": operation, "size": size, **figures})
    if asked.json:
        content = {"machine": about, "versions": machine.versions(), "microseconds": results}
        report.write_json(asked.json, content)


if __name__ == "__main__":
    main()
