"""Where a network drops numbers while it trains; the operation is `chainrule.kernels.dropout`.

A network has sites, numbered by its model, and each drops with masks of its own. Nothing is kept
from the forward pass to the backward one but the site itself, from which the masks follow.
"""

from dataclasses import dataclass

from chainrule.engine.arena import New
from chainrule.engine.noise import Noise
from chainrule.kernels import dropout
from chainrule.kernels.types import Array


@dataclass(frozen=True)
class Site:
    """One place of a network in one pass: which share of the numbers to drop, and which."""

    rate: float
    noise: Noise
    number: int

    def drop(self, x: Array, y: Array, time_major: bool = False) -> None:
        """Overwrite y by M ∘ x: F1-F4 forward, B1 backward. (N, T, C), or (T, N, C) time-major."""
        seed, step, row = self.noise
        dropout.apply(x, y, time_major, self.rate, seed, step, self.number, row)


def site(rate: float, noise: Noise | None, number: int) -> Site | None:
    """Return the site called `number`; None where nothing is dropped: without noise, or rate 0."""
    return None if noise is None or rate == 0 else Site(rate, noise, number)


def forward(x: Array, site: Site | None) -> None:
    """Overwrite x, (N, T, C), by M ∘ x; leave it where there is no site."""
    if site is not None:
        site.drop(x, x)


def of_pixels(a: Array, site: Site | None) -> None:
    """Overwrite images' features a, (N, R, S, F), by M ∘ a, pixels being positions, if at all."""
    forward(a.reshape(len(a), -1, a.shape[-1]), site)


def backward(dy: Array, site: Site | None, new: New) -> Array:
    """Return dx, (N, T, C): a new array, or dy itself where nothing was dropped."""
    if site is None:
        return dy
    dx = new(dy.shape)
    site.drop(dy, dx)
    return dx
