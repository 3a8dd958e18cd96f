"""`chainrule train`: a run that can be stopped at any moment and goes on to the same bits."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule import progress
from chainrule.commands import locking, runs, settings, standard_input
from chainrule.commands.common import Common
from chainrule.commands.inputs import of_columns
from chainrule.commands.line_material import LineMaterial
from chainrule.commands.material import Material, digest, kept
from chainrule.commands.requests import Reading, TrainRequest
from chainrule.commands.row_material import RowMaterial
from chainrule.commands.text_material import TextMaterial, is_text
from chainrule.engine.storage import checkpoint, fingerprint
from chainrule.engine.training.train import State
from chainrule.estimators import resuming
from chainrule.estimators.density import Density
from chainrule.kernels.threads import n_threads, use_threads
from chainrule.registry import estimator_class, spelling

METADATA = {"estimator", "data", "fingerprint", "hyperparameters", "threads", "reading"}
OPTIONS = {"valid": "--valid", "unit": "--bytes", "lines": "--lines"}  # of reading a text
SIGNALS = tuple(getattr(signal, s) for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s))


class Job(NamedTuple):
    """A training about to begin or go on."""

    folder: Path
    estimator: Any
    data: Material
    state: State
    metadata: dict[str, Any]
    change: str | None = None  # what a new length means for a training that goes on


def run(common: Common, asked: TrainRequest) -> int:
    """Train, and say how well the test rows are predicted; 130 if interrupted."""
    cls, out = estimator_class(asked.model), asked.out
    options = asked.options | {"seed": common.seed}
    chosen = settings.build(cls, options, asked.assignments)
    if common.backend:
        chosen["backend"] = common.backend
    asked = asked._replace(options=chosen, reading=_reading(cls, asked.reading))
    if asked.resume and asked.force:
        raise ValueError("--resume goes on with a run and --force replaces it; give one of them")
    with ExitStack() as alone:
        existed = out.is_dir()
        if existed:  # before anything in it is read
            alone.enter_context(locking.only_one(out, common.warn))
        source = asked.data
        if source == standard_input.DASH:
            text = not of_columns(cls())
            source = str(alone.enter_context(standard_input.as_file(Path(source), text)))
        if asked.resume:
            job = _resumed(common, cls, asked, source)
        else:
            runs.check_free(out, asked.force)
            job = _new(cls, asked, source, common.threads or n_threads())
        if asked.data == standard_input.DASH:
            job.metadata["data"] = asked.data
        if not existed:
            runs.make(out)
            alone.enter_context(locking.only_one(out, common.warn))
            runs.check_free(out, asked.force)  # another may have come first
        return _run(common, job, asked.resume)


def _reading(cls: type[Density], asked: dict[str, Any]) -> dict[str, Any]:
    """Return how data are to be read, as far as it was said, if a model can be read for so.

    Raises:
        ValueError: labels of a model that learns none, or what is of texts where it learns none.
    """
    reading = {name: value for name, value in asked.items() if value not in (None, False)}
    labels, model = reading.get("labels"), cls()
    if labels and not model._model().ABILITIES.labels:
        option = "--labels-from" if isinstance(labels, str) else "--labels"
        raise ValueError(f"{cls.__name__} learns no labels; leave {option} out")
    if isinstance(labels, str):
        reading["labels"] = _absolute(labels)
    for name, option in OPTIONS.items():
        if name in reading and of_columns(model):
            raise ValueError(f"{option} is for models of sequences; leave it out")
    return reading


def _run(common: Common, job: Job, resume: bool) -> int:
    """Train in a folder that no other training writes to; return the exit status."""
    threads = common.threads or job.metadata["threads"]
    if threads != job.metadata["threads"]:
        before = job.metadata["threads"]
        common.say(f"this run began on {before} threads; on {threads} the last bits may differ")
    with use_threads(threads):
        if not resume:
            _save(job)  # an unwritable folder shows now, not after an epoch
            runs.clear(job.folder)
        runs.sweep(job.folder)
        _announce(common, job)
        if job.change:
            common.say(job.change)
        went_on, finished = _train(common, job)
        if not finished:
            return _stopped(common, job)
        if resume and not went_on:
            common.say(f"this run had finished, after {_progress(job)}")
        _report(common, job)
    return 0


def _new(cls: type[Density], asked: TrainRequest, data: str | None, threads: int) -> Job:
    """Return a training before its first minibatch; nothing is written yet."""
    if data is None:
        raise ValueError("a new run needs --data: a name such as digits, or a path")
    for name, option in OPTIONS.items():
        if name in asked.reading and not is_text(data):
            raise ValueError(f"{option} is for texts, and {data} holds rows; leave it out")
    estimator = cls(**asked.options)
    material = _open(estimator, data, asked.reading)
    metadata = {
        "estimator": cls.__name__,
        "data": _absolute(data),
        "fingerprint": digest(estimator, material.source),
        "hyperparameters": resuming.settled(estimator),
        "threads": threads,
        "reading": Reading(**asked.reading)._asdict(),
    }
    return Job(asked.out, estimator, material, estimator._start(), metadata)


def _resumed(common: Common, cls: type[Density], asked: TrainRequest, data: str | None) -> Job:
    """Return the training in a folder, if everything that was given agrees with it.

    Only its length may be another one: see `resuming`.
    """
    out = asked.out
    saved = runs.load_state(out)
    estimator, as_before = _as_it_began(cls, out, saved)
    before = estimator.get_params() | as_before
    for name, value in (asked.options | asked.reading).items():
        if name not in resuming.LENGTHS and before[name] != value:
            raise ValueError(
                f"{out} was begun with {name}={before[name]}, not {value}; leave that out to "
                "resume, or begin a new run"
            )
    if data is None and saved.metadata["data"] == standard_input.DASH:
        raise ValueError(f"{out} learns from standard input; pipe the same into it with --data -")
    material = _open(estimator, data or saved.metadata["data"], as_before)
    values = digest(estimator, material.source)
    _check_same(common, out, material, saved.metadata["fingerprint"], values)
    if (saved.config, saved.recipe) != (estimator._fitted_config(), estimator._recipe()):
        raise ValueError(f"{out / runs.STATE} contradicts itself; begin a new run")
    lengths = {name: asked.options[name] for name in resuming.LENGTHS if name in asked.options}
    recipe = estimator.set_params(**lengths)._recipe()
    resuming.check_length(material.source, recipe, saved.state)
    metadata = saved.metadata | {"hyperparameters": resuming.settled(estimator)}
    metadata["fingerprint"] = values
    change = resuming.change_of_length(saved.recipe, recipe)
    return Job(out, estimator, material, saved.state, metadata, change)


def _as_it_began(
    cls: type[Density], out: Path, saved: checkpoint.SavedState
) -> tuple[Any, dict[str, Any]]:
    """Return an estimator with the settings that a run began with, and how its data are read."""
    foreign = f"{out / runs.STATE} is no training of this program; begin a new run"
    name, stored = saved.metadata.get("estimator"), saved.metadata.get("hyperparameters")
    if not isinstance(stored, dict) or not METADATA <= saved.metadata.keys():
        raise ValueError(foreign)
    if name != cls.__name__ or saved.model != (estimator := cls(**stored))._model_name():
        raise ValueError(f"{out} is a run of {str(name).lower()}; resume it as that")
    reading = saved.metadata["reading"]
    if not isinstance(reading, dict) or not reading.keys() <= set(Reading._fields):
        raise ValueError(foreign)
    return estimator, Reading(
        **reading
    )._asdict()  # what an older chainrule did not ask is as it was


def _check_same(common: Common, out: Path, material: Material, before: str, now: str) -> None:
    """Raise ValueError if a run was begun on other data; warn if that cannot be told."""
    held = material.source.contents
    of_bits = len(held) == 2 and isinstance(material, RowMaterial) and held[0].dtype == np.uint8
    older = (lambda: fingerprint.of_packed_bits(*held),) if of_bits else ()
    if not (of_bits or before.startswith(fingerprint.SCHEME)):
        common.warn(
            f"{out} was begun by an older chainrule, which told data apart in another way; see to "
            f"it that {material.name} is what it was"
        )
    elif not fingerprint.agrees(before, now, *older):
        raise ValueError(
            f"{out} was begun on other data than {material.name}; resume with the same"
        )


def _open(estimator: Density, data: str, reading: dict[str, Any]) -> Material:
    """Return the data for an estimator, checked: rows, a text, or a text's lines."""
    how = Reading(**reading)
    if of_columns(estimator) or not is_text(data):
        return RowMaterial(estimator, data, how)
    if how.labels:
        raise ValueError("--labels are of rows; a text has none")
    return (LineMaterial if how.lines else TextMaterial)(estimator, data, how)


