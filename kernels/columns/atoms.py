"""Real variables with an atom, P1-P9, and draws and intervals of those without, for `bodies`.

The outputs lie in s[m, o : o + n_i], those of the mixture first, the atom's logit last. ξ is
compared in s's dtype, in which x is.
"""

import numpy as np

from chainrule.kernels.batches import NLL, RATE, X
from chainrule.kernels.bernoulli import rows as bits
from chainrule.kernels.columns import Layout
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, JIT, sigmoid
from chainrule.kernels.mixture import MOST_U, quantile
from chainrule.kernels.types import Array


@njit(**INLINE, **BORROWS)
def _of_mixture(layout: Layout) -> int:
    """Return how many outputs a mixture has."""
    return (3 if layout.learned else 2) * layout.n_components


@njit(**JIT, **BORROWS)
def losses(
    layout: Layout, i: int, s: Array, m: int, rows: int, o: int, gradient: bool, work: Array
) -> None:
    """Turn the mixture's -log p, and gradients, of rows m, m + 1, … into those with the atom.

    As `mixture.batch.losses` left them: -log p in work, and, with gradient, gradients in s.
    """
    n, zero, one = _of_mixture(layout), s.dtype.type(0), s.dtype.type(1)
    atom, whole = s.dtype.type(layout.atoms[i]), layout.half_steps[i] > 0
    for k in range(rows):
        a, here = s[m + k, o + n], work[X + k] == atom
        less = -work[NLL + k] - a  # ℓ - a
        loss, share = bits.loss(a, here), one
        if not here:
            loss += work[NLL + k]  # P1, P2 by P3
        elif whole:
            loss -= bits.loss(less, False)  # P2 by P4
            share = sigmoid(less)  # P5
        else:
            share = zero
        work[NLL + k] = loss
        if not gradient:
            continue
        s[m + k, o + n] = work[RATE + k] * (bits.slope(a, here) + (share if here else zero))  # P7
        for j in range(n if here else 0):
            s[m + k, o + j] *= share  # P6


@njit(**INLINE, **BORROWS)
def _chances(layout: Layout, s: Array, m: int, o: int) -> tuple[float, float]:
    """Return π and 1 - π, in float64."""
    a = np.float64(s[m, o + _of_mixture(layout)])
    e = np.exp(-abs(a))
    more, less = 1 / (1 + e), e / (1 + e)
    return (more, less) if a >= 0 else (less, more)


@njit(**JIT, **BORROWS)
def mixture_interval(
    layout: Layout, i: int, s: Array, m: int, o: int, at: float, w: Array
) -> tuple[float, float]:
    """Return the uniforms from which the mixture draws a value (C1)."""
    K, family, learned = layout.n_components, layout.family, layout.learned
    half = layout.half_steps[i]
    lo = quantile.cdf(s, m, o, K, at - half, family, learned, w)
    if half == 0:
        return lo, lo
    return lo, quantile.cdf(s, m, o, K, at + half, family, learned, w)


@njit(**JIT, **BORROWS)
def interval(
    layout: Layout, i: int, s: Array, m: int, o: int, at: float, w: Array
) -> tuple[float, float]:
    """Return the uniforms from which a value of a variable with an atom is drawn (P8)."""
    atom, (pi, less) = np.float64(s.dtype.type(layout.atoms[i])), _chances(layout, s, m, o)
    lo, hi = mixture_interval(layout, i, s, m, o, at, w)
    # P8
    lo, hi = less * lo + (pi if at > atom else 0.0), less * hi + (pi if at >= atom else 0.0)
    return min(lo, MOST_U), min(hi, 1.0)


@njit(**JIT, **BORROWS)
def draw_mixture(layout: Layout, i: int, s: Array, m: int, o: int, u: float, w: Array) -> float:
    """Return the mixture's draw, on the variable's lattice if it is on one (D1)."""
    K, step = layout.n_components, 2 * layout.half_steps[i]
    drawn = float(quantile.draw(s, m, o, K, u, layout.family, layout.learned, w))
    return float(np.rint(drawn / step) * step) if step > 0 else drawn


@njit(**JIT, **BORROWS)
def draw(layout: Layout, i: int, s: Array, m: int, o: int, u: float, w: Array) -> float:
    """Return the value of a variable with an atom for u in [0, 1) (P9)."""
    atom, (pi, less) = np.float64(s.dtype.type(layout.atoms[i])), _chances(layout, s, m, o)
    lo, hi = mixture_interval(layout, i, s, m, o, atom, w)
    if u < less * lo:  # P9
        return float(draw_mixture(layout, i, s, m, o, min(u / less, lo), w))
    if u < less * hi + pi:
        return float(atom)
    return float(draw_mixture(layout, i, s, m, o, max((u - pi) / less, hi), w))
