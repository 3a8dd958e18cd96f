"""One real variable as a mixture of K Gaussians or Laplacians: density, gradient, uniforms, draw.

Or one that takes the values of a lattice alone, as whole numbers do: then p is a probability.

Shapes      s, ds: (M, n), a row [μ (K) | t (K)], n = 2K, or with learned weights
            [μ (K) | t (K) | a (K)], n = 3K        x, log_p, nll, dnll, dx: (M,)
            u: (M,) float64, in [0, 1)             log_p, nll in nats
            half: h, a number: half the step of the lattice; 0 of a real variable

Forward     p(x) = Σ_j π_j φ(z_j) / (c σ_j), with φ(z) = e^{-q(z)}:
            Gaussian q = z²/2, c = √(2π); Laplace q = |z|, c = 2.
            (F1)  σ_j = SIGMA_MIN + e^{min(t_j, T_MAX)}
                  positive by construction: never below the floor, so no density grows without
                  bound on a value that repeats, and never above SIGMA_MIN + e^{T_MAX}, whose
                  square is a float32
            (F2)  z_j = (x - μ_j) / σ_j, held within ±Z_MAX, so that q is finite in float32
            (F3)  q_j = q(z_j)
            (F4)  b_j = a_j - max_i a_i, A = Σ_i e^{b_i}, so that π_j = e^{b_j} / A;
                  of equal weights b_j = 0, A = K
            (F5)  m = max_j (b_j - q_j),  Z_j = e^{b_j - q_j - m} / σ_j,  Z = Σ_j Z_j
            (F6)  log p = m + log Z - log A - log c;  nll = -log p

            The largest exponent of F5 is 0, so Z ≥ 1 / (SIGMA_MIN + e^{T_MAX}) and its logarithm
            is finite however far x lies in the tails. What F5 rounds to nothing of component j is
            less than e^{-87} σ_i / σ_j of what component i has, whose exponent is 0. One logarithm
            a variable: σ_j divides the exponential, and is not in it.

Backward    From dnll. By F5 and F6, nll = log A + log c - log Σ_j e^{b_j - q_j} / σ_j, since m
            cancels. Of the logarithm of a sum the derivative is the mean of those of its
            terms' logarithms, here b_j - q_j - log σ_j, weighted by their shares in it, the
            responsibilities:
            (B1)  r_j  = Z_j / Z,  so that d(nll) = d(log A) - Σ_j r_j d(b_j - q_j - log σ_j)
                                                                              undoes F6, F5
            q_j depends on z_j alone, dq_j = q' dz_j, and z_j = (x - μ_j) / σ_j on three things:
            ∂z/∂μ_j = -1/σ_j, ∂z/∂x = 1/σ_j and ∂z/∂σ_j = -z_j/σ_j. So
            (B2)  dμ_j = -dnll r_j q'(z_j) / σ_j                              undoes F3, F2
                  q' = z; of Laplace's sign z, 0 at the peak
            (B3)  dσ_j = dnll r_j (1 - z_j q'(z_j)) / σ_j    undoes F5 (log σ_j), F3 and F2
            (B4)  dt_j = dσ_j e^{t_j};  0 where t_j > T_MAX                   undoes F1
                  Below the bound σ's slope is e^t, and not σ: at the floor it vanishes. Beyond the
                  bound F1 is constant, so its derivative is 0 there, as at no other t.
            (B5)  da_j = dnll (π_j - r_j)                                     undoes F4, F5
                  ∂b_i/∂a_j = [i = j] but for the shift max a, the same for all b_i, which log A
                  and the mean of the b_i take up alike; ∂(log A)/∂b_j = e^{b_j} / A = π_j
            (B6)  dx   = -Σ_j dμ_j                     x enters by x - μ_j alone (F2)

            This is the gradient itself. Uria et al. multiply dμ_j by σ_j, so that a narrow
            component, whose dμ_j grows as 1/σ_j, takes no larger steps than a wide one. That is
            the gradient of no function: ∂(σ_j dμ_j)/∂t_j and ∂(dt_j)/∂μ_j, equal for any function
            whose derivatives they are, differ. Here finite differences agree, and Adam, which
            divides each number's step by its usual size, does what the factor was for.
            Where F2 holds z, the numbers are those at the bound, and point the same way.

Steps       A variable that takes whole multiples of 2h alone has with each, x, the mass of the step
            around it, P(x) = F(x + h) - F(x - h). Steps that touch make Σ_x P(x) = F(∞) - F(-∞) = 1
            whatever the mixture, and P ≤ 1, where the density of values that come again and again
            has no bound. With k_j = h / σ_j and the family's φ̂ = φ / c and Φ,
                P(x) = Σ_j π_j M_j,    M_j = Φ(z_j + k_j) - Φ(z_j - k_j)
            Let each M_j be written as e^{-q_j} g_j. Then F5 and F6 hold with this q, with g_j where
            1/σ_j stood, and without log c. Of (z, k) = (z_j, k_j):
            (W1)  M is even in z. So take |z|, of the step's ends z⁻ = |z| - k and z⁺ = |z| + k, and
                  y = k |z|, whence (z⁺)² = (z⁻)² + 4y: the density at z⁺ is that at z⁻
                  times e^{-2y}
            (W2)  Gaussian, R(v) = erfcx(v / √2), so that 1 - Φ(v) = e^{-v²/2} R(v) / 2 for v ≥ 0:
                  0 ≤ z⁻:  q = (z⁻)²/2,  g = (R(z⁻) - e^{-2y} R(z⁺)) / 2
                  z⁻ < 0:  q = 0,      g = 1 - e^{-(z⁻)²/2} (R(-z⁻) + e^{-2y} R(z⁺)) / 2
                  A far tail's exponent is exact, and nothing cancels but where z⁺ - z⁻ and y are
                  both small: k < NEAR_K and y < NEAR_Y.
            (W3)  There, φ(z - v) / φ(z) being e^{zv - v²/2} = Σ_i He_i(z) v^i / i! by Hermite,
                  M = φ̂(z) ∫_{-k}^{k} Σ_i He_i(z) v^i / i! dv, of which odd powers vanish. With
                  w_i = He_i(z) k^i / i!
                  q = z²/2,  g = (2k / c) Y,  Y = Σ_{i even} w_i / (i + 1)
                  He_{i+1} = z He_i - i He_{i-1} gives (i + 1) w_{i+1} = y w_i - k² w_{i-1}, from
                  w_0 = 1, w_1 = y. Of odd i let w_i = y o_i; then |z| is needed in y² alone. Also
                  odd = Σ_{i odd} o_i and even = Σ_{i even} w_i: at the ends, v = ±k, φ over φ(z) is
                  even ± y odd. Terms from w_10 on are below 1e-8, from w_22 on below 1e-16.
            (W4)  Laplace, 0 ≤ z⁻: M = (e^{-z⁻} - e^{-z⁺}) / 2:  q = z⁻,  g = (1 - e^{-2k}) / 2
            (W5)  Laplace, z⁻ < 0: M = 1 - e^{z⁻}/2 - e^{-z⁺}/2:  q = 0,
                  g = ((1 - e^{z⁻}) + (1 - e^{-z⁺})) / 2, with 1 - e^{-v} made without cancellation

            Of the gradient, B1 is as before. ∂M/∂z = φ̂(z + k) - φ̂(z - k), and as
            σ_j (z_j ± k_j) = x ± h - μ_j, ∂(z ± k)/∂σ_j = -(z ± k)/σ_j. So with
            (W6)  slope = (φ̂(z - k) - φ̂(z + k)) / M           odd in z: of |z|, then z's sign
                  curve = ((z + k) φ̂(z + k) - (z - k) φ̂(z - k)) / M
                  ∂(log M)/∂μ_j = slope / σ_j,  ∂(log M)/∂σ_j = -curve / σ_j: slope stands in B2 for
                  q', curve in B3 for 1 - z q'. Both are their limits where h → 0. B4-B6 are as
                  before: x enters by x - μ_j alone, and dx is the derivative of the formula in x.
                  By W2, f = 1 or, of z⁻ < 0, e^{-(z⁻)²/2}:
                      slope = f (1 - e^{-2y}) / (c g),  curve = f (z⁺ e^{-2y} - z⁻) / (c g)
                  By W3:
                      slope = 2y odd / (2k Y) = |z| odd / Y
                      curve = ((|z| + k)(even - y odd) - (|z| - k)(even + y odd)) / (2k Y)
                            = (even - z² odd) / Y
                  By W4:
                      slope = 1
                      curve = (z⁺ e^{-2k} - z⁻) / (1 - e^{-2k}) = 2k e^{-2k} / (1 - e^{-2k}) - z⁻
                  By W5:
                      slope = e^{z⁻} (1 - e^{-2|z|}) / (2g)
                      curve = (z⁺ e^{-z⁺} - z⁻ e^{z⁻}) / (2g)

Uniforms    u = F(x) is uniform in [0, 1) if x is of the density, in float64 whatever s is in:
            (C1)  F(x) = Σ_j π_j Φ(z_j), with z_j as in F2 and Φ(z) = erfc(-z / √2) / 2, or of
                  Laplace's family e^z / 2 for z ≤ 0 and 1 - e^{-z} / 2 beyond
            (C2)  Φ(z) = 1 - Φ(-z), so above 1/2 it is 1 - Σ_j π_j Φ(-z_j), and neither tail
                  cancels; held in [2^-1022, 1 - 2^-53]

Draw        x = F^{-1}(u), of each row with u ≥ 0 by itself; where u < 0, x stays as it is. So it
            is a function of u that grows, and the inverse of C1 to rounding:
            (D1)  every component's own quantile μ_j + σ_j Φ^{-1}(u) is a bound: below the least of
                  them all Φ(z_j) are < u, above the largest all are > u, so x lies between. Φ^{-1}
                  is a short approximation, off by less than SLACK, which widens the bracket.
                  x starts at their mean, Σ_j π_j of each. u below 2^-1022 counts as that.
            (D2)  miss = F(x) - u; above 1/2 it is (1 - u) - Σ_j π_j Φ(-z_j), both exact there
            (D3)  its sign moves one end of the bracket to x
            (D4)  x moves by Newton's -miss / p(x), but to the middle of the bracket where that is
                  outside it, or not less than half of the step before the last one
            (D5)  the end: a step below 2^-52 (|x| + min_j σ_j), or MOST_STEPS

            u has a spacing of 2^-53 below 1, so in the upper tail, where p(x) is that small, many
            x have one u: F^{-1}(F(x)) is off by about 2^-53 / p(x), and x beyond 8.2 σ comes back
            from there. In the lower tail u has no such spacing.

Cost        A variable takes 2 K exponentials, with learned weights 3 K, one logarithm and about
            20 K FLOPs for the loss with its gradient; of steps 2 K more exponentials, and about
            100 K FLOPs. A draw takes 4 to 9 steps as a rule, each
            of K error functions and K exponentials in float64.

Source      Uria, Murray and Larochelle 2013, "RNADE: The real-valued neural autoregressive
            density-estimator", arXiv:1306.0186. Φ^{-1}: Abramowitz and Stegun 1964, "Handbook of
            Mathematical Functions", 26.2.23. The floor of σ, the form of F5 and the bracket of D1
            are ours; D4 is the `rtsafe` of Press et al. 1992, "Numerical Recipes in C", 9.4. Mass
            of steps: Salimans, Karpathy, Chen and Kingma 2017, "PixelCNN++: Improving the PixelCNN
            with Discretized Logistic Mixture Likelihood and Other Modifications", arXiv:1701.05517,
            of logistics; W1-W6 are ours.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it. `sigmas` is F1 for arrays,
`scale_of` in `batch` the same for compiled code: density, gradient, uniforms and draw share it.
"""

