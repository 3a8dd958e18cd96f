"""Autoencoder: what a network without masks learns, and why it is no model of p(x).

Model       code(x)  = σ((x W¹ + b¹) W² + b²)     of a row, and from it
            again(h) = σ(h V + c)                 a row again; of a real column h V + c, since σ
                                                  would keep it between 0 and 1

            It is trained to be x again, by cross-entropy of bits and squared error of real columns.
            Every output sees every input, itself too, so r_i = again(code(x))_i is no p(x_i |
            x_<i), and their product sums to no 1: with one number a unit the network is the
            identity, "costs" nothing, and has learnt nothing. What keeps it from that is a
            bottleneck (fewer units than columns), noise (x is to be found from a part of it) or
            decay of the weights. MADE, `chainrule.engine.models.made`, is this network under masks
            that cut what each output must not see; then the same loss is -log p(x).

Shapes      x, r, s: (N, D)    W1: (D, M)  b1: (M,)  W2: (M, H)  b2: (H,)  V: (H, D)  c: (D,)

Forward     (F1)  x̃ = κ x or 0, by chance (chainrule.kernels.dropout), in training; else x
            (F2)  z = x̃ W¹ + b¹
            (F3)  h = σ(z W² + b²)
            (F4)  s = h V + c;  r_i = σ(s_i) of a bit, s_i of a real column
            (F5)  L_n = Σ_i ℓ_i,  ℓ_i = -x_i log r_i - (1 - x_i) log(1 - r_i) of a bit
                                      = softplus(s_i) - x_i s_i     (chainrule.kernels.bernoulli)
                                  ℓ_i = (r_i - x_i)² / 2 of a real column
            loss = Σ_n L_n / total

Backward    (B1)  g_i = dℓ_i/ds_i = σ(s_i) - x_i of a bit, and s_i - x_i of a real column: in
                  either case r_i - x_i                                     undoes F5
            (B2)  dc = Σ_n g,  dV = hᵀ g,  dh = g Vᵀ                        undoes F4
            (B3)  da = dh ∘ h ∘ (1 - h), of a = z W² + b²                   undoes F3's σ
            (B4)  db² = Σ_n da,  dW² = zᵀ da,  dz = da W²ᵀ                  undoes F3's product
            (B5)  db¹ = Σ_n dz,  dW¹ = x̃ᵀ dz,  dx̃ = dz W¹ᵀ                 undoes F2
            (B6)  dx_i = κ dx̃_i where F1 kept x_i, else 0, and as F5 sees x too, -s_i of a bit and
                  x_i - r_i of a real column.

Cost        6 N (D M + M H + H D) FLOPs for the gradient, in products; an exponential a unit and
            bit.

Source      Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating
            errors", Nature 323; noise: Vincent et al. 2008, "Extracting and Composing Robust
            Features with Denoising Autoencoders".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine import arena
from chainrule.engine.arena import New
from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import CONTINUOUS, Abilities, Columns
from chainrule.engine.layers import dropout
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import linear
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Table

WEIGHTS = ("W1", "W2", "V")
EVENT = Columns
ABILITIES = Abilities(noise=True)


@dataclass(frozen=True)
class Config:
    """The shapes of an autoencoder: its columns, M linear units and H units of the code.

    Args:
        values: how many values each column has: 2, or CONTINUOUS.
        n_linear: M. n_hidden: H.
        noise: the share of inputs that are set to 0 in training.

    Raises:
        ValueError: columns of categories, or a noise that leaves nothing.
    """

    values: tuple[int, ...]
    n_linear: int
    n_hidden: int
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not {*self.values} <= {2, CONTINUOUS}:
            raise ValueError(
                "an autoencoder takes bits and real columns; make a bit of each category (one-hot)"
            )
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise must be a share in [0, 1), got {self.noise}")

    @property
    def event(self) -> Columns:
        """What an observation is: bits and real columns."""
        return Columns(self.values)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    D, M, H = len(config.values), config.n_linear, config.n_hidden
    weights = {"W1": (D, M), "W2": (M, H), "V": (H, D)}
    return {**weights, "b1": (M,), "b2": (H,), "c": (D,)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: each matrix (I, O) uniform in ±√(6 / (I + O)), biases zero."""
    params = Params(shapes(config), dtype=dtype)
    for name in WEIGHTS:
        bound = (6 / sum(params[name].shape)) ** 0.5
        params[name][...] = rng.uniform(-bound, bound, params[name].shape)
    return params


