"""NADE of tables: p(x | y) = Π_i p(x_i | x_<i, y) over bits, categories and real numbers.

Model       One hidden layer is shared by all conditionals, and variable i has outputs
            s_i = b_i + V_i h_i, of which its distribution is made:
                a bit               p(x_i = 1) = σ(s_i)
                K categories        p(x_i = v) = softmax(s_i)_v
                a real number       a mixture of n_components Gaussians, or Laplacians: means,
                                    scales and, if they are learned, weights
                one on a lattice    the mass that such a mixture has in the step around it
                one with an atom    beside either, the probability σ(a) of that value
                how h_i follows from x_<i and y         chainrule.kernels.nade_columns
                what s_i says of x_i                    chainrule.kernels.columns

            So RNADE, CategoricalNADE and, without rescaling, NADE are tables of one kind of column.

Gradient    loss = Σ_n -log p(x_n | y_n) / total, in one sweep: S1-S4 there.

Start       W and V uniform in ±√(6 / (D + H)), as NADE's; of a real variable's V a tenth of that,
            so that its mixture begins near what b says: close to the standard normal distribution,
            in whose units real columns should come, by `mixture.first_biases`; a = 0. ρ = 1.

Uniforms    u_i = F(x_i | x_<i) is uniform where x is of the model, whatever x_<i: `uniforms`.
            `sample` is its inverse.

Cost        O(N·S·H) for each of the likelihood, the gradient and N samples, S outputs a row.

Source      Uria, Murray and Larochelle 2013, "RNADE: The real-valued neural autoregressive
            density-estimator", NIPS: real columns, whose means begin spread over the data and whose
            ρ at 1 in the authors' own program. Larochelle and Murray 2011, "The
            Neural Autoregressive Distribution Estimator", for bits.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from chainrule.engine import classes
from chainrule.engine.distributions import columns, mixture
from chainrule.engine.event import CONTINUOUS, Abilities, Columns
from chainrule.engine.params import Params, Shapes
from chainrule.engine.stepping import Stepper, started
from chainrule.kernels import nade_columns
from chainrule.kernels.columns import Layout
from chainrule.kernels.columns import layout as layout_of
from chainrule.kernels.device import current_device
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE
from chainrule.kernels.nade_columns import Weights
from chainrule.kernels.types import Array, Table

WEIGHTS = ("W", "V")
EVENT = Columns
ABILITIES = Abilities(labels=True, whole=True)
FAMILIES = {"gaussian": GAUSSIAN, "laplace": LAPLACE}
SMALL = 0.1  # a real variable's V, beside the others'


@dataclass(frozen=True)
class Config:
    """The shapes of a NADE of tables.

    Args:
        values: how many values each variable has; 0 for a real number.
        n_hidden: units of the hidden layer.
        n_components: of the mixture of each real variable.
        family: what they are.
        mixture_weights: whether they weigh alike, or as the hidden units say.
        rescale: whether each conditional scales the hidden layer's input by a ρ_i of its own.
        n_classes: labels are 0 … n_classes - 1.
        half_steps, atoms: of variables on a lattice, and with an atom, as `Columns` has them.

    Raises:
        ValueError: a size below 1, or an unknown word.
    """

    values: tuple[int, ...]
    n_hidden: int
    n_components: int = 10
    family: Literal["gaussian", "laplace"] = "gaussian"
    mixture_weights: Literal["equal", "learned"] = "equal"
    rescale: bool = True
    n_classes: int = 1
    half_steps: tuple[float, ...] = ()
    atoms: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no table can be."""
        Columns(self.values, self.half_steps, self.atoms)
        if min(self.n_hidden, self.n_components, self.n_classes) < 1:
            raise ValueError(f"n_hidden, n_components and n_classes must be 1 or more, got {self}")
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {self.family!r}")
        if self.mixture_weights not in ("equal", "learned"):
            raise ValueError(
                f"mixture_weights must be equal or learned, got {self.mixture_weights!r}"
            )

    @property
    def event(self) -> Columns:
        """What an observation is: columns."""
        return Columns(self.values, self.half_steps, self.atoms)

    @property
    def components(self) -> int:
        """How many the conditional of a real variable has."""
        return self.n_components


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    H, S = config.n_hidden, int(_layout(config, np, 0).first[-1])
    found = {
        "W": (nade_columns.n_rows(config.values), H),
        "V": (S, H),
        "b": (S,),
        "c": classes.shape(config, H),
    }
    return found | ({"rho": (len(config.values),)} if config.rescale else {})


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see Start above."""
    params = Params(shapes(config), dtype=dtype)
    bound = (6 / (len(config.values) + config.n_hidden)) ** 0.5
    for name in WEIGHTS:
        params[name][...] = rng.uniform(-bound, bound, params[name].shape)
    of = _layout(config, np, 0)
    begin = mixture.first_biases(of.n_components, of.family, of.learned)
    for i in np.flatnonzero(np.array(config.values) == CONTINUOUS):
        own = slice(of.first[i], of.first[i + 1])
        params["V"][own] *= SMALL
        params["b"][own][: len(begin)] = begin
    if config.rescale:
        params["rho"][...] = 1
    return params


def log_prob(config: Config, params: Params, x: Table, y: Any = None) -> Array:
    """Return log p(x | y) of each row, (N,), in nats. y: (N,); None: of a single class.

    Real columns make it a density.
    """
    log_p: Array = array_module(params.flat).empty(len(x), params.dtype)
    known = classes.told(config, params, len(x), y)
    nade_columns.log_prob(layout(config, params), weights(config, params), x, known, log_p)
    return log_p


def log_prob_terms(config: Config, params: Params, x: Table, y: Any = None) -> Array:
    """Return log p(x_i | x_<i, y) of every variable, (N, D), in nats."""
    return columns.log_prob_terms(layout(config, params), _outputs(config, params, x, y), x)


def conditionals(config: Config, params: Params, x: Table, y: Any = None) -> Array:
    """Return the distribution of every x_i given x_<i and y, (N, D, width).

    Of bits and categories p(x_i = v), of a real number weights, means and scales of its mixture,
    and its atom's probability, padded by zeros. Where all variables are bits, p(x_i = 1), (N, D).
    """
    p = columns.conditionals(layout(config, params), _outputs(config, params, x, y))
    return p[:, :, 1] if set(config.values) == {2} else p


def uniforms(config: Config, params: Params, x: Table, v: Array, y: Any = None) -> Array:
    """Return uniforms, (N, D) float64, from which `sample` draws x again: F(x_i | x_<i, y).

    Of bits and categories any uniform of an interval draws x_i; v, (N, D) in [0, 1), says which,
    and where it is uniform and x of the model, so is what is returned.
    """
    return columns.uniforms(layout(config, params), _outputs(config, params, x, y), x, v)


def loss_and_grad(
    config: Config,
    params: Params,
    x: Table,
    grad: Params,
    total: int | None = None,
    y: Any = None,
    dx: Array | None = None,
) -> float:
    """Return Σ -log p(x | y) / total in nats; write its gradient into `grad`.

    total: rows of the whole minibatch where x is a slice of it. y: (N,), labels; None: of a single
    class. dx: (N, D), overwritten, where given, by the gradient in x: in its real numbers, and in
    its bits as if they were; 0 in categories.
    """
    total, xp = total or len(x), array_module(params.flat)
    nll: Array = xp.empty(len(x), params.dtype)
    known = classes.told(config, params, len(x), y)
    into = xp.empty((0, x.shape[1]), params.dtype) if dx is None else dx
    mine = layout(config, params), weights(config, params), x, known
    nade_columns.nll_and_grad(*mine, 1 / total, nll, weights(config, grad), into)
    return float(nll.sum(dtype=np.float64)) / total


def sample(config: Config, params: Params, uniforms: Array, x: Any = None, y: Any = None) -> Table:
    """Return rows, (N, D): drawn where the uniform is in [0, 1), x's where it is negative.

    uniforms: (N, D). x: (N, D), left as it is; None: zeros. y: (N,), labels.
    """
    xp = array_module(params.flat)
    drawn: Table = started(uniforms, x, config.event, config.event.dtype_with(params.dtype))
    u = xp.ascontiguousarray(uniforms, dtype=np.float64)
    known = classes.told(config, params, len(u), y)
    nade_columns.sample(layout(config, params), weights(config, params), u, known, drawn)
    return drawn


def start(config: Config, params: Params, n: int, y: Any = None) -> Stepper:
    """Return a sampler of n rows: peek costs O(n_i H) a row, n_i outputs, and put O(H)."""
    of_each = columns.variables(layout(config, params))
    return Stepper(_Hidden(config, params, n, y), of_each, config.event, params, n)


def weights(config: Config, params: Params) -> Weights:
    """Return the parameters, or their gradients, as the kernels take them."""
    W, V, b = params["W"], params["V"], params["b"]
    none = array_module(params.flat).empty(0, params.dtype)
    rho = params["rho"] if config.rescale else none
    return Weights(W, V, b, classes.table(config, params["c"]), rho)


def layout(config: Config, params: Params) -> Layout:
    """Return which outputs are whose, on the parameters' side."""
    xp = array_module(params.flat)
    return _layout(config, xp, 0 if xp is np else current_device().number)


