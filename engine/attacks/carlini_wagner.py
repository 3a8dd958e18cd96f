"""Carlini and Wagner's attack: the least change by which a classifier errs, found by Adam.

Shapes      x, x', v: (N, …)    s: (N, K)    c, χ: a number a row, and one for all

            Wanted is min ‖x' - x‖₂² where the classifier errs at x' and low ≤ x' ≤ high. Both
            conditions go into what is minimised.

Forward     (F1)  x' = low + (high - low) (tanh v + 1) / 2            any v gives an x' in the range
            (F2)  m = s_y - max_{k ≠ y} s_k                           > 0 while it is right; with a
                  target y, m = max_{k ≠ y} s_k - s_y
            (F3)  L = ‖x' - x‖₂² + c max(m + χ, 0)                    χ: by how much it has to err

Backward    (B1)  ∂m/∂s is 1 at y, -1 at the largest other k, or both turned round with a target;
                  of max(·, 0) it is kept where m + χ > 0             undoes F3, F2
            (B2)  dx' = 2 (x' - x) + c ∂m/∂x', ∂m/∂x' by the classifier's input gradient
            (B3)  dv = dx' (high - low) (1 - tanh² v) / 2             undoes F1

            A c that is too small leaves the classifier right, one too large asks for more than the
            least change. So it is searched, for each row by itself:
            (C1)  c began where it may: after a round without success c ← 10 c, until one succeeds;
            (C2)  from then on c ← the mean of the largest that failed, 0 at first, and the
                  smallest that succeeded.
            Kept is the nearest x' of all rounds and steps at which the classifier erred with χ. A
            row whose L has not fallen in a tenth of the steps leaves the round.

Start       (R1)  v = artanh of x in [-1, 1], drawn a little towards the middle, so that it is
                  finite; Adam's moments 0, in each round anew.

Cost        A forward and a backward pass a step: rounds · steps, at most.

Source      Carlini and Wagner 2017, "Towards Evaluating the Robustness of Neural Networks",
            sections V and VI; Adam: chainrule.kernels.adam.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engine.attacks.victim import Range, Victim, rows
from chainrule.kernels import adam
from chainrule.kernels.types import Array, Ids

INSIDE = 1 - 1e-6  # how near to its ends a start goes
STALE = 10  # shares of a round's steps; one without a fall ends it
MOMENTS = (0.9, 0.999, 1e-8)  # Adam's β₁, β₂ and ε


class Search(NamedTuple):
    """How the least change is looked for.

    rounds: of the search over c, steps: of Adam in each, rate: its learning rate. first: c of the
    first round. confidence: χ. targeted: whether y is to be reached, not left.
    """

    rounds: int = 6
    steps: int = 200
    rate: float = 0.02
    first: float = 0.1
    confidence: float = 0.0
    targeted: bool = False


AS_USUAL = Search()


def carlini_wagner(
    victim: Victim, x: Array, y: Ids, allowed: Range, how: Search = AS_USUAL
) -> Array:
    """Return the nearest x' found, (N, …); x itself where none was, or none is needed."""
    out, left = x.copy(), np.flatnonzero(victim.right(x, y) != how.targeted)
    best = np.full(len(x), np.inf)  # ‖x' - x‖² of what is kept
    low, high, c = np.zeros(len(x)), np.full(len(x), np.inf), np.full(len(x), how.first)
    for _ in range(how.rounds):
        if not len(left):
            break
        found, cost = _round(victim, x[left], y[left], c[left], allowed, how)
        nearer = cost < best[left]
        out[left[nearer]], best[left[nearer]] = found[nearer], cost[nearer]
        erred = np.isfinite(cost)
        high[left[erred]] = np.minimum(high[left[erred]], c[left[erred]])
        low[left[~erred]] = np.maximum(low[left[~erred]], c[left[~erred]])
        c = np.where(np.isfinite(high), (low + high) / 2, 10 * c)  # C2, C1
    return out


class _State(NamedTuple):
    """The rows that are left of a round: v, Adam's moments, and when L was the least."""

    v: Array
    m: Array
    s: Array
    least: Array
    since: Any


def _round(
    victim: Victim, x: Array, y: Ids, c: Array, allowed: Range, how: Search
) -> tuple[Array, Array]:
    """Return the nearest x' at which the classifier erred, and ‖x' - x‖², infinite where none."""
    found, cost, left = x.copy(), np.full(len(x), np.inf), np.arange(len(x))
    v = _inverse(x, allowed)
    none = np.full(len(x), np.inf), np.zeros(len(x), np.intp)
    state = _State(v, np.zeros_like(v), np.zeros_like(v), *none)
    for t in range(1, how.steps + 1):
        moved = _moved(state.v, allowed, x.dtype)
        L, m, dx = _loss(victim, moved, x[left], y[left], c[left], how)
        far = ((rows(moved - x[left]).astype(np.float64)) ** 2).sum(axis=1)
        nearer = (m + how.confidence < 0) & (far < cost[left])
        found[left[nearer]], cost[left[nearer]] = moved[nearer], far[nearer]
        fell = L < 0.9999 * state.least
        state.least[fell], state.since[fell] = L[fell], t
        going = t - state.since <= max(1, how.steps // STALE)
        if not going.all():
            state, left, dx = _State(*(a[going] for a in state)), left[going], dx[going]
            if not len(left):
                break
        dv = _through(dx, state.v, allowed)
        theta, g, mean, squares = (a.reshape(-1) for a in (state.v, dv, state.m, state.s))
        adam.step(theta, g, mean, squares, t, how.rate, *MOMENTS, 0.0, 0.0, 0, 0.0)
    return found, cost


def _loss(
    victim: Victim, moved: Array, x: Array, y: Ids, c: Array, how: Search
) -> tuple[Array, Array, Array]:
    """Return L and m, (N,) float64, and dx'."""
    sign = -1.0 if how.targeted else 1.0
    margins = np.empty(len(x))

    def of_margin(s: Array, some: Any) -> Array:
        n, others = np.arange(len(s)), s.copy()
        others[n, y[some]] = -np.inf
        rival = others.argmax(axis=1)
        m = sign * (s[n, y[some]].astype(np.float64) - s[n, rival])  # F2
        margins[some] = m
        weight = sign * np.where(m + how.confidence > 0, c[some], 0)  # B1
        ds = np.zeros_like(s)
        ds[n, y[some]], ds[n, rival] = weight, -weight
        return ds

    _, dx = victim.pull(moved, of_margin)
    d = moved - x
    hinge = np.maximum(margins + how.confidence, 0)
    L = (rows(d).astype(np.float64) ** 2).sum(axis=1) + c * hinge  # F3
    return L, margins, 2 * d + dx  # B2


def _moved(v: Array, allowed: Range, dtype: Any) -> Array:
    """Return x' of F1."""
    half = (allowed.high - allowed.low) / 2
    return allowed.held((allowed.low + half * (np.tanh(v) + 1)).astype(dtype))  # F1


def _through(dx: Array, v: Array, allowed: Range) -> Array:
    """Return dv, given dx'."""
    slope = (allowed.high - allowed.low) / 2 * (1 - np.tanh(v) ** 2)
    dv: Array = np.ascontiguousarray(dx * slope, v.dtype)  # B3
    return dv


def _inverse(x: Array, allowed: Range) -> Array:
    """Return v of R1."""
    half = (allowed.high - allowed.low) / 2
    unit = np.clip((x - allowed.low) / half - 1, -1, 1)
    v: Array = np.arctanh(unit * INSIDE).astype(x.dtype)  # R1
    return v
