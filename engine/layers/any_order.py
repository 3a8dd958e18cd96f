"""The network of any-order NADE: from any observed variables to the outputs of all the others.

Shapes      x, o: (N, D), o of 0 and 1: which variables are observed    y: (N,)    u: (N, R + D)
            W: (R + D, H_1)    c^y: (H_1,)    V: (S, H_L)    b: (S,)    s: (N, S)
            W_l: (H_{l-1}, H_l), c_l: (H_l,) of the layers above, l = 2 … L

            Of the R inputs a bit and a real variable have one, K categories K. Of the S outputs
            each variable has what chainrule.kernels.columns says.

Forward     (F1)  u = [o ∘ φ(x), o]     φ(x_j): x_j itself of a bit and of a real number; of a
                                        category K zeros but for a one at x_j
                  The mask is an input too: row R + j of W is what knowing x_j adds, whatever it
                  is, and an observed 0 is thus not the same as nothing observed.
            (F2)  a_1 = c^y + u W
            (F3)  h_l = φ(a_l),  a_{l+1} = h_l W_{l+1} + c_{l+1}
            (F4)  s = h_L Vᵀ + b                    all but F1: chainrule.kernels.dense

Backward    From ds = dL/ds, (N, S),
            (B1)  db = Σ_n ds,   dV = dsᵀ h_L,   dh_L = ds V            undoes F4
            (B2)  da_1 and the layers' gradients, from dh_L            undoes F3
            (B3)  dW = uᵀ da_1,   dc^k = Σ_{n: y_n = k} da_1            undoes F2
            (B4)  dx_j = o_j W_j · da_1   of a bit, as if it were real, and of a real number; of a
                  category 0                                            undoes F1
            and x enters the loss Σ_i w_i · -log p(x_i | x_o) by name too: a real number as
            chainrule.kernels.columns has it, and a bit, whose loss is w (softplus(s) - x s),
            (B5)  dx_i = dx_i - w_i s_i

Cost        2 (R + D) H_1 + 2 Σ_l H_l H_{l+1} + 2 S H_L FLOPs a row forward, twice that backward.

Source      Uria, Murray and Larochelle 2014, "A Deep and Tractable Density Estimator", ICML
            (arXiv:1310.1757), section 3.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine import arena, classes
from chainrule.engine.arena import New
from chainrule.engine.distributions import columns, mixture
from chainrule.engine.event import Columns
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import activation, dense, linear
from chainrule.kernels import columns as kernel
from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

SMALL = 0.1  # weights of a real variable's outputs at the start, beside the others'
AT_ONCE = 2048  # rows that go through the network together where one row takes many passes


class AnyOrder(NamedTuple):
    """What the arrays of a network do not say; all on the host but the layout.

    activation: its number in chainrule.kernels.activation.
    values: of each variable. single: (D,), whether it is one input, a number. rows, ends: (D + 1,),
    where the inputs and the outputs of each variable begin, and R and S. layout: of s, where s is.
    """

    activation: int
    n_layers: int
    values: tuple[int, ...]
    n_classes: int
    single: Any
    rows: Any
    ends: Any
    layout: Layout

    @property
    def bits(self) -> Any:
        """Which variables are bits, (D,)."""
        return np.array(self.values) == BIT


class Cache(NamedTuple):
    """What `backward` needs from `forward`."""

    u: Array
    outs: tuple[Array, ...]  # h_1 … h_L and s
    seen: Any
    y: Any


def network(
    values: tuple[int, ...], activation: int, n_layers: int, n_classes: int, layout: Layout
) -> AnyOrder:
    """Return the network of variables of so many values each, whose outputs are laid out so."""
    single = np.array([K in (BIT, REAL) for K in values])
    rows = np.concatenate([[0], np.cumsum(np.where(single, 1, values))])
    first: Any = layout.first
    ends = first.get() if on_device(first) else first
    return AnyOrder(activation, n_layers, values, n_classes, single, rows, ends, layout)


def shapes(net: AnyOrder, hidden: tuple[int, ...]) -> Shapes:
    """Return the parameters' names and shapes, weights first."""
    D, R, S = len(net.values), int(net.rows[-1]), int(net.ends[-1])
    sizes = [(l, hidden[l - 2], hidden[l - 1]) for l in range(2, len(hidden) + 1)]
    weights = {f"W{l}": (below, H) for l, below, H in sizes}
    biases = {f"c{l}": (H,) for l, _, H in sizes}
    first, last = {"W": (R + D, hidden[0])}, {"V": (S, hidden[-1])}
    c = {"c": classes.shape(net, hidden[0])}
    return {**first, **weights, **last, "b": (S,), **c, **biases}


