"""MADE: one deep network whose output i depends on x_1 … x_{i-1} alone, by masks on its weights.

Model       p(x_i | x_<i) is the distribution of variable i by its outputs s_i, all of them from one
            pass of a network that would be an autoencoder but for its masks:
                who sees whom, and why that will do       chainrule.engine.layers.masks
                x to outputs s, and back                  chainrule.engine.layers.masked_network

            x: (N, D)    W: (R, H_1)    U: the matrices (H_1, H_2) … (H_{L-1}, H_L), row by row, one
            after the other    V: (H_L, S)    A: (R, S), of no rows without direct connections
            c: (n_classes, H_1 + … + H_L)    b: (n_classes, S); without their first axis where
            there is one class

            A bit and a real variable have one of the R rows, K categories K of them. With labels,
            p(x | y): y chooses the biases, of all units and outputs, so that the first variable,
            which no unit reaches, heeds it too.

Masks       With n_masks K, the K masks are K networks of the same weights, p_1 … p_K, and the model
            is their mean (`chainrule.engine.averages`):
            (E1)  p(x) = (1/K) Σ_k p_k(x)
            (E2)  ∇ log p(x) = Σ_k r_k ∇ log p_k(x),   r_k the share of p_k(x) in the sum
            Training walks through them, minibatch t learning p_{t mod K} alone: that lowers the
            mean of -log p_k, which by Jensen's inequality bounds -log p from above.

            All in one order of the variables: then the mean has conditionals in that order, exact
            ones, and is sampled by them. Each in an order of its own (order_agnostic): then it is a
            density, and can be sampled, by drawing k first, but p(x_i | x_<i) is of no order.

Gradient    loss = Σ_n -log p(x_n) / total, through
                outputs s to loss              chainrule.engine.distributions
                parameters to outputs s        chainrule.engine.layers.masked_network
            In x, as if its bits were real numbers, s names them and so does the loss itself:
            (X1)  dx_ni = -s_ni / total + Σ_{k>i} ds_nk ∂s_nk/∂x_ni

Cost        A pass: one multiply-add, half as many as without masks, for each weight that is not
            masked; the gradient two more. One sample costs one pass.

Source      Germain, Gregor, Murray and Larochelle 2015, "MADE: Masked Autoencoder for Distribution
            Estimation", ICML (arXiv:1502.03509).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from chainrule.engine import arena, averages, classes
from chainrule.engine.distributions import bernoulli
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.layers import masks
from chainrule.engine.layers.masked_passes import Network
from chainrule.engine.layers.masks import Sizes
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import activation
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

WEIGHTS = ("W", "U", "V", "A")
EVENT = Columns
ABILITIES = Abilities(labels=True, noise=True, whole=True)
NO_ORDER = (
    "this MADE is a mean over several orders of its variables, so none has a distribution given "
    "those before it; ask for log_prob, or train with order_agnostic=False"
)


@dataclass(frozen=True)
class Config:
    """The shapes of a MADE, and its masks.

    Args:
        values: how many values each variable has.
        hidden: units of each layer, from the inputs on.
        activation: of the hidden units.
        direct: whether inputs are connected to outputs directly too.
        n_masks: how many masks there are.
        mask_seed: what they are drawn from, at least 1.
        order_agnostic: whether masks but the first have random orders of the variables.
        n_classes: labels are 0 … n_classes - 1.

    Raises:
        ValueError: a size below 1, or nothing between inputs and outputs.
    """

    values: tuple[int, ...]
    hidden: tuple[int, ...] = (500,)
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    direct: bool = False
    n_masks: int = 1
    mask_seed: int = 1
    order_agnostic: bool = False
    n_classes: int = 1

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        sizes = (*self.hidden, self.n_masks, self.mask_seed, self.n_classes)
        if min(sizes) < 1:
            raise ValueError(f"sizes, n_masks and mask_seed must be 1 or more, got {self}")
        if not (self.hidden or self.direct):
            raise ValueError("hidden needs a layer where there are no direct connections")
        if self.activation not in activation.KINDS:
            known = ", ".join(activation.KINDS)
            raise ValueError(f"activation must be one of {known}, got {self.activation!r}")

    @property
    def event(self) -> Columns:
        """What an observation is: columns."""
        return Columns(self.values)

    @property
    def network(self) -> Network:
        """The network and its masks."""
        return _network(self)


@lru_cache
def _network(config: Config) -> Network:
    n_rows = tuple(K if K > 2 else 1 for K in config.values)
    sizes = Sizes(n_rows, tuple(map(bernoulli.n_outputs, config.values)), config.hidden)
    cycle = config.n_masks, config.mask_seed, config.order_agnostic
    return Network(sizes, config.activation, config.direct, *cycle, config.n_classes)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    return config.network.shapes


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters: weights uniform in ±√(6 / (rows + columns)), biases zero.

    Weights that every mask hides are 0, and stay so.
    """
    params = Params(shapes(config), dtype=dtype)
    arrays = config.network.arrays(params)
    weights = (*arrays.weights, arrays.direct)
    for W, seen in zip(weights, config.network.visible(), strict=True):
        bound = (6 / max(1, sum(W.shape))) ** 0.5
        W[...] = seen * rng.uniform(-bound, bound, W.shape)
    return params


