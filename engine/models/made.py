"""MADE: one deep network whose output i depends on x_1 … x_{i-1} alone, by masks on its weights.

Model       p(x_i | x_<i) is the distribution of variable i by its outputs s_i, all of them from one
            pass of a network that would be an autoencoder but for its masks:
                who sees whom, and why that will do       chainrule.engine.layers.masks
                x to outputs s, and back                  chainrule.engine.layers.masked_network
                what s_i says of x_i                      chainrule.kernels.columns

            x: (N, D)    W: (R, H_1)    W2: (H_1, H_2), W3: (H_2, H_3) …    V: (H_L, S)
            A: (R, S), of no rows without direct connections
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
            A real variable, and a bit as if it were one, is named by s and by the loss itself:
                dx_ni = ∂loss/∂x_ni at s as it is + Σ_{k>i} ds_nk ∂s_nk/∂x_ni; 0 of a category

Start       Weights uniform in ±√(6 / (rows + columns)), 0 where all masks hide them, biases 0; of a
            real variable's outputs a tenth, and biases that make it standard normal, or nearly.

Cost        A pass: one multiply-add, half as many as without masks, for each weight that is not
            masked; the gradient two more. One sample costs one pass.

Source      Germain et al. 2015, "MADE: Masked Autoencoder for Distribution Estimation", ICML.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from chainrule.engine import averages, classes, ordering
from chainrule.engine.distributions import columns
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.layers.masked_passes import Network, is_plain
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import activation
from chainrule.kernels.columns import Layout
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

WEIGHTS = ("W", "V", "A")
EVENT = Columns
ABILITIES = Abilities(labels=True, noise=True, whole=True)
WORDS = {  # in the order of the kernels' numbers
    "activation": activation.KINDS,
    "family": ("gaussian", "laplace"),
    "mixture_weights": ("equal", "learned"),
}


@dataclass(frozen=True)
class Config:
    """The shapes of a MADE, and its masks.

    Args:
        values: how many values each variable has; 0 of a real one.
        hidden: units of each layer, from the inputs on.
        activation: of the hidden units.
        direct: whether inputs are connected to outputs directly too.
        n_masks: how many masks there are.
        mask_seed: what they are drawn from, at least 1.
        order_agnostic: whether masks but the first have random orders of the variables.
        n_components, family, mixture_weights: the mixtures of real variables.
        n_classes: labels are 0 … n_classes - 1. half_steps, atoms: as of `Columns`.

    Raises:
        ValueError: a size below 1, an unknown word, or nothing between inputs and outputs.
    """

    values: tuple[int, ...]
    hidden: tuple[int, ...] = (500,)
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    direct: bool = False
    n_masks: int = 1
    mask_seed: int = 1
    order_agnostic: bool = False
    n_components: int = 10
    family: Literal["gaussian", "laplace"] = "gaussian"
    mixture_weights: Literal["equal", "learned"] = "learned"
    n_classes: int = 1
    half_steps: tuple[float, ...] = ()
    atoms: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        Columns(self.values, self.half_steps, self.atoms)
        if min(*self.hidden, self.n_masks, self.mask_seed, self.n_components, self.n_classes) < 1:
            raise ValueError(f"all sizes, and mask_seed, must be 1 or more, got {self}")
        if not (self.hidden or self.direct):
            raise ValueError("hidden needs a layer where there are no direct connections")
        for name, words in WORDS.items():
            if (word := getattr(self, name)) not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}, got {word!r}")

    def __hash__(self) -> int:
        """Return a hash of all but the values: of hundreds of variables, for each look-up."""
        return hash((len(self.values), self.hidden, self.n_masks, self.mask_seed, self.n_classes))

    @property
    def event(self) -> Columns:
        """What an observation is: columns."""
        return Columns(self.values, self.half_steps, self.atoms)

    @property
    def components(self) -> int:
        """How many the conditional of a real variable has."""
        return self.n_components * self.n_masks

    @property
    def network(self) -> Network:
        """The network and its masks."""
        return _network(self)


@lru_cache
def _network(config: Config) -> Network:
    mixtures = config.n_components, WORDS["family"].index(config.family)
    cycle = config.n_masks, config.mask_seed, config.order_agnostic
    sizes = config.values, config.hidden, config.activation, config.direct
    learned, more = config.mixture_weights == "learned", (config.half_steps, config.atoms)
    return Network(*sizes, *cycle, *mixtures, learned, config.n_classes, *more)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    return config.network.shapes


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see Start above."""
    params = Params(shapes(config), dtype=dtype)
    config.network.begin(params, rng)
    return params


