"""One network under each of several masks: its arrays, and passes in the masks' orders.

What `engine.models.made` stands on: parameters by layer, gathered for a mask where places differ,
gradients brought back, and whose the outputs are, since their order is that of the variables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.engine import arena, classes
from chainrule.engine.arena import New
from chainrule.engine.distributions import mixture
from chainrule.engine.layers import masked_network as layers
from chainrule.engine.layers import masks
from chainrule.engine.layers.masked_pass import MaskedPass
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import activation
from chainrule.kernels import columns as kernel
from chainrule.kernels.columns import BIT, REAL, Layout
from chainrule.kernels.device import current_device
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

NO_ORDER = (
    "this MADE is a mean over several orders of its variables, so none has a distribution given "
    "those before it; ask for log_prob, or train with order_agnostic=False"
)
SMALL = 0.1  # weights of a real variable's outputs at the start, beside the others'


@dataclass(frozen=True)
class Network:
    """The shapes of a network and its masks.

    Args:
        values: how many values each variable has; 0 of a real one.
        hidden: units of each layer. activation: one of `chainrule.kernels.activation.KINDS`.
        direct: whether inputs are connected to outputs too. n_classes: rows of biases.
        n_masks, seed: how many masks, and what they are drawn from.
        orders: whether masks but the first have random orders of the variables.
        n_components, family, learned, half_steps, atoms: as of `chainrule.kernels.columns.layout`.
    """

    values: tuple[int, ...]
    hidden: tuple[int, ...]
    activation: str
    direct: bool
    n_masks: int
    seed: int
    orders: bool
    n_components: int
    family: int
    learned: bool
    n_classes: int
    half_steps: tuple[float, ...] = ()
    atoms: tuple[float | None, ...] = ()

    def __hash__(self) -> int:
        """Return a hash of all but the values: of hundreds of variables, for each look-up."""
        return hash((len(self.values), self.hidden, self.n_masks, self.seed, self.n_classes))

    @property
    def sizes(self) -> masks.Sizes:
        """Rows of the first matrix and outputs of each variable, and the layers."""
        mixtures = self.n_components, self.family, self.learned
        outputs = np.diff(kernel.layout(self.values, *mixtures, atoms=self.atoms).first).tolist()
        rows = (K if K not in (BIT, REAL) else 1 for K in self.values)
        return masks.Sizes(tuple(rows), tuple(outputs), self.hidden)

    @property
    def several_orders(self) -> bool:
        """Whether some masks order the variables as others do not."""
        return self.orders and self.n_masks > 1

    @property
    def shapes(self) -> Shapes:
        """The parameters' names and shapes: W, W2, … of the layers, V, A; c, b."""
        H, sizes = self.hidden, self.sizes
        R, S = sum(sizes.n_rows), sum(sizes.n_outputs)
        first, last = (H[0], H[-1]) if H else (0, 0)
        return {
            "W": (R, first),
            **{f"W{l}": shape for l, shape in enumerate(pairwise(H), 2)},
            "V": (last, S),
            "A": (R if self.direct else 0, S),
            "c": classes.shape(self, sum(H)),
            "b": classes.shape(self, S),
        }

    def begin(self, params: Params, rng: np.random.Generator) -> None:
        """Overwrite params by what training starts from.

        Weights uniform in ±√(6 / (rows + columns)), 0 where every mask hides them, biases 0; of a
        real variable's outputs SMALL of that, and the biases of `mixture.first_biases`; of atoms 0.
        """
        stored = self.arrays(params)
        for W, seen in zip((*stored.weights, stored.direct), self.visible(), strict=True):
            bound = (6 / max(1, sum(W.shape))) ** 0.5
            W[...] = np.where(seen, rng.uniform(-bound, bound, W.shape), 0)
        begin = mixture.first_biases(self.n_components, self.family, self.learned)
        first = self.layout(params, 0).first
        for i in np.flatnonzero(np.array(self.values) == REAL):
            own = slice(first[i], first[i + 1])
            for name in "VA":
                params[name][:, own] *= SMALL
            params["b"][..., own][..., : len(begin)] = begin

    def arrays(self, params: Params) -> layers.Arrays:
        """Return the parameters, or a gradient, layer by layer: views."""
        biases, unit = [], 0
        c, b = (classes.table(self, params[name]) for name in "cb")
        for size in self.hidden:
            biases.append(c[:, unit : unit + size])
            unit += size
        names = ["W", *(f"W{l}" for l in range(2, len(self.hidden) + 1)), "V"]
        weights = tuple(params[name] for name in names) if self.hidden else ()
        return layers.Arrays(weights, (*biases, b), params["A"])

    def mask(self, params: Params, k: int) -> masks.Mask:
        """Return mask k on the parameters' side."""
        return _mask(self, k, *_side(params))

    def layout(self, params: Params, k: int) -> Layout:
        """Return which outputs are whose under mask k, on the parameters' side."""
        return _layout(self, k, *_side(params))

    def ordered(self, k: int) -> tuple[int, ...]:
        """Return `values` in mask k's order of the variables."""
        return tuple(self.values[i] for i in _mask(self, k, np, None).order)

    def visible(self) -> list[Any]:
        """Return which entries of W, W2, …, V and A some mask lets through, as stored."""
        seen = self.mask_arrays(0)
        for k in range(1, self.n_masks):
            seen = [a | b for a, b in zip(seen, self.mask_arrays(k), strict=True)]
        return seen

    def mask_arrays(self, k: int) -> list[Any]:
        """Return which entries of W, W2, …, V and A mask k lets through, as stored."""
        return layers.visible(_mask(self, k, np, None), self.direct)

    def forward(self, params: Params, x: Any, y: Any, k: int, new: New) -> MaskedPass:
        """Return the pass of mask k; y: labels, or None; its arrays come from `new`."""
        mask = self.mask(params, k)
        arrays = layers.gathered(self.arrays(params), mask, new)
        if mask.moved:
            x = array_module(x).ascontiguousarray(x[:, mask.order])
        hidden, s = layers.forward(arrays, mask, self._kind, x, y, new)
        return MaskedPass(mask, self.layout(params, k), _of_bits(self), arrays, x, y, hidden, s)

    def loss_and_grad(
        self,
        params: Params,
        x: Any,
        y: Any,
        k: int,
        total: int,
        shares: Array | None,
        grad: Params,
        dx: Array | None,
    ) -> float:
        """Return Σ -log p_k(x) / total; overwrite grad, and dx in the order of x, by its gradient.

        shares: (N, 1), what each row's gradient counts; None: 1.
        """
        if shares is None and dx is None and is_plain(self):
            return self._plain_loss_and_grad(params, x, k, total, grad)
        with arena.borrow(params.flat) as new:
            one = self.forward(params, x, y, k, new)
            s = None if dx is None else one.s.copy()
            loss = one.loss_and_grad(total)
            if shares is not None:
                one.s[...] *= shares
            through = None if dx is None else new(dx.shape)
            self._backward(one, grad, through, new)
            if dx is not None and through is not None and s is not None:
                s, own = s * (1 if shares is None else shares), new(dx.shape)
                one.input_gradient(s, total, own)
                own += through
                own[:, array_module(own).flatnonzero(one.layout.values == 1)] = 0  # no number
                dx[...] = own[:, one.mask.order_back] if one.mask.moved else own
        return loss

    def _plain_loss_and_grad(
        self, params: Params, x: Any, k: int, total: int, grad: Params
    ) -> float:
        """Return the same of bits, one layer and one class, which have a kernel of their own."""
        mask, stored = self.mask(params, k), self.arrays(grad)
        with arena.borrow(params.flat) as new:
            arrays = layers.gathered(self.arrays(params), mask, new)
            here = layers.scattered(stored, mask, new)
            if mask.moved:
                x = array_module(x).ascontiguousarray(x[:, mask.order])
            loss = layers.loss_of_bits(arrays, mask, self._kind, x, total, here, new)
            layers.store(here, mask, stored)
        return loss

    def _backward(self, one: MaskedPass, grad: Params, dx: Array | None, new: New) -> None:
        """Overwrite grad, and dx where it is given, in the mask's order, given dL/ds in one.s."""
        stored = self.arrays(grad)
        here = layers.scattered(stored, one.mask, new)
        given = one.arrays, one.mask, self._kind, one.x, one.y, one.hidden
        layers.backward(*given, one.s, here, dx, new)
        layers.store(here, one.mask, stored)

    def each(
        self, params: Params, x: Any, y: Any, function: Callable[[MaskedPass], Array]
    ) -> Array:
        """Return a function of every mask's pass, (K, ...)."""
        out = []
        for k in range(self.n_masks):
            with arena.borrow(params.flat) as new:
                out.append(function(self.forward(params, x, y, k, new)).copy())
        stacked: Array = array_module(params.flat).stack(out)
        return stacked

    def units(self, params: Params, n: int, y: Any, k: int) -> layers.MaskedUnits:
        """Return what mask k's network remembers of n rows of which nothing is known yet."""
        mask, empty = self.mask(params, k), array_module(params.flat).empty
        arrays = layers.gathered(self.arrays(params), mask, partial(empty, dtype=params.dtype))
        return layers.MaskedUnits(arrays, mask, self._kind, n, y)

    def check_order(self) -> None:
        """Raise ValueError if masks have orders of their own."""
        if self.several_orders:
            raise ValueError(NO_ORDER)

    def sample_plain(self, params: Params, u: Array, x: Any) -> Any:
        """Return bits x, (N, D), drawn by mask 0, which is stored as it is used; see `is_plain`."""
        layers.sample_bits(self.arrays(params), self.mask(params, 0), self._kind, u, x)
        return x

    @property
    def _kind(self) -> int:
        return activation.KINDS.index(self.activation)


@lru_cache(maxsize=512)
def _of_bits(network: Network) -> bool:
    return set(network.values) == {BIT}


@lru_cache(maxsize=512)
def is_plain(network: Network) -> bool:
    """Return whether it is one layer of one class between bits, which has kernels of its own."""
    alone = len(network.hidden) == network.n_classes == 1
    return alone and not network.direct and _of_bits(network)


@lru_cache(maxsize=512)
def _mask(network: Network, k: int, xp: Any, device: Any) -> masks.Mask:
    return masks.make(network.sizes, network.seed, k, network.orders, xp)


@lru_cache(maxsize=512)
def _layout(network: Network, k: int, xp: Any, device: Any) -> Layout:
    order, of_each = _mask(network, k, np, None).order, (network.half_steps, network.atoms)
    more = network.n_components, network.family, network.learned, xp
    moved = ([numbers[i] for i in order] if numbers else [] for numbers in of_each)
    return kernel.layout(network.ordered(k), *more, *moved)


def _side(params: Params) -> tuple[Any, Any]:
    """Return the array module and the device that arrays beside the parameters are for."""
    xp = array_module(params.flat)
    return xp, None if xp is np else current_device()
