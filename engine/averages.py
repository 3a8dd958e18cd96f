"""The mean of several densities p_1 … p_K of the same x: a density too.

Mean        (F1)  p(x) = (1/K) Σ_k p_k(x),   so log p(x) = log Σ_k exp log p_k(x) - log K
            It is never negative, and Σ_x p(x) = (1/K) Σ_k Σ_x p_k(x) = 1. The mean of logarithms
            is the logarithm of no density: by Jensen's inequality it lies below F1, more the more
            the p_k differ, so its exponential sums to less than one. Nor is the mean of logits, the
            K networks' outputs, of any use: the factors of an average over k do not come from
            averages of factors.

Gradient    (F2)  r_k = exp(log p_k(x)) / Σ_j exp(log p_j(x))
            and, as ∇p = (1/K) Σ_k p_k ∇ log p_k,   ∇ log p(x) = Σ_k r_k ∇ log p_k(x).

Factors     Where all p_k have their factors in the same order, the mean has them too. With

            (F3)  ℓ_ki = Σ_{j≤i} log p_k(x_j | x_<j),   M_i = log Σ_k exp ℓ_ki,   M_0 = log K
            (F4)  log p(x_i | x_<i) = M_i - M_{i-1}
            (F5)  p(x_i | x_<i) = Σ_k w_ki p_k(x_i | x_<i),   log w_ki = ℓ_k,i-1 - M_{i-1}:
            what x_<i says about k weighs its conditional, as in `chainrule.engine.labels`, with a
            class that nobody is told, and that all start alike.

Outputs     F5 is a distribution of the same kind as its parts, from outputs s of its own:
            (F6)  of a bit         s = log Σ_k w_k σ(s_k) - log Σ_k w_k σ(-s_k)
            (F7)  of categories    s = log Σ_k w_k softmax(s_k)
            (F8)  of a real one    a mixture of K times as many components: all the μ_kj and scales
                                   side by side, of weights w_k π_kj, whose logarithms are outputs
            (F9)  with an atom     F6 of whether x is the atom, and F8 with w_k σ(-s_k), what k says
                                   of x's being another value, in the place of w_k

Everything is in nats, and summed in float64.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels import columns
from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array


def log_mean(log_p: Array) -> Array:
    """Return log p(x), (N,), given log p_k(x), (K, N): F1."""
    out: Array = log_sum(log_p) - np.log(len(log_p))  # F1
    return out


def shares(log_p: Array) -> Array:
    """Return r_k of each x, (K, N), given log p_k(x): F2."""
    xp = array_module(log_p)
    out: Array = xp.exp(log_p - log_sum(log_p))  # F2
    return out


def factors(terms: Array) -> tuple[Array, Array]:
    """Return log p(x_i | x_<i), (N, D), and log w_ki, (K, N, D), given the K densities' terms."""
    xp = array_module(terms)
    ell = xp.zeros((*terms.shape[:2], terms.shape[2] + 1), np.float64)
    ell[:, :, 1:] = xp.cumsum(terms, axis=2, dtype=np.float64)  # F3
    M = log_sum(ell)
    return M[:, 1:] - M[:, :-1], (ell - M)[:, :, :-1]  # F4, F5


def log_sum(ell: Any, axis: int = 0) -> Any:
    """Return log Σ exp ℓ over an axis."""
    xp = array_module(ell)
    ell = ell.astype(np.float64)
    top = ell.max(axis=axis, keepdims=True)
    return (top + xp.log(xp.exp(ell - top).sum(axis=axis, keepdims=True))).squeeze(axis)


def layout(of_one: Layout, K: int) -> Layout:
    """Return the layout of the mean's outputs, given that of each of its K parts."""
    values = _host(of_one.values).tolist()
    xp, C = array_module(of_one.values), of_one.n_components * K
    halves = tuple(_host(of_one.half_steps).tolist())
    return columns.layout(values, C, of_one.family, True, xp, halves, _atoms(of_one))


