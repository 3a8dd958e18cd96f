"""Images of levels as tiles, in greys or colours, and what of them is veiled.

Two levels are ink on paper, as all pictures of bits here; more are greys, the lowest black and the
highest white; three channels are red, green and blue.
"""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import Colormap, to_rgb
from numpy.typing import NDArray

from chainrule.plots.palette import GREYS, INKS, VEIL, VEILED, VEILED_GREYS
from chainrule.plots.panels import Image, Panel

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


def faces(x: Any, levels: int) -> Faces:
    """Return images x, (N, R, S, C), of levels 0 … levels - 1, as tiles; C is 1 or 3."""
    images = four_axes(x, "images")
    if images.shape[3] not in (1, 3):
        raise ValueError(f"images have 1 or 3 channels to be drawn, got {images.shape[3]}")
    shares = images / (levels - 1)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(
            f"levels reach from 0 to {levels - 1}, got {images.min():g} to {images.max():g}; "
            "say how many there are: levels=…"
        )
    if images.shape[3] == 3:
        return Faces(shares)
    return Faces(shares[..., 0], INKS if levels == 2 else GREYS)


def levels_of(*images: Any) -> int:
    """Return how many levels images have, as far as they show: one more than the largest."""
    return max(2, *(int(np.max(x, initial=0)) + 1 for x in images))


def four_axes(x: Any, what: str) -> NDArray[np.float64]:
    """Return x as float64, checked to be (N, R, S, C) and not empty."""
    images: NDArray[np.float64] = np.asarray(x, np.float64)
    if images.ndim != 4 or not images.size:
        raise ValueError(f"{what} have the shape (N, R, S, C) and are not empty, got {np.shape(x)}")
    return images
