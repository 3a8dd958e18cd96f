"""Any-order NADE: one deep network for p(x_i | x_o), whatever set o of the others is observed.

Network     One pass gives the distributions of all variables that are not observed, from those that
            are: chainrule.engine.layers.any_order.    x: (N, D)    y: (N,)

Orderings   Each ordering π of the variables makes a distribution p_π(x) = Π_d p(x_{π_d} | x_{o_d}),
            o_d = {π_1 … π_{d-1}}. They contradict each other: p(x) is the mean of K = n_orderings,
            and x_f is scored and drawn given x_g by the mean of as many that begin with g:
                chainrule.engine.layers.any_order_mean

Loss        What is to be low is the mean over all orderings, J = E_π[-log p_π(x)]. In four steps:

                J = E_π Σ_d -log p(x_{π_d} | x_{o_d})                       by the chain rule
                  = D E_d E_π[-log p(x_{π_d} | x_{o_d})]                    d uniform on 1 … D
                  = D E_d E_{o_d} E_{π_d | o_d}[-log p(x_{π_d} | x_{o_d})]  no order within o_d, or
                                                                            behind π_d, enters
                  = E_d E_{o_d}[D / (D-d+1) Σ_{i not in o_d} -log p(x_i | x_{o_d})]

            the last because π_d, given o_d, is any of the D-d+1 variables that are left, each as
            likely. So for one random d, and one random set o of d - 1 variables, a row
            (L1)  Ĵ = Σ_i w_i · -log p(x_i | x_o),   w_i = D / (D-d+1) where i is not in o, else 0
            has the expectation J, and its gradient that of J: an unbiased estimate from a single
            pass, of which no output outside o goes to waste. `engine.subsets` draws o: for training
            by other probabilities of d, with w_i to match, which halves the gradient's variance.

            Without noise the loss is -log p(x) itself: for each ordering and each d a pass with
            w_i = 1 at i = π_d alone. With r_k, the share that p_{π_k}(x) has in the mean, as in
            `chainrule.engine.averages`,
            (L2)  ∇ log p(x) = Σ_k r_k ∇ log p_{π_k}(x)

Missing     A missing value is in no o and in no loss: D is then the number of the row's others, and
            it is their distribution that is learnt and scored.

Cost        L1: one pass of the network and its way back. Scores and draws extend what is known
            variable by variable, chainrule.engine.layers.any_order_walk, scores for each ordering.

Source      Uria, Murray and Larochelle 2014, "A Deep and Tractable Density Estimator", ICML
            (arXiv:1310.1757): the order-agnostic loss, and EoNADE, the mean over orderings.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.engine import arena, averages, classes, ordering, subsets
from chainrule.engine.distributions import columns
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.layers import any_order, any_order_mean, any_order_walk
from chainrule.engine.layers.any_order import AnyOrder
from chainrule.engine.layers.any_order_walk import Prefix
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import activation
from chainrule.kernels import columns as kernel
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

WEIGHTS = ("W", "V")
EVENT = Columns
ABILITIES = Abilities(labels=True, noise=True, any_order=True, whole=True)


@dataclass(frozen=True)
class Config:
    """The shapes of an any-order NADE, and how many orderings a likelihood is the mean of.

    values: of each variable. hidden: units of each layer. activation: "relu", "tanh", "sigmoid".
    n_components, family, mixture_weights: of real variables' mixtures. half_steps, atoms: as of
    `Columns`.
    """

    values: tuple[int, ...]
    hidden: tuple[int, ...] = (500, 500)
    activation: str = "relu"
    n_components: int = 10
    family: str = "gaussian"
    mixture_weights: str = "learned"
    n_classes: int = 1
    n_orderings: int = 1
    half_steps: tuple[float, ...] = ()
    atoms: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        Columns(self.values, self.half_steps, self.atoms)
        sizes = (*self.hidden, self.n_components, self.n_classes, self.n_orderings)
        if not self.hidden or min(sizes) < 1:
            raise ValueError("hidden needs a layer, and sizes of 1 or more")
        for name, words in WORDS.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{name} must be one of {words}, got {getattr(self, name)!r}")

    @property
    def event(self) -> Columns:
        """What an observation is."""
        return Columns(self.values, self.half_steps, self.atoms)

    @property
    def components(self) -> int:
        """How many the conditional of a real variable has."""
        return self.n_components


WORDS = {  # in the order of the kernels' numbers
    "activation": activation.KINDS,
    "family": ("gaussian", "laplace"),
    "mixture_weights": ("equal", "learned"),
}


@lru_cache(maxsize=64)
def _network(config: Config, xp: Any = np) -> AnyOrder:
    """Return the config's network, its layout of outputs for arrays of xp."""
    kind, family, learned = (words.index(getattr(config, k)) for k, words in WORDS.items())
    mixtures = config.n_components, family, bool(learned)
    layout = kernel.layout(config.values, *mixtures, xp, config.half_steps, config.atoms)
    return any_order.network(config.values, kind, len(config.hidden), config.n_classes, layout)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    return any_order.shapes(_network(config), config.hidden)


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see `any_order.begin`."""
    params = Params(shapes(config), dtype=dtype)
    any_order.begin(_network(config), params, rng)
    return params


def log_prob(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return log p(x) of each row, (N,), in nats."""
    return log_prob_given(config, params, x, None, y)