def begin(net: AnyOrder, params: Mapping[str, Array], rng: np.random.Generator) -> None:
    """Overwrite params, zeros, by what training starts from.

    Weights uniform in ±√(6 / (rows + columns)), biases 0; of a real variable's outputs SMALL of
    that, and the biases of `mixture.first_biases`; an atom's is 0.
    """
    for name, a in params.items():
        if name.startswith(("W", "V")):
            bound = (6 / sum(a.shape)) ** 0.5
            a[...] = rng.uniform(-bound, bound, a.shape)
    layout = net.layout
    begin = mixture.first_biases(layout.n_components, layout.family, layout.learned)
    for i in np.flatnonzero(np.array(net.values) == REAL):
        own = slice(int(net.ends[i]), int(net.ends[i + 1]))
        params["V"][own] *= SMALL
        params["b"][own][: len(begin)] = begin


def forward(
    net: AnyOrder, params: Mapping[str, Array], x: Any, seen: Any, y: Any, new: New
) -> tuple[Array, Cache]:
    """Return s, (N, S), of rows x of which `seen`, (N, D) bool, are observed, and the cache.

    What stands in x where nothing is observed is not read. y: of `engine.classes`.
    """
    u, c = inputs(net, x, seen, new), classes.table(net, params["c"])
    weights, biases = _weights(net, params), (c[y] if len(y) else c, *_rows(net, params))
    outs = tuple(new((len(x), W.shape[1])) for W in weights)
    dense.forward(_kinds(net), u, weights, biases, outs)  # F2, F3, F4
    return outs[-1], Cache(u, outs, seen, y)


def hidden(net: AnyOrder, params: Mapping[str, Array], a: Array, new: New) -> Array:
    """Return h_L from a_1, (N, H_1), which becomes h_1: F3, where nothing else is wanted."""
    activation.forward(net.activation, a)
    for l in range(2, net.n_layers + 1):
        below, c = a, params[f"c{l}"]
        a = new((len(below), len(c)))
        linear.forward(below, params[f"W{l}"], c, a)
        activation.forward(net.activation, a)
    return a


def _kinds(net: AnyOrder) -> tuple[int, ...]:
    """Return what the layers do with their sums, the last one nothing."""
    return (net.activation,) * net.n_layers + (dense.NONE,)