from chainrule.kernels.dispatch import array_module, select
from chainrule.kernels.types import Array

GAUSSIAN, LAPLACE = 0, 1
SIGMA_MIN = 1e-3  # in units of x: of a standardised column, a thousandth of its deviation
T_MAX = 40.0  # e^40 is 2e17
Z_MAX = 1e18  # its square is a float32
MOST_STEPS = 200
LEAST_U, MOST_U = 2.0**-1022, 1 - 2.0**-53
NEAR_K, NEAR_Y = 0.3, 0.5  # where W3 is the more exact
MOST_TERMS = 22  # of it; in single precision 10
SLACK = 1e-3  # of Φ^{-1}; its error is below 4.5e-4
# For u ≥ 1/2 with t² = -2 log(1 - u): Φ^{-1}(u) = t - (N_0 + N_1 t + …) / (D_0 + D_1 t + …)
NUMERATOR = (2.515517, 0.802853, 0.010328)
DENOMINATOR = (1.0, 1.432788, 0.189269, 0.001308)


def n_outputs(n_components: int, learned: bool) -> int:
    """Return how many outputs a variable needs: n."""
    return (3 if learned else 2) * n_components


def n_components(s: Array, learned: bool) -> int:
    """Return K of outputs s, (…, n)."""
    return int(s.shape[-1]) // (3 if learned else 2)


