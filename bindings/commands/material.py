"""What `chainrule train` learns from, whatever its kind: the protocol, and what all kinds share.

A kind is a small class in a file of its own: `row_material`, `text_material`, `line_material`.
"""

from math import log
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from chainrule.commands.common import bits, table
from chainrule.detection.observations import sizes
from chainrule.engine.storage import fingerprint
from chainrule.engine.training.sources import Source
from chainrule.engine.training.train import State
from chainrule.estimators.density import Density

Clean = NDArray[np.float64] | None
MOST_CLEAN = 5000  # observations that a run keeps measures of


class Report(NamedTuple):
    """How well what was held out is predicted: for run.json, and to show."""

    outcome: dict[str, Any]
    table: Table


class Material(Protocol):
    """Data, read and checked for one estimator, which has prepared itself for them.

    Attributes:
        name: of the data. source: what the engine learns from.
    """

    name: str
    source: Source

    def describe(self) -> str:
        """Return the data's name and sizes in words."""

    def image_shape(self, estimator: Any) -> tuple[int, ...] | None:
        """Return the shape of a row as a picture, (H, W) or (H, W, C); None if it is none."""

    def report(self, estimator: Density) -> Report:
        """Return how well the trained estimator predicts what was held out, beside baselines."""

    def clean(self, estimator: Density) -> Clean:
        """Return what `chainrule detect` ranks among, of observations that validated; or None.

        log p of each, nats, and its number of known variables or symbols, (N, 2), N being at most
        MOST_CLEAN. None where there are none.
        """


def measure(estimator: Any, observations: Any) -> Clean:
    """Return log p of observations and their numbers of variables, (N, 2)."""
    log_p = np.asarray(estimator.log_prob(observations), np.float64)
    return np.stack([log_p, sizes(estimator, observations)], axis=1)


def digest(estimator: Density, source: Source) -> str:
    """Return what tells the data of a training from others: a hash of all values and labels."""
    symbols = [getattr(estimator, name, None) for name in ("vocabulary_", "classes_")]
    return fingerprint.of(*symbols, *source.contents)


def kept(estimator: Density, state: State) -> str:
    """Say which record a finished training kept, and of how many epochs or steps."""
    clock = estimator.clock
    last = state.history[-1].get(clock, getattr(estimator._recipe(), f"{clock}s"))
    return f"best {clock} {getattr(estimator, f'best_{clock}_')} of {last}, on validation data"


def by_row(title: str, nlls: dict[str, float], D: float) -> Table:
    """Return a table of negative log-likelihoods, nats a row of D variables."""
    grid = table(title, "nats", "bits/dim")
    for name, nll in nlls.items():
        grid.add_row(name, f"{nll:.2f}", f"{bits(nll, D):.4f}")
    return grid


def by_symbol(title: str, nlls: dict[str, float]) -> Table:
    """Return a table of negative log-likelihoods, nats a symbol."""
    grid = table(title, "nats", "bits", "perplexity")
    for name, nats in nlls.items():
        grid.add_row(name, *measures(nats))
    return grid


def measures(nats: float) -> tuple[str, str, str]:
    """Return nats a symbol, bits and perplexity in figures."""
    return f"{nats:.4f}", f"{nats / log(2):.4f}", f"{np.exp(nats):.3f}"
