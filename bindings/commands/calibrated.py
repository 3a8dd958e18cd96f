"""A detector by what a run keeps: the log p of the rows or lines that validated it."""

from math import ceil
from pathlib import Path
from typing import Any

from chainrule.commands import runs
from chainrule.detection import calibration
from chainrule.detection.detector import Detector

DECIMALS = 10_000  # a rate that is found here has four


def by_run(model: Any, run: Path, **settings: Any) -> Detector | None:
    """Return a detector of a run's model with these settings; None if the run keeps nothing.

    Raises:
        ValueError: a rate that takes more clean rows, or a method that needs them as they are.
    """
    measured = runs.read_clean(run) if run.is_dir() else None
    if measured is None:
        return None
    detector = Detector(model, **settings)
    detector._take(calibration.of_measured(detector, model, *measured.T))
    return detector


def at_least(model: Any, run: Path, rate: float) -> Detector | None:
    """Return such a detector at this rate, or at the lowest one, rounded up, of few clean rows."""
    measured = runs.read_clean(run) if run.is_dir() else None
    if measured is None:
        return None
    lowest = ceil(DECIMALS / (len(measured) + 1)) / DECIMALS
    return by_run(model, run, false_alarm=max(rate, lowest))
