"""Samples in a run's folder while it trains: one picture, drawn anew every so many records.

They are the best model's so far, few, and always by the same random numbers, so that each picture
shows what the training has changed. What is learnt does not change by a bit.
"""

from math import prod
from typing import Any

import numpy as np

from chainrule.commands import inputs, tabular
from chainrule.commands.common import Common, picture
from chainrule.commands.jobs import Job
from chainrule.commands.runs import SAMPLES
from chainrule.engine.training.train import Progress
from chainrule.registry import spelling

DRAWN = 16  # samples: a square of them is seen at a glance, and costs little


class Watch:
    """Draws samples of a job's model after every so many records; None: never.

    Raises:
        ValueError: its rows are no pictures, or it draws none.
    """

    def __init__(self, common: Common, job: Job, every: int | None) -> None:
        """Keep what is needed; nothing is drawn yet."""
        self._common, self._job, self._every = common, job, every
        self._shape = None if every is None else _shape(job)

    def after(self, step: Progress) -> None:
        """Draw after a minibatch if it made a record, and it is time."""
        model, n = self._job.estimator, len(self._job.state.history)
        if self._every is None or step.record is None or n % self._every:
            return
        model._finish(self._job.state)
        record = model.history_[-1]
        clock = model.clock if model.clock in record else "step"
        out = self._job.folder / SAMPLES
        best = getattr(model, f"best_{model.clock}_")
        later = clock == model.clock and best not in (0, record[clock])
        drawn_by = f", by {clock} {best}, the best so far" if later else ""
        title = f"samples of {spelling(type(model))} after {clock} {record[clock]}{drawn_by}"
        try:
            rows, shape, levels = self._drawn(model)
            picture(out, "sample_grid", rows, shape, None, title, levels)
        except OSError as error:  # a picture less is no reason to end a training
            self._common.warn(str(error))

    def _drawn(self, model: Any) -> tuple[Any, Any, int | None]:
        """Return samples as `plots` draws them, their shape as rows, and their levels."""
        levels = tabular.levels(model)
        if inputs.of_images(model):
            drawn = model.sample(DRAWN, seed=0)
            return drawn.reshape(DRAWN, *model.encoder_.shape), None, levels
        if inputs.of_rows(model):
            drawn = model.sample(DRAWN, seed=0)
        else:
            drawn = model.sample(prod(self._shape or ()), size=DRAWN, seed=0)
        shape = self._shape and (self._shape[0], prod(self._shape[1:]))
        return np.asarray(drawn, float) / max(1, (levels or 2) - 1), shape, None


def _shape(job: Job) -> tuple[int, ...] | None:
    """Return the shape of a row as a picture; None: as it seems, of bits without names.

    Raises:
        ValueError: it is no picture.
    """
    model, shape = job.estimator, job.data.image_shape(job.estimator)
    words = "--samples-every draws pictures, and"
    if not hasattr(model, "sample"):
        raise ValueError(f"{words} {spelling(type(model))} draws nothing; leave it out")
    if inputs.of_images(model):
        return None
    levels = tabular.levels(model)
    nameless = inputs.of_rows(model) and levels == 2 and inputs.fitted_columns(model) is None
    if levels is None or (shape is None and not nameless):
        raise ValueError(f"{words} {job.data.name} holds none; leave it out")
    return shape
