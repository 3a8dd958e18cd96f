"""Any-order NADE, several orderings: the mean of their densities, given anything, and draws of it.

Orderings   For an ordering π of the variables, with o_d = {π_1 … π_{d-1}},

                p_π(x) = Π_d p(x_{π_d} | x_{o_d})

            is a distribution, normalised exactly. There are D! of them from the same network, and
            nothing makes them one. Of a distribution p(x_1) p(x_2 | x_1) = p(x_2) p(x_1 | x_2);
            here each of the four comes from a pass of its own, and the two products differ by what
            training leaves: the conditionals of different orderings contradict each other, and so
            does what is asked of different orderings, such as a marginal here and a conditional
            there.
            The mean of several is a distribution too. The mean of their logarithms is none, and by
            Jensen's inequality never above the logarithm of their mean,

            (E1)  log p(x) = log Σ_k exp log p_{π_k}(x) - log K

            π_1 is the model's own order, 0 … D-1, the others are the same random ones always.

Given       Let π'_k be the ordering of what is given, g, in one and the same order for all k, and
            behind it of the free, f, as they come in π_k. By its chain rule
            (E2)  log p_{π'_k}(x_f | x_g) = Σ_{i in f} log p(x_i | x_g and those of x_f before i)
            and what is meant by given is the mean
            (E3)  p(x_f | x_g) = (1/K) Σ_k p_{π'_k}(x_f | x_g)
            It is a conditional, and exactly that of the mean over π'_1 … π'_K. For
                p(x_g, x_f) = (1/K) Σ_k p_{π'_k}(x_g) p_{π'_k}(x_f | x_g)
            whose first factors, Π_{i in g} p(x_i | those of g before i), are the same for all k, as
            g comes first in the same order in all. So they stand before the sum, and cancel against
            p(x_g) = Σ_f p(x_g, x_f), which is that factor: no k is to be weighed by what it says of
            x_g. Of E1, whose π_k mix g and f, the conditional would need the sums of each p_{π_k}
            over all x_f, which are too many. So log p(x_g) by E1 and log p(x_f | x_g) by E3 are of
            different orderings, and need not add up to log p(x). With g empty E3 is E1.

Missing     A missing value is in neither f nor g: of π'_k with the missing ones last it is the
            marginal exactly, since what they would add sums to one.

Draws       (S1)  k uniform on 0 … K-1, each row its own, whatever x_g; then by E2 of π'_k, variable
            by variable in its order: by E3 that is a draw of p(x_f | x_g), whatever the pattern. k
            is chosen by the row's first uniform, and what that leaves is uniform again:
            `chainrule.engine.ordering`.

Cost        Of N rows and D variables K times 2 N D Σ_l H_l H_{l+1} FLOPs, and O(K N D (H_1 + H_L)),
            by chainrule.engine.layers.any_order_walk; a draw as one ordering.

Source      Uria, Murray and Larochelle 2014, "A Deep and Tractable Density Estimator", ICML
            (arXiv:1310.1757): EoNADE, the mean over orderings.
"""

from typing import Any

import numpy as np

from chainrule.engine import averages, ordering
from chainrule.engine.event import Columns
from chainrule.engine.layers import any_order, any_order_walk
from chainrule.engine.layers.any_order import AnyOrder
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def each(net: AnyOrder, params: Params, x: Any, given: Any, y: Any, orders: Any) -> Array:
    """Return log p(x_f | x_g) of each of K orders, (K, N).

    given: (N, D) bool marks g; None: nothing is. orders: (K, D). Missing values are in neither.
    """
    scored = Columns.known(x) if given is None else Columns.known(x) & ~given
    parts = []
    for order in orders:
        s = any_order_walk.outputs(net, params, x, given, y, order)
        parts.append(any_order.terms(net, s, x, scored).sum(axis=1))  # E2
    out: Array = array_module(params.flat).stack(parts)
    return out


def log_prob(net: AnyOrder, params: Params, x: Any, given: Any, y: Any, orders: Any) -> Array:
    """Return log p(x_f | x_g) of each row, (N,), the mean over the orders."""
    log_p = each(net, params, x, given, y, orders)
    out: Array = averages.log_mean(log_p).astype(params.dtype)  # E1, E3
    return out


def draw(net: AnyOrder, params: Params, uniforms: Array, x: Any, y: Any, orders: Any) -> None:
    """Overwrite x where the uniform is not negative by draws given all that is kept.

    uniforms: (N, D). Of several orders a row's first uniform that draws chooses one.
    """
    if len(orders) == 1:
        any_order_walk.draw(net, params, uniforms, x, y, orders[0])
        return
    u, chosen = ordering.choose(uniforms.astype(np.float64), len(orders))
    for k, order in enumerate(orders):  # S1
        rows = array_module(x).flatnonzero(chosen == k)
        some = x[rows]
        any_order_walk.draw(net, params, u[rows], some, y[rows] if len(y) else y, order)
        x[rows] = some
