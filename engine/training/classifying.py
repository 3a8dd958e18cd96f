"""Rows with labels for a classifier, which learns p(y | x) and no density of x."""

from typing import Any

import numpy as np

from chainrule.engine.params import Params
from chainrule.engine.team import ALONE, Team
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import RowSource

EVAL_ROWS = 4096  # validated on at once


class ClassedRows(RowSource):
    """Rows x, (N, …), and a class of each, of which a model's `losses` are of the class alone."""

    def validate(
        self, model: Any, config: Any, recipe: Recipe, params: Params, team: Team = ALONE
    ) -> float:
        """Return the mean of -log p(y | x) over all validation rows, nats."""
        assert self._valid is not None
        x: Any = self._valid[0]
        y: Any = self._valid[1]
        total = 0.0
        first, last = team.slice_of(len(x))
        for at in range(first, last, EVAL_ROWS):
            some = slice(at, min(at + EVAL_ROWS, last))
            losses = model.losses(config, params, x[some], y[some])
            total += float(losses.sum(dtype=np.float64))
        return team.total(total) / len(x)
