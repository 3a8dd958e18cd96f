"""NumPy twin of the mixture: the definition that the fast ones are tested against."""

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.erfcx import erfcx
from chainrule.kernels.mixture import (
    DENOMINATOR,
    GAUSSIAN,
    LEAST_U,
    MOST_STEPS,
    MOST_TERMS,
    MOST_U,
    NEAR_K,
    NEAR_Y,
    NUMERATOR,
    SLACK,
    T_MAX,
    Z_MAX,
    n_components,
    sigmas,
)
from chainrule.kernels.types import Array

_erfc: Any = np.vectorize(math.erfc, otypes=[np.float64])


class _Terms(NamedTuple):
    """log p, (M,), and of each component, (M, K), what its gradient is made of."""

    log_p: Array
    r: Array
    pi: Array
    sigma: Array
    slope: Array  # q', or what stands for it
    curve: Array  # 1 - z q', or what stands for it


def terms(s: Array, x: Array, half: float, family: int, learned: bool, log_p: Array) -> None:
    """See `chainrule.kernels.mixture.terms`."""
    log_p[...] = _terms(s, x, half, family, learned).log_p


def backward(
    dnll: Array, s: Array, x: Array, half: float, family: int, learned: bool, ds: Array
) -> None:
    """See `chainrule.kernels.mixture.backward`."""
    _, r, pi, sigma, slope, curve = _terms(s, x, half, family, learned)
    K, dnll = n_components(s, learned), dnll[:, None]
    t = s[:, K : 2 * K]
    e_t = np.where(t > T_MAX, s.dtype.type(0), np.exp(np.minimum(t, T_MAX)))
    ds[:, 2 * K :] = (dnll * (pi - r))[:, : ds.shape[1] - 2 * K]  # B5
    ds[:, K : 2 * K] = dnll * r * curve * (e_t / sigma)  # B3, B4
    ds[:, :K] = -dnll * r * (slope / sigma)  # B2


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
    """See `chainrule.kernels.mixture.nll_and_grad`."""
    terms(s, x, half, family, learned, nll)
    nll[...] = -nll
    backward(np.full(len(x), scale, s.dtype), s, x, half, family, learned, ds)


def input_gradient(ds: Array, learned: bool, dx: Array) -> None:
    """See `chainrule.kernels.mixture.input_gradient`."""
    dx[...] = -ds[:, : n_components(ds, learned)].sum(axis=1)  # B6


def _parts(s: Array, learned: bool) -> tuple[Array, Array, Array]:
    """Return μ, σ and b, each (M, K)."""
    K = n_components(s, learned)
    sigma = sigmas(s[:, K : 2 * K])  # F1
    b = np.zeros_like(sigma)
    if learned:
        with np.errstate(over="ignore"):
            b = s[:, 2 * K :] - s[:, 2 * K :].max(axis=1, keepdims=True)  # F4
    return s[:, :K], sigma, b


def _distances(x: Array, mu: Array, sigma: Array) -> Array:
    with np.errstate(over="ignore"):
        z: Array = np.clip((x[:, None] - mu) / sigma, -Z_MAX, Z_MAX)  # F2
    return z


def _terms(s: Array, x: Array, half: float, family: int, learned: bool) -> _Terms:
    mu, sigma, b = _parts(s, learned)
    z, real = _distances(x, mu, sigma), s.dtype.type
    with np.errstate(over="ignore", under="ignore"):
        if half:
            k = np.minimum(real(half) / sigma, real(Z_MAX))
            q, g, slope, curve = (_gaussian_step if family == GAUSSIAN else _laplace_step)(z, k)
            log_c = 0.0
        else:
            slope = z if family == GAUSSIAN else np.sign(z)
            q, g = z * z / 2 if family == GAUSSIAN else np.abs(z), 1 / sigma  # F3
            curve = 1 - z * slope
            log_c = math.log(2 * math.pi) / 2 if family == GAUSSIAN else math.log(2)
        A = np.exp(b).sum(axis=1)  # F4
        m = (b - q).max(axis=1)  # F5
        Z_j = np.exp(b - q - m[:, None]) * g  # F5
        Z = Z_j.sum(axis=1)  # F5
        log_p = m + (np.log(Z) - np.log(A) - real(log_c))  # F6
        return _Terms(log_p, Z_j / Z[:, None], np.exp(b) / A[:, None], sigma, slope, curve)  # B1


def _gaussian_step(z: Array, k: Array) -> tuple[Array, Array, Array, Array]:
    """Return q, g, slope and curve of each component."""
    at, over_c, root_half = np.abs(z), z.dtype.type(1 / math.sqrt(2 * math.pi)), math.sqrt(0.5)
    y = k * at
    z_lo, z_hi = at - k, at + k  # W1
    inside, e_y = z_lo < 0, np.exp(-2 * y)
    e_lo = np.exp(-z_lo * z_lo / 2)
    r_lo, r_hi = erfcx(np.abs(z_lo) * root_half), e_y * erfcx(z_hi * root_half)
    g = np.where(inside, 1 - e_lo * (r_lo + r_hi) / 2, (r_lo - r_hi) / 2)  # W2
    near = (y < NEAR_Y) & (k < NEAR_K)
    front = over_c * np.where(inside, e_lo, 1) / np.where(near, 1, g)
    slope, curve = front * -np.expm1(-2 * y), front * (z_hi * e_y - z_lo)  # W6
    q = np.where(near, at * at / 2, np.where(inside, 0, z_lo * z_lo / 2))
    Y, odd, even = _series(np.where(near, y, 0), np.where(near, k, 0))
    g = np.where(near, 2 * k * over_c * Y, g)  # W3
    slope = np.where(near, at * odd / Y, slope)  # W6
    curve = np.where(near, even - np.where(near, at, 0) ** 2 * odd, curve * Y) / Y  # W6
    return q, g, np.copysign(slope, z), curve


