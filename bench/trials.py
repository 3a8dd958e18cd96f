"""Trainings that are kept: gone on with where they were stopped, and not done again once done.

A trial is one estimator fitted to one data set. It has a name made of both and of a digest of the
settings; in its folder lie, under that name,

    .state          the training at rest, until it is done: what `fit(checkpoint=…)` goes on with
    .safetensors    the model of the epoch that was best on valid
    .json           the record: settings, history, nats on valid, seconds
    .<split>.npy    log p of the rows scored so far, where that takes long

So a protocol that was stopped, by Ctrl-C or kill -9, goes on by the same command, and one setting
more costs one training more. What decides nothing (threads, progress) is not in the digest; the
sources are not either: after a change of a model delete its files, or name another folder.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

import chainrule as cr
from chainrule.engine.storage.files import replacing

FOLDER = Path("runs") / "likelihood"
UNDECIDING = ("n_threads", "verbose")
SPLITS = ("train", "valid", "test")
CURVE = ("epoch", "step", "train", "valid", "learning_rate", "seconds")
GROUP = 250  # rows whose scores are kept as soon as they are there

Record = dict[str, Any]


def name_of(model: Any, data: str, stop: int | None = None, start: str | None = None) -> str:
    """Return a trial's name: data, estimator, and ten digits of the settings that decide."""
    settings = {k: v for k, v in model.get_params().items() if k not in UNDECIDING}
    settings |= {k: v for k, v in (("stop", stop), ("start", start)) if v is not None}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=_plain).encode())
    return f"{data}-{type(model).__name__}-{digest.hexdigest()[:10]}"


def run(
    model: Any, data: Any, folder: Path, stop: int | None = None, start: Record | None = None
) -> Record:
    """Return the record of a trial, trained now or kept.

    data: a `datasets.Dataset`; without valid rows the last parameters are kept. stop: the epoch
    after which training ends, with the schedule as if it went on. start: the record of a trial
    whose kept parameters this one begins from; epochs and seconds then count from its first.
    """
    name = name_of(model, data.name, stop, start and start["trial"])
    path = folder / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text())  # type: ignore[no-any-return]
    folder.mkdir(parents=True, exist_ok=True)
    fitted = clone(model)
    valid = data.valid.x if len(data.valid.x) else None
    begun = time.perf_counter()
    fitted.fit(
        data.train.x,
        X_valid=valid,
        checkpoint=folder / f"{name}.state",
        start=None if start is None else load(start, folder),
        callback=None if stop is None else lambda record, _: record["epoch"] >= stop,
    )
    record = {
        "data": data.name,
        "estimator": type(model).__name__,
        "hyperparameters": plain(fitted.get_params()),
        "valid_nats": None if valid is None else -fitted.score(valid),
        "best_epoch": fitted.best_epoch_,
        "n_parameters": int(fitted.params_.size),
        "fit_seconds": sum(record["seconds"] for record in fitted.history_),
        "wall_seconds_of_last_start": time.perf_counter() - begun,
        "history": fitted.history_,
        "trial": name,
    }
    if start is not None:
        record = following(record, start)
    fitted.save(folder / f"{name}.safetensors")
    write(path, record)
    (folder / f"{name}.state").unlink(missing_ok=True)
    return record


def following(record: Record, start: Record) -> Record:
    """Return the record of a training that began from another's parameters, as one with it."""
    before = start["history"]
    epochs = before[-1]["epoch"]
    later = [one | {"epoch": one["epoch"] + epochs} for one in record["history"]]
    return record | {
        "best_epoch": record["best_epoch"] + epochs,
        "fit_seconds": start["fit_seconds"] + record["fit_seconds"],
        "history": [*before, *later],
        "start": summary(start),
    }


def search(models: Iterable[Any], data: Any, folder: Path) -> tuple[Record, list[Record]]:
    """Return the trial that is best on valid, and all that were tried, as they stand in results."""
    tried = []
    for model in models:
        record = run(model, data, folder)
        tried.append(record)
        print(f"  {line(record)}", flush=True)
    return best(tried), [summary(record) for record in tried]