def sigmas(t: Array) -> Array:
    """Return σ of raw scales, NumPy or CuPy: F1."""
    xp = array_module(t)
    sigma: Array = SIGMA_MIN + xp.exp(xp.minimum(t, T_MAX))
    return sigma


def terms(s: Array, x: Array, half: float, family: int, learned: bool, log_p: Array) -> None:
    """Overwrite log_p, (M,), with log p(x) of each row, in nats; F1-F6, W1-W5.

    half: 0 of a real variable, else x is of a lattice, and p is P. family: GAUSSIAN or LAPLACE.
    learned: whether s has weights.
    """
    select(__name__, s, x, log_p).terms(s, x, half, family, learned, log_p)


def backward(
    dnll: Array, s: Array, x: Array, half: float, family: int, learned: bool, ds: Array
) -> None:
    """Overwrite ds = dL/ds given dnll = dL/d(nll), (M,); B1-B5, W6. ds may be s itself."""
    select(__name__, dnll, s, x, ds).backward(dnll, s, x, half, family, learned, ds)


def nll_and_grad(
    s: Array,
    x: Array,
    half: float,
    scale: float,
    family: int,
    learned: bool,
    nll: Array,
    ds: Array,
) -> None:
    """Overwrite nll, (M,), and ds, the gradient of scale · Σ nll; ds may be s itself."""
    select(__name__, s, x, nll, ds).nll_and_grad(s, x, half, scale, family, learned, nll, ds)


def input_gradient(ds: Array, learned: bool, dx: Array) -> None:
    """Overwrite dx = dL/dx, (M,), from the gradient ds in the outputs; B6."""
    select(__name__, ds, dx).input_gradient(ds, learned, dx)


def cdf(s: Array, x: Array, family: int, learned: bool, u: Array) -> None:
    """Overwrite u, (M,) float64, with F(x) of each row; C1, C2."""
    select(__name__, s, x, u).cdf(s, x, family, learned, u)


def draw(s: Array, u: Array, family: int, learned: bool, x: Array) -> None:
    """Overwrite x by F^{-1}(u) of each row where u ≥ 0, D1-D5; keep it where u < 0.

    u: (M,) float64.
    """
    select(__name__, s, u, x).draw(s, u, family, learned, x)
