"""FVSBN: each bit a logistic regression on the bits before it.

Model       p(x_i = 1 | x_<i, y) = σ(b_yi + Σ_{j<i} α_j^i x_j)

            x: (N, D) of 0 and 1    y: (N,) labels    alpha: (D(D-1)/2,) the α_j^i, the strictly
            lower triangle of a (D, D) matrix, packed (see `chainrule.kernels.triangular`)
            b: (n_classes, D), the biases; (D,) where there is one class

            The first conditional has no input: p(x_0 = 1 | y) = σ(b_y0), a table of an entry a
            class. The label is one more input of each regression, as a one-hot vector; what
            variables do to each other is the same in all classes.

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
            estimators?", NIPS 8. Frey 1998, "Graphical Models for Machine Learning and Digital
            Communication", calls it the logistic autoregressive network; later papers the fully
            visible sigmoid belief network, as Gan et al. 2015, "Learning Deep Sigmoid Belief
            Networks with Data Augmentation", AISTATS.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine import classes
from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import triangular
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Bits, Ids

WEIGHTS = ("alpha",)
EVENT = Columns
ABILITIES = Abilities(labels=True)


@dataclass(frozen=True)
class Config:
    """The shape of an FVSBN: D visible units, and how many labels there are."""

    n_visible: int
    n_classes: int = 1

    @property
    def event(self) -> Columns:
        """What an observation is: D bits."""
        return Columns.bits(self.n_visible)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    D = config.n_visible
    return {"alpha": (D * (D - 1) // 2,), "b": classes.shape(config, D)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return zeros, every conditional a fair coin: the loss is convex, so any start will do."""
    return Params(shapes(config), dtype=dtype)


def log_prob(config: Config, params: Params, x: Bits, y: Any = None) -> Array:
    """Return log p(x | y) of each row, shape (N,), in nats. y: (N,); None: of a single class."""
    return bernoulli.log_prob(_logits(config, params, x, y)[0], x)


def log_prob_terms(config: Config, params: Params, x: Bits, y: Any = None) -> Array:
    """Return log p(x_i | x_<i, y) of every variable, shape (N, D), in nats."""
    return bernoulli.log_prob_terms(_logits(config, params, x, y)[0], x)


def conditionals(config: Config, params: Params, x: Bits, y: Any = None) -> Array:
    """Return p(x_i = 1 | x_<i, y) at every i, shape (N, D)."""
    return bernoulli.conditionals(_logits(config, params, x, y)[0])


def loss_and_grad(
    config: Config,
    params: Params,
    x: Bits,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    dx: Array | None = None,
) -> float:
    """Return the mean negative log-likelihood in nats; write its gradient into `grad`.

    total: rows of the whole minibatch where x is a slice of it; the mean is over these. y: (N,),
    labels; None: of a single class. dx: (N, D), overwritten, where given, by the gradient in x as
    if its bits were real (X1).
    """
    total = total or len(x)
    s, known = _logits(config, params, x, y)
    ds: Array = array_module(s).empty(s.shape, s.dtype)
    loss = bernoulli.loss_and_grad(s, x, total, ds)
    db = classes.table(config, grad["b"])
    triangular.backward(ds, x, known, dalpha=grad["alpha"], db=db)
    if dx is not None:
        triangular.input_gradient(ds, params["alpha"], dx)
        dx -= s / dx.dtype.type(total)  # X1
    return loss


def sample(
    config: Config, params: Params, uniforms: Array, x: Bits | None = None, y: Any = None
) -> Bits:
    """Return rows, (N, D) uint8: drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D), of the parameters' dtype. x: (N, D), left as it is; None: zeros. y: (N,),
    labels; None: of a single class.
    """
    drawn: Bits = started(uniforms, x, config.event)
    known, b = classes.told(config, params, len(drawn), y), classes.table(config, params["b"])
    triangular.sample(uniforms, params["alpha"], b, known, x=drawn)
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows: peek costs O(1) a row, put O(D)."""
    b = classes.table(config, params["b"])
    s = classes.rows(b, classes.told(config, params, n, y), n)
    return Stepper(_Logits(params, s), bernoulli, config.event, params, n)


class _Logits:
    """All logits of n rows, of what is known of x: b_y + Σ_{j<i} x_j α_j."""

    def __init__(self, params: Params, s: Array) -> None:
        self._alpha, self._s = params["alpha"], s

    def outputs(self, i: int) -> Array:
        s: Array = self._s[:, i]
        return s

    def move(self, i: int, x: Bits) -> None:
        D = self._s.shape[1]
        start = triangular.offset(i, D)
        self._s[:, i + 1 :] += x[:, None] * self._alpha[start : start + D - i - 1]


def _logits(config: Config, params: Params, x: Bits, y: Any) -> tuple[Array, Ids]:
    """Return s, shape (N, D), and the labels as kernels read them."""
    s: Array = array_module(params.flat).empty(x.shape, params.dtype)
    known = classes.told(config, params, len(x), y)
    triangular.forward(x, params["alpha"], classes.table(config, params["b"]), known, s=s)
    return s, known
