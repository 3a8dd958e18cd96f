"""Layers of hidden units under a mask's staircases, from inputs to outputs, direct connections too.

Shapes      x: (N, D)    h_l: (N, H_l)    s, ds: (N, S)    y: (N,)
            W_1: (R, H_1)    W_l: (H_{l-1}, H_l)    W_{L+1} = V: (H_L, S)    A: (R, S)
            c_l^y: (H_l,) and b^y: (S,), one of each a class

Forward     h_0 = x and, ∘ being the masks of `chainrule.engine.layers.masks`,
            (F1)  h_l = act(c_l^y + h_{l-1} (M_l ∘ W_l))        l = 1 … L
            (F2)  s   = b^y + h_L (M_{L+1} ∘ V)
            (F3)  s  += x (M_A ∘ A)                             with direct connections

Backward    (B1)  dA  = M_A ∘ xᵀ ds                             undoes F3
            (B2)  dV  = M_{L+1} ∘ h_Lᵀ ds,   dh_L = ds (M_{L+1} ∘ V)ᵀ,   db^k = Σ_{n: y_n = k} ds_n
                                                                undoes F2
            (B3)  da_l = dh_l ∘ act'                            undoes F1's act
            (B4)  dW_l, dh_{l-1}, dc_l^k from da_l as B2's      undoes F1's sum
            (B5)  dx = da_1 (M_1 ∘ W_1)ᵀ + ds (M_A ∘ A)ᵀ        where the inputs are asked about;
                  of a code, which is no number, it is 0

            The sums and products are chainrule.kernels.masked_linear's, act is
            chainrule.kernels.activation's. A weight under a mask is neither read nor moved.

Sampling    A unit of number m depends on x_1 … x_m alone, so once x_m is known it has all that it
            will ever get, and can be passed on, once. With a_l, (n, H_l), and s the sums so far:
            (S1)  a_1 += the row of W_1 that x_i chooses, or x_i times its row
            (S2)  units of number i, a range, are whole: h = act(a_l) there, a_{l+1} += h W_{l+1}
            (S3)  s += h V of the last layer's, and x_i's row of A
            Each weight is used once a row, whatever the number of variables: all of x costs what
            one pass does.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engine import classes
from chainrule.engine.arena import New
from chainrule.engine.layers.masks import Mask
from chainrule.kernels import activation, masked_bits, masked_linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_linear import reference
from chainrule.kernels.types import Array


class Arrays(NamedTuple):
    """Parameters, or gradients, in a mask's order: weights W_1 … V, biases c_1 … b, and A.

    biases: (n_classes, ·) each. direct: of no rows where there are no direct connections.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    direct: Array


def gathered(stored: Arrays, mask: Mask, new: New) -> Arrays:
    """Return the arrays in the mask's order: those that are stored, or copies from `new`."""
    if not mask.arranged:
        return stored
    here = _like(stored, new)
    for stored_W, W, (rows, columns) in zip(
        stored.weights, here.weights, _places(mask), strict=True
    ):
        masked_linear.arrange(stored_W, rows, columns, W)
    for stored_c, c, places in zip(stored.biases, here.biases, _columns(mask), strict=True):
        c[...] = stored_c[:, places]
    if len(stored.direct):
        masked_linear.arrange(stored.direct, mask.rows, mask.columns, here.direct)
    return here


def scattered(grad: Arrays, mask: Mask, new: New) -> Arrays:
    """Return where a pass writes gradients that `store` then puts in place."""
    return _like(grad, new) if mask.arranged else grad


def store(here: Arrays, mask: Mask, grad: Arrays) -> None:
    """Overwrite grad by gradients in the mask's order."""
    if not mask.arranged:
        return
    for W, stored_W, (rows, columns) in zip(
        here.weights, grad.weights, _places(mask, True), strict=True
    ):
        masked_linear.arrange(W, rows, columns, stored_W)
    for c, stored_c, places in zip(here.biases, grad.biases, _columns(mask, True), strict=True):
        stored_c[...] = c[:, places]
    if len(grad.direct):
        masked_linear.arrange(here.direct, mask.rows_back, mask.columns_back, grad.direct)


def visible(mask: Mask, direct: bool) -> list[Any]:
    """Return which entries of W_1 … V, and A, the mask lets through, bool, as stored, on the host.

    direct: whether A has rows.
    """
    seen = []
    for stairs, places in zip(mask.stairs, _places(mask, True), strict=True):
        seen.append(reference.mask(stairs)[np.ix_(*map(_host, places))])
    A = reference.mask(mask.direct)[np.ix_(_host(mask.rows_back), _host(mask.columns_back))]
    return [*seen, A if direct else A[:0]]


def _like(arrays: Arrays, new: New) -> Arrays:
    weights = tuple(new(W.shape) for W in arrays.weights)
    return Arrays(weights, tuple(new(c.shape) for c in arrays.biases), new(arrays.direct.shape))


def _columns(mask: Mask, back: bool = False) -> tuple[Any, ...]:
    if back:
        return *mask.units_back, mask.columns_back
    return *mask.units, mask.columns


def _places(mask: Mask, back: bool = False) -> Any:
    """Return each matrix's rows and columns."""
    columns = _columns(mask, back)
    rows = (mask.rows_back if back else mask.rows, *columns[:-1])
    return zip(rows, columns, strict=True) if len(mask.stairs) else ()