def _weights(net: AnyOrder, params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return W, W_2 … W_L and Vᵀ, or of a gradient theirs."""
    above = (params[f"W{l}"] for l in range(2, net.n_layers + 1))
    return params["W"], *above, params["V"].T


def _rows(net: AnyOrder, params: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return c_2 … c_L and b as rows, or of a gradient theirs."""
    return *(params[f"c{l}"][None] for l in range(2, net.n_layers + 1)), params["b"][None]


def backward(
    net: AnyOrder,
    ds: Array,
    cache: Cache,
    params: Mapping[str, Array],
    grad: Mapping[str, Array],
    new: New,
    dx: Array | None = None,
) -> None:
    """Overwrite the gradients of all parameters in `grad`, and dx, (N, D), where given."""
    u, outs, seen, y = cache
    down = (*(new(h.shape) for h in outs[:-1]), ds)
    biases = (ds[:0], *_rows(net, grad))  # the first one's, by class, is added up below
    weights = _weights(net, params), outs, down, _weights(net, grad)
    dense.backward(_kinds(net), u, *weights, biases)  # B1, B2, B3
    da = down[0]
    classes.add_up(da, y, classes.table(net, grad["c"]))
    if dx is not None:
        dx[...] = 0
        rows = params["W"][net.rows[:-1][net.single]]
        dx[:, net.single] = array_module(dx).where(seen[:, net.single], da @ rows.T, 0)  # B4


def loss_and_grad(
    net: AnyOrder,
    params: Params,
    x: Any,
    seen: Any,
    weights: Array,
    grad: Params,
    y: Any,
    dx: Array | None = None,
) -> float:
    """Return Σ w_i · -log p(x_i | x_o); overwrite its gradient, `grad`, and dx where given.

    seen: o, weights: w, (N, D), those of a row 0 or alike; x_i is read where one says so.
    """
    xp = array_module(params.flat)
    nll: Array = xp.empty(len(x), params.dtype)
    with arena.borrow(params.flat) as new:
        s, cache = forward(net, params, x, seen, y, new)
        at = net.ends[:-1][net.bits]
        own: Any = None if dx is None else weights[:, net.bits] * s[:, at]
        kernel.weighted_nll_and_grad(net.layout, s, x, weights, nll, s)
        backward(net, s, cache, params, grad, new, dx)
        if dx is not None:
            by_name = xp.empty_like(dx)
            kernel.input_gradient(net.layout, s, by_name)
            by_name[:, net.bits] = -own
            dx += by_name  # B5
    return float(nll.sum(dtype=np.float64))


def add_gradient(
    net: AnyOrder,
    params: Params,
    x: Any,
    order: Any,
    share: Array,
    grad: Params,
    y: Any,
    dx: Array | None = None,
) -> None:
    """Add to `grad`, and to dx, the gradient of Σ_n share_n · -log p_π(x_n); order: π, (D,).

    By D passes a row, one for each place in the order, AT_ONCE of them together.
    """
    xp, (N, D) = array_module(params.flat), x.shape
    rank, known, step = xp.asarray(np.argsort(order)), Columns.known(x), 1 + AT_ONCE // (N + 1)
    for d in range(0, D, step):
        place = xp.arange(d, min(d + step, D))[:, None, None]
        n_places = len(place)
        seen = ((rank < place) & known).reshape(n_places * N, D)
        weights = ((rank == place) & known) * share[:, None]
        weights = weights.astype(params.dtype).reshape(n_places * N, D)
        part, dx_part = grad.like(), None if dx is None else xp.empty(seen.shape, params.dtype)
        rows = xp.tile(x, (n_places, 1))
        loss_and_grad(net, params, rows, seen, weights, part, xp.tile(y, n_places), dx_part)
        grad.flat += part.flat
        if dx is not None and dx_part is not None:
            dx += dx_part.reshape(n_places, N, D).sum(axis=0)


def terms(net: AnyOrder, s: Array, x: Any, scored: Any) -> Array:
    """Return log p(x_i | …), (N, D), by the outputs s where scored, (N, D) bool, else 0."""
    if scored.all():
        return columns.log_prob_terms(net.layout, s, x)
    xp = array_module(s)
    values = xp.where(scored, x, xp.zeros((), x.dtype))
    log_p = columns.log_prob_terms(net.layout, s, values)
    out: Array = xp.where(scored, log_p, xp.zeros((), s.dtype))
    return out


def distributions(net: AnyOrder, s: Array, x: Any = None, seen: Any = None) -> Array:
    """Return each variable's distribution by the outputs s, (N, D, width), of bits p(1), (N, D).

    What is seen of x, where given, is certain instead: a real number with a scale of 0.
    """
    p: Array = columns.conditionals(net.layout, s)
    if seen is not None:
        _make_certain(net, p, x, seen)
    return p[:, :, 1] if net.bits.all() else p


def _make_certain(net: AnyOrder, p: Array, x: Any, seen: Any) -> None:
    """Overwrite the distributions of what is seen, in p, (N, D, width)."""
    xp, K = array_module(p), net.layout.n_components
    n, i = xp.nonzero(seen)
    values = x[n, i]
    real = xp.asarray(np.array(net.values) == REAL)[i]
    p[n, i] = 0
    p[n, i, xp.where(real, 0, values).astype(np.intp)] = 1
    p[n[real], i[real], K : 2 * K] = values[real][:, None]


def inputs(net: AnyOrder, x: Any, seen: Any, new: New) -> Array:
    """Return u, (N, R + D): F1."""
    xp, R = array_module(x), int(net.rows[-1])
    u = new((len(x), R + x.shape[1]))
    u[:, R:] = seen  # F1
    if net.bits.all():
        u[:, :R] = x * seen  # ten times as fast as a choice, which numbers that are missing need
        return u
    if net.single.all():
        u[:, :R] = xp.where(seen, x, 0)
        return u
    u[:, :R] = 0
    numbers, codes = np.flatnonzero(net.single), np.flatnonzero(~net.single)
    u[:, net.rows[numbers]] = xp.where(seen[:, numbers], x[:, numbers], 0)
    n, j = xp.nonzero(seen[:, codes])
    u[n, xp.asarray(net.rows[codes])[j] + x[:, codes][n, j].astype(np.int64)] = 1
    return u
