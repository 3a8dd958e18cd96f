"""NADE: p(x) = Π_i p(x_i | x_<i) over binary x, one hidden layer shared by all conditionals.

Model       p(x_i = 1 | x_<i) = σ(b_i + V_i·h_i),   h_i = σ(c + Σ_{j<i} x_j W_j)

            x: (N, D) of 0 and 1    W, V: (D, H)    b: (D,)    c: (H,)

            Row W_j enters every conditional after j: "tied". One network of 2DH + D + H numbers
            stands for D networks that would need about D²H/2 (see `nade_untied`).

Gradient    loss = (1/N) Σ_n -log p(x_n). The chain rule runs through two pieces, each derived
            where it is coded:
                logits s to loss            chainrule.kernels.bernoulli
                W, V, b, c to logits s      chainrule.kernels.nade, which also shows how both
                                            fit in one forward sweep (S1-S3)

Cost        O(N·D·H) for each of the likelihood, the gradient and N samples.

Source      Larochelle and Murray 2011, "The Neural Autoregressive Distribution Estimator".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import nade
from chainrule.kernels.types import Array, Bits

WEIGHTS = ("W", "V")
EVENT = Columns
ABILITIES = Abilities()


@dataclass(frozen=True)
class Config:
    """The shapes of a NADE: D visible and H hidden units."""

    n_visible: int
    n_hidden: int

    @property
    def event(self) -> Columns:
        """What an observation is: D bits."""
        return Columns.bits(self.n_visible)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    D, H = config.n_visible, config.n_hidden
    return {"W": (D, H), "V": (D, H), "b": (D,), "c": (H,)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: W, V uniform in ±√(6 / (D + H)) (Glorot), b and c zero."""
    params = Params(shapes(config), dtype=dtype)
    bound = (6 / (config.n_visible + config.n_hidden)) ** 0.5
    for name in WEIGHTS:
        params[name][...] = rng.uniform(-bound, bound, params[name].shape)
    return params


def log_prob(config: Config, params: Params, x: Bits) -> Array:
    """Return log p(x) of each row, shape (N,), in nats."""
    return nade.log_prob(x, **params)


def loss_and_grad(
    config: Config, params: Params, x: Bits, grad: Params, total: int | None = None
) -> float:
    """Return the mean negative log-likelihood in nats; write its gradient into `grad`.

    total: rows of the whole minibatch where x is a slice of it; the mean is over these.
    """
    total = total or len(x)
    nll = nade.nll_and_grad(
        x, **params, scale=1 / total, dW=grad["W"], dV=grad["V"], db=grad["b"], dc=grad["c"]
    )
    return float(nll.sum(dtype=np.float64)) / total


def conditionals(config: Config, params: Params, x: Bits) -> Array:
    """Return p(x_i = 1 | x_<i) at every i, shape (N, D)."""
    return bernoulli.mean(nade.forward(x, **params)[0])


def sample(
    config: Config,
    params: Params,
    uniforms: Array,
    given: Bits | None = None,
    observed: Any = None,
) -> Bits:
    """Return one row of x for each row of uniforms in [0, 1), shape (N, D); see `clamp`."""
    return nade.sample(bernoulli.clamp(uniforms, given, observed), **params)
