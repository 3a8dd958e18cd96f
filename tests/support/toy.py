"""A toy model, as CONTRIBUTING tells one to add it: categories and labels, one file.

Model       p(x_i = v | x_<i, y) = softmax(s_i)_v,   s_i = b^y_i + Σ_{j<i} A[j, x_j]_i

            One softmax regression a column: FVSBN for variables of K_i values, told a label.
            x: (N, D) codes, 0 … K_i - 1    b: (n_classes, S)    A: (S, S),  S = Σ_i K_i
            Row offset_j + v of A is what x_j = v adds to the outputs of the columns after j; what
            it would add to the others is not read, and has the gradient 0.

Gradient    loss = Σ -log p(x_i | x_<i, y) / total. With ds from chainrule.engine.distributions,
            (B1)  db^y = Σ ds over the rows of label y
            (B2)  dA[j, v]_i = Σ ds_i over the rows where x_j = v, for i > j
            (B3)  dx_j, the gradient in the row of A that x_j is looked up in: ds_i for i > j
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine.distributions import categorical
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids

WEIGHTS = ("A",)
EVENT = Columns
ABILITIES = Abilities(labels=True)


@dataclass(frozen=True)
class Config:
    """The shapes of a toy: how many values each column has, and how many labels there are."""

    values: tuple[int, ...]
    n_classes: int = 1

    @property
    def event(self) -> Columns:
        """What an observation is: columns of categories."""
        return Columns(self.values)

    @property
    def columns(self) -> list[slice]:
        """Where each column's outputs stand."""
        ends = np.cumsum(self.values).tolist()
        return [slice(end - K, end) for K, end in zip(self.values, ends, strict=True)]


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    S = sum(config.values)
    return {"A": (S, S), "b": (config.n_classes, S)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: A uniform in ±0.1, b zero."""
    params = Params(shapes(config), dtype=dtype)
    params["A"][...] = rng.uniform(-0.1, 0.1, params["A"].shape)
    return params


def log_prob(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return log p(x | y) of each row, (N,), in nats."""
    log_p: Array = log_prob_terms(config, params, x, y).sum(axis=1)
    return log_p


def log_prob_terms(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return log p(x_i | x_<i, y) in nats, (N, D)."""
    s = _outputs(config, params, x, y)
    terms: Array = array_module(s).empty(x.shape, s.dtype)
    for i, part in enumerate(config.columns):
        terms[:, i] = categorical.log_prob_terms(_own(s, part), _own(x, i))
    return terms


def conditionals(config: Config, params: Params, x: Ids, y: Any = None) -> Array:
    """Return p(x_i = v | x_<i, y), (N, D, max K); 0 for values that a column has not."""
    s = _outputs(config, params, x, y)
    p: Array = array_module(s).zeros((*x.shape, max(config.values)), s.dtype)
    for i, part in enumerate(config.columns):
        p[:, i, : config.values[i]] = categorical.conditionals(_own(s, part))
    return p


def loss_and_grad(
    config: Config,
    params: Params,
    x: Ids,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    dx: Array | None = None,
) -> float:
    """Return Σ -log p(x_i | x_<i, y) / total in nats; write its gradient into `grad`, and dx."""
    s, xp, loss = _outputs(config, params, x, y), array_module(x), 0.0
    ds = xp.empty_like(s)
    for i, part in enumerate(config.columns):
        own = xp.empty((len(x), config.values[i]), s.dtype)
        loss += categorical.loss_and_grad(_own(s, part), _own(x, i), total or len(x), own)
        ds[:, part] = own
    grad.flat[...] = 0
    xp.add.at(grad["b"], _labels(config, x, y), ds)  # B1
    for j, part in enumerate(config.columns):
        later = slice(part.stop, None)
        xp.add.at(grad["A"][:, later], part.start + x[:, j], ds[:, later])  # B2
        if dx is not None:
            dx[:, j], dx[:, j, later] = 0, ds[:, later]  # B3
    return loss


class _Outputs:
    """What is remembered of n rows: the outputs of all columns, so far."""

    def __init__(self, config: Config, params: Params, n: int, y: Any) -> None:
        self.columns, self.A = config.columns, params["A"]
        self.s = params["b"][_labels(config, array_module(params.flat).empty(n), y)]

    def outputs(self, i: int) -> Array:
        return _own(self.s, self.columns[i])

    def move(self, i: int, x: Ids) -> None:
        part = self.columns[i]
        self.s[:, part.stop :] += self.A[part.start + x][:, part.stop :]


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows."""
    return Stepper(_Outputs(config, params, n, y), categorical, config.event, params, n)


def sample(
    config: Config, params: Params, uniforms: Array, x: Ids | None = None, y: Any = None
) -> Ids:
    """Return rows, (N, D): drawn where the uniform is in [0, 1), kept where it is negative."""
    return start(config, params, len(uniforms), y).extend(uniforms, x)


def _outputs(config: Config, params: Params, x: Ids, y: Any) -> Array:
    """Return s, (N, S)."""
    s: Array = params["b"][_labels(config, x, y)]
    for j, part in enumerate(config.columns):
        s[:, part.stop :] += params["A"][part.start + x[:, j]][:, part.stop :]
    return s


def _labels(config: Config, x: Ids, y: Any) -> Any:
    if y is None and config.n_classes > 1:
        raise ValueError("this model was fitted with labels; give y, one for each row")
    xp = array_module(x)
    return xp.zeros(len(x), np.int32) if y is None else xp.asarray(y)


def _own(a: Any, part: Any) -> Any:
    """Return a column of a in memory of its own, as the kernels read it."""
    return array_module(a).ascontiguousarray(a[:, part])
