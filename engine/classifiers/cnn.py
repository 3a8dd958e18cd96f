"""A small convolutional network: convolutions, ReLU and pooling, then a linear layer.

Shapes      x: (N, R, S, C)    h_l: (N, R_l, S_l, F_l), l = 0 … L, h_0 = x    s: (N, K)
            W_l: (9, F_{l-1}, F_l), a matrix for each pixel of 3 × 3    c_l: (F_l,)
            V: (D, K), D = R_L S_L F_L    b: (K,)

Forward     (F1)  a_l = c_l + Σ_t h_{l-1} shifted by t, times W_l,t  chainrule.kernels.masked_conv
            (F2)  u_l = max(a_l, 0)                                  chainrule.kernels.activation
            (F3)  h_l = pooled u_l                                  chainrule.engine.layers.pooling
            (F4)  s = h_L V + b, the numbers of h_L in a row         chainrule.kernels.linear

Backward    (B1)  dV = h_Lᵀ ds,  db = Σ_n ds,  dh_L = ds Vᵀ          chainrule.kernels.linear
                  undoes F4
            (B2)  du_l from dh_l                     undoes F3      chainrule.engine.layers.pooling
            (B3)  da_l = du_l where u_l > 0          undoes F2       chainrule.kernels.activation
            (B4)  dW_l, dc_l, and dh_{l-1} if l > 1  undoes F1       chainrule.kernels.masked_conv
            In x no parameter's gradient is wanted. The window of all nine pixels is its own mirror:
            tap t of it, at (i, j), and tap 8 - t, at (-i, -j). So what masked_conv's backward says
            of its input, dh_{l-1} = Σ_t da_l shifted by -t, times W_l,tᵀ, is a sum over all taps
            again, t ↦ 8 - t:
            (B5)  dh_{l-1} = Σ_t da_l shifted by t, times (W_l,8-t)ᵀ  undoes F1
                  the same convolution, of other weights and no bias.

Start       Weights normal, of deviation √(2 / (9 F_{l-1})) before a ReLU and √(1 / D) of the
            logits; biases 0.

Cost        2 N Σ_l 9 R_{l-1} S_{l-1} F_{l-1} F_l FLOPs forward, twice that backward; as much again
            as forward in x.

Source      LeCun, Bottou, Bengio and Haffner 1998, "Gradient-Based Learning Applied to Document
            Recognition"; 3 × 3: Simonyan and Zisserman 2015, "Very Deep Convolutional Networks
            for Large-Scale Image Recognition".
"""

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine.arena import New
from chainrule.engine.classifiers.functions import functions, numbered
from chainrule.engine.event import Abilities, RealInputs
from chainrule.engine.layers import pooling
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import activation, linear, masked_conv
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

WEIGHTS = ("W", "V")
EVENT = RealInputs
ABILITIES = Abilities(labels=True)
SEES = masked_conv.full(3)


@dataclass(frozen=True)
class Config:
    """The shapes of a convolutional network.

    Args:
        shape: (R, S, C) of an image.
        n_classes: K.
        channels: F_1 … F_L, one convolution and pooling each.
        pooling: "max" or "mean".

    Raises:
        ValueError: sizes or a pooling that cannot be.
    """

    shape: tuple[int, ...]
    n_classes: int
    channels: tuple[int, ...] = (16, 32)
    pooling: str = "max"

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        _ = self.event
        if len(self.shape) != 3:
            raise ValueError(f"a convolution is over images (R, S, C), got shape {self.shape}")
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"channels must be one size or more, of 1 on, got {self.channels}")
        if self.pooling not in pooling.KINDS:
            raise ValueError(f"pooling must be one of {pooling.KINDS}, got {self.pooling!r}")

    @property
    def event(self) -> RealInputs:
        """What a row is: an image of real numbers, and its class."""
        return RealInputs(self.shape, self.n_classes)

    @property
    def grids(self) -> list[tuple[int, int]]:
        """(R_l, S_l), l = 0 … L."""
        grids = [(self.shape[0], self.shape[1])]
        for _ in self.channels:
            grids.append(pooling.pooled(grids[-1]))
        return grids

    @property
    def features(self) -> tuple[int, ...]:
        """F_0 … F_L."""
        return self.shape[2], *self.channels


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order: W, W2, …, V, c, c2, …, b."""
    F = config.features
    layers = range(1, len(F))
    weights: Shapes = {numbered("W", l): (9, F[l - 1], F[l]) for l in layers}
    V = prod(config.grids[-1]) * F[-1], config.n_classes
    return {
        **weights,
        "V": V,
        **{numbered("c", l): (F[l],) for l in layers},
        "b": (config.n_classes,),
    }


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see Start above."""
    params = Params(shapes(config), dtype=dtype)
    for name in (*(numbered("W", l) for l in range(1, len(config.features))), "V"):
        W = params[name]
        gain = 1 if name == "V" else 2
        W[...] = rng.normal(0, (gain / prod(W.shape[:-1])) ** 0.5, W.shape)
    return params