def outputs(of_one: Layout, mean: Layout, s: Array, log_w: Array) -> Array:
    """Return the mean's outputs, (N, S'), given its parts', (K, N, S), and log w, (K, N, D).

    of_one: the layout of each part. mean: by `layout`.
    """
    values, first, into = map(_host, (of_one.values, of_one.first, mean.first))
    xp = array_module(s)
    out: Array = xp.empty((s.shape[1], int(into[-1])), s.dtype)
    sizes = np.diff(first)
    for kind, size in np.unique([values, sizes], axis=1).T:
        which = np.flatnonzero((values == kind) & (sizes == size))
        at, to = (
            xp.asarray(a[which][:, None] + np.arange(a[which[0] + 1] - a[which[0]]))
            for a in (first, into)
        )
        out[:, to] = _mixed(int(kind), of_one, s[:, :, at], log_w[:, :, xp.asarray(which), None])
    return out


def _mixed(kind: int, of_one: Layout, s: Any, log_w: Any) -> Any:
    """Return the mean's outputs of variables of one kind, given (K, …, n_i) and (K, …, 1)."""
    xp, s = array_module(s), s.astype(np.float64)
    if kind == BIT:
        return log_sum(log_w - xp.logaddexp(0, -s)) - log_sum(log_w - xp.logaddexp(0, s))  # F6
    if kind != REAL:
        return log_sum(log_w + _log_softmax(s))  # F7
    C = of_one.n_components
    a = s[..., 2 * C : 3 * C] if of_one.learned else xp.zeros_like(s[..., :C])
    atom = s[..., columns.n_outputs(REAL, C, of_one.learned) :]  # F9: one output, or none
    own = _mixed(BIT, of_one, atom, log_w)
    log_w = log_w - xp.logaddexp(0, atom) if atom.shape[-1] else log_w
    parts = s[..., :C], s[..., C : 2 * C], log_w + _log_softmax(a)  # F8
    beside = [xp.moveaxis(part, 0, -2) for part in parts]
    return xp.concatenate([*(part.reshape(*part.shape[:-2], -1) for part in beside), own], axis=-1)


def _atoms(of_one: Layout) -> list[float | None]:
    """Return the atom of each variable, None of those without."""
    return [None if np.isnan(atom) else atom for atom in _host(of_one.atoms).tolist()]


def _log_softmax(a: Any) -> Any:
    return a - log_sum(a, -1)[..., None]


def _host(numbers: Any) -> Any:
    return numbers.get() if on_device(numbers) else numbers


class MeanUnits:
    """What the mean remembers of n rows: what its parts do, and how likely each is by now.

    parts: as `chainrule.engine.stepping` asks for, of outputs by the layout `of_one` each.
    """

    def __init__(self, parts: Sequence[Any], of_one: Layout) -> None:
        """Start before the first variable, when all are as likely."""
        self._parts, self._of_one, self._log_w = parts, of_one, None
        self._values = _host(of_one.values).tolist()
        halves = _host(of_one.half_steps).tolist()
        self._kinds = list(zip(self._values, halves, _atoms(of_one), strict=True))
        self._layouts = {kind: self._of_variable(*kind) for kind in set(self._kinds)}

    def outputs(self, i: int) -> Array:
        """Return the outputs of the mean's conditional, (n, n_i): F5."""
        s = self._stacked(i)
        out: Array = _mixed(self._values[i], self._of_one, s, self._weights(s)[..., None])
        return out.astype(s.dtype)

    def move(self, i: int, x: Any) -> None:
        """Take in x_i, (n,)."""
        s = self._stacked(i)
        xp, (K, n, n_i) = array_module(s), s.shape
        log_p = xp.empty((K * n, 1), s.dtype)
        of_i = self._layouts[self._kinds[i]]
        columns.terms(of_i, s.reshape(K * n, n_i), xp.tile(x, K)[:, None], log_p)
        self._log_w = self._weights(s) + log_p.reshape(K, n)  # F3
        for part in self._parts:
            part.move(i, x)

    def _stacked(self, i: int) -> Any:
        parts = [part.outputs(i) for part in self._parts]
        return array_module(parts[0]).stack(parts)

    def _weights(self, s: Any) -> Any:
        """Return log w_k, (K, n), of the next variable."""
        if self._log_w is None:
            return array_module(s).full(s.shape[:2], -np.log(len(s)))
        return self._log_w - log_sum(self._log_w)  # F5

    def _of_variable(self, kind: int, half: float, atom: float | None) -> Layout:
        one = self._of_one
        xp = array_module(one.values)
        mixtures = one.n_components, one.family, one.learned
        return columns.layout((kind,), *mixtures, xp, (half,), (atom,))