@lru_cache(maxsize=64)
def _layout(config: Config, xp: Any, device: int) -> Layout:
    learned = config.mixture_weights == "learned"
    mixtures = config.n_components, FAMILIES[config.family], learned
    return layout_of(config.values, *mixtures, xp, config.half_steps, config.atoms)


def _outputs(config: Config, params: Params, x: Table, y: Any) -> Array:
    """Return the outputs for every variable, (N, S)."""
    s: Array = array_module(params.flat).empty((len(x), len(params["b"])), params.dtype)
    known = classes.told(config, params, len(x), y)
    nade_columns.forward(layout(config, params), weights(config, params), x, known, s)
    return s


class _Hidden:
    """The hidden pre-activations of n rows, a_i = c_y + Σ_{j<i} f(x_j) W_r(x_j)."""

    def __init__(self, config: Config, params: Params, n: int, y: Any) -> None:
        self._values, self._of = config.values, weights(config, params)
        known = classes.told(config, params, n, y)
        self._a = classes.rows(self._of.c, known, n)
        self._first = _layout(config, np, 0).first.tolist()

    def outputs(self, i: int) -> Array:
        rho, mine = self._of.rho, slice(self._first[i], self._first[i + 1])
        h = sigmoid(rho[i] * self._a if len(rho) else self._a)
        s: Array = self._of.b[mine] + h @ self._of.V[mine].T
        return s

    def move(self, i: int, x: Any) -> None:
        W, K, xp = self._of.W, self._values[i], array_module(self._a)
        row = nade_columns.n_rows(self._values[:i])
        if K == CONTINUOUS:
            self._a += x[:, None] * W[row]
        elif K > 1:
            v = x.astype(np.int32)
            self._a += (v != 0)[:, None] * W[row + xp.maximum(v, 1) - 1]