def encode(config: Config, params: Params, x: Table) -> Array:
    """Return the rows' codes e(x), (N, H)."""
    h: Array = array_module(params.flat).empty((len(x), config.n_hidden), params.dtype)
    with arena.borrow(params.flat) as new:
        _code(params, x.astype(params.dtype), h, new)
    return h


def reconstruct(config: Config, params: Params, x: Table) -> Array:
    """Return d(e(x)), (N, D): of a bit a number in (0, 1), of a real column its value."""
    s = _outputs(params, encode(config, params, x))
    return _rows(config, s)


def errors(config: Config, params: Params, x: Table) -> Array:
    """Return L_n of each row, (N,): nats of bits, and half of squares of real columns."""
    s = _outputs(params, encode(config, params, x))
    if x.dtype == np.uint8:
        return -bernoulli.log_prob(s, x)
    out: Array = _each(config, s, x).sum(axis=1)
    return out


def loss_and_grad(
    config: Config,
    params: Params,
    x: Table,
    grad: Params,
    total: int | None = None,
    noise: Noise | None = None,
    dx: Array | None = None,
) -> float:
    """Return the mean error; write its gradient into `grad`.

    total: rows of the whole minibatch where x is a slice of it; the mean is over these. noise: what
    decides which inputs are set to 0; none are without it. dx: (N, D), overwritten, where given, by
    the gradient in x as if its bits were real.
    """
    total, real = total or len(x), x.astype(params.dtype)
    site = dropout.site(config.noise, noise, 0)
    with arena.borrow(params.flat) as new:
        seen = real[:, None].copy()
        dropout.forward(seen, site)  # F1
        h = new((len(x), config.n_hidden))
        z = _code(params, seen[:, 0], h, new)
        s = _outputs(params, h)
        if dx is not None:
            dx[...] = array_module(s).where(_are_bits(config, s), -s, real - s)
            dx /= dx.dtype.type(total)  # B6, what F5 sees of x
        loss = _loss(config, s, x, total)  # s becomes g
        dh, dz, d_seen = new(h.shape), new(z.shape), new(real.shape)
        linear.backward(s, h, params["V"], dh, grad["V"], grad["c"])  # B2
        dh *= h * (1 - h)  # B3
        linear.backward(dh, z, params["W2"], dz, grad["W2"], grad["b2"])  # B4
        linear.backward(dz, seen[:, 0], params["W1"], d_seen, grad["W1"], grad["b1"])  # B5
        if dx is not None:
            dx += dropout.backward(d_seen[:, None], site, new)[:, 0]  # B6
    return loss


def _code(params: Params, x: Array, h: Array, new: New) -> Array:
    """Overwrite h by e(x) and return z: F2, F3."""
    z = new((len(x), params["W1"].shape[1]))
    linear.forward(x, params["W1"], params["b1"], z)  # F2
    linear.forward(z, params["W2"], params["b2"], h)
    h[...] = sigmoid(h)  # F3
    return z


def _outputs(params: Params, h: Array) -> Array:
    """Return s, (N, D): F4."""
    s: Array = array_module(h).empty((len(h), len(params["c"])), h.dtype)
    linear.forward(h, params["V"], params["c"], s)  # F4
    return s


def _loss(config: Config, s: Array, x: Table, total: int) -> float:
    """Return the mean error of outputs s, which become its gradient in them."""
    if x.dtype == np.uint8:  # all are bits
        return bernoulli.loss_and_grad(s, x, total, s)  # F5, B1
    loss = float(_each(config, s, x).sum(dtype=np.float64)) / total
    s[...] = (_rows(config, s) - x) / s.dtype.type(total)  # B1
    return loss


def _rows(config: Config, s: Array) -> Array:
    """Return r, (N, D): F4."""
    r: Array = array_module(s).where(_are_bits(config, s), sigmoid(s), s)  # F4
    return r


def _each(config: Config, s: Array, x: Table) -> Array:
    """Return ℓ, (N, D): F5."""
    xp, zero = array_module(s), s.dtype.type(0)
    of_bits = xp.logaddexp(zero, s) - x * s
    out: Array = xp.where(_are_bits(config, s), of_bits, (s - x) ** 2 / 2)  # F5
    return out


def _are_bits(config: Config, s: Array) -> Any:
    """Return which columns are bits, (D,), on the side of s."""
    return array_module(s).asarray([K == 2 for K in config.values])
