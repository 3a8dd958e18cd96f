"""A multi-layer perceptron: fully connected layers, ReLU or tanh, and a logit for each class.

Shapes      x: (N, …), D numbers a row    h_l: (N, H_l), l = 0 … L, h_0 = x    s: (N, K)
            W_l: (H_{l-1}, H_l)    c_l: (H_l,);   layer L+1 is the logits': H_{L+1} = K

Forward     (F1)  h_l = φ(h_{l-1} W_l + c_l),  l = 1 … L      chainrule.kernels.dense
            (F2)  s = h_L W_{L+1} + c_{L+1}                   chainrule.kernels.dense

Backward    (B1)  dW_l, dc_l and da_l, a_l what φ is of, from ds = da_{L+1}:
                                                              chainrule.kernels.dense
                  undoes F2, F1
            In x no parameter's gradient is wanted, and products are saved. By the chain rule, layer
            by layer from l = L + 1 on down,
            (B2)  dh_{l-1} = da_l W_lᵀ                        undoes F2's and F1's sum
            (B3)  da_l = dh_l ∘ φ'(a_l), by h_l               undoes F1's φ
            until dx = dh_0.

Start       W_l normal, of deviation √(2 / H_{l-1}) before a ReLU and √(1 / H_{l-1}) before a tanh
            and of the logits; biases 0.

Cost        2 N Σ_l H_{l-1} H_l FLOPs forward, twice that backward, as much in x.

Source      Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating
            errors"; ReLU: Nair and Hinton 2010, "Rectified Linear Units Improve Restricted
            Boltzmann Machines"; the start: He, Zhang, Ren and Sun 2015, "Delving Deep into
            Rectifiers: Surpassing Human-Level Performance on ImageNet Classification".
"""

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine.arena import New
from chainrule.engine.classifiers.functions import functions, numbered
from chainrule.engine.event import Abilities, RealInputs
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import activation, dense, linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

WEIGHTS = ("W",)
EVENT = RealInputs
ABILITIES = Abilities(labels=True)
ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True)
class Config:
    """The shapes of a perceptron.

    Args:
        shape: of what a row is: (D,), or an image's, whose numbers are taken one after the other.
        n_classes: K.
        hidden: H_1 … H_L; () is a linear classifier.
        activation: φ, "relu" or "tanh".

    Raises:
        ValueError: sizes or an activation that cannot be.
    """

    shape: tuple[int, ...]
    n_classes: int
    hidden: tuple[int, ...] = (256,)
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        _ = self.event
        if any(size < 1 for size in self.hidden):
            raise ValueError(f"hidden must be sizes of 1 or more, got {self.hidden}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, got {self.activation!r}")

    @property
    def event(self) -> RealInputs:
        """What a row is: numbers, and its class."""
        return RealInputs(self.shape, self.n_classes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """H_0 … H_{L+1}: of the inputs, the layers and the logits."""
        return prod(self.shape), *self.hidden, self.n_classes


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order: W, W2, …, c, c2, …"""
    sizes = config.sizes
    weights = {numbered("W", l): sizes[l - 1 : l + 1] for l in range(1, len(sizes))}
    return {**weights, **{numbered("c", l): (sizes[l],) for l in range(1, len(sizes))}}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see Start above."""
    params, last = Params(shapes(config), dtype=dtype), len(config.sizes) - 1
    for l in range(1, last + 1):
        W = params[numbered("W", l)]
        gain = 2 if config.activation == "relu" and l < last else 1
        W[...] = rng.normal(0, (gain / len(W)) ** 0.5, W.shape)
    return params


class _Tape(NamedTuple):
    """One forward pass: x as rows, and h_1 … h_L, s."""

    x: Array
    h: tuple[Array, ...]


def _layers(config: Config, params: Params) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return W_l and c_l, or their gradients: views, biases (1, H_l)."""
    n = len(config.sizes)
    W, c = ([params[numbered(name, l)] for l in range(1, n)] for name in "Wc")
    return tuple(W), tuple(each[None] for each in c)


def _kinds(config: Config) -> tuple[int, ...]:
    return (activation.KINDS.index(config.activation),) * len(config.hidden) + (dense.NONE,)


def _forward(config: Config, params: Params, x: Array, new: New) -> tuple[Array, _Tape]:
    """Return the logits, and the tape for the backwards."""
    tape = _Tape(
        x.reshape(len(x), config.sizes[0]), tuple(new((len(x), H)) for H in config.sizes[1:])
    )
    dense.forward(_kinds(config), tape.x, *_layers(config, params), tape.h)  # F1, F2
    return tape.h[-1], tape


def _backward(config: Config, params: Params, grad: Params, tape: _Tape, ds: Array) -> None:
    """Overwrite grad, given ds = dL/ds."""
    (W, _), (dW, dc), xp = _layers(config, params), _layers(config, grad), array_module(ds)
    dh = (*(xp.empty_like(h) for h in tape.h[:-1]), ds)
    dense.backward(_kinds(config), tape.x, W, tape.h, dh, dW, dc)  # B1


def _input_backward(config: Config, params: Params, tape: _Tape, ds: Array, dx: Array) -> None:
    """Overwrite dx, given ds."""
    (W, _), kinds, xp = _layers(config, params), _kinds(config), array_module(ds)
    da = ds
    for l in range(len(W) - 1, 0, -1):
        dh = xp.empty_like(tape.h[l - 1])
        linear.product(da, W[l].T, dh)  # B2
        activation.backward(kinds[l - 1], tape.h[l - 1], dh)  # B3
        da = dh
    linear.product(da, W[0].T, dx.reshape(len(da), config.sizes[0]))  # B2


logits, losses, loss_and_grad, input_gradient = functions(_forward, _backward, _input_backward)
