"""FVSBN: each bit a logistic regression on the bits before it.

Model       p(x_i = 1 | x_<i) = σ(α_0^i + Σ_{j<i} α_j^i x_j)

            x: (N, D) of 0 and 1    b: (D,) holds the α_0^i    alpha: (D(D-1)/2,) the α_j^i, the
            strictly lower triangle of a (D, D) matrix, packed (see `chainrule.kernels.triangular`)

            The first conditional has no input: p(x_0 = 1) = σ(b_0), a table of one entry.

Gradient    loss = (1/N) Σ_n -log p(x_n), through two pieces, each derived where it is coded:
                logits s to loss            chainrule.kernels.bernoulli
                alpha, b to logits s        chainrule.kernels.triangular

            Given the data, the D regressions share nothing, and each is convex in its parameters:
            the maximum of the likelihood is global.

Cost        O(N·D²) at worst; the ones among the x alone cost anything.

Source      Frey, Hinton and Dayan 1996, "Does the wake-sleep algorithm produce good density
            estimators?"; the name is from Gan et al. 2015, "Learning Deep Sigmoid Belief Networks
            with Data Augmentation".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.kernels import triangular
from chainrule.kernels.types import Array, Bits

WEIGHTS = ("alpha",)
EVENT = Columns
ABILITIES = Abilities()


@dataclass(frozen=True)
class Config:
    """The shape of an FVSBN: D visible units."""

    n_visible: int

    @property
    def event(self) -> Columns:
        """What an observation is: D bits."""
        return Columns.bits(self.n_visible)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    D = config.n_visible
    return {"alpha": (D * (D - 1) // 2,), "b": (D,)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return zeros, every conditional a fair coin: the loss is convex, so any start will do."""
    return Params(shapes(config), dtype=dtype)


def log_prob(config: Config, params: Params, x: Bits) -> Array:
    """Return log p(x) of each row, shape (N,), in nats."""
    return bernoulli.log_prob(triangular.forward(x, **params), x)


def loss_and_grad(
    config: Config, params: Params, x: Bits, grad: Params, total: int | None = None
) -> float:
    """Return the mean negative log-likelihood in nats; write its gradient into `grad`.

    total: rows of the whole minibatch where x is a slice of it; the mean is over these.
    """
    s = triangular.forward(x, **params)
    loss, ds = bernoulli.loss_and_grad(s, x, total or len(x))
    triangular.backward(ds, x, dalpha=grad["alpha"], db=grad["b"])
    return loss


def conditionals(config: Config, params: Params, x: Bits) -> Array:
    """Return p(x_i = 1 | x_<i) at every i, shape (N, D)."""
    return bernoulli.mean(triangular.forward(x, **params))


def sample(
    config: Config,
    params: Params,
    uniforms: Array,
    given: Bits | None = None,
    observed: Any = None,
) -> Bits:
    """Return one row of x for each row of uniforms in [0, 1), shape (N, D); see `clamp`."""
    return triangular.sample(bernoulli.clamp(uniforms, given, observed), **params)
