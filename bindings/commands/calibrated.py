"""A detector by what a run keeps: the log p of the rows or lines that validated it."""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import runs
from chainrule.detection import calibration
from chainrule.detection.detector import Detector

DECIMALS = 10_000  # a rate that is found here has four


def by_run(model: Any, run: Path, **settings: Any) -> Detector | None:
    """Return a detector of a run's model with these settings; None if the run keeps nothing.

    Raises:
        ValueError: a rate that takes more clean rows, or a method that needs them as they are.
    """
    measured = _kept(run)
    return None if measured is None else _detector(model, measured, settings)


def at_least(model: Any, run: Path, rate: float) -> Detector | None:
    """Return such a detector at this rate, or at the lowest one, rounded up, of few clean rows."""
    measured = _kept(run)
    if measured is None:
        return None
    lowest = ceil(DECIMALS / (len(measured) + 1)) / DECIMALS
    return _detector(model, measured, {"false_alarm": max(rate, lowest)})


def _kept(run: Path) -> NDArray[np.float64] | None:
    return runs.read_clean(run) if run.is_dir() else None


def _detector(model: Any, measured: NDArray[np.float64], settings: dict[str, Any]) -> Detector:
    detector = Detector(model, **settings)
    return detector._take(calibration.of_measured(detector, model, *measured.T))
