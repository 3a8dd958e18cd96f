"""DeepFool: the nearest point at which a classifier errs, as if it were made of planes.

Shapes      x: (N, …)    s: (N, K), logits    w_k: as x, of class k

            Let y be the class of x. Were all logits affine, the points where class k is as likely
            as y would be a plane, s_k(z) - s_y(z) = f_k + w_kᵀ (z - x) = 0, with

One step    (D1)  f_k = s_k - s_y,  w_k = ∂(s_k - s_y)/∂x              for k ≠ y
            The shortest r to it has the direction of w_k, r = t w_k: f_k + t ‖w_k‖² = 0, so
            t = -f_k / ‖w_k‖² = |f_k| / ‖w_k‖², as f_k ≤ 0 while y is the largest, and
            ‖r‖ = |f_k| / ‖w_k‖.
            (D2)  l = argmin_k |f_k| / ‖w_k‖₂                          the nearest of these planes
            (D3)  r = |f_l| / ‖w_l‖₂² w_l,  x ← x + r, held within the range
            Logits are not affine, so it is done again from there, until the class is another one.

            A point on a border is of either class: of what was added to x altogether, r̂,
            (D4)  x̂ = x + (1 + η) r̂, held within the range
            η = 0.02, where the classifier is as sure of another class as the border is near.

Cost        A forward and K backward passes a step; rows of another class are done.

Source      Moosavi-Dezfooli, Fawzi and Frossard 2016, "DeepFool: a simple and accurate method to
            fool deep neural networks".
"""

from typing import Any

import numpy as np

from chainrule.engine.attacks.victim import Range, Victim, each, rows
from chainrule.kernels.types import Array, Ids


def deepfool(
    victim: Victim, x: Array, y: Ids, allowed: Range, steps: int = 50, overshoot: float = 0.02
) -> Array:
    """Return x̂, (N, …). y: the classes that the classifier is to leave; others are left alone."""
    out, left = x.copy(), np.flatnonzero(victim.right(x, y))
    for _ in range(steps):
        if not len(left):
            break
        moved = allowed.held(out[left] + _step(victim, out[left], y[left]))
        out[left] = moved
        s = victim.logits(moved)
        left = left[s.argmax(axis=1) == y[left]]
    return allowed.held(x + (1 + overshoot) * (out - x)).astype(x.dtype)  # D4


def _step(victim: Victim, x: Array, y: Ids) -> Array:
    """Return r of D3."""
    n = np.arange(len(x))

    def margins(s: Array, some: Any) -> Array:
        """Return the slopes of s_k - s_y in the logits, for every k, (K, n, K)."""
        N, K = s.shape
        ds = np.zeros((K, N, K), s.dtype)
        ds[np.arange(K), :, np.arange(K)] = 1
        ds[:, np.arange(N), y[some]] -= 1
        return ds

    s, w = victim.pull(x, margins)
    f = np.abs(s - s[n, y][:, None])  # D1
    norms = np.sqrt((rows(w.reshape(-1, *x.shape[1:])) ** 2).sum(axis=1)).reshape(w.shape[:2]).T
    tiny = np.finfo(norms.dtype).tiny
    distance = f / np.maximum(norms, tiny)
    distance[n, y] = np.inf
    l = distance.argmin(axis=1)  # D2
    r = each(f[n, l] / np.maximum(norms[n, l] ** 2, tiny), x) * w[l, n]  # D3
    return r.astype(x.dtype)  # type: ignore[no-any-return]
