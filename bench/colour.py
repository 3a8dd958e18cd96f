"""Images of several levels: digits of 8 greys, and small photographs in colour.

The digits are scikit-learn's, of 17 greys reduced to 8 by equal bins. The photographs are 12,000 of
CIFAR-10's that were once compressed as JPEG (`cifar10_jpeg_subset`), all 256 levels of three
colours, by mixtures of logistics: what is learnt of them shows, but their bits per dimension are
not CIFAR-10's. Pictures of samples, and of test images completed from their upper halves, are
written beside the result.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from bench import trials
from bench.trials import Record
from chainrule import plots

GATED: dict[str, Any] = {
    "gated": True,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "average": 0.999,
    "clip_norm": 50.0,
    "seed": 0,
    "verbose": True,
}
SAMPLES = 36
COMPLETED = 4  # test images, each several times


class Task(NamedTuple):
    """A data set by name, whether its levels are asked for, and a model's settings."""

    data: str
    raw: bool
    settings: Mapping[str, Any]


TASKS = {
    "digits": Task(
        "digits",
        True,
        {
            "levels": 8,
            "reduce_from": 17,
            "n_layers": 4,
            "n_features": 16,
            "dropout": 0.2,
            "epochs": 30,
        },
    ),
    "photographs": Task(
        "cifar10_jpeg_subset",
        False,
        {
            "image_shape": (32, 32, 3),
            "levels": 256,
            "likelihood": "logistics",
            "n_logistics": 5,
            "n_layers": 5,
            "n_features": 36,
            "epochs": 12,
        },
    ),
}


def run(protocol: str, folder: Path, out: Path) -> list[Record]:
    """Fit a gated PixelCNN to each; return the results, and write pictures into `out`."""
    return [_result(name, task, folder, out) for name, task in TASKS.items()]


def _result(name: str, task: Task, folder: Path, out: Path) -> Record:
    data = cr.datasets.load(task.data, raw=True) if task.raw else cr.datasets.load(task.data)
    record = trials.run(cr.PixelCNN(**GATED, **task.settings), data, folder)
    model = trials.load(record, folder)
    scored = {"test": model.log_prob(data.test.x)}
    _draw(model, data.test.x, out / f"likelihood_colour_{name}.png", int(task.settings["levels"]))
    return record | trials.nats_by_split(scored, model.n_features_in_) | {"published_nats": {}}


def _draw(model: Any, x: Any, path: Path, levels: int) -> None:
    """Draw samples, and completions of test images, one below the other."""
    shape = model.encoder_.shape
    drawn = model.sample(SAMPLES, seed=1).reshape(SAMPLES, *shape)
    plots.save(plots.sample_grid(drawn, title=f"samples, {levels} levels"), path)
    seen = np.arange(shape[0])[:, None] < np.full(shape[1], shape[0] // 2)
    given = np.repeat(x[:COMPLETED], 5, axis=0)
    observed = np.repeat(seen[..., None], shape[2], axis=2) if shape[2] > 1 else seen
    done = model.sample(
        len(given), seed=2, given=given, observed=observed if given.ndim > 2 else observed.ravel()
    )
    figure = plots.sample_grid(
        np.asarray(done).reshape(-1, *shape), columns=5, title="completed from their upper halves"
    )
    plots.save(figure, path.with_name(path.stem + "_completed.png"))