def _series(y: Array, k: Array) -> tuple[Array, Array, Array]:
    """Return Y, odd and even (W3)."""
    w, o = np.ones_like(y), np.ones_like(y)
    Y, odd, even = w, o, w
    for i in range(2, MOST_TERMS, 2):
        w = (y * y * o - k * k * w) / i
        o = (w - k * k * o) / (i + 1)
        Y, odd, even = Y + w / (i + 1), odd + o, even + w
    return Y, odd, even  # W3


def _laplace_step(z: Array, k: Array) -> tuple[Array, Array, Array, Array]:
    """Return q, g, slope and curve of each component."""
    at = np.abs(z)
    z_lo, z_hi = at - k, at + k  # W1
    inside, less_k, e_lo = z_lo < 0, -np.expm1(-2 * k), np.exp(-np.abs(z_lo))
    both = -np.expm1(-np.abs(z_lo)) - np.expm1(-z_hi)
    g = np.where(inside, both, less_k) / 2  # W4, W5
    slope = np.where(inside, e_lo * -np.expm1(-2 * at) / (2 * g), 1)  # W6
    of_inside = (z_hi * np.exp(-z_hi) - z_lo * e_lo) / (2 * g)  # W6
    curve = np.where(inside, of_inside, 2 * k * np.exp(-2 * k) / less_k - z_lo)  # W6
    return np.where(inside, 0, z_lo), g, np.copysign(slope, z), curve


def _float64(s: Array, learned: bool) -> tuple[Array, Array, Array]:
    """Return μ, σ and π in float64."""
    mu, sigma, b = _parts(s.astype(np.float64), learned)
    with np.errstate(under="ignore"):
        pi = np.exp(b)
    return mu, sigma, pi / pi.sum(axis=1, keepdims=True)


def _below(z: Array, family: int) -> Array:
    """Return Φ(z)."""
    if family == GAUSSIAN:
        phi: Array = _erfc(-z / math.sqrt(2)) / 2
        return phi
    with np.errstate(under="ignore"):
        half = np.exp(-np.abs(z)) / 2
    far: Array = np.where(z <= 0, half, 1 - half)
    return far


def _quantiles(u: Array, family: int) -> Array:
    """Return Φ^{-1}(u), a Gaussian's within less than SLACK."""
    tail = np.minimum(u, 1 - u)
    if family == GAUSSIAN:
        t = np.sqrt(-2 * np.log(tail))
        far = t - np.polyval(NUMERATOR[::-1], t) / np.polyval(DENOMINATOR[::-1], t)
    else:
        far = -np.log(2 * tail)
    quantile: Array = np.where(u < 0.5, -far, far)
    return quantile


def cdf(s: Array, x: Array, family: int, learned: bool, u: Array) -> None:
    """See `chainrule.kernels.mixture.cdf`."""
    mu, sigma, pi = _float64(s, learned)
    z = _distances(x.astype(np.float64), mu, sigma)
    lower = (pi * _below(z, family)).sum(axis=1)  # C1
    upper = (pi * _below(-z, family)).sum(axis=1)
    u[...] = np.clip(np.where(lower > 0.5, 1 - upper, lower), LEAST_U, MOST_U)  # C2


def draw(s: Array, u: Array, family: int, learned: bool, x: Array) -> None:
    """See `chainrule.kernels.mixture.draw`."""
    wanted = np.flatnonzero(~(u < 0))
    if wanted.size == 0:
        return
    parts = _float64(s[wanted], learned)
    x[wanted] = _inverse(np.clip(u[wanted].astype(np.float64), LEAST_U, MOST_U), *parts, family)


def _inverse(u: Any, mu: Array, sigma: Array, pi: Array, family: int) -> Array:
    """Return x with F(x) = u, (M,)."""
    quantile = _quantiles(u, family)[:, None]
    low = (mu + sigma * (quantile - SLACK)).min(axis=1)  # D1
    high = (mu + sigma * (quantile + SLACK)).max(axis=1)
    x = (pi * (mu + sigma * quantile)).sum(axis=1)
    before = last = high - low
    going = np.full(len(u), True)
    for _ in range(MOST_STEPS):
        miss, p = _residual(u, x, mu, sigma, pi, family)
        low, high = np.where(miss < 0, x, low), np.where(miss < 0, high, x)  # D3
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            step = -miss / p
            newton = (x + step > low) & (x + step < high) & (2 * np.abs(step) < before)
        newton |= miss == 0
        step = np.where(newton, np.where(miss == 0, 0, step), low + (high - low) / 2 - x)  # D4
        x = np.where(going, x + step, x)
        before, last = last, np.abs(step)
        going &= last > 2.0**-52 * (np.abs(x) + sigma.min(axis=1))  # D5
        if not going.any():
            break
    root: Array = x
    return root


def _residual(
    u: Array, x: Array, mu: Array, sigma: Array, pi: Array, family: int
) -> tuple[Array, Array]:
    """Return F(x) - u and p(x) up to the family's constant, (M,)."""
    z = _distances(x, mu, sigma)
    lower = (pi * _below(z, family)).sum(axis=1) - u
    upper = (1 - u) - (pi * _below(-z, family)).sum(axis=1)
    q, c = (z * z / 2, math.sqrt(2 * math.pi)) if family == GAUSSIAN else (np.abs(z), 2.0)
    with np.errstate(under="ignore"):
        p = (pi * np.exp(-q) / sigma).sum(axis=1) / c
    miss: Any = np.where(u > 0.5, upper, lower)  # D2
    return miss, p
