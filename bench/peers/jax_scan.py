"""JAX: one jit-compiled function an operation, NADE's loop over the variables a lax.scan.

XLA has no public switch for its number of CPU threads: it takes the cores that the process may
use, which the worker has set before JAX is imported. Training masks the weights at each call; log p
and samples have theirs masked before the timing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.cases import ADAM, Problem, fvsbn, made
from bench.cases.ours import Run


def nade_logits(theta: Any, x: Any) -> Any:
    """Return NADE's logits, (N, D)."""
    import jax
    import jax.numpy as jnp

    def step(a: Any, row: Any) -> Any:
        x_d, W_d, V_d = row
        return a + x_d[:, None] * W_d, jax.nn.sigmoid(a) @ V_d

    start = jnp.broadcast_to(theta["c"], (len(x), len(theta["c"])))
    _, s = jax.lax.scan(step, start, (x.T, theta["W"], theta["V"]))
    return s.T + theta["b"]


def sample_units(theta: Any, u: Any, activation: Any) -> Any:
    """Return samples, (N, D), by hidden sums a, (N, H), which grow by x_d W_d; V: (D, H)."""
    import jax
    import jax.numpy as jnp

    def step(a: Any, row: Any) -> Any:
        u_d, W_d, V_d, b_d = row
        x_d = (u_d < jax.nn.sigmoid(activation(a) @ V_d + b_d)).astype(a.dtype)
        return a + x_d[:, None] * W_d, x_d

    start = jnp.broadcast_to(theta["c"], (len(u), len(theta["c"])))
    _, x = jax.lax.scan(step, start, (u.T, theta["W"], theta["V"], theta["b"]))
    return x.T


def nade_sample(theta: Any, u: Any) -> Any:
    """Return samples, (N, D)."""
    import jax

    return sample_units(theta, u, jax.nn.sigmoid)


def fvsbn_logits(theta: Any, x: Any) -> Any:
    """Return FVSBN's logits, (N, D): one product with strictly lower triangular weights."""
    return x @ theta["weight"].T + theta["b"]


def fvsbn_sample(theta: Any, u: Any) -> Any:
    """Return samples, (N, D): variable d reads those already drawn, zeros elsewhere."""
    import jax
    import jax.numpy as jnp

    def step(x: Any, row: Any) -> Any:
        u_d, weight, b_d, d = row
        x_d = (u_d < jax.nn.sigmoid(x @ weight + b_d)).astype(x.dtype)
        return x.at[:, d].set(x_d), None

    rows = u.T, theta["weight"], theta["b"], jnp.arange(u.shape[1])
    return jax.lax.scan(step, jnp.zeros_like(u), rows)[0]


def made_logits(theta: Any, x: Any) -> Any:
    """Return MADE's logits, (N, D): two products with masked weights."""
    import jax

    return jax.nn.relu(x @ theta["W"] + theta["c"]) @ theta["V"] + theta["b"]


def made_sample(theta: Any, u: Any) -> Any:
    """Return samples, (N, D).

    theta: V as (D, H), so that the row of a variable lies together as it does in W.
    """
    import jax

    return sample_units(theta, u, jax.nn.relu)


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "nade": (nade_logits, nade_sample),
    "fvsbn": (fvsbn_logits, fvsbn_sample),
    "made": (made_logits, made_sample),
}


def prepare(problem: Problem, threads: int, variant: str = "") -> Run:
    """Return the workload set up in JAX; the number of threads is the process's cores."""
    import jax.numpy as jnp

    model, operation = problem.workload.model, problem.workload.operation
    logits, sample = FUNCTIONS[model]
    theta, masks = _masks(problem)
    x, u = jnp.asarray(problem.x, jnp.float32), jnp.asarray(problem.u)
    if operation in ("grad", "step"):
        return training(_masked(logits, masks), theta, x, step=operation == "step")
    theta |= {k: theta[k] * mask for k, mask in masks.items()}  # weights that stay, once
    if operation == "sample":
        if model == "made":
            theta["V"] = theta["V"].T
        return run("x", sample, theta, u)
    return run("log_prob", lambda theta, x: bernoulli(logits(theta, x), x), theta, x)


def _masks(problem: Problem) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return parameters and the masks of some."""
    import jax.numpy as jnp

    theta, masks, size = dict(problem.theta), {}, problem.workload.size
    if problem.workload.model == "made":
        masks = dict(zip("WV", made.masks(size), strict=True))
    if problem.workload.model == "fvsbn":
        theta = {"weight": fvsbn.unpack(theta.pop("alpha"), size.D), **theta}
        masks = {"weight": np.tril(np.ones_like(theta["weight"]), -1)}
    on_device = [{k: jnp.asarray(a) for k, a in arrays.items()} for arrays in (theta, masks)]
    return on_device[0], on_device[1]


def _masked(logits: Callable[..., Any], masks: dict[str, Any]) -> Callable[..., Any]:
    """Return `logits` of weights that are masked at each call, as training has to."""
    return lambda theta, x: logits(theta | {k: theta[k] * m for k, m in masks.items()}, x)


def bernoulli(s: Any, x: Any) -> Any:
    """Return log p(x) of each row from logits, (N,)."""
    import jax

    return (x * s - jax.nn.softplus(s)).sum(1)


def training(logits: Callable[..., Any], theta: Any, x: Any, step: bool) -> Run:
    """Return the gradient of the mean loss of rows x, (N, D), and Adam's step where it is asked."""
    import jax
    import jax.numpy as jnp

    loss = jax.value_and_grad(lambda theta, x: -bernoulli(logits(theta, x), x).mean())
    if not step:
        compiled = jax.jit(loss)
        call = lambda: jax.block_until_ready(compiled(theta, x))  # noqa: E731
        return Run(call, lambda: _named(*call()))

    def update(theta: Any, m: Any, v: Any, t: Any, x: Any) -> Any:
        value, grad = loss(theta, x)
        return value, *_adam(theta, grad, m, v, t), t + 1

    compiled_update = jax.jit(update, donate_argnums=(0, 1, 2, 3))
    zeros = jax.tree.map(jnp.zeros_like, theta)
    state = [jax.tree.map(jnp.copy, theta), zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(1)]

    def advance() -> Any:
        value, *state[:] = jax.block_until_ready(compiled_update(*state, x))
        return value

    return Run(advance, lambda: _named(advance(), state[0]))


def _adam(theta: Any, grad: Any, m: Any, v: Any, t: Any) -> Any:
    import jax
    import jax.numpy as jnp

    lr, beta1, beta2, eps = ADAM["lr"], ADAM["beta1"], ADAM["beta2"], ADAM["eps"]
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grad)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, grad)

    def move(p: Any, m: Any, v: Any) -> Any:
        return p - lr * (m / (1 - beta1**t)) / (jnp.sqrt(v / (1 - beta2**t)) + eps)

    return jax.tree.map(move, theta, m, v), m, v


def run(key: str, function: Callable[..., Any], theta: Any, rows: Any) -> Run:
    """Return a function of parameters and rows, compiled; key: what its answer is called."""
    import jax

    compiled = jax.jit(function)

    def call() -> Any:
        return jax.block_until_ready(compiled(theta, rows))

    return Run(call, lambda: {key: np.asarray(call())})


def _named(loss: Any, arrays: Any) -> dict[str, Any]:
    found = {name: np.array(value) for name, value in arrays.items()}
    if "weight" in found:
        found["alpha"] = fvsbn.pack(found.pop("weight"))
    return {"loss": np.float64(loss), **found}
