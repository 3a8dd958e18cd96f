"""JAX: categories by log_softmax, mixtures by logsumexp; jit of the loss with its gradient."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.cases import Problem
from bench.cases.columns import LEVELS
from bench.cases.ours import Run
from chainrule.kernels.logistics import least_log_scale
from chainrule.kernels.mixture import SIGMA_MIN


def prepare(problem: Problem, threads: int, variant: str = "") -> Run:
    """Return the workload set up in JAX; the number of threads is the process's cores."""
    w = problem.workload
    nll_of = {"categories": _categories, "mixtures": _mixtures, "levels": _levels}[w.model]
    N, D, K = w.size
    s, x = jnp.asarray(problem.theta["s"]).reshape(N, D, -1, K), jnp.asarray(problem.x)

    @jax.jit
    def both(s: Any, x: Any) -> Any:
        nll, back = jax.vjp(lambda s: nll_of(s, x), s)
        return nll, back(jnp.ones_like(nll))[0].reshape(N, -1)

    call = lambda: jax.block_until_ready(both(s, x))  # noqa: E731
    return Run(call, lambda: dict(zip(("nll", "ds"), map(np.asarray, call()), strict=True)))


def _categories(s: Any, x: Any) -> Any:
    log_p = jax.nn.log_softmax(s[:, :, 0], axis=2)
    return -jnp.take_along_axis(log_p, x[..., None], axis=2)[..., 0].sum(1)


def _mixtures(s: Any, x: Any) -> Any:
    mu, t = s[:, :, 0], s[:, :, 1]
    sigma = SIGMA_MIN + jnp.exp(t)
    z = (x[..., None] - mu) / sigma
    log_p = jax.nn.logsumexp(-0.5 * z * z - jnp.log(sigma), axis=2)
    return (math.log(s.shape[3]) + 0.5 * math.log(2 * math.pi) - log_p).sum(1)


def _levels(s: Any, x: Any) -> Any:
    mu, t, a = (s[:, :, i] for i in range(3))
    n, v = LEVELS - 1, x[..., None]
    k = jnp.exp(-jnp.maximum(t, least_log_scale(LEVELS))) / n
    z = ((2 * v - n) - n * mu) * k
    low, high = jax.nn.log_sigmoid(z + k), jax.nn.log_sigmoid(k - z)
    inner = low + high + jnp.log(-jnp.expm1(-2 * k))
    log_m = jnp.where(v == 0, low, jnp.where(v == n, high, inner))
    return -jax.nn.logsumexp(log_m + jax.nn.log_softmax(a, axis=2), axis=2).sum(1)
