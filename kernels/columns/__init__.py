"""Rows of variables of any kinds: bits, categories and real numbers, each from its own outputs.

Shapes      x: (N, D), uint8, int32 or of s's dtype, categories exact in it      s, ds: (N, S)
            log_p, dx, weights: (N, D)    nll: (N,), in nats    lo, hi: (N, D) float64
            Of variable i, values_i says the kind, and its n_i outputs start in column first_i:
                values_i = 2         a bit                      n_i = 1, its logit
                values_i = K ≠ 2     one of K categories        n_i = K logits; K = 1 too
                values_i = 0         real, a mixture            n_i = 2 or 3 times n_components,
                                                                and 1 more with an atom
            A real variable with a half step h_i > 0 takes the values 2 h_i k alone, k whole. One
            with an atom ξ_i has that value with a probability of its own; see Atoms.

Forward     The outputs of a variable concern no other one, so a row's log-likelihood is a sum, and
            the term of each kind is that kind's own:
            (F1)  log p(x_i) of a bit           chainrule.kernels.bernoulli
            (F2)  log p(x_i) of a category      chainrule.kernels.softmax_cross_entropy
            (F3)  log p(x_i) of a real number, a density, or of one on a lattice, a probability
                                                chainrule.kernels.mixture
            (F4)  nll = -Σ_i ω_i log p(x_i), with weights ω_i = 1 where none are given

Backward    (B1)  ds = scale ω_i d(-log p(x_i))/ds in the n_i columns of each i     undoes F4, F1-F3
                  and where ω_i = 0 it is 0, whatever x_i is: x_i is not read
            (B2)  dx_i = -Σ_j dμ_j of a real number, from its ds (mixture's B6); else 0

Atoms       A value that many rows share, such as a rainfall of 0, no density has: it would have to
            be infinite there. So let a be the last of a real variable's outputs, π = σ(a),
            P(x), with density or mass m(x), what its mixture says, and
            (P1)  p(x) = π at x = ξ,  (1 - π) m(x) elsewhere           of a real number
            (P2)  p(x) = π [x = ξ] + (1 - π) m(x)                      on a lattice
            In P1 the point ξ has the mass π, and as a point adds nothing to an integral:
            π + (1 - π) ∫ m dx = 1. In P2 all is mass, that of the mixture at ξ too:
            Σ_x p(x) = π + (1 - π) Σ_x m(x) = 1.

            So [x = ξ] is a bit of logit a, and its loss a bit's (F1). With ℓ = log m(x):
            (P3)  -log p = softplus(a) - ℓ                             where x is not ξ
                  by P1, P2, as -log(1 - π) = -log σ(-a) = softplus(a)
            (P4)  -log p = softplus(-a) - softplus(ℓ - a)              where x is ξ
                  on a lattice p = π (1 + m (1 - π) / π) = σ(a) (1 + e^{ℓ - a}), the odds
                  (1 - π) / π being e^{-a}; of a real number the same without m, ℓ = -∞
            Of the gradient, ∂softplus(v)/∂v = σ(v), so that by P3 and P4, with dnll = dL/d(-log p):
            (P5)  r = 1 where x is not ξ, σ(ℓ - a) where it is (of a real number 0): the share of
                  the mixture in p(x);  -∂log p/∂ℓ = -r
            (P6)  ds_j = r times that of the mixture alone, for its outputs          undoes P3, P4
            (P7)  da = dnll σ(a) where x is not ξ,  dnll (r - σ(-a)) where it is     undoes P3, P4
                  i.e. dnll (π - (1 - r)): what is expected of the atom less its share in p(x)
            A mass does not change with x, so B2 holds, by P6.

            (P8)  F(x) = (1 - π) F_m(x) + π [x ≥ ξ] is the distribution function, F_m the mixture's,
                  and ξ is drawn from [(1 - π) F_m(ξ - h), (1 - π) F_m(ξ + h) + π)
            (P9)  so u below that draws F_m^{-1}(u / (1 - π)), and above it
                  F_m^{-1}((u - π) / (1 - π)): between ξ's interval and the others', which P8 moves
                  by 0 and by π, nothing is left and nothing shared. Rounding must not lead across
                  ξ, to where there may be no mass: the argument is held to its side of F_m(ξ ∓ h)

Uniforms    (C1)  [lo_i, hi_i) are the u from which x_i would be drawn: of a real number both are
                  F(x_i), on a lattice [F(x_i - h_i), F(x_i + h_i)), with an atom P8; of a
                  category [Σ_{v<x} p_v, Σ_{v≤x} p_v); of a bit [0, p) for 1 and [p, 1) for 0,
                  p = p(x_i = 1), since a one is drawn below p everywhere here

Draw        (D1)  x_i = 1 where u < p, of a bit; of categories categorical's draw at temperature 1;
                  of a real number mixture's, rounded to the nearest value of its lattice, if it
                  is on one, with an atom by P9. All in float64, and kept where u < 0

Cost        The sum of the kinds'. A row is read once, and its gradient takes its place. An atom
            takes 3 exponentials, and a draw two distribution functions.

Source      The chain rule of probability; see each kind's own. Atoms: Duan et al. 1983, "A
            Comparison of Alternative Models for the Demand for Medical Care", two-part models; P1,
            P2 with a mixture, and P3-P9, are ours.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it. Compiled callers have the
bodies of one variable in `bodies`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels import mixture
from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids, Table

REAL, BIT = 0, 2  # numbers of values; others are categories
BATCH = 64  # rows of a variable that are worked on at once: `chainrule.kernels.batches`


class Layout(NamedTuple):
    """Which outputs are whose, on the side of the arrays that it is used with."""

    values: Ids  # (D,): 2 of a bit, 0 of a real number, else how many categories
    first: Ids  # (D + 1,): the first output of each variable; the last is S
    half_steps: Array  # (D,) float64: h of a variable on a lattice, else 0
    atoms: Array  # (D,) float64: ξ of a variable with an atom, else NaN
    n_components: int  # of every real one
    family: int  # GAUSSIAN or LAPLACE
    learned: bool  # whether the mixtures' weights are outputs
    work: int  # how many numbers of working memory the bodies need


def n_outputs(
    values: int, n_components: int = 1, learned: bool = False, atom: float | None = None
) -> int:
    """Return how many outputs a variable of so many values needs; atom: ξ, if it has one."""
    if values == REAL:
        return mixture.n_outputs(n_components, learned) + (atom is not None)
    return 1 if values == BIT else values


def layout(
    values: Sequence[int],
    n_components: int = 1,
    family: int = mixture.GAUSSIAN,
    learned: bool = False,
    xp: Any = np,
    half_steps: Sequence[float] = (),
    atoms: Sequence[float | None] = (),
) -> Layout:
    """Return the layout of variables of so many values each, for arrays of xp, NumPy or CuPy.

    half_steps: of each variable; none where no variable is on a lattice. atoms: of each, None of
    those that have none; empty where no variable has one.
    """
    of_all = atoms or [None] * len(values)
    sizes = [n_outputs(K, n_components, learned, a) for K, a in zip(values, of_all, strict=True)]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    work = (8 + max([5 * n_components, *sizes])) * BATCH
    of_each = xp.asarray(np.array(values, np.int32))
    halves = xp.asarray(np.array(half_steps or [0] * len(sizes), np.float64))
    points = xp.asarray(np.array([np.nan if a is None else a for a in of_all], np.float64))
    mixtures = n_components, family, bool(learned)
    return Layout(of_each, xp.asarray(first), halves, points, *mixtures, work)


def terms(layout: Layout, s: Array, x: Table, log_p: Array) -> None:
    """Overwrite log_p, (N, D), with log p(x_i) of each variable, in nats; F1-F3."""
    select(__name__, *layout[:4], s, x, log_p).terms(layout, s, x, log_p)


def nll_and_grad(layout: Layout, s: Array, x: Table, scale: float, nll: Array, ds: Array) -> None:
    """Overwrite nll, (N,), and ds, the gradient of scale · Σ nll; F4, B1. ds may be s itself."""
    op = select(__name__, *layout[:4], s, x, nll, ds)
    op.nll_and_grad(layout, s, x, scale, nll, ds)


def weighted_nll_and_grad(
    layout: Layout, s: Array, x: Table, weights: Array, nll: Array, ds: Array
) -> None:
    """Overwrite nll = -Σ_i ω_i log p(x_i), (N,), and ds, the gradient of Σ nll; F4, B1.

    weights: ω, (N, D), of s's dtype. ds may be s itself.
    """
    op = select(__name__, *layout[:4], s, x, weights, nll, ds)
    op.weighted_nll_and_grad(layout, s, x, weights, nll, ds)


def input_gradient(layout: Layout, ds: Array, dx: Array) -> None:
    """Overwrite dx, (N, D), with what the loss itself gives of dL/dx; B2.

    What x changes in later outputs is the model's to add.
    """
    select(__name__, *layout[:4], ds, dx).input_gradient(layout, ds, dx)


def draw(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    """Overwrite x, (N,), by draws of variable i where u ≥ 0, D1; keep it where u < 0.

    s: (N, n_i), this variable's outputs. u: (N,) float64.
    """
    select(__name__, *layout[:4], s, u, x).draw(layout, i, s, u, x)


def cdf_interval(layout: Layout, s: Array, x: Table, lo: Array, hi: Array) -> None:
    """Overwrite lo and hi, (N, D) float64, with the uniforms from which x is drawn: C1."""
    op = select(__name__, *layout[:4], s, x, lo, hi)
    op.cdf_interval(layout, s, x, lo, hi)