def log_prob(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return log p(x) of each row, (N,), in nats: E1.

    y: (N,), the rows' classes; a model with n_classes > 1 needs them. With real columns a density.
    """
    y = classes.told(config, params, len(x), y)
    log_p = config.network.each(params, x, y, lambda one: one.log_prob())
    mean: Array = averages.log_mean(log_p).astype(params.dtype)  # E1
    return log_p[0] if len(log_p) == 1 else mean


def log_prob_terms(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return log p(x_i | x_<i) of every variable, (N, D), in nats.

    Raises:
        ValueError: the masks have orders of their own; and as `log_prob`.
    """
    config.network.check_order()
    terms = _terms(config, params, x, classes.told(config, params, len(x), y))
    mean: Array = averages.factors(terms)[0].astype(params.dtype)
    return terms[0] if len(terms) == 1 else mean


def conditionals(config: Config, params: Params, x: Any, y: Any = None) -> Array:
    """Return the distribution of every x_i given x_<i, (N, D, width).

    Of bits and categories p(x_i = v), of a real number weights, means and scales, n_masks ·
    n_components each, and its atom's probability, padded by zeros. Of bits p(x_i = 1), (N, D).

    Raises:
        ValueError: as `log_prob_terms`.
    """
    p = columns.conditionals(*_outputs(config, params, x, y))
    return p[:, :, 1] if set(config.values) == {2} else p


def uniforms(config: Config, params: Params, x: Any, v: Array, y: Any = None) -> Array:
    """Return uniforms, (N, D) float64, from which `sample` draws x again: F(x_i | x_<i, y).

    v, (N, D) in [0, 1), says which of all that draw a bit, a category or a whole number: where v is
    uniform and x of the model, so is the result. Raises as `log_prob_terms`.
    """
    return columns.uniforms(*_outputs(config, params, x, y), x, v)


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

    total: rows of the whole minibatch where x is a slice of it. y: (N,), the rows' classes. noise:
    says which mask's -log p_k it is; None: that of all, -log p, for K times the work. dx: (N, D),
    overwritten, where given, by the gradient in x.
    """
    net, total = config.network, total or len(x)
    y = classes.told(config, params, len(x), y)
    if noise is not None or config.n_masks == 1:
        k = 0 if noise is None else noise.step % config.n_masks
        return net.loss_and_grad(params, x, y, k, total, None, grad, dx)
    log_p = net.each(params, x, y, lambda one: one.log_prob())
    shares = averages.shares(log_p).astype(params.dtype)[..., None]
    part, part_dx = params.like(), None if dx is None else array_module(dx).empty_like(dx)
    sums: list[Any] = [(grad.flat, part.flat)] + ([] if dx is None else [(dx, part_dx)])
    for k in range(config.n_masks):
        net.loss_and_grad(params, x, y, k, total, shares[k], part, part_dx)
        for whole, one in sums:
            whole[...] = one if k == 0 else whole + one  # E2
    return -float(averages.log_mean(log_p).sum()) / total


def sample(config: Config, params: Params, uniforms: Array, x: Any = None, y: Any = None) -> Any:
    """Return rows, (N, D): drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D). x: (N, D), left as it is; None: zeros. y: (N,), the rows' classes. Of masks
    with orders of their own, a row's is drawn by its first uniform, of which the rest then draws
    the variable; what is kept is heeded by what comes later in it.
    """
    xp, net, event = array_module(params.flat), config.network, config.event
    drawn = started(uniforms, x, event, event.dtype_with(params.dtype))
    u = xp.ascontiguousarray(uniforms, np.float64)
    if is_plain(net) and config.n_masks == 1:
        classes.told(config, params, len(drawn), y)  # refuses labels
        return net.sample_plain(params, u, xp.ascontiguousarray(drawn))
    if not net.several_orders:
        return start(config, params, len(drawn), y).extend(u, drawn)
    y = classes.told(config, params, len(u), y)
    u, chosen = ordering.choose(u, config.n_masks)
    for k in range(config.n_masks):
        rows, order = xp.flatnonzero(chosen == k), net.mask(params, k).order
        units = net.units(params, len(rows), y[rows] if len(y) else y, k)
        of_each = columns.variables(net.layout(params, k))
        stepper = Stepper(units, of_each, Columns(net.ordered(k)), params, len(rows))
        drawn[rows[:, None], order] = stepper.extend(u[rows][:, order], drawn[rows][:, order])
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows, of the mean of all masks: each weight is used once a row.

    Raises:
        ValueError: as `log_prob_terms`.
    """
    config.network.check_order()
    net, y = config.network, classes.told(config, params, n, y)
    units = [net.units(params, n, y, k) for k in range(config.n_masks)]
    of_one = net.layout(params, 0)
    remembered = units[0] if len(units) == 1 else averages.MeanUnits(units, of_one)
    of_each = columns.variables(_layout(config, of_one))
    return Stepper(remembered, of_each, config.event, params, n)


def _terms(config: Config, params: Params, x: Any, y: Any) -> Array:
    """Return every mask's log p_k(x_i | x_<i), (K, N, D)."""
    return config.network.each(params, x, y, lambda one: one.terms())


def _outputs(config: Config, params: Params, x: Any, y: Any) -> tuple[Layout, Array]:
    """Return which outputs are whose, and the outputs of the mean of all masks."""
    config.network.check_order()
    y = classes.told(config, params, len(x), y)
    of_one = config.network.layout(params, 0)
    s = config.network.each(params, x, y, lambda one: one.s)
    if len(s) == 1:
        return of_one, s[0]
    log_w, mean = averages.factors(_terms(config, params, x, y))[1], _layout(config, of_one)
    return mean, averages.outputs(of_one, mean, s, log_w)


def _layout(config: Config, of_one: Layout) -> Layout:
    return of_one if config.n_masks == 1 else averages.layout(of_one, config.n_masks)
