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

import chainrule as cr
from bench import drawn, trials
from bench.trials import Record

GATED: dict[str, Any] = {
    "gated": True,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "average": 0.999,
    "clip_norm": 50.0,
    "seed": 0,
    "verbose": True,
}


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
    drawn.draw(model, data.test.x, out / f"likelihood_colour_{name}.png")
    return record | trials.nats_by_split(scored, model.n_features_in_) | {"published_nats": {}}
