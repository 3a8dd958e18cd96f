"""How much is worked on at once where no gradient is wanted: bounded by numbers, not by rows.

A row of a model's answer needs as many numbers as its variables have values: 784 bits need 784, and
32 × 32 × 3 levels of 256 need 786,432, so that 4,096 such rows would be 13 GB in single precision,
where 5 are the 16 MB of 5,000 rows of bits. A real column is a mixture: 10 components are 30
numbers, and so are those of a pixel's logistics, whatever its levels. Everything that scores, asks
for conditionals or draws rows chunk by chunk asks here for how many.
"""

from math import prod
from typing import Any

from chainrule.engine.event import CONTINUOUS, Columns, Event, Image, Sequence

NUMBERS = 1 << 22  # of a model's outputs that are asked for at once: 16 MB in single precision
ROWS = 4096  # at most, however small they are: Ctrl-C is heard between
POSITIONS = 8192  # of sequences, likewise
DRAWN = 16  # images at least that are drawn at once: they share each read of the weights


def rows_at_once(
    event: Event,
    n_numbers: int = NUMBERS,
    length: int = 1,
    most: int | None = None,
    real: int = 1,
) -> int:
    """Return how many rows may be worked on at once, at least 1.

    Args:
        event: what an observation is.
        n_numbers: how many of the model's outputs may be held at once.
        length: symbols a row, of sequences.
        most: rows, where each needs few numbers; None: ROWS.
        real: outputs of a real column, a mixture's.
    """
    each = max(1, event.n_outputs) * (max(1, length) if isinstance(event, Sequence) else 1)
    if isinstance(event, Columns):
        each += (real - 1) * event.values.count(CONTINUOUS)
    return max(1, min(ROWS if most is None else most, n_numbers // each))


def rows_of(config: Any, most: int | None = None) -> int:
    """Return how many rows of a model's may be worked on at once, at least 1; most: as above."""
    n_logistics = int(getattr(config, "n_logistics", 0))  # not every model of images has mixtures
    if isinstance(config.event, Image) and n_logistics:
        each = 3 * n_logistics * prod(config.event.shape)  # weights, means and scales
        return max(1, min(ROWS if most is None else most, NUMBERS // each))
    if CONTINUOUS not in getattr(config.event, "values", ()):
        return rows_at_once(config.event, most=most)
    of_each = 3 * int(config.components)  # weights, means and scales
    return rows_at_once(config.event, most=most, real=of_each)


def rows_drawn(config: Any) -> int:
    """Return how many rows may be drawn at once, at least 1; no sampler of images keeps outputs."""
    least = DRAWN if isinstance(config.event, Image) else 1
    return max(least, rows_of(config))


def positions_at_once(event: Sequence, n_numbers: int = NUMBERS) -> int:
    """Return how many symbols of sequences may be read at once, at least 1."""
    return rows_at_once(event, n_numbers, most=POSITIONS)
