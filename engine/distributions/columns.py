"""Variables of any kinds in a row: likelihood, conditionals, draws, and the map to uniforms.

The mathematics stands in `chainrule.kernels.columns`; the layout, which says what kind each
variable is of and which of the outputs s, (N, S), are its own, is made by its `layout`.
"""

from typing import NamedTuple

import numpy as np

from chainrule.engine.distributions import categorical, mixture
from chainrule.kernels import columns
from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Table

EDGE = 2.0**-40  # how near a discrete variable's uniform may come to where another value begins


def n_outputs(
    K: int, n_components: int = 1, learned: bool = False, atom: float | None = None
) -> int:
    """Return how many outputs a variable of K values needs; 0 is a real one, a mixture."""
    return columns.n_outputs(K, n_components, learned, atom)


def log_prob_terms(layout: Layout, s: Array, x: Table) -> Array:
    """Return log p(x_i | x_<i) in nats, (N, D)."""
    log_p: Array = array_module(s).empty(x.shape, s.dtype)
    columns.terms(layout, s, x, log_p)
    return log_p


def loss_and_grad(layout: Layout, s: Array, x: Table, total: int, ds: Array) -> float:
    """Return Σ -log p / total in nats; overwrite ds, (N, S), by its gradient; may be s itself."""
    nll: Array = array_module(s).empty(len(s), s.dtype)
    columns.nll_and_grad(layout, s, x, 1 / total, nll, ds)
    return float(nll.sum(dtype=np.float64)) / total


class Variable(NamedTuple):
    """One variable's distribution, from its own outputs."""

    layout: Layout
    i: int
    values: int

    def conditionals(self, s: Array) -> Array:
        """Return the distribution of x_i given x_<i, from outputs (n, n_i).

        p(x_i = 1), (n,), of a bit; p(x_i = v), (n, K), of categories; the weights, means and
        scales of a mixture, (n, 3 K), of a real number; on a lattice x_i has the mass of its step.
        With an atom its probability π is one number more, and the mixture has 1 - π.
        """
        if self.values == BIT:
            return sigmoid(s[:, 0])
        if self.values == REAL:
            n = mixture.n_outputs(self.layout.n_components, self.layout.learned)
            parts = mixture.conditionals(s[:, :n], self.layout.learned), sigmoid(s[:, n:])
            p: Array = array_module(s).concatenate(parts, axis=1)
            return p
        return categorical.conditionals(s)

    def sample(self, s: Array, u: Array, x: Table) -> None:
        """Draw x, (n,), where u is in [0, 1); keep it where u < 0. s: (n, n_i)."""
        columns.draw(self.layout, self.i, s, u.astype(np.float64, copy=False), x)


def variables(layout: Layout) -> list[Variable]:
    """Return each variable's distribution."""
    return [Variable(layout, i, K) for i, K in enumerate(_host(layout.values))]


def conditionals(layout: Layout, s: Array) -> Array:
    """Return the distribution of every x_i given x_<i, (N, D, width), filled up by zeros.

    Of a bit p(0) and p(1); of categories p(v); of a real number weights, means and scales, K each,
    of the mixture whose density p(x_i) is, or of one on a lattice the mass in the step around x_i;
    and, with an atom, its probability π, beside which the mixture has 1 - π.
    """
    xp, first = array_module(s), _host(layout.first)
    of_each = []
    for variable in variables(layout):
        p = variable.conditionals(s[:, first[variable.i] : first[variable.i + 1]])
        of_each.append(xp.stack([1 - p, p], axis=1) if variable.values == BIT else p)
    widest = max(p.shape[1] for p in of_each)
    table: Array = xp.zeros((len(s), len(of_each), widest), s.dtype)
    for i, p in enumerate(of_each):
        table[:, i, : p.shape[1]] = p
    return table


def sample(layout: Layout, i: int, s: Array, u: Array, x: Table) -> None:
    """Draw variable i, (n,), where u is in [0, 1); keep it where u < 0. s: (n, n_i); u: float64."""
    columns.draw(layout, i, s, u, x)


def uniforms(layout: Layout, s: Array, x: Table, v: Array) -> Array:
    """Return the uniforms, (N, D) float64, from which `sample` draws x again.

    F(x_i | x_<i) of a real variable. Of a discrete one, one on a lattice or an atom any uniform of
    an interval gives x_i, and v, (N, D) in [0, 1), says which: where v is uniform, so is what is
    returned. It keeps EDGE away from the ends, for the sake of rounding, or a quarter of an
    interval shorter than 4 EDGE.
    """
    xp = array_module(s)
    lo, hi = xp.empty(x.shape, np.float64), xp.empty(x.shape, np.float64)
    columns.cdf_interval(layout, s, x, lo, hi)
    margin = xp.minimum((hi - lo) / 4, EDGE)
    u: Array = xp.clip(lo + v * (hi - lo), lo + margin, hi - margin)
    return u


def _host(numbers: Table) -> list[int]:
    host: Table = numbers.get() if on_device(numbers) else numbers  # type: ignore[attr-defined]
    found: list[int] = host.tolist()
    return found