def forward(
    arrays: Arrays, mask: Mask, kind: int, x: Any, y: Any, new: New
) -> tuple[list[Array], Array]:
    """Return the layers' units h_1 … h_L, and the outputs s; arrays come from `new`."""
    below, hidden = x, []
    for W, c, stairs in zip(arrays.weights[:-1], arrays.biases[:-1], mask.stairs, strict=False):
        h = new((len(x), W.shape[1]))
        _affine(below, W, c, stairs, y, h)  # F1
        activation.forward(kind, h)  # F1
        hidden.append(h)
        below = h
    s = new((len(x), arrays.biases[-1].shape[1]))
    if mask.stairs:
        _affine(below, arrays.weights[-1], arrays.biases[-1], mask.stairs[-1], y, s)  # F2
    else:
        s[...] = classes.rows(arrays.biases[-1], y, len(x))  # F2 of no units
    if len(arrays.direct):
        masked_linear.add(x, arrays.direct, mask.direct, s)  # F3
    return hidden, s


def loss_of_bits(
    arrays: Arrays, mask: Mask, kind: int, x: Any, total: int, grad: Arrays, new: New
) -> float:
    """Return Σ_n -log p(x_n) / total of bits, by one layer and one class; overwrite grad."""
    W, (below, above) = arrays.weights[0], mask.stairs
    xp, size = array_module(W), (len(x), W.shape[1])
    h, s, da, nll = new(size), new(x.shape), new(size), xp.empty(len(x), W.dtype)
    theta, d_theta = (
        masked_bits.Layers(a.weights[0], a.biases[0][0], a.weights[1], a.biases[1][0])
        for a in (arrays, grad)
    )
    rate = xp.full_like(nll, 1 / total)
    masked_bits.loss_and_grad(kind, x, rate, theta, below, above, h, s, da, nll, d_theta)
    return float(nll.sum(dtype=np.float64)) / total


def sample_bits(arrays: Arrays, mask: Mask, kind: int, u: Array, x: Any) -> None:
    """Draw bits x where u ≥ 0, by one layer and one class: S1 to S3 in one kernel."""
    (W, V), (c, b), (below, above) = arrays.weights, arrays.biases, mask.stairs
    masked_bits.sample(kind, u, masked_bits.Layers(W, c[0], V, b[0]), below, above, x)


def backward(
    arrays: Arrays,
    mask: Mask,
    kind: int,
    x: Any,
    y: Any,
    hidden: list[Array],
    ds: Array,
    grad: Arrays,
    dx: Array | None,
    new: New,
) -> None:
    """Overwrite grad, and dx where it is given, given ds = dL/ds."""
    if dx is not None:
        dx[...] = 0
    if len(arrays.direct):
        masked_linear.add_backward(ds, x, mask.direct, grad.direct)  # B1
        _add_input_gradient(ds, arrays.direct, mask.direct, dx, new)
    d = ds
    for l in reversed(range(len(mask.stairs))):
        below, W, stairs = hidden[l - 1] if l else x, arrays.weights[l], mask.stairs[l]
        dW, dc = grad.weights[l], grad.biases[l]
        of_all = dc[0] if len(dc) == 1 else new(dc.shape[1:])
        dh = None if l == 0 else new(below.shape)
        if dh is None:
            masked_linear.backward(d, below, stairs, dW, of_all)  # B4
        else:
            masked_linear.backward_through(d, below, W, stairs, dW, of_all, dh)  # B2, B4
        if len(dc) > 1:
            classes.add_up(d, y, dc)
        if dh is None:
            _add_input_gradient(d, W, stairs, dx, new)
            return
        activation.backward(kind, below, dh)  # B3
        d = dh
    classes.add_up(ds, y, grad.biases[-1])  # B2 of no units


def _affine(x: Any, W: Array, c: Array, stairs: Any, y: Any, out: Array) -> None:
    if len(c) == 1:
        masked_linear.forward(x, W, c[0], stairs, out)
    else:
        out[...] = c[y]
        masked_linear.add(x, W, stairs, out)


def _add_input_gradient(d: Array, W: Array, stairs: Any, dx: Array | None, new: New) -> None:
    if dx is not None:
        part = new(dx.shape)
        masked_linear.input_gradient(d, W, stairs, part)  # B5
        dx += part


class MaskedUnits:
    """What a network remembers of n rows of which the first i variables are known: S1-S3."""

    def __init__(self, arrays: Arrays, mask: Mask, kind: int, n: int, y: Any) -> None:
        """Start before the first variable; without a unit that waits for none."""
        self._arrays, self._mask, self._kind = arrays, mask, kind
        self._sums = [classes.rows(c, y, n) for c in arrays.biases]
        D = len(mask.order)
        self._outputs = np.searchsorted(_host(mask.direct.reach), np.arange(D + 1), "left")
        edges = np.arange(1, D + 2)
        self._units = [np.searchsorted(m, edges, "left").tolist() for m in mask.numbers]

    def outputs(self, i: int) -> Array:
        """Return the outputs for x_i, (n, n_i)."""
        s: Array = self._sums[-1][:, self._outputs[i] : self._outputs[i + 1]]
        return s

    def move(self, i: int, x: Any) -> None:
        """Take in x_i, (n,)."""
        (weights, _, A), sums, stairs = self._arrays, self._sums, self._mask.stairs
        value = array_module(sums[0]).ascontiguousarray(x)[:, None]
        if len(weights):
            masked_linear.add_inputs(value, i, weights[0], stairs[0], sums[0])  # S1
        if len(A):
            masked_linear.add_inputs(value, i, A, self._mask.direct, sums[-1])  # S3
        for l, bounds in enumerate(self._units):
            first, last = bounds[i], bounds[i + 1]
            if first < last:
                h = sums[l][:, first:last].copy()
                activation.forward(self._kind, h)  # S2
                masked_linear.add_inputs(h, first, weights[l + 1], stairs[l + 1], sums[l + 1])  # S3


def _host(array: Any) -> Any:
    return array.get() if hasattr(array, "get") else array
