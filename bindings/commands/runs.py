"""A run's folder: the model so far, the training at rest, its history, and what came of it.

    model.safetensors   the best epoch so far; `chainrule.load` reads it
    state.safetensors   all that --resume needs
    history.csv         a line an epoch, or every so many steps: train and valid NLL in nats,
                        seconds, learning rate
    curve.png           the same, drawn
    train_samples.png   samples of the best epoch so far, where they were asked for
    clean.npy           log p and sizes of validation rows, which `chainrule detect` ranks among
    run.json            data set, image shape, test or validation NLL and baselines, versions

While a training is at work there is a lock beside them: see `locking`.

Each file is replaced whole or not at all, the training first: a kill between two of them leaves
the others an older age, and --resume writes them anew.
"""

import csv
import json
import re
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import estimators
from chainrule.commands.common import check_room, write_rows
from chainrule.datasets import readers
from chainrule.engine.storage import checkpoint
from chainrule.engine.storage.files import replacing
from chainrule.engine.training import train
from chainrule.engine.training.recipe import Recipe
from chainrule.estimators import loading
from chainrule.estimators.density import Density
from chainrule.registry import spelling

MODEL, STATE, HISTORY = loading.MODEL, "state.safetensors", "history.csv"
CURVE, CLEAN, SUMMARY, SAMPLES = "curve.png", "clean.npy", "run.json", "train_samples.png"
FILES = (MODEL, STATE, HISTORY, CURVE, CLEAN, SUMMARY)
COLUMNS = ("train", "valid", "seconds", "learning_rate")  # after epoch or step
TEMPORARY = re.compile(r"\.tmp(\w{6}|[0-9a-f]{32})")  # what a kill -9 inside a save leaves


def open_model(path: Path) -> Density:
    """Return the model of a run's folder, or that of a model file, or of a detector's.

    Raises:
        FileNotFoundError: there is none. CheckpointError: the file is no good.
    """
    found = open_kept(path)
    model: Density = getattr(found, "model_", found) if hasattr(found, "p_values") else found
    return model


def open_kept(path: Path) -> Any:
    """Return the same, or of a detector's file the detector."""
    if path.is_dir() and not (path / MODEL).exists():
        raise FileNotFoundError(
            f"{path} holds no {MODEL}; train one: chainrule train nade --data … --out {path}"
        )
    return estimators.load(path)


def check_free(folder: Path, force: bool) -> None:
    """Raise FileExistsError if a new run would overwrite something without `force`.

    Raises:
        OSError: the folder cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is not a folder; name another with --out")
    if not folder.exists():
        check_room(folder.resolve(), f"could not make {folder}")
    if not force and any((folder / name).exists() for name in FILES):
        raise FileExistsError(
            f"{folder} already holds a run; go on with --resume, replace it with --force, or name "
            "another folder with --out"
        )


def make(folder: Path) -> None:
    """Make the folder of a new run, and those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"could not make {folder}: {error.strerror}; name another folder") from error


def clear(folder: Path) -> None:
    """Remove what a replaced run left, except its state, which is overwritten by the new one."""
    for name in (MODEL, HISTORY, CURVE, CLEAN, SUMMARY, SAMPLES):
        (folder / name).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files of a training that was killed while saving."""
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def save(
    folder: Path,
    estimator: Density,
    recipe: Recipe,
    state: train.State,
    metadata: dict[str, Any],
) -> None:
    """Write the training, then the best model so far and its history.

    Raises:
        OSError: the folder is full or cannot be written to; each file there is still whole.
    """
    estimator._finish(state)
    model, config = estimator.model_, estimator.config_
    checkpoint.save_state(folder / STATE, model, config, recipe, state, metadata)
    estimator.save(folder / MODEL)
    with replacing(folder / HISTORY) as temporary, open(temporary, "w", newline="") as file:
        lines = csv.writer(file)
        history = estimator.history_  # in the data's own units
        first = history[0] if history else {estimator.clock: 0}
        columns = ("epoch" if "epoch" in first else "step", *COLUMNS)
        lines.writerow(columns)
        lines.writerows([record[name] for name in columns] for record in history)


def best(history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the record whose parameters were kept: the best on validation data, or the last."""
    valid = [record["valid"] for record in history]
    return history[-1 if None in valid else valid.index(min(valid))]


def draw_curve(folder: Path, estimator: Density, data: str) -> None:
    """Draw the training curve on data of that name into the folder."""
    title = f"{spelling(type(estimator))} on {data}"
    from chainrule import plots  # matplotlib takes a while, and most never draw

    plots.save(plots.training_curve(estimator.history_, title), folder / CURVE)


def load_state(folder: Path) -> checkpoint.SavedState:
    """Return the training at rest in the folder.

    Raises:
        FileNotFoundError: there is none. CheckpointError: the file is no good.
    """
    path = folder / STATE
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no {STATE} to resume; train without --resume")
    return checkpoint.load_state(path)


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write run.json."""
    with replacing(folder / SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def write_clean(folder: Path, clean: NDArray[np.float64] | None) -> None:
    """Write what clean observations measure, (N, 2); none where there are none."""
    if clean is not None:
        write_rows(folder / CLEAN, clean)


def read_clean(path: Path) -> NDArray[np.float64] | None:
    """Return what `write_clean` wrote into a run's folder; None if there is none or it is damaged.

    There is none of a run at work or interrupted, whose model it would not be of.
    """
    try:
        clean = readers.read_npy(path / CLEAN)
    except (OSError, ValueError):
        return None
    whole = clean.dtype == np.float64 and clean.ndim == 2 and clean.shape[1] == 2
    return clean if whole and len(clean) and np.isfinite(clean).all() else None


def read_summary(path: Path) -> dict[str, Any]:
    """Return run.json of a run's folder, empty if there is none or it is damaged."""
    try:
        summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def image_shape(path: Path, D: int) -> tuple[int, int]:
    """Return the shape of a row as a picture: the data set's, else a square, else a strip.

    The channels of a pixel in colour stand side by side.
    """
    shape = read_summary(path).get("image_shape")
    if isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape):
        if len(shape) in (2, 3) and prod(shape) == D:
            return shape[0], prod(shape[1:])
    from chainrule import plots

    return plots.infer_shape(D)
