"""One of L levels as a mixture of K logistics cut into steps: probability, gradient, draw.

Shapes      s, ds: (M, 3K), a row [μ (K) | t (K) | a (K)]: means, log scales, weight logits
            x: (M,) int32, 0 … L-1, or -1: ignored    nll, dnll: (M,), in nats
            p: (M, L)    u: (M,) float64, in [0, 1), or negative
            levels: L, 2 or more

Levels      With n = L - 1 and h = 1/n, level v stands for the number x_v = -1 + 2hv, from -1 to 1,
            and owns the interval from x_v - h to x_v + h; but that of the first level begins at -∞,
            and that of the last one ends at +∞. With σ the logistic function and F the mixture's
            distribution function,
                F(x_v ± h) = Σ_j π_j σ((x_v ± h - μ_j) / σ_j),   P(v) = F(upper end) - F(lower end)
            Intervals touch and cover everything: Σ_v P(v) = F(∞) - F(-∞) = 1 for any mixture.

Forward     In half steps, x_v = h y with y = 2v - n, a whole number and exact in any dtype.
            (F1)  k_j = h / σ_j = h e^{-t'_j},  t'_j = t_j held between log(h / K_MAX) and T_MAX
                  σ_j is never below h / K_MAX, an eighth of a step: where a level has 0.96 of a
                  logistic on its middle. Of 256 levels t is held at -6.93; PixelCNN++ holds it
                  at -7. So k ≤ K_MAX, and k is a float32 above 0.
            (F2)  z_j = (y - n μ_j) k_j = (x_v - μ_j) / σ_j, held within ±Z_MAX
                  n μ_j is rounded once for all levels: the upper end of one, z + k, is the lower
                  end of the next, and Σ_v P(v) stays 1.

            Let M_j = σ(z + k) - σ(z - k) be what component j has in the step, with z = z_j and
            k = k_j. Both σ are 0 or 1 to rounding where z is far out, so the difference is written
            as M = e^{-d} g, of which no part is a difference of near numbers. σ(-z) = 1 - σ(z)
            makes M even in z, so take |z|, and let E = e^{-|z|}, q = e^{-k}. From
            σ(z⁺) - σ(z⁻) = (e^{-z⁻} - e^{-z⁺}) / ((1 + e^{-z⁺}) (1 + e^{-z⁻})), at z⁺ = |z| + k
            where e^{-z⁺} = Eq, and z⁻ = |z| - k where e^{-z⁻} = E/q:
                M = (E/q - Eq) / ((1 + Eq) (1 + E/q)) = E (1 - q²) / ((1 + Eq) (q + E))
            (F3)  inner levels: d = |z|,  g = (1 - q²) / w,  w = (1 + Eq) (E + q)
                  1 - q² = (1 - q) (1 + q), and 1 - q is made without cancellation. E may round
                  to nothing: w ≥ q ≥ e^{-K_MAX}.
            (F4)  the first level: M = σ(c), c = z + k; the last: M = 1 - σ(z - k) = σ(c),
                  c = k - z. With E = e^{-|c|}: d = max(-c, 0), g = 1 / (1 + E), since
                  σ(c) = 1 / (1 + e^{-c}) = e^c / (1 + e^c).

            (F5)  b_j = a_j - max_i a_i,  A = Σ_j e^{b_j},  so that π_j = e^{b_j} / A
            (F6)  m = max_j (b_j - d_j),  Z_j = e^{b_j - d_j - m} g_j,  Z = Σ_j Z_j
            (F7)  log P = m + log Z - log A;  nll = -log P;  0 where x = -1
                  The largest exponent of F6 is 0, so Z is at least that component's g: of an edge
                  1/2 or more; of an inner level, E ≤ 1, (1 - q) / (1 + q) = tanh(k/2) or more,
                  which up to K_MAX is above 0.24 k: log Z is finite however far x_v lies out.

Backward    From dnll. By F5 to F7, nll = log A - log Σ_j e^{b_j} M_j, since m cancels. Of the
            logarithm of a sum the derivative is the mean of those of its terms' logarithms,
            weighted by their shares, the responsibilities:
            (B1)  r_j = Z_j / Z,  so that d(nll) = d(log A) - Σ_j r_j d(b_j + log M_j)
                                                                              undoes F7, F6
            For a logistic, d(log σ(z)) = σ(-z) dz. In F3, M = σ(z⁺) σ(-z⁻) (1 - e^{-2k}), as
            σ(z⁺) = 1 / (1 + Eq), σ(-z⁻) = E / (E + q) and e^{-2k} = q². Hence, z⁺ and z⁻ growing
            by as much as |z|, and by k and -k,
                ∂(log M)/∂|z| = σ(-z⁺) - σ(z⁻),  ∂(log M)/∂k = σ(-z⁺) + σ(z⁻) + 2q² / (1 - q²)
            with σ(-z⁺) = Eq / (1 + Eq), σ(z⁻) = q / (E + q). Over the common denominator w the
            difference is q (1 + Eq) - Eq (E + q) = q (1 - E²), and the sum q (1 + E² + 2Eq):
            (B2)  inner levels: apart = σ(z⁻) - σ(-z⁺) = q (1 - E²) / w,
                                both = σ(-z⁺) + σ(z⁻) = q (1 + E (E + 2q)) / w       undoes F3
            (B3)  edges: ∂(log M)/∂c = σ(-c):  E / (1 + E) for c ≥ 0, else 1 / (1 + E)
                                                                              undoes F4
            By F1 and F2, ∂z/∂μ = -n k, ∂z/∂t = -z and ∂k/∂t = -k. So ∂c/∂μ is -n k of the first
            level and n k of the last, and ∂c/∂t = -c; of inner levels ∂|z|/∂μ = -sign(z) n k.
            (B4)  dμ_j = -dnll r_j n k_j · (∂(log M)/∂μ_j over n k_j):        undoes F2
                  sign(z) apart;  -σ(-c) of the first level, σ(-c) of the last
            (B5)  dt_j = dnll r_j · (-∂(log M)/∂t_j):                         undoes F2, F1
                  k (both + 2q² / (1 - q²)) - |z| apart;  c σ(-c) of edges.  0 where t_j is held
            (B6)  da_j = dnll (π_j - r_j)                                     undoes F5, F6
                  The shift max a is the same for all b_i, which log A and the mean of the b_i
                  take up alike; ∂(log A)/∂b_j = e^{b_j} / A = π_j.
            ds = 0 where x = -1. Where F2 holds z, the numbers are those at the bound.

Table       (C1)  p_v = Σ_j π_j M_j of every level, by F3 and F4

Draw        In float64, whatever s is in, of each row with u ≥ 0; where u < 0, x stays as it is.
            (D1)  x is the first v with F(x_v + h) > u, and F of the last one's end is 1
                  So P(v) of all u give v, and a larger u never gives a smaller level.
            (D2)  F(x_v + h) > u where Σ_j e^{b_j} σ(z_j + k_j) > u A
                  Exact next to F in the lower tail, and in the upper one to a few 2^-53, which
                  is the spacing of u there.
            (D3)  F grows with v, so halving the levels left finds it in log₂ L questions

Cost        Five exponentials a component for the loss with its gradient, two of them for both
            ends of the step together, two logarithms a variable, and about 60 K FLOPs. A draw
            takes K log₂ L exponentials in float64, the table K L.

Source      Salimans, Karpathy, Chen and Kingma 2017, "PixelCNN++: Improving the PixelCNN with
            Discretized Logistic Mixture Likelihood and Other Modifications", arXiv:1701.05517,
            2.1. There the density stands in for a mass below 1e-5; F3, F4 and the gradient are
            ours, and need no such branch. Channels are mixtures of their own here.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

import math

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids

K_MAX = 4.0  # half a step in units of the narrowest scale
T_MAX = 40.0  # e^40 is 2e17
Z_MAX = 1e18


def least_log_scale(levels: int) -> float:
    """Return where log scales are held from below: log(h / K_MAX)."""
    return -math.log((levels - 1) * K_MAX)


def forward(s: Array, x: Ids, levels: int, nll: Array) -> None:
    """Overwrite nll, (M,), with -log P of each row's level, in nats; F1-F7."""
    select(__name__, s, x, nll).forward(s, x, levels, nll)


def backward(dnll: Array, s: Array, x: Ids, levels: int, ds: Array) -> None:
    """Overwrite ds by the gradient in s, given that in nll, (M,), by B1-B6; ds may be s itself."""
    select(__name__, dnll, s, x, ds).backward(dnll, s, x, levels, ds)


def nll_and_grad(s: Array, x: Ids, levels: int, scale: float, nll: Array, ds: Array) -> None:
    """Overwrite nll, (M,), and ds, the gradient of scale · Σ nll; ds may be s itself."""
    select(__name__, s, x, nll, ds).nll_and_grad(s, x, levels, scale, nll, ds)


def conditionals(s: Array, p: Array) -> None:
    """Overwrite p, (M, L), with the probability of every level; C1."""
    select(__name__, s, p).conditionals(s, p)


def draw(s: Array, u: Array, levels: int, x: Ids) -> None:
    """Overwrite x by a level of each row where u ≥ 0, D1-D3; keep it where u < 0.

    u: (M,) float64.
    """
    select(__name__, s, u, x).draw(s, u, levels, x)
