"""Samplers of the models of rows: variable by variable, with what a row's past costs kept.

A `Stepper` is a `chainrule.engine.sampling.Sampler` of n rows. Its model's part is the outputs for
the next variable, and what a value of it changes; the distribution's is what the outputs say and
how to draw; keeping and counting are done here.
`extend` draws what the model's `sample` draws from the same uniforms, and both keep x where the
uniform is negative. `sample` is one kernel and the faster; their probabilities may differ in the
last digit, and a uniform between the two be drawn differently.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Protocol

from chainrule.engine.event import Columns
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


class Units(Protocol):
    """What a model remembers of n rows of which the first i variables are known."""

    def outputs(self, i: int) -> Array:
        """Return the outputs for x_i of each row, as its distribution takes them.

        For `bernoulli` the logit, (n,); for `categorical` (n, K_i); for a variable of
        `chainrule.engine.distributions.columns` (n, n_i), a bit's too.
        """

    def move(self, i: int, x: Any) -> None:
        """Take in the rows' x_i, (n,)."""


class Distribution(Protocol):
    """What a stepper asks of one variable's distribution."""

    def conditionals(self, s: Array) -> Array:
        """Return the distribution of each row's variable."""

    def sample(self, s: Array, u: Array, x: Any) -> None:
        """Draw x, (n,), where u is in [0, 1); keep it where u < 0."""


class Stepper:
    """A sampler of n rows of columns, all at the same variable.

    distribution: the module of `chainrule.engine.distributions` that all columns are of, or one for
        each, such as `columns.variables` makes.
    """

    def __init__(
        self,
        units: Units,
        distribution: ModuleType | Sequence[Distribution],
        event: Columns,
        params: Params,
        n: int,
    ) -> None:
        """Start before the first variable."""
        one: Any = distribution
        D = len(event.values)
        self._of: Sequence[Distribution] = [one] * D if isinstance(one, ModuleType) else one
        self._units, self._event, self._dtype = units, event, event.dtype_with(params.dtype)
        self._n, self._i, self._xp = n, 0, array_module(params.flat)

    def peek(self) -> Array:
        """Return the distribution of the next variable; nothing moves.

        p(x_i = 1 | x_<i), (n,), of a bit; p(x_i = v | x_<i), (n, K_i), of categories; weights,
        means and scales of a mixture, (n, 3 K), of a real variable.

        Raises:
            ValueError: all variables are known.
        """
        self._check_more(1)
        p: Array = self._of[self._i].conditionals(self._units.outputs(self._i))
        return p

    def put(self, x: Any) -> None:
        """Move on by given values of the next variable, (n,).

        Raises:
            ValueError: all variables are known, or x has another shape.
        """
        self._check_more(1)
        values = self._xp.asarray(x, self._dtype)
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
        drawn = started(uniforms, x, self._event, self._dtype)
        for k in range(uniforms.shape[1]):
            of_next = self._of[self._i]
            of_next.sample(self._units.outputs(self._i), uniforms[:, k], drawn[:, k])
            self.put(drawn[:, k])
        return drawn

    def _check_more(self, k: int) -> None:
        D = len(self._event.values)
        if self._i + k > D:
            raise ValueError(f"a row has {D} variables, and {self._i} of them are known")


def started(uniforms: Array, x: Any, event: Columns, dtype: Any = None) -> Any:
    """Return a new array to be drawn into: x's values, or zeros where nothing is given.

    dtype: of x where a column is real, `event.dtype_with(params.dtype)`; else the event's.
    """
    xp, dtype = array_module(uniforms), event.dtype if dtype is None else dtype
    drawn = xp.zeros(uniforms.shape, dtype) if x is None else x.astype(dtype)
    if drawn.shape != uniforms.shape:
        raise ValueError(f"x must have the uniforms' shape, {uniforms.shape}, got {drawn.shape}")
    return drawn
