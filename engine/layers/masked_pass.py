"""What one pass of a masked network says of x: likelihoods, and the loss's gradient in outputs.

The pass itself and its way back are derived in `chainrule.engine.layers.masked_network`, what
outputs say of x, and their gradients, in `chainrule.kernels.bernoulli` and `columns`.
"""

from typing import Any, NamedTuple

from chainrule.engine.distributions import bernoulli, columns
from chainrule.engine.layers import masked_network as layers
from chainrule.engine.layers import masks
from chainrule.kernels import columns as kernel
from chainrule.kernels.columns import BIT, Layout
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


class MaskedPass(NamedTuple):
    """One mask's pass over x, in the mask's order of variables: units and outputs.

    layout: which of the outputs are whose. bits: whether all variables are.
    """

    mask: masks.Mask
    layout: Layout
    bits: bool
    arrays: layers.Arrays
    x: Any
    y: Any
    hidden: list[Array]
    s: Array

    def log_prob(self) -> Array:
        """Return log p_k(x), (N,)."""
        if self.bits:
            return bernoulli.log_prob(self.s, self.x)
        out: Array = self.terms().sum(axis=1)
        return out

    def terms(self) -> Array:
        """Return log p_k(x_i | x_<i), (N, D)."""
        if self.bits:
            return bernoulli.log_prob_terms(self.s, self.x)
        return columns.log_prob_terms(self.layout, self.s, self.x)

    def loss_and_grad(self, total: int) -> float:
        """Return Σ -log p_k(x) / total; overwrite s by its gradient."""
        if self.bits:
            return bernoulli.loss_and_grad(self.s, self.x, total, self.s)
        return columns.loss_and_grad(self.layout, self.s, self.x, total, self.s)

    def input_gradient(self, s: Array, total: int, dx: Array) -> None:
        """Overwrite dx by what x changes in the loss at outputs s, whose gradient is in self.s.

        Of a real variable -Σ_j dμ_j; of a bit, as if it were real, -s / total.
        """
        kernel.input_gradient(self.layout, self.s, dx)
        bits = array_module(s).flatnonzero(self.layout.values == BIT)
        dx[:, bits] = s[:, self.layout.first[bits]] / s.dtype.type(-total)
