"""JAX: causal attention by jax.nn.dot_product_attention, recurrent layers by lax.scan."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.cases import Problem
from bench.cases.ours import Run
from bench.peers.jax_transformer import draw


def prepare(problem: Problem, threads: int, variant: str = "") -> Run:
    """Return the workload set up in JAX; the number of threads is the process's cores."""
    w = problem.workload
    if w.operation == "sample":
        return _sample(problem)
    if w.model == "causal_attention":
        theta = [jnp.asarray(a) for a in problem.theta.values()]
        names: tuple[str, ...] = ("o", "dq", "dk", "dv")

        def function(q: Any, k: Any, v: Any) -> Any:
            return jax.nn.dot_product_attention(q, k, v, is_causal=True)

        if w.operation == "forward":
            return _run(jax.jit(lambda *theta: (function(*theta),)), theta, names[:1])
    else:
        theta = [jnp.asarray(a) for a in (problem.x, *problem.theta.values())]
        names = ("y", "dx", *(f"d{name}" for name in problem.theta))
        function = _layer(STEPS[w.model], w.size.H)
    dy = jnp.asarray(problem.dy)

    @jax.jit
    def both(dy: Any, *theta: Any) -> Any:
        y, backward = jax.vjp(function, *theta)
        return y, *backward(dy)

    return _run(both, [dy, *theta], names)


def _run(compiled: Any, arguments: list[Any], names: tuple[str, ...]) -> Run:
    call = lambda: jax.block_until_ready(compiled(*arguments))  # noqa: E731
    return Run(call, lambda: dict(zip(names, map(np.asarray, call()), strict=True)))


def _layer(step: Callable[..., Any], H: int) -> Callable[..., Any]:
    """Return a layer's function: one product for the inputs of all steps, then a scan."""

    def layer(x: Any, W_ih: Any, W_hh: Any, b: Any, b_n: Any = None) -> Any:
        start = (jnp.zeros((x.shape[1], H)),) * 2

        def body(states: Any, z: Any) -> Any:
            states = step(z, states, W_hh, b_n)
            return states, states[0]

        return jax.lax.scan(body, start, x @ W_ih + b)[1]

    return layer


def lstm_step(z: Any, states: Any, W: Any, b_n: Any = None) -> Any:
    """Return h, c after one step from the input's part z, (B, 4H)."""
    h, c = states
    i, f, g, o = jnp.split(z + h @ W, 4, 1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_step(z: Any, states: Any, W: Any, b_n: Any) -> Any:
    """Return h, twice, after one step from the input's part z, (B, 3H)."""
    h = states[0]
    z_r, z_u, z_n = jnp.split(z, 3, 1)
    p_r, p_u, p_n = jnp.split(h @ W, 3, 1)
    r, u = jax.nn.sigmoid(z_r + p_r), jax.nn.sigmoid(z_u + p_u)
    n = jnp.tanh(z_n + r * (p_n + b_n))
    h = n + u * (h - n)
    return h, h


def rnn_step(z: Any, states: Any, W: Any, b_n: Any = None) -> Any:
    """Return h, twice, after one step from the input's part z, (B, H)."""
    h = jnp.tanh(z + states[0] @ W)
    return h, h


STEPS: dict[str, Callable[..., Any]] = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}


def _sample(problem: Problem) -> Run:
    theta = {name: jnp.asarray(value) for name, value in problem.theta.items()}
    table, W = theta["W_xh"] + theta["b_h"][0], theta["W_hh"][0]
    B = len(problem.u)

    def symbol(states: Any, u: Any) -> Any:
        token = draw(states[0] @ theta["W_hy"] + theta["b_y"], u)
        return lstm_step(table[token], states, W), token

    @jax.jit
    def run(u: Any) -> Any:
        start = tuple(jnp.broadcast_to(theta[n], (B, W.shape[0])) for n in ("b_0", "c_0"))
        return jax.lax.scan(symbol, start, u.T)[1].T

    u = jnp.asarray(problem.u)
    call = lambda: jax.block_until_ready(run(u))  # noqa: E731
    return Run(call, lambda: {"x": np.asarray(call())})
