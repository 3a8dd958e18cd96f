"""FVSBN: each bit a logistic regression on the bits before it.

Model       p(x_i = 1 | x_<i) = σ(α_0^i + Σ_{j<i} α_j^i x_j)

            x: (N, D) of 0 and 1    b: (D,) holds the α_0^i    alpha: (D(D-1)/2,) the α_j^i, the
            strictly lower triangle of a (D, D) matrix, packed (see `chainrule.kernels.triangular`)

            The first conditional has no input: p(x_0 = 1) = σ(b_0), a table of one entry.

Gradient    loss = (1/N) Σ_n -log p(x_n), through two pieces, each derived where it is coded:
                logits s to loss            chainrule.kernels.bernoulli
                alpha, b to logits s        chainrule.kernels.triangular

            In x, as if its bits were real numbers, s names them and so does the loss itself:
                L = Σ_n Σ_i (softplus(s_ni) - x_ni s_ni) / total
            (X1)  dx_ni = -s_ni / total + Σ_{k>i} ds_nk ∂s_nk/∂x_ni
            with the sum from chainrule.kernels.triangular.

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
from chainrule.engine.stepping import Stepper, no_labels, started
from chainrule.kernels import triangular
from chainrule.kernels.dispatch import array_module
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


def log_prob(config: Config, params: Params, x: Bits, y: None = None) -> Array:
    """Return log p(x) of each row, shape (N,), in nats."""
    no_labels(y)
    return bernoulli.log_prob(_logits(params, x), x)


def log_prob_terms(config: Config, params: Params, x: Bits, y: None = None) -> Array:
    """Return log p(x_i | x_<i) of every variable, shape (N, D), in nats."""
    no_labels(y)
    return bernoulli.log_prob_terms(_logits(params, x), x)


def conditionals(config: Config, params: Params, x: Bits, y: None = None) -> Array:
    """Return p(x_i = 1 | x_<i) at every i, shape (N, D)."""
    no_labels(y)
    return bernoulli.conditionals(_logits(params, x))


def loss_and_grad(
    config: Config,
    params: Params,
    x: Bits,
    grad: Params,
    total: int | None = None,
    dx: Array | None = None,
) -> float:
    """Return the mean negative log-likelihood in nats; write its gradient into `grad`.

    total: rows of the whole minibatch where x is a slice of it; the mean is over these. dx: (N, D),
    overwritten, where given, by the gradient in x as if its bits were real (X1).
    """
    total = total or len(x)
    s = _logits(params, x)
    ds: Array = array_module(s).empty(s.shape, s.dtype)
    loss = bernoulli.loss_and_grad(s, x, total, ds)
    triangular.backward(ds, x, dalpha=grad["alpha"], db=grad["b"])
    if dx is not None:
        triangular.input_gradient(ds, params["alpha"], dx)
        dx -= s / dx.dtype.type(total)  # X1
    return loss


def sample(
    config: Config, params: Params, uniforms: Array, x: Bits | None = None, y: None = None
) -> Bits:
    """Return rows, (N, D) uint8: drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D), of the parameters' dtype. x: (N, D), left as it is; None: zeros.
    """
    no_labels(y)
    drawn: Bits = started(uniforms, x, config.event)
    triangular.sample(uniforms, **params, x=drawn)
    return drawn


def start(config: Config, params: Params, n: int, y: None = None) -> Stepper:
    """Return a sampler of n rows: peek costs O(1) a row, put O(D)."""
    no_labels(y)
    return Stepper(_Logits(params, n), bernoulli, config.event, params, n)


class _Logits:
    """All logits of n rows, of what is known of x: b + Σ_{j<i} x_j α_j."""

    def __init__(self, params: Params, n: int) -> None:
        self._alpha = params["alpha"]
        self._s = array_module(self._alpha).tile(params["b"], (n, 1))

    def outputs(self, i: int) -> Array:
        s: Array = self._s[:, i]
        return s

    def move(self, i: int, x: Bits) -> None:
        D = self._s.shape[1]
        start = triangular.offset(i, D)
        self._s[:, i + 1 :] += x[:, None] * self._alpha[start : start + D - i - 1]


def _logits(params: Params, x: Bits) -> Array:
    """Return s, shape (N, D)."""
    s: Array = array_module(params.flat).empty(x.shape, params.dtype)
    triangular.forward(x, **params, s=s)
    return s