def log_prob_given(config: Config, params: Params, x: Any, given: Any, y: Any = None) -> Array:
    """Return log p(x_f | x_g) of each row, (N,): given, (N, D) bool, marks g; None: nothing is.

    The mean over n_orderings orders of f behind g. Missing values are in neither.
    """
    net, y = _setting(config, params, len(x), y)
    return any_order_mean.log_prob(net, params, x, given, y, _orders(config))


def log_prob_terms(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return log p(x_i | x_<i) of every variable, (N, D), in nats; 0 of a missing one.

    Raises:
        ValueError: n_orderings is not 1: the mean over orderings is no product of terms.
    """
    _one_order(config)
    net, y = _setting(config, params, len(x), y)
    s = any_order_walk.outputs(net, params, x, None, y, range(x.shape[1]))
    return any_order.terms(net, s, x, Columns.known(x))


def conditionals(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return the distribution of every x_i given x_<i, in the model's own order.

    Raises:
        ValueError: as `log_prob_terms`.
    """
    _one_order(config)
    net, y = _setting(config, params, len(x), y)
    s = any_order_walk.outputs(net, params, x, None, y, range(x.shape[1]))
    return any_order.distributions(net, s)


def marginals(config: Config, params: Params, x: Any, given: Any, y: Any = None) -> Array:
    """Return the distribution of every single x_i given x_g, as `conditionals` has them: one pass.

    That of an ordering in which x_i comes next after x_g, whatever n_orderings.
    given: (N, D) bool, marks g. A variable of g is certain to be what it is; a real one has x_i for
    its means, and scales of 0.
    """
    net, y = _setting(config, params, len(x), y)
    seen = given & Columns.known(x)
    with arena.borrow(params.flat) as new:
        s, _ = any_order.forward(net, params, x, seen, y, new)
        return any_order.distributions(net, s, x, seen)


def uniforms(config: Config, params: Params, x: Any, v: Array, y: Any = None) -> Array:
    """Return the uniforms, (N, D) float64, from which `sample` draws x again; NaN of missing x_i.

    v: (N, D) in [0, 1): which of the uniforms that all draw the same bit or category.

    Raises:
        ValueError: as `log_prob_terms`.
    """
    _one_order(config)
    xp, known = array_module(params.flat), Columns.known(x)
    net, y = _setting(config, params, len(x), y)
    s = any_order_walk.outputs(net, params, x, None, y, range(x.shape[1]))
    there = xp.where(known, x, xp.zeros((), x.dtype))
    u: Array = columns.uniforms(net.layout, s, there, v)
    u[~known] = xp.nan
    return u


def nll_estimates(config: Config, params: Params, x: Any, noise: Noise, y: Any = None) -> Array:
    """Return an unbiased estimate of each row's -log p_π(x), all orderings π alike, (N,): L1."""
    net, y = _setting(config, params, len(x), y)
    seen, weights = subsets.draw(noise, Columns.known(x), params.dtype, subsets.ESTIMATES)
    with arena.borrow(params.flat) as new:
        s, _ = any_order.forward(net, params, x, seen, y, new)
        out: Array = -(weights * any_order.terms(net, s, x, weights > 0)).sum(axis=1)  # L1
    return out


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
    """Return the loss in nats; write its gradient into `grad`, and into dx, (N, D), where given.

    With noise it is Σ_n Ĵ_n / total, an estimate by one pass: L1. Without, Σ_n -log p(x_n) / total
    from n_orderings · D passes. dx: 0 of categories, of bits as if they were real.
    """
    total = total or len(x)
    if noise is None:
        return _exact(config, params, x, grad, total, y, dx)
    net, y = _setting(config, params, len(x), y)
    seen, weights = subsets.draw(noise, Columns.known(x), params.dtype, subsets.GRADIENTS)  # L1
    weights /= total
    return any_order.loss_and_grad(net, params, x, seen, weights, grad, y, dx)


def _exact(
    config: Config, params: Params, x: Any, grad: Params, total: int, y: Any, dx: Array | None
) -> float:
    """Return Σ -log p(x_n) / total; overwrite its gradient, and dx where given: L2."""
    net, y = _setting(config, params, len(x), y)
    orders = _orders(config)
    each = any_order_mean.each(net, params, x, None, y, orders)
    grad.flat[...] = 0
    if dx is not None:
        dx[...] = 0
    for order, share in zip(orders, averages.shares(each), strict=True):  # L2
        any_order.add_gradient(net, params, x, order, share / total, grad, y, dx)
    return -float(averages.log_mean(each).sum()) / total


def sample(config: Config, params: Params, uniforms: Array, x: Any = None, y: Any = None) -> Any:
    """Return rows, (N, D): drawn where the uniform is in [0, 1), x's where it is negative.

    Drawn in the model's order, or in one of n_orderings that the row's first uniform chooses, each
    given all that is kept of its row and what was drawn before. A kept value may be missing:
    then nothing is known there.
    """
    drawn = started(uniforms, x, config.event, config.event.dtype_with(params.dtype))
    net, y = _setting(config, params, len(drawn), y)
    any_order_mean.draw(net, params, uniforms, drawn, y, _orders(config))
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows, which goes through the variables in the model's order.

    Raises:
        ValueError: as `log_prob_terms`.
    """
    _one_order(config)
    net, y = _setting(config, params, n, y)
    of_each = columns.variables(net.layout)
    return Stepper(Prefix(net, params, n, y), of_each, config.event, params, n)


def _setting(config: Config, params: Params, n: int, y: Any) -> tuple[AnyOrder, Any]:
    """Return the network, for arrays where the parameters are, and labels of n rows."""
    return _network(config, array_module(params.flat)), classes.told(config, params, n, y)


def _one_order(config: Config) -> None:
    """Raise ValueError if the density is a mean over several orderings."""
    if config.n_orderings != 1:
        raise ValueError(
            f"with n_orderings={config.n_orderings} p(x) is a mean over orders of its columns, in "
            "none of which a column has a distribution given those before it; set n_orderings=1, "
            "or ask for log_prob or sample"
        )


def _orders(config: Config) -> Any:
    """Return the orderings, (n_orderings, D)."""
    return ordering.several(config.n_orderings, len(config.values))
