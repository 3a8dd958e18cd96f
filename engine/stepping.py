"""Samplers of the models of rows: variable by variable, with what a row's past costs kept.

A `Stepper` is a `chainrule.engine.sampling.Sampler` of n rows. Its model's part is the logit of
the next bit, and what a value of that bit changes; drawing, keeping and counting are done here.
`extend` draws what the model's `sample` draws from the same uniforms, and both keep x where the
uniform is negative. `sample` is one kernel and the faster; their probabilities may differ in the
last digit, and a uniform between the two be drawn differently.
"""

from typing import Any, Protocol

from chainrule.engine.distributions import bernoulli
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Bits


class Units(Protocol):
    """What a model remembers of n rows of which the first i variables are known."""

    def logits(self, i: int) -> Array:
        """Return the logit of p(x_i = 1 | x_<i) of each row, (n,)."""

    def move(self, i: int, x: Bits) -> None:
        """Take in the rows' x_i, (n,)."""


class Stepper:
    """A sampler of n rows of D bits, all at the same variable."""

    def __init__(self, units: Units, params: Params, n: int, D: int) -> None:
        """Start before the first variable."""
        self._units, self._n, self._D, self._i = units, n, D, 0
        self._xp = array_module(params.flat)

    def peek(self) -> Array:
        """Return p(x_i = 1 | x_<i), (n,), of the next variable; nothing moves.

        Raises:
            ValueError: all variables are known.
        """
        return bernoulli.conditionals(self._logits())

    def put(self, x: Any) -> None:
        """Move on by given values of the next variable, (n,) of 0 and 1.

        Raises:
            ValueError: all variables are known, or x has another shape.
        """
        self._check_more(1)
        values = self._xp.asarray(x, self._xp.uint8)
        if values.shape != (self._n,):
            raise ValueError(f"x must have shape ({self._n},), got {values.shape}")
        self._units.move(self._i, values)
        self._i += 1

    def extend(self, uniforms: Array, x: Bits | None = None) -> Bits:
        """Return the next k variables, (n, k), and move on by them.

        Drawn where the uniform, (n, k), is in [0, 1), kept from x, (n, k), where it is negative.

        Raises:
            ValueError: fewer than k variables are left.
        """
        self._check_more(uniforms.shape[1])
        drawn = started(uniforms, x)
        for k in range(uniforms.shape[1]):
            bernoulli.sample(self._logits(), uniforms[:, k], drawn[:, k])
            self.put(drawn[:, k])
        return drawn

    def _logits(self) -> Array:
        self._check_more(1)
        return self._units.logits(self._i)

    def _check_more(self, k: int) -> None:
        if self._i + k > self._D:
            raise ValueError(f"a row has {self._D} variables, and {self._i} of them are known")


def started(uniforms: Array, x: Bits | None) -> Bits:
    """Return a new array to be drawn into: x's values, or zeros where nothing is given."""
    xp = array_module(uniforms)
    drawn: Bits = xp.zeros(uniforms.shape, xp.uint8) if x is None else x.astype(xp.uint8)
    if drawn.shape != uniforms.shape:
        raise ValueError(f"x must have the uniforms' shape, {uniforms.shape}, got {drawn.shape}")
    return drawn


def no_labels(y: Any) -> None:
    """Raise ValueError if labels were given to a model that has none."""
    if y is not None:
        raise ValueError("this model takes no labels: leave y out")
