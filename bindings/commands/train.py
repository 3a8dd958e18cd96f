"""`chainrule train`: a run that can be stopped at any moment and goes on to the same bits."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from chainrule import progress
from chainrule.commands import locking, runs, settings, standard_input
from chainrule.commands.common import Common, estimator_class, spelling
from chainrule.commands.lines import Lines
from chainrule.commands.rows import Rows
from chainrule.commands.symbols import Corpus, Reading, SymbolTable, is_text
from chainrule.engine.storage import fingerprint
from chainrule.engine.training.train import State
from chainrule.estimators import resuming
from chainrule.estimators.base import BinaryDensity
from chainrule.estimators.rows import Estimator
from chainrule.kernels.threads import n_threads, use_threads

METADATA = {"estimator", "data", "fingerprint", "hyperparameters", "threads", "reading"}
OPTIONS = {  # of reading
    "valid": "--valid",
    "unit": "--bytes",
    "labels": "--labels",
    "lines": "--lines",
}
SIGNALS = tuple(getattr(signal, s) for s in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, s))


class Job(NamedTuple):
    """A training about to begin or go on."""

    folder: Path
    estimator: Estimator
    data: Rows | Corpus | Lines | SymbolTable
    state: State
    metadata: dict[str, Any]
    change: str | None = None  # what a new length means for a training that goes on


def run(
    common: Common,
    model: str,
    data: str | None,
    out: Path,
    options: dict[str, Any],
    assignments: Sequence[str],
    reading: dict[str, Any],
    resume: bool,
    force: bool,
) -> int:
    """Train, and say how well the test rows are predicted; 130 if interrupted."""
    cls = estimator_class(model)
    chosen = settings.build(cls, options | {"seed": common.seed}, assignments)
    reading = {name: value for name, value in reading.items() if value not in (None, False)}
    labels_elsewhere = isinstance(reading.get("labels"), str)
    if labels_elsewhere:
        reading["labels"] = _absolute(reading["labels"])
    if issubclass(cls, BinaryDensity) and reading:
        option = OPTIONS[next(iter(reading))] + ("-from" if labels_elsewhere else "")
        raise ValueError(f"{option} is for models of sequences; leave it out")
    if common.backend:
        chosen["backend"] = common.backend
    if resume and force:
        raise ValueError("--resume goes on with a run and --force replaces it; give one of them")
    with ExitStack() as alone:
        existed = out.is_dir()
        if existed:  # before anything in it is read
            alone.enter_context(locking.only_one(out, common.warn))
        piped, source = data == standard_input.DASH, data
        if data is not None and piped:
            text = not issubclass(cls, BinaryDensity)
            source = str(alone.enter_context(standard_input.as_file(Path(data), text)))
        if resume:
            job = _resumed(cls, out, source, chosen, reading)
        else:
            runs.check_free(out, force)
            job = _new(cls, out, source, chosen, reading, common.threads or n_threads())
        if piped:
            job.metadata["data"] = data
        if not existed:
            runs.make(out)
            alone.enter_context(locking.only_one(out, common.warn))
            runs.check_free(out, force)  # another may have come first
        return _run(common, job, resume)


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


def _new(
    cls: type[Estimator],
    out: Path,
    data: str | None,
    chosen: dict[str, Any],
    reading: dict[str, Any],
    threads: int,
) -> Job:
    """Return a training before its first minibatch; nothing is written yet."""
    if data is None:
        raise ValueError("a new run needs --data: a name such as digits, or a path")
    _refuse_of_texts(cls, data, reading)
    estimator = cls(**chosen)
    source = _open(estimator, data, reading)
    metadata = {
        "estimator": cls.__name__,
        "data": _absolute(data),
        "fingerprint": source.fingerprint,
        "hyperparameters": resuming.settled(estimator),
        "threads": threads,
        "reading": Reading(**reading)._asdict(),
    }
    return Job(out, estimator, source, estimator._start(), metadata)


def _refuse_of_texts(cls: type[Estimator], data: str, reading: dict[str, Any]) -> None:
    """Raise ValueError for options of texts where the data are rows."""
    if issubclass(cls, BinaryDensity) or is_text(data):
        return
    for name in ("valid", "unit", "lines"):
        if name in reading:
            raise ValueError(f"{OPTIONS[name]} is for texts, and {data} holds rows; leave it out")


def _resumed(
    cls: type[Estimator],
    out: Path,
    data: str | None,
    chosen: dict[str, Any],
    reading: dict[str, Any],
) -> Job:
    """Return the training in a folder, if everything that was given agrees with it.

    Only its length may be another one: see `resuming`.
    """
    saved = runs.load_state(out)
    name, stored = saved.metadata.get("estimator"), saved.metadata.get("hyperparameters")
    if not isinstance(stored, dict) or not METADATA <= saved.metadata.keys():
        raise ValueError(f"{out / runs.STATE} is no training of this program; begin a new run")
    if name != cls.__name__ or saved.model != (estimator := cls(**stored))._model_name():
        raise ValueError(f"{out} is a run of {str(name).lower()}; resume it as that")
    as_before = saved.metadata["reading"]
    if not isinstance(as_before, dict) or not as_before.keys() <= set(Reading._fields):
        raise ValueError(f"{out / runs.STATE} is no training of this program; begin a new run")
    as_before = Reading(**as_before)._asdict()  # what an older chainrule did not ask is as it was
    stored_all = estimator.get_params() | stored | as_before
    for name, value in (chosen | reading).items():
        if name not in resuming.LENGTHS and stored_all[name] != value:
            raise ValueError(
                f"{out} was begun with {name}={stored_all[name]}, not {value}; leave that out to "
                "resume, or begin a new run"
            )
    if data is None and saved.metadata["data"] == standard_input.DASH:
        raise ValueError(f"{out} learns from standard input; pipe the same into it with --data -")
    source = _open(estimator, data or saved.metadata["data"], as_before)
    older = (source.older,) if isinstance(source, Rows) else (lambda: source.fingerprint,)
    if not fingerprint.agrees(saved.metadata["fingerprint"], source.fingerprint, *older):
        raise ValueError(f"{out} was begun on other data than {source.name}; resume with the same")
    if (saved.config, saved.recipe) != (source.config(estimator), estimator._recipe()):
        raise ValueError(f"{out / runs.STATE} contradicts itself; begin a new run")
    estimator.set_params(**{name: chosen[name] for name in resuming.LENGTHS if name in chosen})
    recipe = estimator._recipe()
    resuming.check_length(source.parts[0], recipe, saved.state)
    metadata = saved.metadata | {"hyperparameters": resuming.settled(estimator)}
    change = resuming.change_of_length(saved.recipe, recipe)
    return Job(out, estimator, source, saved.state, metadata, change)


def _open(
    estimator: Estimator, data: str, reading: dict[str, Any]
) -> Rows | Corpus | Lines | SymbolTable:
    """Return the data for an estimator, checked."""
    if isinstance(estimator, BinaryDensity):
        return Rows(estimator, data)
    how = Reading(**reading)
    if how.lines:
        return Lines(estimator, data, how)
    return (Corpus if is_text(data) else SymbolTable)(estimator, data, how)


def _absolute(data: str) -> str:
    """Return a path that leads there from any folder; a name as it is."""
    return os.path.abspath(data) if os.path.exists(data) else data


def _train(common: Common, job: Job) -> tuple[bool, bool]:
    """Train to the end or to an interruption; return whether a step was made, and if finished."""
    began, saver = job.state.step, resuming.Saver(lambda: _save(job), job.state)
    steps = job.estimator._training(*job.data.parts, job.state)
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
    if isinstance(job.estimator, BinaryDensity):
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
    common.say(f"{job.data.kept(job.state)}; {job.folder / runs.MODEL}")
    if reason := job.estimator._doubt(job.state):
        common.warn(reason)
