"""NumPy twin of rows of columns: each variable by the twin of its own kind."""

from collections.abc import Iterator

import numpy as np

from chainrule.kernels.bernoulli import reference as bernoulli
from chainrule.kernels.categorical import reference as categorical
from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.maths import sigmoid, softplus
from chainrule.kernels.mixture import MOST_U
from chainrule.kernels.mixture import reference as mixture
from chainrule.kernels.softmax_cross_entropy import reference as cross_entropy
from chainrule.kernels.types import Array, Table


def _columns(layout: Layout) -> Iterator[tuple[int, int, slice]]:
    """Yield each variable's number, how many values it has, and its outputs."""
    for i, K in enumerate(layout.values.tolist()):
        yield i, K, slice(int(layout.first[i]), int(layout.first[i + 1]))


def terms(layout: Layout, s: Array, x: Table, log_p: Array) -> None:
    """See `chainrule.kernels.columns.terms`."""
    for i, K, own in _columns(layout):
        if K == BIT:
            bernoulli.terms(s[:, own], x[:, i, None], log_p[:, i, None])  # F1
        elif K == REAL:
            _number_terms(layout, i, s[:, own], x[:, i], log_p[:, i])
        else:
            cross_entropy.forward(s[:, own], x[:, i].astype(np.int32), log_p[:, i])  # F2
            log_p[:, i] *= -1


def nll_and_grad(layout: Layout, s: Array, x: Table, scale: float, nll: Array, ds: Array) -> None:
    """See `chainrule.kernels.columns.nll_and_grad`."""
    log_p = np.empty(x.shape, s.dtype)
    terms(layout, s, x, log_p)
    nll[...] = -log_p.sum(axis=1)  # F4
    _backward(layout, s, x, np.full(x.shape, scale, s.dtype), ds)


def weighted_nll_and_grad(
    layout: Layout, s: Array, x: Table, weights: Array, nll: Array, ds: Array
) -> None:
    """See `chainrule.kernels.columns.weighted_nll_and_grad`."""
    log_p, x = np.empty(x.shape, s.dtype), np.where(weights == 0, x.dtype.type(0), x)
    terms(layout, s, x, log_p)
    nll[...] = -np.where(weights == 0, 0, weights * log_p).sum(axis=1)  # F4
    _backward(layout, s, x, weights, ds)


def _backward(layout: Layout, s: Array, x: Table, dnll: Array, ds: Array) -> None:
    """Overwrite ds given dnll, the gradient in each -log p(x_i), (N, D)."""
    for i, K, own in _columns(layout):  # B1
        if K == BIT:
            bernoulli.backward(dnll[:, i], s[:, own], x[:, i, None], ds[:, own])
        elif K == REAL:
            _number_backward(layout, i, dnll[:, i], s[:, own], x[:, i], ds[:, own])
        else:
            cross_entropy.backward(dnll[:, i], s[:, own], x[:, i].astype(np.int32), ds[:, own])
        ds[:, own][dnll[:, i] == 0] = 0


def _has_atom(layout: Layout, i: int) -> bool:
    return not np.isnan(layout.atoms[i])


def _atom(layout: Layout, i: int, s: Array) -> Array:
    """Return ξ of each row, as x has it, in s's dtype."""
    return np.full(len(s), layout.atoms[i], s.dtype)


def _of_mixture(layout: Layout, s: Array) -> Array:
    """Return a real variable's outputs without the atom's, a view."""
    return s[:, : (3 if layout.learned else 2) * layout.n_components]


def _number_terms(layout: Layout, i: int, s: Array, x: Table, log_p: Array) -> None:
    """Overwrite log_p of a real variable, whose outputs are s, (M, n_i)."""
    kind = layout.half_steps[i], layout.family, layout.learned
    mixture.terms(_of_mixture(layout, s), x, *kind, log_p)  # F3
    if _has_atom(layout, i):
        a, at = s[:, -1], x == _atom(layout, i, s)
        both = softplus(log_p - a) if layout.half_steps[i] else 0
        log_p[...] = np.where(at, both - softplus(-a), log_p - softplus(a))  # P1, P2 by P3, P4


