"""Our side of what is no whole model: attention, recurrent layers, columns, convolution."""

from collections.abc import Callable
from typing import Any

from bench.cases import Problem, convolution
from bench.cases.columns import LEVELS
from bench.cases.ours import Place, Run, to_host
from chainrule.engine import arena
from chainrule.engine.params import Params
from chainrule.kernels import (
    causal_attention,
    columns,
    gru,
    linear,
    logistics,
    lstm,
    masked_conv,
    rnn,
)
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.threads import sum_rows


def attention(problem: Problem, place: Place, dtype: Any) -> Run:
    """Return causal attention set up: forward, and backward where a gradient is asked for."""
    q, k, v, do = (
        place.put(a.astype(dtype)) for a in (*(problem.theta[n] for n in "qkv"), problem.dy)
    )
    xp, backward = array_module(q), problem.workload.operation == "grad"
    B, T, n, _ = q.shape
    o, lse = xp.empty_like(q), xp.empty((B, n, T), dtype)
    gradients = [xp.empty_like(q) for _ in range(3)] if backward else []

    def work() -> None:
        causal_attention.forward(q, k, v, o, lse)
        if backward:
            causal_attention.backward(do, q, k, v, o, lse, *gradients)

    call = place.bind(work)

    def answer() -> dict[str, Any]:
        call()
        named = zip(("dq", "dk", "dv"), gradients, strict=False)
        return {"o": to_host(o), **{name: to_host(array) for name, array in named}}

    return Run(call, answer)


def table(problem: Problem, place: Place, dtype: Any) -> Run:
    """Return the loss of a table's rows set up, with its gradient."""
    s, x = place.put(problem.theta["s"].astype(dtype)), problem.x
    x = place.put(x.astype(dtype) if x.dtype.kind == "f" else x)
    _, D, K = problem.workload.size
    real, xp = problem.workload.model == "mixtures", array_module(s)
    layout = columns.layout([0 if real else K] * D, K if real else 1, xp=xp)
    nll, ds = xp.empty(len(s), dtype), xp.empty_like(s)
    call = place.bind(lambda: columns.nll_and_grad(layout, s, x, 1.0, nll, ds))

    def answer() -> dict[str, Any]:
        call()
        return {"nll": to_host(nll), "ds": to_host(ds)}

    return Run(call, answer)


def masked(problem: Problem, place: Place, dtype: Any) -> Run:
    """Return masked convolution set up: forward, and backward where a gradient is asked for."""
    x, W, b, dy = (
        place.put(a.astype(dtype)) for a in (problem.x, *problem.theta.values(), problem.dy)
    )
    w, see, xp = problem.workload, convolution.window(problem.workload.size), array_module(x)
    y, dW, db = (xp.empty_like(a) for a in (dy, W, b))
    found = {"y": y}
    if w.operation == "grad":
        found |= {"dW": dW, "db": db} | ({} if w.size.kind == "A" else {"dx": xp.empty_like(x)})

    def work() -> None:
        masked_conv.forward(x, W, b, see, y)
        if "dx" in found:
            masked_conv.backward(dy, x, W, see, found["dx"], dW, db)
        elif "dW" in found:
            masked_conv.weight_gradient(dy, x, see, dW, db)

    call = place.bind(work)

    def answer() -> dict[str, Any]:
        call()
        return {name: to_host(array) for name, array in found.items()}

    return Run(call, answer)


def levels(problem: Problem, place: Place, dtype: Any) -> Run:
    """Return the loss of levels set up, with its gradient."""
    s, x = place.put(problem.theta["s"].astype(dtype)), place.put(problem.x)
    xp, K = array_module(s), problem.workload.size.K
    nll, ds, rows = xp.empty(x.size, dtype), xp.empty_like(s), s.reshape(-1, 3 * K)
    both, of_rows = logistics.nll_and_grad, ds.reshape(-1, 3 * K)
    call = place.bind(lambda: both(rows, x.reshape(-1), LEVELS, 1.0, nll, of_rows))

    def answer() -> dict[str, Any]:
        call()
        return {"nll": to_host(nll).reshape(x.shape).sum(axis=1), "ds": to_host(ds)}

    return Run(call, answer)


