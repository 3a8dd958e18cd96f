"""Rows for a model that is no density: what it is trained to do is to give them back."""

from typing import Any

import numpy as np

from chainrule.engine import bounds
from chainrule.engine.params import Params
from chainrule.engine.team import ALONE, Team
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import RowSource


class Reconstructions(RowSource):
    """Rows x, (N, D), whose validation loss is a model's error in giving them back."""

    def validate(
        self, model: Any, config: Any, recipe: Recipe, params: Params, team: Team = ALONE
    ) -> float:
        """Return the mean error of all validation rows."""
        assert self._valid is not None
        x: Any = self._valid[0]
        step, total = bounds.rows_at_once(config.event), 0.0
        first, last = team.slice_of(len(x))
        for at in range(first, last, step):
            each = model.errors(config, params, x[at : min(at + step, last)])
            total += float(each.sum(dtype=np.float64))
        return team.total(total) / len(x)
