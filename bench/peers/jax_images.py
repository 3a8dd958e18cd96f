"""JAX: masked convolutions, dense kernels times a mask at each call, and PixelCNN of them.

Channels last, which XLA's convolutions on a CPU do best with. Sampling takes a pass for each pixel:
all of them run once, for the check, and one is timed.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.cases import Problem, home
from bench.cases.convolution import dense, mask, taps, window
from bench.cases.images import EVEN, Part
from bench.cases.ours import Run
from bench.peers import jax_scan
from chainrule.engine.models import pixel_cnn
from chainrule.kernels.masked_conv import Window

See = Callable[..., Any]


def prepare(problem: Problem, threads: int, variant: str = "") -> Run:
    """Return the workload set up in JAX; the number of threads is the process's cores."""
    if isinstance(problem.workload.size, Part):
        raise NotImplementedError(EVEN)
    if problem.workload.model.endswith("_lstm"):
        from bench.peers import jax_grid  # which needs this file's tools

        return jax_grid.prepare(problem)
    return (_convolution if problem.workload.model == "masked_conv" else _network)(problem)


def convolve(x: Any, W: Any, see: Window) -> Any:
    """Return a masked convolution of x, (N, R, S, C), by a dense kernel, (h, w, C, O)."""
    seen = mask(see)
    W = W if seen.all() else W * seen
    return jax.lax.conv_general_dilated(
        x, W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _convolution(problem: Problem) -> Run:
    w, see = problem.workload, window(problem.workload.size)
    x, dy = jnp.asarray(problem.x), jnp.asarray(problem.dy)
    W, b = jnp.asarray(dense(problem.theta["W"], see)), jnp.asarray(problem.theta["b"])
    names = ["y", "dW", "db", "dx"]
    data = w.size.kind == "A"

    def function(W: Any, b: Any, x: Any) -> Any:
        return convolve(x, W, see) + b

    @jax.jit
    def run(W: Any, b: Any, x: Any, dy: Any) -> Any:
        if w.operation == "forward":
            return (function(W, b, x),)
        leaves = (W, b) if data else (W, b, x)
        y, back = jax.vjp(lambda W, b, x=x: function(W, b, x), *leaves)
        return y, *back(dy)

    call = lambda: jax.block_until_ready(run(W, b, x, dy))  # noqa: E731

    def answer() -> dict[str, Any]:
        found = {k: np.asarray(a) for k, a in zip(names, call(), strict=False)}
        return found | ({"dW": taps(found["dW"], see)} if "dW" in found else {})

    return Run(call, answer)


def _network(problem: Problem) -> Run:
    w, config = problem.workload, home(problem.workload).engine(problem.workload)[1]
    windows = pixel_cnn.windows(config)

    def logits(theta: Any, x: Any) -> Any:
        def see(h: Any, W: str, b: str = "", l: int | None = None, l_b: int | None = None) -> Any:
            out = convolve(h, theta[W] if l is None else theta[W][l], windows[W])
            return out + (theta[b] if l_b is None else theta[b][l_b]) if b else out

        z = 2 * x.reshape(len(x), w.size.R, w.size.R, 1) - 1
        h = (_gated if config.gated else _plain)(z, see, config.n_layers)
        t = jax.nn.relu(see(jax.nn.relu(h), "W_t", "b_t"))
        return see(t, "W_s", "b_s").reshape(x.shape)

    return of_logits(problem, logits, windows)


def of_logits(
    problem: Problem, logits: Callable[[Any, Any], Any], windows: dict[str, Window]
) -> Run:
    """Return the workload of a network; of sampling one pass for all pixels is timed.

    logits: of parameters and rows, (N, R²). windows: of those parameters that are dense kernels.
    """
    w, N = problem.workload, problem.workload.size.N
    theta = {
        name: jnp.asarray(dense(value, windows[name]) if name in windows else value)
        for name, value in problem.theta.items()
    }
    x, u = jnp.asarray(problem.x.reshape(N, -1), jnp.float32), jnp.asarray(problem.u.reshape(N, -1))
    if w.operation in ("grad", "step"):
        run = jax_scan.training(logits, theta, x, step=w.operation == "step")
    elif w.operation == "sample":
        run = jax_scan.run("x", lambda theta, u: _sample(logits, theta, u), theta, u)
        one_pass = jax_scan.run("s", logits, theta, x).call
        run = run._replace(call=one_pass, times=x.shape[1])
    else:
        run = jax_scan.run(
            "log_prob", lambda theta, x: jax_scan.bernoulli(logits(theta, x), x), theta, x
        )

    def answer() -> dict[str, Any]:
        found = run.answer()
        return {k: taps(a, windows[k]) if k in windows else a for k, a in found.items()}

    return run._replace(answer=answer)


def _plain(z: Any, see: See, L: int) -> Any:
    h = see(z, "W_x", "b_x")
    for l in range(L):
        a = jax.nn.relu(see(jax.nn.relu(h), "W_i", "b_i", l, l))
        h = h + see(jax.nn.relu(see(a, "W_m", "b_m", l, l)), "W_o", "", l)
    return h


def _gated(z: Any, see: See, L: int) -> Any:
    v = h = z
    for l in range(L + 1):
        if l:
            p, q = see(v, "W_v", "b_v", l - 1, l), see(h, "W_h", "b_h", l - 1, l)
        else:
            p, q = see(z, "W_xv", "b_v", None, 0), see(z, "W_xh", "b_h", None, 0)
        out = see(_gate(q + see(p, "W_vh", "", l)), "W_o", "", l)
        h = h + out if l else out
        v = _gate(p)
    return h


def _gate(a: Any) -> Any:
    p, q = jnp.split(a, 2, 3)
    return jnp.tanh(p) * jax.nn.sigmoid(q)


def _sample(logits: Callable[..., Any], theta: Any, u: Any) -> Any:
    """Return samples, (N, R²): a whole pass for each pixel."""

    def step(x: Any, d: Any) -> Any:
        x_d = u[:, d] < jax.nn.sigmoid(logits(theta, x)[:, d])
        return x.at[:, d].set(x_d.astype(x.dtype)), None

    return jax.lax.scan(step, jnp.zeros_like(u), jnp.arange(u.shape[1]))[0]
