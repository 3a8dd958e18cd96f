"""JAX: PixelRNN, its recurrences by lax.scan.

Row LSTM walks over rows, and reads three cells of the row above in one product. Diagonal BiLSTM
skews both directions' maps, of which the second is mirrored, and walks over columns, both
directions in one batched product. Sampling takes a pass for each pixel, of which one is timed.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from bench.cases import Problem, home
from bench.cases.ours import Run
from bench.peers.jax_images import convolve, of_logits


def prepare(problem: Problem) -> Run:
    """Return the workload set up in JAX."""
    config = home(problem.workload).engine(problem.workload)[1]
    return of_logits(problem, partial(_logits, config), {"W_x": config.first})


def _logits(config: Any, theta: Any, x: Any) -> Any:
    """Return logits, (N, R²), of rows, (N, R²)."""
    z = 2 * x.reshape(len(x), config.height, config.width, 1) - 1
    h = convolve(z, theta["W_x"], config.first) + theta["b_x"]
    layer = _row if config.cell == "row" else _diagonal
    for W_i, b_i, W_h, W_o in zip(*(theta[k] for k in ("W_i", "b_i", "W_h", "W_o")), strict=True):
        h = h + layer(h, W_i, b_i, W_h) @ W_o[0]
    top = jax.nn.relu(jax.nn.relu(h) @ theta["W_t"][0] + theta["b_t"])
    return (top @ theta["W_s"][0] + theta["b_s"]).reshape(x.shape)


def _cell(a: Any, c: Any) -> tuple[Any, Any]:
    """Return h and c of cells, given the gates' inputs, (…, 4H), and the c before."""
    i, f, g, o = jnp.split(a, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _row(x: Any, W_i: Any, b_i: Any, W_h: Any) -> Any:
    """Return Row LSTM's states, (N, R, S, H), of x, (N, R, S, F)."""
    (N, _, S, F), H = x.shape, W_h.shape[2]
    left = jnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
    a = jnp.concatenate((left, x), -1) @ W_i[0].reshape(2 * F, 4 * H) + b_i[0]
    W = W_h[0].reshape(3 * H, 4 * H)

    def row(states: Any, a_r: Any) -> Any:
        h, c = states
        wide = jnp.pad(h, ((0, 0), (1, 1), (0, 0)))
        above = jnp.concatenate((wide[:, :-2], h, wide[:, 2:]), -1)
        states = _cell(a_r + above @ W, c)
        return states, states[0]

    start = (jnp.zeros((N, S, H)),) * 2
    return jnp.moveaxis(jax.lax.scan(row, start, jnp.moveaxis(a, 1, 0))[1], 0, 1)


def _diagonal(x: Any, W_i: Any, b_i: Any, W_h: Any) -> Any:
    """Return both directions' states, (N, R, S, H), the second one's a row lower, added."""
    (N, R, S, _), H = x.shape, W_h.shape[2]
    both = jnp.stack((x, x[:, :, ::-1]))
    a = _skewed(jnp.einsum("dnrsf,dfk->dnrsk", both, W_i[:, 0]) + b_i[:, None, None, None])
    W = W_h.reshape(2, 2 * H, 4 * H)  # above, then to the left

    def diagonal(states: Any, a_d: Any) -> Any:
        h, c = states
        above = jnp.pad(h[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0)))
        seen = jnp.concatenate((above, h), -1).reshape(2, N * R, 2 * H)
        states = _cell(a_d + (seen @ W).reshape(a_d.shape), c)
        return states, states[0]

    start = (jnp.zeros((2, N, R, H)),) * 2
    _, h = jax.lax.scan(diagonal, start, jnp.moveaxis(a, 3, 0))
    first, second = _straight(jnp.moveaxis(h, 0, 3), S)
    return first + jnp.pad(second[:, :-1, ::-1], ((0, 0), (1, 0), (0, 0), (0, 0)))


def _skewed(a: Any) -> Any:
    """Return a, (D, N, R, S, K), each row moved right by its number: (D, N, R, S + R - 1, K)."""
    D, N, R, S, K = a.shape
    wide = jnp.pad(a, ((0, 0), (0, 0), (0, 0), (0, R), (0, 0))).reshape(D, N, R * (S + R), K)
    return wide[:, :, : R * (S + R - 1)].reshape(D, N, R, S + R - 1, K)


def _straight(h: Any, S: int) -> Any:
    """Undo `_skewed`."""
    D, N, R, wide, K = h.shape
    flat = jnp.pad(h.reshape(D, N, R * wide, K), ((0, 0), (0, 0), (0, R), (0, 0)))
    return flat.reshape(D, N, R, S + R, K)[:, :, :, :S]