class _Tape(NamedTuple):
    """One forward pass: h_0 … h_L and u_1 … u_L."""

    h: list[Array]
    u: list[Array]


def _forward(config: Config, params: Params, x: Array, new: New) -> tuple[Array, _Tape]:
    """Return the logits, and the tape for the backwards."""
    tape = _Tape([x.reshape(len(x), *config.shape)], [])
    for l, (R, S) in enumerate(config.grids[:-1], 1):
        F = config.features[l]
        u, h = new((len(x), R, S, F)), new((len(x), *config.grids[l], F))
        masked_conv.forward(
            tape.h[-1], params[numbered("W", l)], params[numbered("c", l)], SEES, u
        )  # F1
        activation.forward(activation.RELU, u.reshape(-1, F))  # F2
        pooling.forward(config.pooling, u, h)  # F3
        tape.u.append(u)
        tape.h.append(h)
    s = new((len(x), config.n_classes))
    linear.forward(_rows(tape.h[-1]), params["V"], params["b"], s)  # F4
    return s, tape


def _backward(config: Config, params: Params, grad: Params, tape: _Tape, ds: Array) -> None:
    """Overwrite grad, given ds = dL/ds."""
    xp, last = array_module(ds), tape.h[-1]
    dh = xp.empty_like(last)
    into = _rows(dh), grad["V"], grad["b"]
    linear.backward(ds, _rows(last), params["V"], *into)  # B1
    for l in range(len(tape.u), 0, -1):
        da, below = _unpooled(config, tape, l, dh), tape.h[l - 1]
        of_layer = grad[numbered("W", l)], grad[numbered("c", l)]
        if l == 1:
            masked_conv.weight_gradient(da, below, SEES, *of_layer)  # B4
        else:
            dh = xp.empty_like(below)
            masked_conv.backward(da, below, params[numbered("W", l)], SEES, dh, *of_layer)  # B4


def _input_backward(config: Config, params: Params, tape: _Tape, ds: Array, dx: Array) -> None:
    """Overwrite dx, given ds."""
    xp = array_module(ds)
    dh = xp.empty_like(tape.h[-1])
    linear.product(ds, params["V"].T, _rows(dh))  # B1
    for l in range(len(tape.u), 0, -1):
        da, W = _unpooled(config, tape, l, dh), params[numbered("W", l)]
        dh = dx.reshape(tape.h[0].shape) if l == 1 else xp.empty_like(tape.h[l - 1])
        mirrored, none = xp.ascontiguousarray(W[::-1].transpose(0, 2, 1)), xp.zeros_like(W[0, :, 0])
        masked_conv.forward(da, mirrored, none, SEES, dh)  # B5


def _unpooled(config: Config, tape: _Tape, l: int, dh: Array) -> Array:
    """Return da_l, an array of its own, given dh_l."""
    u = tape.u[l - 1]
    da: Array = array_module(u).empty_like(u)
    pooling.backward(config.pooling, u, tape.h[l], dh, da)  # B2
    F = u.shape[3]
    activation.backward(activation.RELU, u.reshape(-1, F), da.reshape(-1, F))  # B3
    return da


def _rows(h: Array) -> Array:
    """Return images as rows of numbers: a view."""
    return h.reshape(len(h), prod(h.shape[1:]))


logits, losses, loss_and_grad, input_gradient = functions(_forward, _backward, _input_backward)
