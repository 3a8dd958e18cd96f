"""Trainings on standardised columns, whose losses are told in the data's own units."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from chainrule.engine.training import divergence, train
from chainrule.engine.training.sources import Source
from chainrule.estimators.row_density import RowDensity


class InUnits(RowDensity):
    """Base class: densities of rows that are scaled before a model sees them.

    The loss of such rows, -log p(z), is -log p(x) + log |dz/dx|: what is shown and kept of a
    training is the former without the latter. What the engine keeps of it is as it is.
    """

    _shifts: dict[str, float]  # log |dz/dx|, the mean over the rows of "train" and of "valid"

    def _finish(self, state: train.State) -> None:
        super()._finish(state)
        self.history_ = [self._shifted(record) for record in self.history_]

    def _training(
        self, source: Source, state: train.State
    ) -> Generator[train.Progress, None, None]:
        with closing(super()._training(source, state)) as steps:
            for step in steps:
                record = None if step.record is None else self._shifted(step.record)
                yield replace(step, loss=step.loss - self._shifts["train"], record=record)

    def _shifted(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with its losses in the data's units."""
        losses = {
            name: record[name] - shift
            for name, shift in self._shifts.items()
            if record[name] is not None
        }
        return record | losses

    def _doubt(self, state: train.State) -> str | None:
        shift = self._shifts["train" if state.history[-1]["valid"] is None else "valid"]
        return divergence.doubt(state, divergence.guessing(self._fitted_config().event), shift)
