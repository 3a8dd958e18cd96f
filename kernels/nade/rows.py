"""The inner loops of the NADE sweeps: what happens to one sample's H hidden units.

All run along the contiguous axis and vectorise. Arrays come whole, with the index of the row:
a slice would cost an atomic reference count each, as much as the loop itself where H is small.

    a, h, P     state of a block of samples, (rows, H); n selects the sample
    W, V, dW, dV    parameters and gradients, (D, H); i selects the variable
"""

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, INLINE_SUMS
from chainrule.kernels.types import Array


@njit(**INLINE_SUMS)
def logits(V: Array, b: Array, i: int, stop: int, h: Array, n: int, s: Array, m: int) -> None:
    """s_k = b_k + V_k·h for k = i … stop-1 (F3), four rows of V for each load of h."""
    while i + 4 <= stop:
        s0 = s1 = s2 = s3 = b.dtype.type(0)
        for j in range(V.shape[1]):
            s0 += V[i, j] * h[n, j]
            s1 += V[i + 1, j] * h[n, j]
            s2 += V[i + 2, j] * h[n, j]
            s3 += V[i + 3, j] * h[n, j]
        s[m, i], s[m, i + 1] = b[i] + s0, b[i + 1] + s1
        s[m, i + 2], s[m, i + 3] = b[i + 2] + s2, b[i + 3] + s3
        i += 4
    while i < stop:
        s0 = b.dtype.type(0)
        for j in range(V.shape[1]):
            s0 += V[i, j] * h[n, j]
        s[m, i] = b[i] + s0
        i += 1


@njit(**INLINE)
def gradients(
    g: Array, m: int, V: Array, i: int, stop: int, h: Array, P: Array, n: int, dV: Array
) -> None:
    """dV_k += g_k h (B3), P += Σ_k g_k V_k ∘ h ∘ (1 - h) (B4, B5, S1) for k = i … stop-1."""
    one = g.dtype.type(1)
    for k in range(i, stop):
        g_k = g[m, k]
        for j in range(V.shape[1]):
            dV[k, j] += g_k * h[n, j]
    while i + 4 <= stop:
        g0, g1, g2, g3 = g[m, i], g[m, i + 1], g[m, i + 2], g[m, i + 3]
        for j in range(V.shape[1]):
            dh = g0 * V[i, j] + g1 * V[i + 1, j] + g2 * V[i + 2, j] + g3 * V[i + 3, j]
            P[n, j] += dh * (h[n, j] * (one - h[n, j]))
        i += 4
    while i < stop:
        g0 = g[m, i]
        for j in range(V.shape[1]):
            P[n, j] += g0 * V[i, j] * (h[n, j] * (one - h[n, j]))
        i += 1
