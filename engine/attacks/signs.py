"""Steps along the loss's gradient, within a ball around x: FGSM, BIM and PGD.

Shapes      x, Δ, g: (N, …), a row for each      L: the loss of a row, -log p(y | x + Δ), or another

            An attack within ε wants max L over ‖Δ‖ ≤ ε and x + Δ in the range [low, high]. Near Δ,
            L(Δ + d) = L(Δ) + gᵀd up to second order, g = ∂L/∂x at x + Δ. What a step of size γ does
            best by that is max gᵀd over ‖d‖ ≤ γ:

One step    (S1)  ∞-norm: gᵀd = Σ_i g_i d_i ≤ Σ_i |g_i| γ, with equality at d_i = γ sign(g_i):
                      d = γ sign(g)
                  which moves every number by γ, or not at all where g_i = 0
            (S2)  2-norm: gᵀd ≤ ‖g‖₂ γ by Cauchy and Schwarz, with equality at
                      d = γ g / ‖g‖₂                                  0 where g is

Ball        After a step, what is not allowed is taken back:
            (P1)  x + Δ is held within the range, number by number
            (P2)  ∞-norm: so is Δ_i within ±ε
            (P3)  2-norm: Δ ← Δ min(1, ε / ‖Δ‖₂)
            P2 and P3 move x + Δ towards x, in its box or on a straight line. The range is convex,
            and x and, after P1, x + Δ are in it; so both conditions hold in the end.

Attacks     FGSM    one step of S1 or S2, γ = ε, from Δ = 0
            BIM     `steps` steps of S1, γ each, from Δ = 0, with P1 and P2 after each
            PGD     the same, in either norm, from a random Δ:
            (R1)  ∞-norm: Δ_i uniform in ±ε
            (R2)  2-norm: a direction uniform on the sphere, n / ‖n‖₂ of n normal, times ε u^{1/D},
                  u uniform in [0, 1): a ball of radius r holds (r/ε)^D of the whole, so that the
                  radius of a uniform point has the distribution function (r/ε)^D, and this is its
                  inverse at u
            With a target y, L is to fall: S1 and S2 along -g.

Cost        A forward and a backward pass of the classifier a step.

Source      FGSM: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial
            Examples"; BIM: Kurakin, Goodfellow and Bengio 2017, "Adversarial Examples in the
            Physical World"; PGD: Madry, Makelov, Schmidt, Tsipras and Vladu 2018, "Towards Deep
            Learning Models Resistant to Adversarial Attacks".
"""

from typing import NamedTuple

import numpy as np

from chainrule.engine.attacks.victim import Range, Slope, each, lengths, rows
from chainrule.kernels.types import Array, Ids

NORMS = ("inf", "2")


class Walk(NamedTuple):
    """How an attack steps.

    eps: ε of the ball; step: γ; steps: how many. norm: "inf" or "2". targeted: whether L falls.
    start: a generator that draws the first Δ, R1 or R2; None: 0.
    """

    eps: float
    step: float
    steps: int
    norm: str = "inf"
    targeted: bool = False
    start: np.random.Generator | None = None


def walk(slope: Slope, x: Array, y: Ids, how: Walk, allowed: Range) -> Array:
    """Return x after the steps, (N, …). slope: g of L."""
    out = x.copy() if how.start is None else started(x, how, allowed)
    for _ in range(how.steps):
        g = slope(out, y)
        out = projected(out + step(-g if how.targeted else g, how), x, how, allowed)
    return out


def step(g: Array, how: Walk) -> Array:
    """Return d, the step that raises L most by its gradient g; S1 or S2."""
    size = each(how.step, g)
    if how.norm == "inf":
        d: Array = size * np.sign(g)  # S1
        return d
    norms = lengths(g)
    along: Array = size * (g / np.where(norms > 0, norms, 1))  # S2
    return along


def projected(moved: Array, x: Array, how: Walk, allowed: Range) -> Array:
    """Return what is allowed of a step's end; P1, and P2 or P3."""
    eps, inside = each(how.eps, x), allowed.held(moved)  # P1
    if how.norm == "inf":
        near = np.clip(inside, x - eps, x + eps)  # P2
    else:
        d = inside - x
        near = x + d * np.minimum(1, eps / np.maximum(lengths(d), np.finfo(x.dtype).tiny))  # P3
    return allowed.held(near)  # but for rounding it is there


def started(x: Array, how: Walk, allowed: Range) -> Array:
    """Return x and a random Δ of the ball; R1 or R2."""
    rng = how.start
    assert rng is not None
    if how.norm == "inf":
        d = rng.uniform(-how.eps, how.eps, x.shape)  # R1
    else:
        n, u = rng.normal(size=x.shape), rng.random(len(x))
        radius = how.eps * u ** (1 / max(1, rows(x).shape[1]))
        d = n / lengths(n) * each(radius, n)  # R2
    return projected(x + d.astype(x.dtype), x, how, allowed)
