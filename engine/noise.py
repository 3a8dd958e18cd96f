"""What is random in a pass of training: dropped numbers, a mask, an ordering.

Nothing is drawn in turn and nothing is kept: whatever a pass draws follows from the training's seed
and its own place, so any cut of a minibatch over parts, threads or machines draws the same.
"""

from types import ModuleType
from typing import Any, NamedTuple


class Noise(NamedTuple):
    """What a pass may draw from.

    seed: the training's. step: the minibatch's number. row: the place in the minibatch of the
    pass's first row.
    """

    seed: int
    step: int
    row: int


def wanted(model: ModuleType, config: Any) -> bool:
    """Return whether a model's `loss_and_grad` draws something when it trains."""
    return bool(model.ABILITIES.noise or (model.ABILITIES.dropout and config.dropout > 0))
