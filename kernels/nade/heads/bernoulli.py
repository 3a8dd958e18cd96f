"""The head of bits: one output a variable, the logit of p(x_i = 1 | x_<i); a one is an event."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.inline import INLINE, JIT, JIT_SUMS, exp, sigmoid
from chainrule.kernels.nade import heads
from chainrule.kernels.nade.heads import NO_ROW, implements
from chainrule.kernels.nade.products import MOST, dots, move
from chainrule.kernels.tiles import row_distance
from chainrule.kernels.types import Array, Bits

FACTORS = 256  # multiplied before one logarithm is taken; each in [1, 2], so far from overflow
GUESSES = 4  # logits computed ahead when drawing


class Bernoulli(NamedTuple):
    """The parameters of the outputs, or their gradients."""

    V: Array  # (D, H)
    b: Array  # (D,)


@implements(heads.row, Bernoulli, INLINE)
def row(head: Bernoulli, x: Bits, n: int, i: int) -> int:
    """W_i for a one, nothing for a zero."""
    return i if x[n, i] != 0 else NO_ROW


@implements(heads.factor, Bernoulli, INLINE)
def factor(head: Bernoulli, x: Bits, n: int, i: int) -> Any:
    """A row is added once."""
    return head.b.dtype.type(1)


@implements(heads.first_row, Bernoulli, INLINE)
def first_row(head: Bernoulli, i: int) -> int:
    """A variable has one row of W."""
    return i


@implements(heads.first_output, Bernoulli, INLINE)
def first_output(head: Bernoulli, i: int) -> int:
    """And one output."""
    return i


@implements(heads.outputs, Bernoulli, INLINE)
def outputs(head: Bernoulli, h: Array, n: int, i: int, stop: int, s: Array, m: int) -> None:
    """s_k = b_k + V_k·h (F3), up to MOST rows of V for each load of h."""
    H, distance = h.shape[1], row_distance(head.V)
    while i < stop:
        rows = min(stop - i, MOST)
        dots(rows, H, head.V, i * distance, distance, h, n * H, head.b, i, s, m * s.shape[1] + i)
        i += rows


@implements(heads.step, Bernoulli, INLINE)
def step(
    head: Bernoulli, q: Array, h: Array, n: int, E: Array, k: int, i: int, s: Array, m: int
) -> bool:
    """q *= E_k, h = 1 / (1 + q) (F4, F2), s_i = b_i + V_i·h (F3); is all of q in range?"""
    H, V = h.shape[1], head.V
    at = i * row_distance(V)
    return bool(move(H, q, n * H, E, k * H, h, n * H, V, at, head.b, i, s, m * s.shape[1] + i))


@implements(heads.loss, Bernoulli, JIT_SUMS)
def loss(head: Bernoulli, s: Array, m: int, x: Bits, n: int) -> float:
    """Σ_i softplus(t_i) with t_i = s_i where x_i = 0, else -s_i.

    softplus(t) = max(t, 0) + log(1 + e^-|t|), and a sum of logarithms is the logarithm of a
    product, in float64.
    """
    total = 0.0
    for lo in range(0, x.shape[1], FACTORS):
        product = 1.0
        for i in range(lo, min(lo + FACTORS, x.shape[1])):
            t = s[m, i] if x[n, i] == 0 else -s[m, i]
            total += np.float64(max(t, s.dtype.type(0)))
            product *= 1.0 + np.float64(exp(-abs(t)))
        total += np.log(product)
    return total


@implements(heads.loss_gradient, Bernoulli, JIT)
def loss_gradient(
    head: Bernoulli, s: Array, m: int, x: Bits, n: int, i: int, stop: int, scale: float, g: Array
) -> None:
    """g_k = scale (σ(s_k) - x_k), written so that neither value of x loses digits."""
    for k in range(i, stop):
        if x[n, k] == 0:
            g[0, k] = scale * sigmoid(s[m, k])
        else:
            g[0, k] = -scale * sigmoid(-s[m, k])


@implements(heads.output_gradients, Bernoulli, INLINE)
def output_gradients(
    head: Bernoulli, g: Array, m: int, i: int, stop: int, h: Array, n: int, grad: Bernoulli
) -> None:
    """dV_k += g_k h, db_k += g_k (B3): four rows of V, two or one for each load of h."""
    dV, db = grad.V, grad.b
    for k in range(i, stop):
        db[k] += g[m, k]
    while i + 4 <= stop:
        g0, g1, g2, g3 = g[m, i], g[m, i + 1], g[m, i + 2], g[m, i + 3]
        for j in range(dV.shape[1]):
            h_j = h[n, j]
            dV[i, j] += g0 * h_j
            dV[i + 1, j] += g1 * h_j
            dV[i + 2, j] += g2 * h_j
            dV[i + 3, j] += g3 * h_j
        i += 4
    while i + 2 <= stop:
        g0, g1 = g[m, i], g[m, i + 1]
        for j in range(dV.shape[1]):
            h_j = h[n, j]
            dV[i, j] += g0 * h_j
            dV[i + 1, j] += g1 * h_j
        i += 2
    while i < stop:
        g0 = g[m, i]
        for j in range(dV.shape[1]):
            dV[i, j] += g0 * h[n, j]
        i += 1


@implements(heads.state_gradient, Bernoulli, INLINE)
def state_gradient(
    head: Bernoulli, g: Array, m: int, i: int, stop: int, h: Array, Q: Array, n: int
) -> None:
    """Q += Σ_k g_k V_k ∘ h ∘ (1 - h) (B4, B5, S1): eight rows of V down to one for each of Q."""
    V, one = head.V, g.dtype.type(1)
    while i + 8 <= stop:
        g0, g1, g2, g3 = g[m, i], g[m, i + 1], g[m, i + 2], g[m, i + 3]
        g4, g5, g6, g7 = g[m, i + 4], g[m, i + 5], g[m, i + 6], g[m, i + 7]
        for j in range(V.shape[1]):
            dh = g0 * V[i, j] + g1 * V[i + 1, j] + g2 * V[i + 2, j] + g3 * V[i + 3, j]
            dh += g4 * V[i + 4, j] + g5 * V[i + 5, j] + g6 * V[i + 6, j] + g7 * V[i + 7, j]
            Q[n, j] += dh * (h[n, j] * (one - h[n, j]))
        i += 8
    while i + 4 <= stop:
        g0, g1, g2, g3 = g[m, i], g[m, i + 1], g[m, i + 2], g[m, i + 3]
        for j in range(V.shape[1]):
            dh = g0 * V[i, j] + g1 * V[i + 1, j] + g2 * V[i + 2, j] + g3 * V[i + 3, j]
            Q[n, j] += dh * (h[n, j] * (one - h[n, j]))
        i += 4
    while i + 2 <= stop:
        g0, g1 = g[m, i], g[m, i + 1]
        for j in range(V.shape[1]):
            Q[n, j] += (g0 * V[i, j] + g1 * V[i + 1, j]) * (h[n, j] * (one - h[n, j]))
        i += 2
    while i < stop:
        g0 = g[m, i]
        for j in range(V.shape[1]):
            Q[n, j] += g0 * V[i, j] * (h[n, j] * (one - h[n, j]))
        i += 1


@implements(heads.ahead, Bernoulli, INLINE)
def ahead(head: Bernoulli) -> int:
    """Most bits are zeros, which leave h as it is: the guess is right more often than not."""
    return GUESSES


@implements(heads.draw, Bernoulli, JIT)
def draw(head: Bernoulli, u: Array, s: Array, x: Bits, n: int, i: int, stop: int) -> int:
    """x_k = 1 where 0 ≤ u_k < σ(s_k); the outputs are right up to and including the first one."""
    while i < stop:
        if not u[n, i] < 0:
            x[n, i] = u[n, i] < sigmoid(s[0, i])
        i += 1
        if x[n, i - 1] != 0:
            break
    return i


@implements(heads.clear, Bernoulli, JIT)
def clear(grad: Bernoulli) -> None:
    """Set dV and db to 0."""
    grad.V[:], grad.b[:] = 0, 0
