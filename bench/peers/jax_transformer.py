"""JAX: the Transformer as functions of a tree of arrays, AdamW of our own, sampling by lax.scan."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.cases import Problem, home
from bench.cases.ours import Run

BLOCK = (
    "ln1_g", "ln1_b", "W_qkv", "b_qkv", "W_o", "b_o", "ln2_g", "ln2_b", "W_1", "b_1", "W_2", "b_2"
)  # fmt: skip
EPS = 1e-5


def prepare(problem: Problem, threads: int, variant: str = "") -> Run:
    """Return the workload set up in JAX; the number of threads is the process's cores."""
    w = problem.workload
    theta = {name: jnp.asarray(value) for name, value in problem.theta.items()}
    if w.operation == "sample":
        return _sample(problem, theta)
    targets = jnp.asarray(problem.x)
    tokens = jnp.concatenate([jnp.full_like(targets[:, :1], w.size.V), targets[:, :-1]], 1)

    def log_prob(theta: Any) -> Any:
        log_p = jax.nn.log_softmax(logits(theta, tokens, w.size.n, w.size.V))
        return jnp.take_along_axis(log_p, targets[..., None], 2)[..., 0]

    if w.operation == "log_prob":
        compiled = jax.jit(lambda theta: log_prob(theta).sum(1))
        call = lambda: jax.block_until_ready(compiled(theta))  # noqa: E731
        return Run(call, lambda: {"log_prob": np.asarray(call())})
    loss = jax.value_and_grad(lambda theta: -log_prob(theta).mean())
    if w.operation == "step":
        return _step(problem, theta, loss)
    gradient = jax.jit(loss)
    both = lambda: jax.block_until_ready(gradient(theta))  # noqa: E731
    return Run(both, lambda: _named(*both()))


def logits(theta: Any, tokens: Any, n: int, V: int) -> Any:
    """Return logits, (B, T, V)."""
    B, T = tokens.shape
    x = theta["E"][tokens] + theta["E_pos"][:T]
    for l in range(len(theta["W_o"])):
        p = {name: theta[name][l] for name in BLOCK}
        q, k, v = jnp.moveaxis(_heads(p, x).reshape(B, T, 3, n, -1), 2, 0)
        a = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = _rest(p, x, a)
    return _norm(x, theta["ln_g"], theta["ln_b"]) @ theta["E"][:V].T


def _norm(x: Any, g: Any, b: Any) -> Any:
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + EPS) * g + b


def _heads(p: Any, x: Any) -> Any:
    return _norm(x, p["ln1_g"], p["ln1_b"]) @ p["W_qkv"] + p["b_qkv"]


def _rest(p: Any, x: Any, a: Any) -> Any:
    """Return a block's output, given x and what its heads read, (…, n, d)."""
    x = x + a.reshape(x.shape) @ p["W_o"] + p["b_o"]
    h = _norm(x, p["ln2_g"], p["ln2_b"])
    return x + jax.nn.gelu(h @ p["W_1"] + p["b_1"], approximate=True) @ p["W_2"] + p["b_2"]


def _step(problem: Problem, theta: Any, loss: Any) -> Run:
    settings = home(problem.workload).OPTIMIZER
    decayed = home(problem.workload).engine(problem.workload)[0].WEIGHTS
    decay = {name: settings["weight_decay"] * (name in decayed) for name in theta}

    def update(theta: Any, m: Any, v: Any, t: Any) -> Any:
        value, grad = loss(theta)
        return value, *_adamw(theta, grad, m, v, t, settings, decay), t + 1

    compiled = jax.jit(update, donate_argnums=(0, 1, 2, 3))
    zeros = jax.tree.map(jnp.zeros_like, theta)
    state = [jax.tree.map(jnp.copy, theta), zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(1)]

    def advance() -> Any:
        value, *state[:] = jax.block_until_ready(compiled(*state))
        return value

    return Run(advance, lambda: _named(advance(), state[0]))


def _adamw(theta: Any, grad: Any, m: Any, v: Any, t: Any, s: Any, decay: Any) -> Any:
    beta1, beta2, lr = s["beta1"], s["beta2"], s["lr"]
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grad)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, grad)

    def move(p: Any, m: Any, v: Any, rate: Any) -> Any:
        step = (m / (1 - beta1**t)) / (jnp.sqrt(v / (1 - beta2**t)) + s["eps"])
        return p - lr * (step + rate * p)

    return jax.tree.map(move, theta, m, v, decay), m, v


def _sample(problem: Problem, theta: Any) -> Run:
    B, T, L, n, C, V = problem.workload.size
    u = jnp.asarray(problem.u)

    def symbol(state: Any, row: Any) -> Any:
        keys, values, token = state
        t, u_t = row
        x = theta["E"][token] + theta["E_pos"][t]
        for l in range(L):
            p = {name: theta[name][l] for name in BLOCK}
            q, k, v = jnp.moveaxis(_heads(p, x).reshape(B, 3, n, C // n), 1, 0)
            keys, values = keys.at[l, :, :, t].set(k), values.at[l, :, :, t].set(v)
            e = jnp.einsum("bnd,bnjd->bnj", q, keys[l]) * (C // n) ** -0.5
            seen = jax.nn.softmax(jnp.where(jnp.arange(T) <= t, e, -jnp.inf))
            x = _rest(p, x, jnp.einsum("bnj,bnjd->bnd", seen, values[l]))
        s = _norm(x, theta["ln_g"], theta["ln_b"]) @ theta["E"][:V].T
        token = draw(s, u_t)
        return (keys, values, token), token

    @jax.jit
    def run(u: Any) -> Any:
        cache = jnp.zeros((L, B, n, T, C // n))
        start = cache, cache, jnp.full(B, V, jnp.int32)
        return jax.lax.scan(symbol, start, (jnp.arange(T), u.T))[1].T

    call = lambda: jax.block_until_ready(run(u))  # noqa: E731
    return Run(call, lambda: {"x": np.asarray(call())})


def draw(s: Any, u: Any) -> Any:
    """Return the symbols, (B,) int32, for logits (B, V) and uniforms (B,): inverse CDF."""
    below = jnp.cumsum(jax.nn.softmax(s), 1)
    first = (below <= u[:, None] * below[:, -1:]).sum(1)
    return jnp.minimum(first, s.shape[1] - 1).astype(jnp.int32)


def _named(loss: Any, arrays: Any) -> dict[str, Any]:
    return {"loss": np.float64(loss), **{name: np.array(a) for name, a in arrays.items()}}
