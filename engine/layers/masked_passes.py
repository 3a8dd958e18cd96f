"""One network under each of several masks: its arrays, and passes in the masks' orders.

What `engine.models.made` and its kind stand on: the parameters by layer, gathered for a mask where
their places differ, and gradients brought back (`masked_network`, `masks`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from chainrule.engine import arena, classes
from chainrule.engine.arena import New
from chainrule.engine.layers import masked_network as layers
from chainrule.engine.layers import masks
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import activation
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


class MaskedPass(NamedTuple):
    """One mask's pass over x, in the mask's order of variables: units and outputs."""

    k: int
    mask: masks.Mask
    arrays: layers.Arrays
    x: Any
    y: Any
    hidden: list[Array]
    s: Array


@dataclass(frozen=True)
class Network:
    """The shapes of a network and its masks.

    Args:
        sizes: of variables and layers.
        activation: one of `chainrule.kernels.activation.KINDS`.
        direct: whether inputs are connected to outputs directly too.
        n_masks, seed: how many masks, and what they are drawn from.
        orders: whether masks but the first have random orders of the variables.
        n_classes: rows of biases, one of which y chooses.
    """

    sizes: masks.Sizes
    activation: str
    direct: bool
    n_masks: int
    seed: int
    orders: bool
    n_classes: int

    @property
    def shapes(self) -> Shapes:
        """The parameters' names and shapes: W, U (the matrices between layers), V, A; c, b."""
        H = self.sizes.hidden
        R, S = sum(self.sizes.n_rows), sum(self.sizes.n_outputs)
        first, last = (H[0], H[-1]) if H else (0, 0)
        return {
            "W": (R, first),
            "U": (sum(below * above for below, above in pairwise(H)),),
            "V": (last, S),
            "A": (R if self.direct else 0, S),
            "c": classes.shape(self, sum(H)),
            "b": classes.shape(self, S),
        }

    def arrays(self, params: Params) -> layers.Arrays:
        """Return the parameters, or a gradient, layer by layer: views."""
        H, matrices, biases, at, unit = self.sizes.hidden, [params["W"]], [], 0, 0
        c, b = (classes.table(self, params[name]) for name in "cb")
        for size in H:
            biases.append(c[:, unit : unit + size])
            unit += size
        for below, above in pairwise(H):
            matrices.append(params["U"][at : at + below * above].reshape(below, above))
            at += below * above
        weights = (*matrices, params["V"]) if H else ()
        return layers.Arrays(weights, (*biases, b), params["A"])

    def mask(self, params: Params, k: int) -> masks.Mask:
        """Return mask k on the parameters' side."""
        xp = array_module(params.flat)
        return masks.make(self.sizes, self.seed, k, self.orders, xp)

    def visible(self) -> list[Any]:
        """Return which entries of W, U's matrices, V and A some mask lets through, as stored."""
        seen = self.mask_arrays(0)
        for k in range(1, self.n_masks):
            seen = [a | b for a, b in zip(seen, self.mask_arrays(k), strict=True)]
        return seen

    def mask_arrays(self, k: int) -> list[Any]:
        """Return which entries of W, U's matrices, V and A mask k lets through, as stored."""
        return layers.visible(masks.make(self.sizes, self.seed, k, self.orders), self.direct)

    def forward(self, params: Params, x: Any, y: Any, k: int, new: New) -> MaskedPass:
        """Return the pass of mask k; y: labels, or None; its arrays come from `new`."""
        mask = self.mask(params, k)
        arrays = layers.gathered(self.arrays(params), mask, new)
        if mask.moved:
            x = array_module(x).ascontiguousarray(x[:, mask.order])
        return MaskedPass(
            k, mask, arrays, x, y, *layers.forward(arrays, mask, self._kind, x, y, new)
        )

    def backward(
        self, one: MaskedPass, ds: Array, grad: Params, dx: Array | None, new: New
    ) -> None:
        """Overwrite grad, and dx where it is given, in the mask's order, given ds = dL/ds."""
        stored = self.arrays(grad)
        here = layers.scattered(stored, one.mask, new)
        given = one.arrays, one.mask, self._kind, one.x, one.y, one.hidden
        layers.backward(*given, ds, here, dx, new)
        layers.store(here, one.mask, stored)

    def each(
        self, params: Params, x: Any, y: Any, function: Callable[[MaskedPass], Array]
    ) -> Array:
        """Return a function of every mask's pass, (K, ...)."""
        out = []
        for k in range(self.n_masks):
            with arena.borrow(params.flat) as new:
                out.append(function(self.forward(params, x, y, k, new)))
        stacked: Array = array_module(params.flat).stack(out)
        return stacked

    def units(self, params: Params, n: int, y: Any, k: int) -> layers.MaskedUnits:
        """Return what mask k's network remembers of n rows of which nothing is known yet."""
        mask = self.mask(params, k)
        xp = array_module(params.flat)
        own = partial(xp.empty, dtype=params.dtype)
        arrays = layers.gathered(self.arrays(params), mask, own)
        return layers.MaskedUnits(arrays, mask, self._kind, n, y)

    @property
    def _kind(self) -> int:
        return activation.KINDS.index(self.activation)
