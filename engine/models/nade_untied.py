"""Untied NADE: one small network for each conditional, so that a reader sees what tying saves.

Shapes      x: (N, D) of 0 and 1    y: (N,) labels    b: (D,)    V: (D, H)    A: (D(D-1)/2, H)
            c: (n_classes, D, H); (D, H) where there is one class

            Network i has its own input weights A_i: (i, H), rows offset(i) … of A with
            offset(i) = i(i-1)/2, its own hidden biases c_i, in each class, and output weights V_i.
            That is D²H/2 numbers more than tied NADE has, and O(D) times
            its work: nothing of h_i can be reused for h_{i+1}. The label is one more input of each
            network, as a one-hot vector.

Forward     (F1)  a_i = c_yi + Σ_{j<i} x_j A_ij           a_i, h_i: (N, H)
            (F2)  h_i = σ(a_i)
            (F3)  s_i = b_i + V_i·h_i                     logit of p(x_i = 1 | x_<i)

Backward    With g_i = dL/ds_i from chainrule.kernels.bernoulli, for each i on its own:
            (B1)  dV_i = Σ_n g_i h_i,   db_i = Σ_n g_i    undoes F3
            (B2)  da_i = g_i V_i ∘ h_i ∘ (1 - h_i)        undoes F3, F2
            (B3)  dc_ki = Σ_{n: y_n = k} da_i             undoes F1
            (B4)  dA_ij = Σ_n x_j da_i  for j < i         undoes F1

            And in x, as if its bits were real: x_j enters F1 of every i > j, and the loss
            Σ_i (softplus(s_i) - x_i s_i) / total by name:
            (B5)  dx_j  = -s_j / total + Σ_{i>j} A_ij·da_i    undoes F1

Cost        N·D²·H FLOPs for the logits, three times that with the gradient, in matrix products.
            The (N, H) array h_i is recomputed for the gradient of conditional i, not kept.

Source      Bengio and Bengio 2000, "Modeling High-Dimensional Discrete Data with Multi-Layer
            Neural Networks", is the ancestor that already ties; untying it is for study.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine import classes
from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits, Ids

WEIGHTS = ("A", "V")
EVENT = Columns
ABILITIES = Abilities(labels=True)


@dataclass(frozen=True)
class Config:
    """The shapes of an untied NADE: D visible units, H hidden ones for each, and the labels."""

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
    A, c = (D * (D - 1) // 2, H), classes.shape(config, D, H)
    return {"A": A, "V": (D, H), "b": (D,), "c": c}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: A_i and V_i uniform in ±√(6 / (fan in + fan out)), b, c zero."""
    params = Params(shapes(config), dtype=dtype)
    D, H = config.n_visible, config.n_hidden
    for i in range(D):
        bound = (6 / (i + H)) ** 0.5
        _rows(params["A"], i)[...] = rng.uniform(-bound, bound, (i, H))
    bound = (6 / (H + 1)) ** 0.5
    params["V"][...] = rng.uniform(-bound, bound, (D, H))
    return params


def _rows(A: Array, i: int) -> Array:
    """Return A_i, the input weights of network i, shape (i, H)."""
    start = i * (i - 1) // 2
    rows: Array = A[start : start + i]
    return rows


def _hidden(params: Params, x: Array, y: Ids, i: int) -> Array:
    """Return h_i, shape (N, H). y: as `classes.told` returns it."""
    c = params["c"][y, i] if params["c"].ndim == 3 else params["c"][i]
    return sigmoid(c + x[:, :i] @ _rows(params["A"], i))  # F1, F2


def _logits(config: Config, params: Params, x: Bits, y: Any) -> tuple[Array, Ids]:
    """Return s, shape (N, D), and the labels as `_hidden` reads them."""
    floats, known = x.astype(params.dtype), classes.told(config, params, len(x), y)
    s: Array = array_module(x).empty(x.shape, params.dtype)
    for i in range(x.shape[1]):
        s[:, i] = params["b"][i] + _hidden(params, floats, known, i) @ params["V"][i]  # F3
    return s, known


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
    if its bits were real (B5).
    """
    total = total or len(x)
    s, known = _logits(config, params, x, y)
    floats, dc = x.astype(params.dtype), classes.table(config, grad["c"])
    if dx is not None:
        dx[...] = s / s.dtype.type(-total)  # B5, the loss's own part
    loss = bernoulli.loss_and_grad(s, x, total, s)
    grad["b"][...] = s.sum(axis=0)  # B1, where s has become g
    for i in range(config.n_visible):
        h = _hidden(params, floats, known, i)
        grad["V"][i] = s[:, i] @ h  # B1
        da = s[:, i, None] * params["V"][i] * h * (1 - h)  # B2
        classes.add_up(da, known, dc[:, i])  # B3
        _rows(grad["A"], i)[...] = floats[:, :i].T @ da  # B4
        if dx is not None:
            dx[:, :i] += da @ _rows(params["A"], i).T  # B5
    return loss


def sample(
    config: Config, params: Params, uniforms: Array, x: Bits | None = None, y: Any = None
) -> Bits:
    """Return rows, (N, D) uint8: drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D), of the parameters' dtype. x: (N, D), left as it is; None: zeros. y: (N,),
    labels; None: of a single class.
    """
    drawn: Bits = start(config, params, len(uniforms), y).extend(uniforms, x)
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows: peek costs O(i·H) a row at variable i, since its network is new.

    Nothing of the networks before it can be used: that is what tying saves. put costs nothing.
    """
    known = _Known(params, classes.told(config, params, n, y), n, config.n_visible)
    return Stepper(known, bernoulli, config.event, params, n)


class _Known:
    """What is known of x, (n, D), and the labels."""

    def __init__(self, params: Params, y: Ids, n: int, D: int) -> None:
        self._params, self._y = params, y
        self._x = array_module(params.flat).zeros((n, D), params.dtype)

    def outputs(self, i: int) -> Array:
        params = self._params
        s: Array = params["b"][i] + _hidden(params, self._x, self._y, i) @ params["V"][i]
        return s

    def move(self, i: int, x: Bits) -> None:
        self._x[:, i] = x
