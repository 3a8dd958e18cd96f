"""Which pixels an output sees: windows of a masked convolution, as runs of pixels.

    raster(k, "B")              above(3, "B")    left(3, "B")

    ■ ■ ■   the rows above      ■ ■ ■            · · ·
    ■ ■ ·   and to the left,    ■ ■ ■            ■ ■ ·
    · · ·   the pixel itself    · · ·            · · ·

full(k) is the whole square: an ordinary convolution, for whoever predicts no pixel.

Kind "A" is for a model's first layer, whose inputs are the pixels to be predicted: it leaves out
what `above` and `left` look at last, the own row and the own pixel, but for smaller groups of the
own pixel's channels. Features of kind A know no more than they may, so that later layers, of kind
"B", see all of them in the same place.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

KINDS = ("A", "B")


class Window(NamedTuple):
    """The visible pixels around a pixel, by rows from the top.

    runs: (u, v, n) each, n pixels of a row of the image, from u rows below and v columns right of
    the pixel on. groups: in how many groups the channels are, of inputs and of outputs, where
    the pixel itself is looked at: group g of the outputs sees groups up to g of the inputs, all of
    a pixel's where there is one. strict: smaller ones than g only.
    """

    runs: tuple[tuple[int, int, int], ...]
    groups: int = 1
    strict: bool = False

    def taps(self) -> Iterator[tuple[int, int]]:
        """Yield (u, v) of every visible pixel, in the order of the weights."""
        for u, v, n in self.runs:
            yield from ((u, v + i) for i in range(n))

    @property
    def n_taps(self) -> int:
        """How many pixels are visible."""
        return sum(n for _, _, n in self.runs)

    @property
    def mirrored(self) -> tuple[tuple[int, int, int], ...]:
        """The runs that a pixel is seen from: all taps turned round, the last one first."""
        return tuple((-u, 1 - v - n, n) for u, v, n in reversed(self.runs))

    @property
    def centre(self) -> int | None:
        """Which tap is the pixel itself; None where nothing of it is seen."""
        for t, tap in enumerate(self.taps()):
            if tap == (0, 0):
                return t
        return None

    def seen(self, C: int, O: int) -> list[int]:
        """Return how many of the pixel's own C channels each of O outputs sees: the first so many.

        Raises:
            ValueError: channels that cannot be cut into so many groups of one size.
        """
        if C % self.groups or O % self.groups:
            raise ValueError(
                f"{C} and {O} channels cannot be cut into {self.groups} groups of one size: "
                f"choose multiples of {self.groups}"
            )
        own = 0 if self.strict else 1
        return [(o * self.groups // O + own) * C // self.groups for o in range(O)]

    def mask(self, C: int, O: int) -> Any:
        """Return the mask that nobody else stores, (T, C, O) bool: whether W's entry is read."""
        visible = np.ones((self.n_taps, C, O), bool)
        if self.centre is not None:
            visible[self.centre] = np.arange(C)[:, None] < self.seen(C, O)
        return visible


def raster(k: int, kind: str, groups: int = 1) -> Window:
    """Return the window of a k × k kernel in raster order. k: odd; 1: the pixel itself.

    Raises:
        ValueError: an even size, an unknown kind, or nothing that could be seen.
    """
    half = _half(k, kind)
    rows = tuple((u, -half, k) for u in range(-half, 0))
    return _window(rows + _own_row(half, kind, groups), kind, groups)


def above(k: int, kind: str) -> Window:
    """Return the rows above: of kind B the own row too, whose features know rows above it alone.

    ⌊k/2⌋ + 1 rows of k pixels, of kind A ⌊k/2⌋.

    Raises:
        ValueError: as for `raster`.
    """
    half = _half(k, kind)
    end = 0 if kind == "A" else 1
    return _window(tuple((u, -half, k) for u in range(-half, end)), kind, 1)


def left(k: int, kind: str, groups: int = 1) -> Window:
    """Return the own row, to the left, and of kind B the pixel itself.

    Raises:
        ValueError: as for `raster`.
    """
    return _window(_own_row(_half(k, kind), kind, groups), kind, groups)


def full(k: int) -> Window:
    """Return the window of all k × k taps, which hides nothing. k: odd.

    Raises:
        ValueError: an even size.
    """
    half = _half(k, "B")
    return _window(tuple((u, -half, k) for u in range(-half, half + 1)), "B", 1)


def _half(k: int, kind: str) -> int:
    if k < 1 or k % 2 == 0:
        raise ValueError(f"a kernel's size must be odd, so that it has a middle, got {k}")
    if kind not in KINDS:
        raise ValueError(f"a mask is of kind A or B, got {kind!r}")
    return k // 2


def _own_row(half: int, kind: str, groups: int) -> tuple[tuple[int, int, int], ...]:
    """Return the run of the own row, empty where nothing of it is seen."""
    n = half + (1 if kind == "B" or groups > 1 else 0)
    return ((0, -half, n),) if n else ()


def _window(runs: tuple[tuple[int, int, int], ...], kind: str, groups: int) -> Window:
    if groups < 1:
        raise ValueError(f"channels are in 1 group or more, got {groups}")
    if not runs:
        raise ValueError("a 1 × 1 kernel of kind A sees nothing: choose a larger one, or kind B")
    return Window(runs, groups, strict=kind == "A")
