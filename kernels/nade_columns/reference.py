"""NumPy twin of NADE over columns: the definition that the fast ones are tested against."""

from collections.abc import Iterator

import numpy as np

from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.columns import reference as columns
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.nade_columns import Weights
from chainrule.kernels.types import Array, Ids, Table

NUMBERS = (REAL, BIT)  # x_i is what its one row of W is multiplied by


def forward(layout: Layout, weights: Weights, x: Table, y: Ids, s: Array) -> None:
    """See `chainrule.kernels.nade_columns.forward`."""
    _forward(layout, weights, x, y, s)


def log_prob(layout: Layout, weights: Weights, x: Table, y: Ids, log_p: Array) -> None:
    """See `chainrule.kernels.nade_columns.log_prob`."""
    s = _outputs(layout, weights, x)
    _forward(layout, weights, x, y, s)
    columns.nll_and_grad(layout, s, x, 1.0, log_p, s)
    np.negative(log_p, out=log_p)


def nll_and_grad(
    layout: Layout,
    weights: Weights,
    x: Table,
    y: Ids,
    scale: float,
    nll: Array,
    grad: Weights,
    dx: Array,
) -> None:
    """See `chainrule.kernels.nade_columns.nll_and_grad`; here in two sweeps, F1-F4 and B1-B8."""
    s = _outputs(layout, weights, x)
    a = _forward(layout, weights, x, y, s)
    logits = s[:, layout.first[:-1][layout.values == BIT]]
    columns.nll_and_grad(layout, s, x, scale, nll, s)
    if len(dx):
        columns.input_gradient(layout, s, dx)
        dx[:, layout.values == BIT] = -scale * logits  # B9
    _backward(layout, weights, s, x, y, a, grad, dx)


def sample(layout: Layout, weights: Weights, u: Array, y: Ids, x: Table) -> None:
    """See `chainrule.kernels.nade_columns.sample`."""
    _, V, b, c, rho = weights
    a = _first(c, y, len(x))
    for i, rows, mine in _variables(layout):
        h = sigmoid(rho[i] * a if len(rho) else a)
        x_i = x[:, i].copy()
        columns.draw(layout, i, b[mine] + h @ V[mine].T, np.ascontiguousarray(u[:, i]), x_i)
        x[:, i] = x_i
        a += _input(layout, i, weights.W[rows], x_i)


def _forward(layout: Layout, weights: Weights, x: Table, y: Ids, s: Array) -> Array:
    """Overwrite s, and return a_{D+1}."""
    W, V, b, c, rho = weights
    a = _first(c, y, len(x))  # F1
    for i, rows, mine in _variables(layout):
        h = sigmoid(rho[i] * a if len(rho) else a)  # F2
        s[:, mine] = b[mine] + h @ V[mine].T  # F3
        a += _input(layout, i, W[rows], x[:, i])  # F4
    return a


def _backward(
    layout: Layout,
    weights: Weights,
    ds: Array,
    x: Table,
    y: Ids,
    a: Array,
    grad: Weights,
    dx: Array,
) -> None:
    """Overwrite `grad` and add to dx, if it is wanted, given ds and a_{D+1}, which becomes a_1."""
    W, V, _, c, rho = weights
    delta = np.zeros_like(a)
    for i, rows, mine in reversed(list(_variables(layout))):
        if layout.values[i] in NUMBERS:
            grad.W[rows] = x[:, i].astype(W.dtype) @ delta  # B1
            if len(dx):
                dx[:, i] += delta @ W[rows.start]  # B2, B9
        else:
            for v in range(1, layout.values[i]):
                grad.W[rows.start + v - 1] = delta[x[:, i] == v].sum(axis=0)  # B1
        a -= _input(layout, i, W[rows], x[:, i])  # B3
        rate = rho[i] if len(rho) else a.dtype.type(1)
        h = sigmoid(rate * a)
        grad.V[mine], grad.b[mine] = ds[:, mine].T @ h, ds[:, mine].sum(axis=0)  # B4
        t = ds[:, mine] @ V[mine] * (h * (1 - h))  # B5
        if len(rho):
            grad.rho[i] = (a * t).sum()  # B6
        delta += rate * t  # B7
    for k in range(len(c)):
        grad.c[k] = (delta[y == k] if len(y) else delta).sum(axis=0)  # B8


def _first(c: Array, y: Ids, n: int) -> Array:
    """Return a_1 of n rows."""
    return c[y] if len(y) else np.tile(c[0], (n, 1))


def _variables(layout: Layout) -> Iterator[tuple[int, slice, slice]]:
    """Yield each variable, its rows of W and its outputs."""
    row = 0
    for i, K in enumerate(layout.values.tolist()):
        rows = slice(row, row + max(1, K) - (K > 0))
        yield i, rows, slice(*layout.first[i : i + 2].tolist())
        row = rows.stop


def _input(layout: Layout, i: int, W_i: Array, x_i: Table) -> Array:
    """Return f(x_i) W_r(x_i) of each row, (N, H); W_i: variable i's rows of W."""
    if layout.values[i] in NUMBERS:
        times: Array = x_i[:, None] * W_i
        return times
    moved = np.zeros((len(x_i), W_i.shape[1]), W_i.dtype)
    moved[x_i != 0] = W_i[x_i[x_i != 0].astype(np.intp) - 1]
    return moved


def _outputs(layout: Layout, weights: Weights, x: Table) -> Array:
    """Return room for all outputs."""
    return np.empty((len(x), int(layout.first[-1])), weights.V.dtype)
