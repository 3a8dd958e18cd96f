"""The Transformer on images: p(x | digit), pixel after pixel, on the fixed binarized MNIST.

The training is `chainrule train transformer --labels`, in its own folder: stopped by Ctrl-C or
kill -9, the same command goes on to the same bits. Its number of steps is what the machine does
in the time given, measured on a few steps before it begins; the schedule needs to know its end.

Likelihoods   A model with a class token gives log p(x | y) for the label y (`bench.labels`). The
              published figures are of p(x) = Σ_c p(c) p(x | c), c uniform here. One term of a sum
              of non-negative ones bounds it, -log p(x) ≤ -log p(x | y) + log 10, which is given for
              the whole test set; the sum itself, ten passes, for MIXTURE of its rows, at random.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from bench import labels
from chainrule import cli
from chainrule.engine.storage.files import replacing

SETTINGS: dict[str, Any] = {
    "n_layers": 4,
    "n_heads": 2,
    "n_embd": 64,
    "context": 784,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "warmup": 0.05,
    "weight_decay": 0.1,
    "seed": 0,
}
CLASSES = 10
MIXTURE = 1000  # test rows on which all classes are tried
PROBE = 20  # steps that are timed to see how many fit


def run(folder: Path, minutes: float) -> dict[str, Any]:
    """Train for about so many minutes, or go on with the run in `folder`; return the result.

    Also writes samples.png into it: a row for each digit.
    """
    data = labels.labelled(folder / "labelled.npz")
    train(folder, data, minutes)
    model = cr.load(folder / "model.safetensors")
    summary = json.loads((folder / "run.json").read_text())
    begun = time.perf_counter()
    result = {
        "data": "binarized_mnist, fixed binarization, raster order, labels found by bench.labels",
        "estimator": "Transformer",
        "hyperparameters": model.get_params(),
        "n_parameters": int(model.params_.size),
        "fit_seconds": summary["seconds"],
        "minutes_asked_for": minutes,
        "best_step": model.best_step_,
        "history": model.history_,
        "test_nats_given_label": summary["test_nll"],
        "test_nats_at_most": summary["test_nll"] + float(np.log(CLASSES)),
        **mixture(model, cr.datasets.load(data).test),
    }
    draw(model, folder / "samples.png")
    return result | {"evaluation_seconds": time.perf_counter() - begun}


def train(folder: Path, data: Path, minutes: float) -> None:
    """Train in `folder`, or go on there."""
    arguments = ["train", "transformer", "--out", str(folder)]
    if (folder / "state.safetensors").exists():
        arguments.append("--resume")
    else:
        steps = max(10, int(60 * minutes / seconds_a_step(data)))
        print(f"{steps:,} steps fit into {minutes:g} minutes", flush=True)
        arguments += ["--data", str(data), "--labels", "--steps", str(steps), "--force"]
        for name, value in SETTINGS.items():
            arguments += ["--set", f"{name}={value}"]
    if status := cli.app(arguments, standalone_mode=False):
        raise SystemExit(status)


def seconds_a_step(data: Path) -> float:
    """Return the median time of a training step, by a short training of its own."""
    rows = cr.datasets.load(data).train
    model = cr.Transformer(**SETTINGS, steps=PROBE, eval_every=1)
    history = model.fit(rows.x[:1000], rows.y[:1000]).history_
    return float(np.median([record["seconds"] for record in history[PROBE // 2 :]]))


def mixture(model: Any, test: Any) -> dict[str, float]:
    """Return the exact -log p(x) of MIXTURE test rows, and how often the likeliest digit is y."""
    chosen = np.random.default_rng(0).permutation(len(test.x))[:MIXTURE]
    x, y = test.x[chosen], test.y[chosen]
    log_p = np.stack([model.log_prob(x, np.full(len(x), c)) for c in range(CLASSES)], axis=1)
    marginal = np.logaddexp.reduce(log_p, axis=1) - np.log(CLASSES)
    bound = -log_p[np.arange(len(x)), y] + np.log(CLASSES)
    return {
        "subset_rows": len(x),
        "subset_nats": float(-marginal.mean()),
        "subset_nats_at_most": float(bound.mean()),
        "subset_standard_error": float(marginal.std(ddof=1) / len(x) ** 0.5),
        "subset_digits_recognised": float((log_p.argmax(axis=1) == y).mean()),
    }


def draw(model: Any, path: Path) -> None:
    """Draw ten samples of each digit to a picture."""
    digits = np.repeat(np.arange(CLASSES), CLASSES)
    x = model.sample(784, labels=digits, seed=1)
    title = "Transformer on binarized MNIST: samples, a row for each digit"
    figure = cr.plots.sample_grid(x, (28, 28), CLASSES, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
