"""NumPy twin of rows of columns: each variable by the twin of its own kind."""

from collections.abc import Iterator

import numpy as np

from chainrule.kernels.bernoulli import reference as bernoulli
from chainrule.kernels.categorical import reference as categorical
from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.maths import sigmoid
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
            kind = layout.family, layout.learned
            mixture.terms(s[:, own], x[:, i], layout.half_steps[i], *kind, log_p[:, i])  # F3
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
    """Overwrite ds given dL/d(-log p(x_i)), (N, D)."""
    for i, K, own in _columns(layout):  # B1
        if K == BIT:
            bernoulli.backward(dnll[:, i], s[:, own], x[:, i, None], ds[:, own])
        elif K == REAL:
            kind = layout.half_steps[i], layout.family, layout.learned
            mixture.backward(dnll[:, i], s[:, own], x[:, i], *kind, ds[:, own])
        else:
            cross_entropy.backward(dnll[:, i], s[:, own], x[:, i].astype(np.int32), ds[:, own])
        ds[:, own][dnll[:, i] == 0] = 0


def input_gradient(layout: Layout, ds: Array, dx: Array) -> None:
    """See `chainrule.kernels.columns.input_gradient`."""
    dx[...] = 0
    for i, K, own in _columns(layout):
        if K == REAL:
            mixture.input_gradient(ds[:, own], layout.learned, dx[:, i])  # B2


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
    mixture.draw(s, u, layout.family, layout.learned, drawn)
    x[...] = np.where(u < 0, x, np.rint(drawn / step) * step if step else drawn)


def cdf_interval(layout: Layout, s: Array, x: Table, lo: Array, hi: Array) -> None:
    """See `chainrule.kernels.columns.cdf_interval`."""
    for i, K, own in _columns(layout):  # C1
        if K == BIT:
            p, one = sigmoid(s[:, own.start].astype(np.float64)), x[:, i] != 0
            lo[:, i], hi[:, i] = np.where(one, 0, p), np.where(one, p, 1)
        elif K == REAL:
            for sign, end in ((-1, lo), (1, hi)):
                at = x[:, i].astype(np.float64) + sign * layout.half_steps[i]
                mixture.cdf(s[:, own], at, layout.family, layout.learned, end[:, i])
        else:
            e = np.exp(s[:, own].astype(np.float64) - s[:, own].max(axis=1, keepdims=True))
            below = np.cumsum(e, axis=1)
            edges = np.concatenate([np.zeros((len(s), 1)), below / below[:, -1:]], axis=1)
            n, v = np.arange(len(s)), x[:, i].astype(np.int64)
            lo[:, i], hi[:, i] = edges[n, v], edges[n, v + 1]
