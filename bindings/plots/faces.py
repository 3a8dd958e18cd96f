"""Images of levels as tiles, in greys or colours, and what of them is veiled.

Two levels are ink on paper, as all pictures of bits here; more are greys, the lowest black and the
highest white; three channels are red, green and blue.
"""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import Colormap, to_rgb
from numpy.typing import NDArray

from chainrule.plots import reading
from chainrule.plots.palette import GREYS, INKS, VEIL, VEILED, VEILED_GREYS
from chainrule.plots.panels import Image, Panel

CURE = "say how many there are: levels=…"
UNSEEN = -1.0  # where 0 is the lowest level and 1 the highest


class Faces(NamedTuple):
    """Tiles, (N, h, w) in [0, 1] or (N, h, w, 3) in colours of their own, and their colours."""

    tiles: Image
    colours: Colormap = INKS

    def panel(self, title: str, columns: int) -> Panel:
        """Return a panel of them."""
        return Panel(title, self.tiles, columns, self.colours)

    def veiled(self, title: str, seen: NDArray[np.bool_]) -> Panel:
        """Return a panel of one column in which what is not `seen`, (1 or N, h, w), is shaded."""
        if self.tiles.ndim == 4:
            return Panel(title, np.where(seen[..., None], self.tiles, to_rgb(VEIL)), 1)
        colours = VEILED if self.colours is INKS else VEILED_GREYS
        return Panel(title, np.where(seen, self.tiles, UNSEEN), 1, colours, UNSEEN, 1)


def faces(x: Any, levels: int | None = None, name: str = "x", model: Any = None) -> Faces:
    """Return images x, (N, R, S) or (N, R, S, C), of levels 0 … levels - 1, as tiles.

    C is 1 or 3. levels: None: those of the model that reads them, or as many as they show.

    Raises:
        ValueError, TypeError: no such images.
    """
    images = reading.images(x, name, model)
    if images.shape[3] not in (1, 3):
        raise ValueError(f"{name} must have 1 or 3 channels to be drawn, got {images.shape[3]}")
    top = reading.levels(levels, model, images, name) - 1
    reading.check_levels(images, top + 1, name, CURE)
    if images.shape[3] == 3:
        return Faces(images / top)
    return Faces(images[..., 0] / top, INKS if top == 1 else GREYS)