def best(tried: Sequence[Record]) -> Record:
    """Return the record with the fewest nats on valid, of equals the first; NaN is never best."""

    def nats(record: Record) -> float:
        value = record["valid_nats"]
        return math.inf if math.isnan(value) else float(value)

    return min(tried, key=nats)


def load(record: Record, folder: Path) -> Any:
    """Return the fitted model of a trial."""
    return cr.load(folder / f"{record['trial']}.safetensors")


def settings_tried(model: Any, grid: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return a copy of an estimator with each of several settings."""
    return [clone(model).set_params(**settings) for settings in grid]


def evaluation(model: Any, data: Any, splits: Sequence[str] = SPLITS) -> Record:
    """Return a model's mean -log p(x) by split, nats, the test mean's error, and bits."""
    log_p = {split: model.log_prob(getattr(data, split).x) for split in splits}
    return nats_by_split(log_p, model.n_features_in_)


def kept_log_prob(model: Any, x: Any, path: Path) -> NDArray[np.float64]:
    """Return log p of rows, (N,), keeping each group's in a file: the same call goes on with it."""
    done = np.load(path) if path.exists() else np.empty(0)
    while len(done) < len(x):
        group = np.asarray(model.log_prob(x[len(done) : len(done) + GROUP]), np.float64)
        done = np.concatenate([done, group])
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, done)
        print(f"  {path.name}: {len(done):,} of {len(x):,} rows, {-done.mean():.3f}", flush=True)
    return done


def nats_by_split(log_p: Mapping[str, Any], D: int) -> Record:
    """Return the same of log-probabilities of rows, (N,) by split."""
    rows = {split: np.asarray(values, np.float64) for split, values in log_p.items()}
    test = rows["test"]
    return {
        "nll_nats": {split: float(-values.mean()) for split, values in rows.items()},
        "test_standard_error": float(test.std(ddof=1) / math.sqrt(len(test))),
        "test_bits_per_dim": float(-test.mean() / (D * math.log(2))),
    }


def summary(record: Record) -> Record:
    """Return a trial without its history: what a result keeps of one that was not chosen."""
    return {key: value for key, value in record.items() if key != "history"}


def without_curves(result: Record) -> Record:
    """Return a result, and the folds in it, without the histories that `curves` writes."""
    short = summary(result)
    return (
        short | {"folds": [summary(fold) for fold in short["folds"]]} if "folds" in short else short
    )


def line(record: Record) -> str:
    """Return one line about a trial."""
    changed = changed_settings(record["estimator"], record["hyperparameters"])
    return (
        f"{record['data']:16} {record['estimator']:6} valid {record['valid_nats']:8.3f}  epoch "
        f"{record['best_epoch']:4}  {record['fit_seconds']:6.0f} s  {changed}"
    )


def changed_settings(estimator: str, settings: Mapping[str, Any]) -> str:
    """Return the settings that are not an estimator's own, as in `n_hidden=1000 l1=0.04`."""
    usual = plain(getattr(cr, estimator)().get_params())
    return " ".join(
        f"{k}={v}" for k, v in settings.items() if k not in UNDECIDING and usual.get(k) != v
    )


def curves(results: Iterable[Record]) -> str:
    """Return the learning curves of results, and of the folds in them, as CSV: a line a record.

    Train is a mean over the minibatches as they went by, valid over the rows held out, in nats.
    """
    lines = ["data,estimator," + ",".join(CURVE)]
    for result in results:
        for one in (result, *result.get("folds", ())):
            for record in one.get("history", ()):
                numbers = ",".join(
                    "" if record.get(k) is None else f"{record[k]:.6g}" for k in CURVE
                )
                lines.append(f"{one['data']},{one['estimator']},{numbers}")
    return "\n".join(lines) + "\n"


def write(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, default=_plain) + "\n")


def plain(settings: Mapping[str, Any]) -> Record:
    """Return settings as they come back from JSON."""
    return json.loads(json.dumps(settings, default=_plain))  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    """Return an array, a number of NumPy or a dtype as what JSON can hold."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
