"""Samplers of the models of rows: variable by variable, with what a row's past costs kept.

A `Stepper` is a `chainrule.engine.sampling.Sampler` of n rows. Its model's part is the outputs for
the next variable, and what a value of it changes; the distribution's is what the outputs say and
how to draw; keeping and counting are done here.
`extend` draws what the model's `sample` draws from the same uniforms, and both keep x where the
uniform is negative. `sample` is one kernel and the faster; their probabilities may differ in the
last digit, and a uniform between the two be drawn differently.
"""

from types import ModuleType
from typing import Any, Protocol

from chainrule.engine.event import Columns
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


class Units(Protocol):
    """What a model remembers of n rows of which the first i variables are known."""

    def outputs(self, i: int) -> Array:
        """Return the outputs for x_i of each row: of a bit its logit, (n,); else (n, K_i)."""

    def move(self, i: int, x: Any) -> None:
        """Take in the rows' x_i, (n,)."""


class Stepper:
    """A sampler of n rows of columns, all at the same variable.

    distribution: the module of `chainrule.engine.distributions` that all columns are of.
    """

    def __init__(
        self, units: Units, distribution: ModuleType, event: Columns, params: Params, n: int
    ) -> None:
        """Start before the first variable."""
        self._units, self._of, self._event = units, distribution, event
        self._n, self._i, self._xp = n, 0, array_module(params.flat)

    def peek(self) -> Array:
        """Return the distribution of the next variable; nothing moves.

        p(x_i = 1 | x_<i), (n,), of a bit; p(x_i = v | x_<i), (n, K_i), of categories.

        Raises:
            ValueError: all variables are known.
        """
        self._check_more(1)
        p: Array = self._of.conditionals(self._units.outputs(self._i))
        return p

    def put(self, x: Any) -> None:
        """Move on by given values of the next variable, (n,).

        Raises:
            ValueError: all variables are known, or x has another shape.
        """
        self._check_more(1)
        values = self._xp.asarray(x, self._event.dtype)
        if values.shape != (self._n,):
            raise ValueError(f"x must have shape ({self._n},), got {values.shape}")
        self._units.move(self._i, values)
        self._i += 1

    def extend(self, uniforms: Array, x: Any = None) -> Any:
        """Return the next k variables, (n, k), and move on by them.

        Drawn where the uniform, (n, k), is in [0, 1), kept from x, (n, k), where it is negative.

        Raises:
            ValueError: fewer than k variables are left.
        """
        self._check_more(uniforms.shape[1])
        drawn = started(uniforms, x, self._event)
        for k in range(uniforms.shape[1]):
            self._of.sample(self._units.outputs(self._i), uniforms[:, k], drawn[:, k])
            self.put(drawn[:, k])
        return drawn

    def _check_more(self, k: int) -> None:
        D = len(self._event.values)
        if self._i + k > D:
            raise ValueError(f"a row has {D} variables, and {self._i} of them are known")


def started(uniforms: Array, x: Any, event: Columns) -> Any:
    """Return a new array to be drawn into: x's values, or zeros where nothing is given."""
    xp = array_module(uniforms)
    drawn = xp.zeros(uniforms.shape, event.dtype) if x is None else x.astype(event.dtype)
    if drawn.shape != uniforms.shape:
        raise ValueError(f"x must have the uniforms' shape, {uniforms.shape}, got {drawn.shape}")
    return drawn
