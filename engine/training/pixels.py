"""Images as a training sees them: drawn anew in each epoch, as `chainrule.engine.greys` says."""

from typing import Any, NamedTuple

from chainrule.engine import greys
from chainrule.engine.greys import Chance
from chainrule.engine.training.batches import Chosen
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import RowSource, Source


class Drawn(NamedTuple):
    """Some images, not yet drawn: each thread draws its own slice of them alone."""

    array: Any
    rows: Any
    chance: Chance
    seed: int
    epoch: int

    def __getitem__(self, part: Any) -> Any:
        """Return the images of a slice."""
        rows = self.rows[part]
        return greys.seen(self.array[rows], self.chance, self.seed, self.epoch, rows)


class ImageSource(RowSource):
    """Images x, (N, H, W, C), and a label of each or None, of which something is drawn in training.

    Where bits are drawn, x are greys. valid: as of `RowSource`, images as the model's event says.
    """

    def __init__(
        self, x: Any, y: Any = None, valid: tuple[Any, Any] | None = None, chance: Any = None
    ) -> None:
        """Keep the images as they are."""
        super().__init__(x, y, valid)
        self._chance: Chance = chance or Chance()

    def on(self, xp: Any) -> Source:
        """Return the images as arrays of xp, all of them at once."""
        placed = super().on(xp)
        assert isinstance(placed, ImageSource)
        placed._chance = self._chance
        return placed

    def _some(self, recipe: Recipe, step: int, rows: Any) -> Any:
        if self._chance == Chance():
            return Chosen(self._x, rows)
        epoch = step // self._epoch(recipe) + 1
        return Drawn(self._x, rows, self._chance, recipe.seed, epoch)
