"""What stands between users' data and a model's arrays: the protocol of all encoders.

An encoder learns what data look like, turns such data into arrays of the dtype and the shape that
the event of `chainrule.engine.event` asks for, and turns what a model draws back. All that users
see of a kind of data, in words, in files and in results, is here and nowhere else.
"""

from typing import Any, Protocol, Self

from chainrule.engine.event import Event


class Encoder(Protocol):
    """Between the data of one estimator and its model's arrays.

    Attributes:
        unit: what an observation is made of, in the singular: "bit", "character", "symbol".
        per: what a mean of log-probabilities is over: "row", or for sequences their unit.
        dims: how many variables `per` has, which bits a dimension are divided by.
        log_volume: log |dx/du| of the model's x as a function of users' u, nats an observation:
            log p(u) = log p(x) + log_volume. 0 where values are counted, not measured.
    """

    unit: str
    per: str
    dims: int
    log_volume: float = 0.0

    @property
    def event(self) -> Event:
        """What one observation is to a model. It is known once data were learnt."""

    def learn(self, X: Any, name: str = "X") -> Self:
        """Learn what encoding needs of data and return itself; `name` is the data's in errors.

        Raises:
            ValueError, TypeError: data that cannot be used.
        """

    def encode(self, X: Any, name: str = "X") -> Any:
        """Return data as a model's arrays.

        Raises:
            ValueError, TypeError: data that cannot be used, or are not like those learnt from.
        """

    def decode(self, x: Any) -> Any:
        """Return what a model drew, or a number for each of its variables, as users have data."""

    def describe(self) -> str:
        """Return what the data are, in words: "rows of 64 bits"."""

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it."""