def _absolute(data: str) -> str:
    """Return a path that leads there from any folder; a name as it is."""
    return os.path.abspath(data) if os.path.exists(data) else data


def _train(common: Common, job: Job) -> tuple[bool, bool]:
    """Train to the end or to an interruption; return whether a step was made, and if finished."""
    began, saver = job.state.step, resuming.Saver(lambda: _save(job), job.state)
    steps = job.estimator._training(job.data.source, job.state)
    try:
        with _heeding(common) as asked, closing(progress.training(steps, not common.quiet)) as seen:
            for step in seen:
                if asked():
                    _save(job)
                    return True, False
                saver.after(step)
    except FloatingPointError:
        if job.state.best_record:  # what was good stays good
            job.estimator._finish(job.state)
            job.estimator.save(job.folder / runs.MODEL)
        raise
    _save(job)
    return job.state.step > began, True


def _save(job: Job) -> None:
    recipe = job.estimator._recipe()
    runs.save(job.folder, job.estimator, recipe, job.state, job.metadata)


@contextmanager
def _heeding(common: Common) -> Iterator[Any]:
    """Yield a function that tells whether a signal asked to stop; a second one stops at once."""
    asked: list[int] = []

    def hear(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        if not common.quiet:
            with suppress(OSError):  # the terminal may be gone
                os.write(2, b"\nstopping after this minibatch; once more stops at once\n")

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(common: Common, job: Job) -> None:
    size, model = job.state.params.size, job.estimator._model_name()
    common.say(f"{model}: {size:,} parameters; {job.data.describe()}")


def _stopped(common: Common, job: Job) -> int:
    """Say where the training stands and how it goes on."""
    with suppress(OSError):
        runs.draw_curve(job.folder, job.estimator, job.data.name)
    common.say(f"interrupted at step {job.state.step}, {_progress(job)} finished; go on:")
    common.say(f"chainrule train {spelling(type(job.estimator))} --out {job.folder} --resume")
    return 130


def _progress(job: Job) -> str:
    """Return how far a training is, in epochs or steps."""
    if of_columns(job.estimator):
        return f"{len(job.state.history)} epochs"
    return f"{job.state.step} of {job.estimator._recipe().steps} steps"


def _report(common: Common, job: Job) -> None:
    """Measure what was kept on data not learnt from; write and print what came of it."""
    with progress.waiting("measuring what was kept", not common.quiet):
        outcome, grid = job.data.report(job.estimator)
    summary = {
        "model": job.estimator.model_,
        "data": job.data.name,
        **outcome,
        "seconds": sum(record["seconds"] for record in job.state.history),
        "threads": job.metadata["threads"],
        "chainrule": version("chainrule"),
    }
    runs.draw_curve(job.folder, job.estimator, job.data.name)
    runs.write_summary(job.folder, summary)
    common.say(grid)
    common.say(f"{kept(job.estimator, job.state)}; {job.folder / runs.MODEL}")
    if reason := job.estimator._doubt(job.state):
        common.warn(reason)
