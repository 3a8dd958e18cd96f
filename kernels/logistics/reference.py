"""NumPy twin of the mixture of logistics: the definition that the fast ones are tested against."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.logistics import T_MAX, Z_MAX, least_log_scale
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Ids


class _Masses(NamedTuple):
    """M = e^{-d} g of each component, and its slopes."""

    d: Array
    g: Array
    slope: Array  # ∂(log M)/∂μ over n k
    curve: Array  # -∂(log M)/∂t


def forward(s: Array, x: Ids, levels: int, nll: Array) -> None:
    """See `chainrule.kernels.logistics.forward`."""
    b, A = _weights(s)
    mass, _, _ = _masses(s, x, levels)
    m, Z_j = _shares(b, mass)
    nll[...] = np.log(A) - np.log(Z_j.sum(axis=1)) - m  # F7
    nll[x < 0] = 0


def backward(dnll: Array, s: Array, x: Ids, levels: int, ds: Array) -> None:
    """See `chainrule.kernels.logistics.backward`."""
    K = s.shape[1] // 3
    b, A = _weights(s)
    mass, k, held = _masses(s, x, levels)
    _, Z_j = _shares(b, mass)
    dnll = dnll[:, None]
    with np.errstate(under="ignore"):
        r, pi = Z_j / Z_j.sum(axis=1, keepdims=True), np.exp(b) / A[:, None]  # B1
    ds[:, :K] = -dnll * r * ((levels - 1) * k * mass.slope)  # B4
    ds[:, K : 2 * K] = dnll * r * np.where(held, s.dtype.type(0), mass.curve)  # B5
    ds[:, 2 * K :] = dnll * (pi - r)  # B6
    ds[x < 0] = 0


def nll_and_grad(s: Array, x: Ids, levels: int, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.logistics.nll_and_grad`."""
    forward(s, x, levels, nll)
    backward(np.full(len(s), scale, s.dtype), s, x, levels, ds)


def conditionals(s: Array, p: Array) -> None:
    """See `chainrule.kernels.logistics.conditionals`."""
    levels = p.shape[1]
    b, A = _weights(s)
    with np.errstate(under="ignore"):
        pi = np.exp(b) / A[:, None]
        for v in range(levels):
            mass, _, _ = _masses(s, np.full(len(s), v), levels)
            p[:, v] = (pi * (np.exp(-mass.d) * mass.g)).sum(axis=1)  # C1


def draw(s: Array, u: Array, levels: int, x: Ids) -> None:
    """See `chainrule.kernels.logistics.draw`."""
    wanted = np.flatnonzero(~(u < 0))
    s, u = s[wanted].astype(np.float64), u[wanted].astype(np.float64)
    b, A = _weights(s)
    w, (k, _) = np.exp(b), _steps(s, levels)
    low, high = np.zeros(len(u), np.int64), np.full(len(u), levels - 1)
    for _ in range((levels - 1).bit_length()):
        v = (low + high) // 2
        end = _distances(s, 2 * v, levels, k) + k
        beyond = (w * sigmoid(end)).sum(axis=1) > u * A  # D1, D2
        open_ = low < high
        low, high = np.where(open_ & ~beyond, v + 1, low), np.where(open_ & beyond, v, high)  # D3
    x[wanted] = low


def _weights(s: Array) -> tuple[Array, Array]:
    """Return b, (M, K), and A, (M,)."""
    a = s[:, 2 * (s.shape[1] // 3) :]
    with np.errstate(over="ignore", under="ignore"):
        b = a - a.max(axis=1, keepdims=True)  # F5
        return b, np.exp(b).sum(axis=1)


def _steps(s: Array, levels: int) -> tuple[Array, Any]:
    """Return k, and whether t is held, (M, K)."""
    K, least = s.shape[1] // 3, least_log_scale(levels)
    t = s[:, K : 2 * K]
    k = np.exp(-np.clip(t, least, T_MAX)) / (levels - 1)  # F1
    return k, (t < least) | (t > T_MAX)


def _distances(s: Array, twice: Any, levels: int, k: Array) -> Array:
    """Return z, (M, K); twice: (M,), of level v the number 2v."""
    y, n = (twice - (levels - 1)).astype(s.dtype), levels - 1
    with np.errstate(over="ignore"):
        z: Array = np.clip((y[:, None] - n * s[:, : s.shape[1] // 3]) * k, -Z_MAX, Z_MAX)  # F2
    return z


def _masses(s: Array, x: Any, levels: int) -> tuple[_Masses, Array, Any]:
    """Return what F6 and the gradient need of each component's mass, k, and whether t is held."""
    k, held = _steps(s, levels)
    z = _distances(s, 2 * np.maximum(x, 0), levels, k)
    first, last = (x <= 0)[:, None], (x == levels - 1)[:, None]
    with np.errstate(under="ignore"):
        inner, edge = _inner(z, k), _edge(np.where(first, z + k, k - z), first)
    of_edges = zip(edge, inner, strict=True)
    return _Masses(*(np.where(first | last, e, i) for e, i in of_edges)), k, held


def _inner(z: Array, k: Array) -> _Masses:
    at, q, less_q = np.abs(z), np.exp(-k), -np.expm1(-k)
    E, less_E, less = np.exp(-at), -np.expm1(-at), less_q * (1 + q)
    w = (1 + E * q) * (E + q)  # F3
    apart, both = q * (less_E * (1 + E)) / w, q * (1 + E * (E + 2 * q)) / w  # B2
    curve = k * (both + 2 * q * q / less) - at * apart
    return _Masses(at, less / w, np.copysign(apart, z), curve)  # F3


def _edge(c: Array, first: Any) -> _Masses:
    E = np.exp(-np.abs(c))
    g = 1 / (1 + E)  # F4
    beyond = np.where(c >= 0, E, 1) * g  # B3
    return _Masses(np.maximum(-c, 0), g, np.where(first, -beyond, beyond), c * beyond)  # F4


def _shares(b: Array, mass: _Masses) -> tuple[Array, Array]:
    """Return m, (M,), and Z_j, (M, K)."""
    m = (b - mass.d).max(axis=1)
    with np.errstate(under="ignore"):
        return m, np.exp(b - mass.d - m[:, None]) * mass.g  # F6
