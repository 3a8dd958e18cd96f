"""Detectors in files: that of the model, with the clean values and all else beside it."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.detection import calibration, methods
from chainrule.detection.backgrounds import Background
from chainrule.encoders import validation
from chainrule.engine.storage import checkpoint
from chainrule.estimators import loading

SETTINGS = ("method", "false_alarm", "held_out", "mutation", "seed")
NAME = "detector/"  # names of arrays begin so
FITTED = ("method", "centre", "rate", "own")  # beside the settings in a file


def save(detector: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted detector to `path`, whole or not at all."""
    background = detector.background_
    about = {name: _plain(getattr(detector, name)) for name in SETTINGS}
    rate, own = (None, False) if background is None else (background.rate, background.own)
    fitted = (detector.method_, detector.centre_, rate, own)
    extra = {
        "clean_values": detector.clean_values_,
        "held_out": np.asarray(detector.held_out_, np.int64),
    }
    if background is not None:
        extra["background"] = _as_array(background.model)
    detector.model_._save(
        path,
        {"detector": {"settings": about, "fitted": dict(zip(FITTED, fitted, strict=True))}},
        {NAME + name: array for name, array in extra.items()},
    )


def restored(cls: Any, saved: checkpoint.Checkpoint) -> Any:
    """Return the detector of a class that a checkpoint describes, if it fits."""
    about = saved.metadata["detector"]
    model = loading.of_checkpoint(saved)
    detector = cls(model, **{name: _sequence(about["settings"][name]) for name in SETTINGS})
    method, centre, rate = (about["fitted"][name] for name in FITTED[:3])
    own = about["fitted"].get("own", False)  # which earlier files lack
    validation.choice("method", method, methods.METHODS)
    content = saved.extra.get(NAME + "background")
    if (centre is None) != (method != "typicality") or (content is None) != (method != "ratio"):
        raise ValueError("its method lacks what it needs")
    values, held_out = (saved.extra[NAME + name] for name in ("clean_values", "held_out"))
    if values.dtype != np.float64 or values.ndim != 1 or not len(values):
        raise ValueError("its clean values are damaged")
    if np.isnan(values).any() or (np.diff(values) < 0).any() or held_out.dtype != np.int64:
        raise ValueError("its clean values are damaged")
    centre = None if centre is None else validation.real("centre", centre)
    background = None
    if content is not None:
        rate = None if rate is None else validation.real("rate", rate, 0, 1)
        own = validation.flag("own", own)
        background = Background(_of_array(content), rate, own)
        detector.background = background.model if rate is None else None  # for another fit
    found = calibration.Calibrated(
        model,
        background,
        values,
        np.sort(methods.scores(values, centre)),
        centre,
        held_out.astype(np.intp),
        method,
    )
    detector._take(found)
    return detector


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it."""
    return np.asarray(value).tolist() if np.ndim(value) else value


def _sequence(value: Any) -> Any:
    """Return a setting as it was: JSON makes a tuple a list."""
    return tuple(value) if isinstance(value, list) else value


def _as_array(model: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the file of a model as bytes in an array."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / loading.MODEL
        model.save(path)
        return np.frombuffer(path.read_bytes(), np.uint8).copy()


def _of_array(content: Any) -> Any:
    """Return the model whose file an array holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / loading.MODEL
        path.write_bytes(np.asarray(content, np.uint8).tobytes())
        return loading.load(path)
