"""NumPy twin of the mixture: the definition that the fast ones are tested against."""

import math
from typing import Any

import numpy as np

from chainrule.kernels.mixture import (
    DENOMINATOR,
    GAUSSIAN,
    LEAST_U,
    MOST_STEPS,
    MOST_U,
    NUMERATOR,
    SLACK,
    T_MAX,
    Z_MAX,
    n_components,
    sigmas,
)
from chainrule.kernels.types import Array

_erfc: Any = np.vectorize(math.erfc, otypes=[np.float64])


def terms(s: Array, x: Array, family: int, learned: bool, log_p: Array) -> None:
    """See `chainrule.kernels.mixture.terms`."""
    log_p[...] = _density(s, x, family, learned)[0]


def backward(dnll: Array, s: Array, x: Array, family: int, learned: bool, ds: Array) -> None:
    """See `chainrule.kernels.mixture.backward`."""
    _, z, sigma, r, pi = _density(s, x, family, learned)
    K, one, dL = n_components(s, learned), s.dtype.type(1), dnll[:, None]
    slope = z if family == GAUSSIAN else np.sign(z)
    t = s[:, K : 2 * K]
    e_t = np.where(t > T_MAX, s.dtype.type(0), np.exp(np.minimum(t, T_MAX)))
    ds[:, 2 * K :] = (dL * (pi - r))[:, : ds.shape[1] - 2 * K]  # B5
    ds[:, K : 2 * K] = dL * r * (one - z * slope) * (e_t / sigma)  # B3, B4
    ds[:, :K] = -dL * r * (slope / sigma)  # B2


def nll_and_grad(
    s: Array, x: Array, scale: float, family: int, learned: bool, nll: Array, ds: Array
) -> None:
    """See `chainrule.kernels.mixture.nll_and_grad`."""
    terms(s, x, family, learned, nll)
    nll[...] = -nll
    backward(np.full(len(x), scale, s.dtype), s, x, family, learned, ds)


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


def _density(
    s: Array, x: Array, family: int, learned: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """Return log p, (M,), and z, σ, r and π, each (M, K)."""
    mu, sigma, b = _parts(s, learned)
    z = _distances(x, mu, sigma)
    q = z * z / 2 if family == GAUSSIAN else np.abs(z)  # F3
    with np.errstate(over="ignore", under="ignore"):
        A = np.exp(b).sum(axis=1)  # F4
        m = (b - q).max(axis=1)
        e = np.exp(b - q - m[:, None]) / sigma  # F5
        Z = e.sum(axis=1)
        c = math.log(2 * math.pi) / 2 if family == GAUSSIAN else math.log(2)
        log_p = m + (np.log(Z) - np.log(A) - s.dtype.type(c))  # F6
        r = e / Z[:, None]  # B1
        return log_p, z, sigma, r, np.exp(b) / A[:, None]


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
        g, p = _residual(u, x, mu, sigma, pi, family)
        low, high = np.where(g < 0, x, low), np.where(g < 0, high, x)  # D3
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            step = -g / p
            newton = (x + step > low) & (x + step < high) & (2 * np.abs(step) < before)
        newton |= g == 0
        step = np.where(newton, np.where(g == 0, 0, step), low + (high - low) / 2 - x)  # D4
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
    """Return g(x) and p(x) up to the family's constant, (M,)."""
    z = _distances(x, mu, sigma)
    lower = (pi * _below(z, family)).sum(axis=1) - u
    upper = (1 - u) - (pi * _below(-z, family)).sum(axis=1)
    q, c = (z * z / 2, math.sqrt(2 * math.pi)) if family == GAUSSIAN else (np.abs(z), 2.0)
    with np.errstate(under="ignore"):
        p = (pi * np.exp(-q) / sigma).sum(axis=1) / c
    g: Any = np.where(u > 0.5, upper, lower)  # D2
    return g, p
