"""NADE: p(x) = Π_i p(x_i | x_<i) over binary x, one hidden layer shared by all conditionals.

Model       p(x_i = 1 | x_<i, y) = σ(b_i + V_i·h_i),   h_i = σ(c_y + Σ_{j<i} x_j W_j)

            x: (N, D) of 0 and 1    y: (N,) labels    W, V: (D, H)    b: (D,)
            c: (n_classes, H); (H,) where there is one class

            Row W_j enters every conditional after j: "tied". One network of 2DH + D + H numbers
            stands for D networks that would need about D²H/2 (see `nade_untied`). The label is one
            more input of the hidden layer, as a one-hot vector in front of x.

Gradient    loss = (1/N) Σ_n -log p(x_n). The chain rule runs through two pieces, each derived
            where it is coded:
                logits s to loss            chainrule.kernels.bernoulli
                W, V, b, c to logits s      chainrule.kernels.nade, which also shows how both
                                            fit in one forward sweep (S1-S3)

            In x, as if its bits were real numbers, s names them and so does the loss itself:
                L = Σ_n Σ_i (softplus(s_ni) - x_ni s_ni) / total
            (X1)  dx_ni = -s_ni / total + Σ_{k>i} ds_nk ∂s_nk/∂x_ni
            with the sum from chainrule.kernels.nade.

Cost        O(N·D·H) for each of the likelihood, the gradient and N samples.

Source      Larochelle and Murray 2011, "The Neural Autoregressive Distribution Estimator", AISTATS.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine import classes
from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import nade
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits, Ids

WEIGHTS = ("W", "V")
EVENT = Columns
ABILITIES = Abilities(labels=True)
_Arguments = tuple[Array, Array, Array, Array, Ids]


@dataclass(frozen=True)
class Config:
    """The shapes of a NADE: D visible and H hidden units, and how many labels there are."""

    n_visible: int
    n_hidden: int
    n_classes: int = 1

    @property
    def event(self) -> Columns:
        """What an observation is: D bits."""
        return Columns.bits(self.n_visible)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    D, H = config.n_visible, config.n_hidden
    return {"W": (D, H), "V": (D, H), "b": (D,), "c": classes.shape(config, H)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: W, V uniform in ±√(6 / (D + H)) (Glorot), b and c zero."""
    params = Params(shapes(config), dtype=dtype)
    bound = (6 / (config.n_visible + config.n_hidden)) ** 0.5
    for name in WEIGHTS:
        params[name][...] = rng.uniform(-bound, bound, params[name].shape)
    return params


def log_prob(config: Config, params: Params, x: Bits, y: Any = None) -> Array:
    """Return log p(x | y) of each row, shape (N,), in nats. y: (N,); None: of a single class."""
    log_p: Array = array_module(params.flat).empty(len(x), params.dtype)
    nade.log_prob(x, *_arguments(config, params, len(x), y), log_p=log_p)
    return log_p


def log_prob_terms(config: Config, params: Params, x: Bits, y: Any = None) -> Array:
    """Return log p(x_i | x_<i, y) of every variable, shape (N, D), in nats."""
    return bernoulli.log_prob_terms(_forward(config, params, x, y)[0], x)


def conditionals(config: Config, params: Params, x: Bits, y: Any = None) -> Array:
    """Return p(x_i = 1 | x_<i, y) at every i, shape (N, D)."""
    return bernoulli.conditionals(_forward(config, params, x, y)[0])


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
    nll: Array = array_module(params.flat).empty(len(x), params.dtype)
    into = grad["W"], grad["V"], grad["b"], classes.table(config, grad["c"])
    nade.nll_and_grad(x, *_arguments(config, params, len(x), y), 1 / total, nll, *into)
    if dx is not None:
        _input_gradient(config, params, x, y, total, dx)
    return float(nll.sum(dtype=np.float64)) / total


def _input_gradient(config: Config, params: Params, x: Bits, y: Any, total: int, dx: Array) -> None:
    """Overwrite dx, (N, D), with the gradient of the loss in x."""
    s, a_end = _forward(config, params, x, y)
    ds: Array = array_module(s).empty(s.shape, s.dtype)
    bernoulli.loss_and_grad(s, x, total, ds)
    nade.input_gradient(ds, x, params["W"], params["V"], a_end, dx)
    dx -= s / dx.dtype.type(total)  # X1


def _forward(config: Config, params: Params, x: Bits, y: Any) -> tuple[Array, Array]:
    """Return the logits, (N, D), and the last pre-activations, (N, H)."""
    xp = array_module(params.flat)
    s: Array = xp.empty(x.shape, params.dtype)
    a_end: Array = xp.empty((len(x), config.n_hidden), params.dtype)
    nade.forward(x, *_arguments(config, params, len(x), y), s=s, a_end=a_end)
    return s, a_end


def _arguments(config: Config, params: Params, n: int, y: Any) -> _Arguments:
    """Return W, V, b, c and the labels of n rows as the kernels read them."""
    known, c = classes.told(config, params, n, y), classes.table(config, params["c"])
    return params["W"], params["V"], params["b"], c, known


def sample(
    config: Config, params: Params, uniforms: Array, x: Bits | None = None, y: Any = None
) -> Bits:
    """Return rows, (N, D) uint8: drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D), of the parameters' dtype. x: (N, D), left as it is; None: zeros. y: (N,),
    labels; None: of a single class.
    """
    drawn: Bits = started(uniforms, x, config.event)
    nade.sample(uniforms, *_arguments(config, params, len(drawn), y), x=drawn)
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows: peek and put cost O(H) a row."""
    *_, c, known = _arguments(config, params, n, y)
    units = _Hidden(params, classes.rows(c, known, n))
    return Stepper(units, bernoulli, config.event, params, n)


class _Hidden:
    """The hidden pre-activations of n rows, a_i = c_y + Σ_{j<i} x_j W_j."""

    def __init__(self, params: Params, a: Array) -> None:
        self._params, self._a = params, a

    def outputs(self, i: int) -> Array:
        s: Array = self._params["b"][i] + sigmoid(self._a) @ self._params["V"][i]
        return s

    def move(self, i: int, x: Bits) -> None:
        self._a += x[:, None] * self._params["W"][i]
