"""PyTorch: causal attention by scaled_dot_product_attention, recurrent layers by torch.nn's.

`compiled`: torch.compile leaves nn.LSTM and its like to their eager kernels, so it is given the
loop over the steps in Python, which it unrolls, after one product for the inputs of all steps.
`body` compiles one step alone, which Python then calls T times.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.cases import Problem
from bench.cases.ours import Run

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch; torch.compile compiles at the first call."""
    torch.set_num_threads(threads)
    wrap: Callable[[Any], Any] = lambda f: f  # noqa: E731
    if variant == "compiled":
        wrap = torch.compile
    w = problem.workload
    if w.model == "causal_attention":
        return _attention(problem, wrap)
    if w.operation == "sample":
        from bench.peers.torch_sampling import lstm

        return lstm(problem, variant)
    if variant == "eager":
        return _layer(problem)
    return _loop(problem, wrap, STEPS[w.model] if variant == "compiled" else BODIES[w.model])


def _attention(problem: Problem, wrap: Callable[[Any], Any]) -> Run:
    """Return attention set up on (B, n, T, d), the layout that the function documents."""
    backward = problem.workload.operation == "grad"
    q, k, v, do = (
        torch.tensor(a).transpose(1, 2).contiguous() for a in (*problem.theta.values(), problem.dy)
    )
    for leaf in (q, k, v):
        leaf.requires_grad_(backward)

    @wrap
    def attend(q: Any, k: Any, v: Any) -> Any:
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    def call() -> Any:
        if not backward:
            with torch.inference_mode():
                return (attend(q, k, v),)
        o = attend(q, k, v)
        return (o, *torch.autograd.grad(o, (q, k, v), do))

    def answer() -> dict[str, Any]:
        named = zip(("o", "dq", "dk", "dv"), call(), strict=False)
        return {name: array.transpose(1, 2).numpy(force=True) for name, array in named}

    return Run(call, answer)


def _layer(problem: Problem) -> Run:
    """Return torch.nn's layer, whose second bias is zero but for GRU's part inside the reset."""
    I, H = problem.workload.size[2:]
    theta = {name: torch.tensor(value) for name, value in problem.theta.items()}
    layer = LAYERS[problem.workload.model](I, H)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(theta["W_ih"].T)
        layer.weight_hh_l0.copy_(theta["W_hh"].T)
        layer.bias_ih_l0.copy_(theta["b"])
        layer.bias_hh_l0.zero_()
        if "b_n" in theta:
            layer.bias_hh_l0[2 * H :] = theta["b_n"]
    x, dy = torch.tensor(problem.x, requires_grad=True), torch.tensor(problem.dy)
    leaves = [x, *layer.parameters()]

    def call() -> Any:
        y = layer(x)[0]
        return y, torch.autograd.grad(y, leaves, dy)

    def answer() -> dict[str, Any]:
        y, (dx, dW_ih, dW_hh, db, db_hh) = call()
        found = {"y": y.detach(), "dx": dx, "dW_ih": dW_ih.T, "dW_hh": dW_hh.T, "db": db}
        if "b_n" in theta:
            found["db_n"] = db_hh[2 * H :]
        return {name: array.numpy(force=True) for name, array in found.items()}

    return Run(call, answer)


def _loop(problem: Problem, wrap: Callable[[Any], Any], step: Callable[..., Any]) -> Run:
    theta = {name: torch.tensor(v, requires_grad=True) for name, v in problem.theta.items()}
    x, dy = torch.tensor(problem.x, requires_grad=True), torch.tensor(problem.dy)
    H = problem.workload.size.H

    @wrap
    def layer(x: Any, W_ih: Any, W_hh: Any, b: Any, b_n: Any = None) -> Any:
        states = [x.new_zeros(x.shape[1], H)] * 2
        y = []
        for z in torch.addmm(b, x.flatten(0, 1), W_ih).view(*x.shape[:2], -1).unbind(0):
            states = step(z, states, W_hh, b_n)
            y.append(states[0])
        return torch.stack(y)

    leaves = [x, *theta.values()]

    def call() -> Any:
        y = layer(x, **theta)
        return y, torch.autograd.grad(y, leaves, dy)

    def answer() -> dict[str, Any]:
        y, gradients = call()
        named = zip(("dx", *(f"d{name}" for name in theta)), gradients, strict=True)
        return {"y": y.numpy(force=True), **{name: g.numpy(force=True) for name, g in named}}

    return Run(call, answer)


def lstm_step(z: Any, states: list[Any], W: Any, b_n: Any = None) -> list[Any]:
    """Return h, c after one step from the input's part z, (B, 4H)."""
    h, c = states
    i, f, g, o = torch.addmm(z, h, W).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(c), c]


def gru_step(z: Any, states: list[Any], W: Any, b_n: Any) -> list[Any]:
    """Return h, twice, after one step from the input's part z, (B, 3H)."""
    h = states[0]
    p, H = h @ W, h.shape[1]
    r, u = torch.sigmoid(z[:, : 2 * H] + p[:, : 2 * H]).chunk(2, 1)
    n = torch.tanh(z[:, 2 * H :] + r * (p[:, 2 * H :] + b_n))
    h = n + u * (h - n)
    return [h, h]


def rnn_step(z: Any, states: list[Any], W: Any, b_n: Any = None) -> list[Any]:
    """Return h, twice, after one step from the input's part z, (B, H)."""
    h = torch.tanh(torch.addmm(z, states[0], W))
    return [h, h]


STEPS: dict[str, Callable[..., list[Any]]] = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
BODIES = {name: torch.compile(step) for name, step in STEPS.items()}