def log_prob(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return log p(x) of each row, (N,), in nats: E1.

    y: (N,), the rows' classes; a model with n_classes > 1 needs them.
    """

    log_p = _log_prob(config, params, x, classes.told(config, params, len(x), y))
    mean: Array = averages.log_mean(log_p).astype(params.dtype)  # E1
    return log_p[0] if len(log_p) == 1 else mean


def log_prob_terms(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return log p(x_i | x_<i) of every variable, (N, D), in nats.

    Raises:
        ValueError: the masks have orders of their own; and as `log_prob`.
    """
    _check_order(config)
    terms = _terms(config, params, x, classes.told(config, params, len(x), y))
    mean: Array = averages.weights(terms)[0].astype(params.dtype)
    return terms[0] if len(terms) == 1 else mean


def conditionals(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return p(x_i = 1 | x_<i) at every i, (N, D).

    Raises:
        ValueError: as `log_prob_terms`.
    """
    _check_order(config)
    y = classes.told(config, params, len(x), y)
    p = config.network.each(params, x, y, lambda one: bernoulli.conditionals(one.s))
    if len(p) == 1:
        first: Array = p[0]
        return first
    weights = averages.weights(_terms(config, params, x, y))[1]
    mean: Array = (weights * p).sum(axis=0).astype(params.dtype)
    return mean


def loss_and_grad(
    config: Config,
    params: Params,
    x: Any,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    noise: Noise | None = None,
    dx: Array | None = None,
) -> float:
    """Return Σ -log p(x) / total in nats; write its gradient into `grad`.

    Args:
        config, params: the model.
        x: (N, D).
        grad: overwritten; laid out like params.
        total: what the sum is divided by; N if not given.
        y: (N,), the rows' classes; a model with n_classes > 1 needs them.
        noise: says which mask's -log p_k it is; None: that of all, -log p, for K times the work.
        dx: (N, D), overwritten, where given, by the gradient in x as if its bits were real (X1).
    """
    total, y = total or len(x), classes.told(config, params, len(x), y)
    if noise is not None or config.n_masks == 1:
        k = 0 if noise is None else noise.step % config.n_masks
        return _gradient(config, params, x, y, k, total, None, grad, dx)
    log_p = _log_prob(config, params, x, y)
    shares = averages.shares(log_p).astype(params.dtype)[..., None]
    part, part_dx = params.like(), None if dx is None else array_module(dx).empty_like(dx)
    sums: list[Any] = [(grad.flat, part.flat)] + ([] if dx is None else [(dx, part_dx)])
    for k in range(config.n_masks):
        _gradient(config, params, x, y, k, total, shares[k], part, part_dx)
        for whole, one in sums:
            whole[...] = one if k == 0 else whole + one  # E2
    return -float(averages.log_mean(log_p).sum()) / total


def sample(config: Config, params: Params, uniforms: Array, x: Any = None, y: Any = None) -> Any:
    """Return rows, (N, D): drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D), of the parameters' dtype. x: (N, D), left as it is; None: zeros. y: (N,), the
    rows' classes. Of masks with orders of their own, a row's is drawn by its first uniform, of
    which the rest then draws the variable; what is kept is heeded by what comes later in it.
    """
    drawn = started(uniforms, x, config.event)
    if not _has_orders(config):
        return start(config, params, len(drawn), y).extend(uniforms, drawn)
    xp, y = array_module(uniforms), classes.told(config, params, len(uniforms), y)
    u, chosen = masks.draw(uniforms, config.n_masks)
    for k in range(config.n_masks):
        rows = xp.flatnonzero(chosen == k)
        mask = config.network.mask(params, k)
        some = y[rows] if len(y) else y
        units = config.network.units(params, len(rows), some, k)
        stepper = Stepper(units, bernoulli, config.event, params, len(rows))
        got = stepper.extend(u[rows][:, mask.order], drawn[rows][:, mask.order])
        drawn[rows] = got[:, mask.order_back]
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows, of the mean of all masks: each weight is used once a row.

    Raises:
        ValueError: as `log_prob_terms`.
    """
    _check_order(config)
    y = classes.told(config, params, n, y)
    units = [config.network.units(params, n, y, k) for k in range(config.n_masks)]
    remembered = units[0] if len(units) == 1 else averages.MeanUnits(units, bernoulli)
    return Stepper(remembered, bernoulli, config.event, params, n)


def _log_prob(config: Config, params: Params, x: Any, y: Any) -> Array:
    """Return every mask's log p_k(x), (K, N)."""
    return config.network.each(params, x, y, lambda one: bernoulli.log_prob(one.s, one.x))


def _terms(config: Config, params: Params, x: Any, y: Any) -> Array:
    """Return every mask's log p_k(x_i | x_<i), (K, N, D)."""
    return config.network.each(params, x, y, lambda one: bernoulli.log_prob_terms(one.s, one.x))


def _gradient(
    config: Config,
    params: Params,
    x: Any,
    y: Any,
    k: int,
    total: int,
    shares: Array | None,
    grad: Params,
    dx: Array | None,
) -> float:
    """Return Σ -log p_k(x) / total; write its gradient, or that of rows by their shares, (N, 1)."""
    with arena.borrow(params.flat) as new:
        one = config.network.forward(params, x, y, k, new)
        through = None if dx is None else new(dx.shape)
        own = None if dx is None else one.s / one.s.dtype.type(-total)  # X1, the loss's own part
        loss = bernoulli.loss_and_grad(one.s, one.x, total, one.s)
        if shares is not None:
            one.s[...] *= shares
        config.network.backward(one, one.s, grad, through, new)
        if dx is not None and through is not None and own is not None:
            through += own if shares is None else own * shares  # X1
            dx[...] = through[:, one.mask.order_back] if one.mask.moved else through
    return loss


def _has_orders(config: Config) -> bool:
    return config.order_agnostic and config.n_masks > 1


def _check_order(config: Config) -> None:
    if _has_orders(config):
        raise ValueError(NO_ORDER)
