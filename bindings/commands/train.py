"""`chainrule train`: a run that can be stopped at any moment and goes on to the same bits."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chainrule import progress
from chainrule.commands import baselines, jobs, locking, runs, settings, standard_input, together
from chainrule.commands.common import Common
from chainrule.commands.inputs import of_rows, said_warnings
from chainrule.commands.jobs import Job
from chainrule.commands.material import kept
from chainrule.commands.requests import TrainRequest
from chainrule.commands.watching import Watch
from chainrule.engine.team import Team, current
from chainrule.estimators import resuming
from chainrule.kernels.threads import n_threads, use_threads
from chainrule.registry import estimator_class, spelling

ENDS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # the last: a cluster's, before its time limit
SIGNALS = tuple(getattr(signal, name) for name in ENDS if hasattr(signal, name))


def run(common: Common, asked: TrainRequest) -> int:
    """Train, and say how well the test rows are predicted; 130 if interrupted.

    Of a team all ranks train one model, and rank 0 alone writes and speaks.
    """
    with together.joined(common.backend) as team:
        return _joined(together.hushed(common, team), asked, team)


def _joined(common: Common, asked: TrainRequest, team: Team) -> int:
    """Read what is asked for, and train."""
    cls, out = estimator_class(asked.model), asked.out
    options = asked.options | {"seed": common.seed}
    chosen = settings.build(cls, options, asked.assignments)
    if common.backend:
        chosen["backend"] = common.backend
    asked = asked._replace(options=chosen, reading=jobs.reading_of(cls, asked.reading))
    if asked.resume and asked.force:
        raise ValueError("--resume goes on with a run and --force replaces it; give one of them")
    with ExitStack() as alone:
        existed, first = out.is_dir(), team.rank == 0
        if existed and first:  # before anything in it is read
            alone.enter_context(locking.only_one(out, common.warn))
        source = asked.data
        if source == standard_input.DASH:
            together.refuse(team, "--data -")
            text = not of_rows(cls())
            source = str(alone.enter_context(standard_input.as_file(Path(source), text)))
        with said_warnings(not common.quiet and not asked.resume):  # what was said when it began
            if asked.resume:
                job = jobs.resumed(common, cls, asked, source)
            else:
                if first:
                    runs.check_free(out, asked.force)
                job = jobs.new(cls, asked, source, common.threads or n_threads())
        if asked.data == standard_input.DASH:
            job.metadata["data"] = asked.data
        team.check_same(job.metadata["fingerprint"].encode(), "data")
        watch = Watch(common, job, asked.samples_every)
        if not existed and first:
            runs.make(out)
            alone.enter_context(locking.only_one(out, common.warn))
            runs.check_free(out, asked.force)  # another may have come first
        return _run(common, job, asked.resume, watch)


def _run(common: Common, job: Job, resume: bool, watch: Watch) -> int:
    """Train in a folder that no other training writes to; return the exit status."""
    threads = common.threads or job.metadata["threads"]
    if threads != job.metadata["threads"]:
        before = job.metadata["threads"]
        common.say(f"this run began on {before} threads; on {threads} the last bits may differ")
    if (parts := jobs.parts(job.estimator)) != (before := job.metadata["parts"]):
        common.say(
            f"this run began with {before} parts a minibatch, ranks times accumulation; with "
            f"{parts} the last bits may differ"
        )
    with use_threads(threads):
        if current().rank == 0:
            _begin(job, resume)
        _announce(common, job)
        if job.change:
            common.say(job.change)
        went_on, finished = _train(common, job, watch)
        if current().rank > 0:
            return 0 if finished else 130
        if not finished:
            return _stopped(common, job)
        if resume and not went_on:
            common.say(f"this run had finished, after {_progress(job)}")
        _report(common, job)
    return 0


def _begin(job: Job, resume: bool) -> None:
    """Make sure that the folder can be written to, and clear what others left there."""
    if not resume:
        _save(job)  # an unwritable folder shows now, not after an epoch
        runs.clear(job.folder)
    runs.sweep(job.folder)
    (job.folder / runs.CLEAN).unlink(missing_ok=True)  # of the model as it was


def _train(common: Common, job: Job, watch: Watch) -> tuple[bool, bool]:
    """Train to the end or to an interruption; return whether a step was made, and if finished."""
    began, saver, team = job.state.step, resuming.Saver(lambda: _save(job), job.state), current()
    steps = job.estimator._training(job.data.source, job.state)
    try:
        shown = progress.training(steps, not common.quiet, lines=team.size > 1)
        with _heeding(common) as asked, closing(shown) as seen:
            for step in seen:
                if team.any(asked()):
                    _save(job)
                    return True, False
                if team.rank == 0:
                    saver.after(step)
                    watch.after(step)
    except FloatingPointError:
        if job.state.best_record and team.rank == 0:  # what was good stays good
            job.estimator._finish(job.state)
            job.estimator.save(job.folder / runs.MODEL)
        raise
    _save(job)
    return job.state.step > began, True


def _save(job: Job) -> None:
    if current().rank > 0:
        return
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
    size, model = job.state.params.size, spelling(type(job.estimator))
    common.say(f"{model}: {size:,} parameters; {job.data.describe()}")
    if chosen := job.estimator._chosen():
        common.say(chosen)


def _stopped(common: Common, job: Job) -> int:
    """Say where the training stands and how it goes on."""
    with suppress(OSError):
        runs.draw_curve(job.folder, job.estimator, job.data.name)
    common.say(f"interrupted at step {job.state.step}, {_progress(job)} finished; go on:")
    common.say(f"chainrule train {spelling(type(job.estimator))} --out {job.folder} --resume")
    return 130


def _progress(job: Job) -> str:
    """Return how far a training is, in epochs or steps."""
    if of_rows(job.estimator):
        an_epoch = -(-job.data.source.size // job.estimator._recipe().batch_size)
        return f"{job.state.step // an_epoch} epochs"
    return f"{job.state.step} of {job.estimator._recipe().steps} steps"


def _report(common: Common, job: Job) -> None:
    """Measure what was kept on data not learnt from; write and print what came of it."""
    with progress.waiting("measuring what was kept", not common.quiet):
        outcome, grid = job.data.report(job.estimator)
        clean = job.data.clean(job.estimator)
    summary = {
        "model": spelling(type(job.estimator)),
        "data": job.data.name,
        **outcome,
        "seconds": sum(record["seconds"] for record in job.state.history),
        "threads": job.metadata["threads"],
        "ranks": current().size,
        "chainrule": version("chainrule"),
    }
    runs.draw_curve(job.folder, job.estimator, job.data.name)
    runs.write_clean(job.folder, clean)
    runs.write_summary(job.folder, summary)
    common.say(grid)
    common.say(f"{kept(job.estimator, job.state)}; {job.folder / runs.MODEL}")
    if reason := job.estimator._doubt(job.state):
        common.warn(reason)
        return
    of_baselines = baselines.beaten(outcome, job.folder / runs.CURVE)
    for more in (of_baselines, job.estimator._unfinished(job.state)):
        if more:
            common.say(more)