def layer(problem: Problem, place: Place, dtype: Any) -> Run:
    """Return a recurrent layer's training set up: each thread takes a slice of the batch.

    The input's projection is one product for all steps, then the cell's pass, then their mirror
    images: what the engine runs for an upper layer (chainrule.engine.layers.recurrent).
    """
    x, dy = place.put(problem.x.astype(dtype)), place.put(problem.dy.astype(dtype))
    shapes = {name: value.shape for name, value in problem.theta.items()}
    params = Params(shapes, dtype=dtype)
    for name, value in problem.theta.items():
        params[name][...] = value
    params = Params(shapes, place.put(params.flat))
    xp, B = array_module(x), x.shape[1]
    y, dx = xp.empty_like(dy), xp.empty_like(x)
    grads = [params.like() for _ in range(place.slices(B))]

    def one_slice(lo: int, hi: int, flat: Any) -> None:
        batch = slice(lo, hi)
        with arena.borrow(x) as new:
            _train(
                problem.workload.model, params, Params(shapes, flat), new,
                x[:, batch], dy[:, batch], y[:, batch], dx[:, batch],
            )  # fmt: skip

    shares = [(grad.flat,) for grad in grads]
    call = place.bind(lambda: sum_rows(one_slice, B, shares))

    def answer() -> dict[str, Any]:
        call()
        gradients = {f"d{name}": to_host(grads[0][name]) for name in shapes}
        return {"y": to_host(y), "dx": to_host(dx), **gradients}

    return Run(call, answer)


def _train(
    cell: str, params: Params, grad: Params, new: arena.New, x: Any, dy: Any, y: Any, dx: Any
) -> None:
    """Overwrite y, dx and grad, given x: (T, n, I) and dy: (T, n, H), slices of the batch."""
    (T, n, I), H = x.shape, dy.shape[2]
    rows, z = new((T * n, I)), new((T, n, params["b"].size))
    rows.reshape(x.shape)[...] = x
    flat = z.reshape(T * n, -1)
    linear.forward(rows, params["W_ih"], params["b"], flat)
    h = new((T + 1, n, H))
    h[0] = 0
    _CELLS[cell](params, grad, new, z, h, dy, y)
    drows = new((T * n, I))
    linear.backward(flat, rows, params["W_ih"], drows, grad["W_ih"], grad["b"])
    dx[...] = drows.reshape(x.shape)


def _lstm(params: Params, grad: Params, new: arena.New, z: Any, h: Any, dy: Any, y: Any) -> None:
    """Run the pass over z and back; z becomes its own gradient."""
    W, c = params["W_hh"], new(h.shape)
    c[0] = 0
    lstm.forward(z, W, h, c)
    y[...] = h[1:]
    lstm.backward(dy, z, W, h, c, z, grad["W_hh"], new(h[0].shape), new(h[0].shape))


def _gru(params: Params, grad: Params, new: arena.New, z: Any, h: Any, dy: Any, y: Any) -> None:
    W, b, m = params["W_hh"], params["b_n"], new(h[1:].shape)
    gru.forward(z, W, b, h, m)
    y[...] = h[1:]
    gru.backward(dy, z, W, b, h, m, z, grad["W_hh"], grad["b_n"], new(h[0].shape))


def _rnn(params: Params, grad: Params, new: arena.New, z: Any, h: Any, dy: Any, y: Any) -> None:
    W = params["W_hh"]
    rnn.forward(z, W, h)
    y[...] = h[1:]
    rnn.backward(dy, h, W, z, grad["W_hh"], new(h[0].shape))


_CELLS: dict[str, Callable[..., None]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}

RUNS: dict[tuple[str, str], Callable[[Problem, Place, Any], Run]] = {
    ("causal_attention", "forward"): attention,
    ("causal_attention", "grad"): attention,
    ("masked_conv", "forward"): masked,
    ("masked_conv", "grad"): masked,
    ("categories", "grad"): table,
    ("mixtures", "grad"): table,
    ("levels", "grad"): levels,
    **{(cell, "grad"): layer for cell in _CELLS},
}