def _number_backward(layout: Layout, i: int, dnll: Array, s: Array, x: Table, ds: Array) -> None:
    """Overwrite ds of a real variable."""
    kind = layout.half_steps[i], layout.family, layout.learned
    own, into, log_mix = _of_mixture(layout, s), _of_mixture(layout, ds), np.empty_like(dnll)
    if not _has_atom(layout, i):
        mixture.backward(dnll, own, x, *kind, into)
        return
    mixture.terms(own, x, *kind, log_mix)
    a, at = s[:, -1].copy(), x == _atom(layout, i, s)
    share = sigmoid(log_mix - a) if layout.half_steps[i] else np.zeros_like(a)  # P5
    mixture.backward(dnll * np.where(at, share, 1), own, x, *kind, into)  # P6
    ds[:, -1] = dnll * np.where(at, share - sigmoid(-a), sigmoid(a))  # P7


def _chances(s: Array) -> tuple[Array, Array]:
    """Return π and 1 - π of each row, float64."""
    a = s[:, -1].astype(np.float64)
    return sigmoid(a), sigmoid(-a)


def _mixture_interval(layout: Layout, i: int, s: Array, x: Array) -> tuple[Array, Array]:
    """Return the uniforms from which a mixture draws x, (M,), in s's dtype."""
    ends = np.empty((2, len(x)))
    for sign, end in zip((-1, 1), ends, strict=True):
        at = x.astype(np.float64) + sign * layout.half_steps[i]
        mixture.cdf(_of_mixture(layout, s), at, layout.family, layout.learned, end)
    return ends[0], ends[1]


def _number_interval(layout: Layout, i: int, s: Array, x: Array) -> tuple[Array, Array]:
    """Return the uniforms from which a real variable is drawn, of outputs s, (M, n_i)."""
    lo, hi = _mixture_interval(layout, i, s, x)
    if not _has_atom(layout, i):
        return lo, hi
    (pi, less), atom = _chances(s), _atom(layout, i, s)
    lo, hi = less * lo + np.where(x > atom, pi, 0), less * hi + np.where(x >= atom, pi, 0)  # P8
    return np.minimum(lo, MOST_U), np.minimum(hi, 1)


def input_gradient(layout: Layout, ds: Array, dx: Array) -> None:
    """See `chainrule.kernels.columns.input_gradient`."""
    dx[...] = 0
    for i, K, own in _columns(layout):
        if K == REAL:
            mixture.input_gradient(_of_mixture(layout, ds[:, own]), layout.learned, dx[:, i])  # B2


def draw(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    """See `chainrule.kernels.columns.draw`."""
    K = int(layout.values[i])  # D1
    if K == BIT:
        x[...] = np.where(u < 0, x, u < sigmoid(s[:, 0].astype(np.float64)))
    elif K == REAL:
        _draw_number(layout, i, s, u, x)
    else:
        ids = np.zeros(len(s), np.int32)
        categorical.draw(s, u, 1.0, 0, 1.0, ids)
        x[...] = np.where(u < 0, x, ids)


def _draw_number(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    drawn, step = x.astype(np.float64), 2 * layout.half_steps[i]
    at, of_mixture = np.zeros(len(u), bool), u
    if _has_atom(layout, i):  # P9
        (pi, less), (below, above) = (
            _chances(s),
            _mixture_interval(layout, i, s, _atom(layout, i, s)),
        )
        at = (u >= less * below) & (u < less * above + pi)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            low, high = np.minimum(u / less, below), np.maximum((u - pi) / less, above)
        of_mixture = np.where((u < 0) | at, -1, np.where(u < less * below, low, high))
    mixture.draw(_of_mixture(layout, s), of_mixture, layout.family, layout.learned, drawn)
    drawn = np.rint(drawn / step) * step if step else drawn
    x[...] = np.where(u < 0, x, np.where(at, layout.atoms[i], drawn))


def cdf_interval(layout: Layout, s: Array, x: Table, lo: Array, hi: Array) -> None:
    """See `chainrule.kernels.columns.cdf_interval`."""
    for i, K, own in _columns(layout):  # C1
        if K == BIT:
            p, one = sigmoid(s[:, own.start].astype(np.float64)), x[:, i] != 0
            lo[:, i], hi[:, i] = np.where(one, 0, p), np.where(one, p, 1)
        elif K == REAL:
            lo[:, i], hi[:, i] = _number_interval(layout, i, s[:, own], x[:, i].astype(s.dtype))
        else:
            e = np.exp(s[:, own].astype(np.float64) - s[:, own].max(axis=1, keepdims=True))
            below = np.cumsum(e, axis=1)
            edges = np.concatenate([np.zeros((len(s), 1)), below / below[:, -1:]], axis=1)
            n, v = np.arange(len(s)), x[:, i].astype(np.int64)
            lo[:, i], hi[:, i] = edges[n, v], edges[n, v + 1]
